// The page's side of `chapan bench ssim --browser`: gives the studio's own worker two pictures whenever it is its turn.
const bytes = async (path) => (await fetch(path)).arrayBuffer();
const text = async (path) => (await fetch(path)).text();
const tell = (path, body) => fetch(path, { method: "POST", body });

try {
  const script = new Blob([await text("/chapan-worker.js"), await text("/boot.js")], { type: "text/javascript" });
  const worker = new Worker(URL.createObjectURL(script));
  const answer = () =>
    new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(JSON.parse(data[0]).answer);
      worker.onerror = (event) => reject(event.message);
    });
  const ready = answer();
  worker.postMessage(await WebAssembly.compile(await bytes("/chapan-worker_bg.wasm")));
  await ready;
  const pictures = [await bytes("/a.png"), await bytes("/b.png")];
  for (;;) {
    // Answers when it is this side's turn.
    if ((await text("/turn")) !== "measure") break;
    const given = pictures.map((picture) => picture.slice(0));
    const measured = answer();
    worker.postMessage([JSON.stringify({ id: 1, task: { Compare: { palette: [] } } }), ...given], given);
    await tell("/measured", JSON.stringify(await measured));
  }
} catch (error) {
  await tell("/measured", JSON.stringify({ Crashed: { message: String(error) } }));
}
