// Puts the icons into the page, then starts the program in the folder that the build named on this script's own tag.
// A function that makes a vector: a browser that does not take it does not take the program either.
const VECTOR = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
document.getElementById("old-browser").hidden = WebAssembly.validate(new Uint8Array(VECTOR));

const { program: folder, parts } = document.querySelector("script[data-program]").dataset;
const module = import(`${folder}/chapan-web.js`);
const program = fetch(`${folder}/chapan-web_bg.wasm`);
// What the page of this address needs besides is on its way before the program asks.
const room = ["", "studio"].includes(location.pathname.split("/")[1]) ? "studio" : "rooms";
for (const [part, ...files] of parts.split(",").map((line) => line.split(" "))) {
  if (part === room) {
    files.forEach((file) => fetch(`${folder}/${file}`).catch(() => {}));
  }
}

// The style of the rooms comes with their code; one that did not come is asked for again.
let dressed;
globalThis.dressRooms = () => (dressed ??= new Promise((done, fail) => {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = `${folder}/rooms.css`;
  link.onload = done;
  link.onerror = () => {
    dressed = undefined;
    link.remove();
    fail();
  };
  document.head.append(link);
}));

// All files of what was dropped, those in its folders too, each with its path.
globalThis.filesIn = async (data) => {
  const walk = async (entry) => {
    if (entry.isFile) {
      const file = await new Promise((done, fail) => entry.file(done, fail));
      file.path = entry.fullPath;
      return [file];
    }
    const reader = entry.createReader();
    const found = [];
    for (let some; (some = await new Promise((done, fail) => reader.readEntries(done, fail))).length > 0; ) {
      found.push(...some);
    }
    return (await Promise.all(found.map(walk))).flat();
  };
  const entries = [...data.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  return entries.length > 0 ? (await Promise.all(entries.map(walk))).flat() : [...data.files];
};

async function icons() {
  const answer = await fetch("/icons.svg");
  const sprite = new DOMParser().parseFromString(await answer.text(), "image/svg+xml").documentElement;
  for (const [name, value] of [["width", "0"], ["height", "0"], ["aria-hidden", "true"]]) {
    sprite.setAttribute(name, value);
  }
  document.body.append(document.importNode(sprite, true));
}

// A page without icons is still a page: their loss does not keep it from starting.
await Promise.all([icons().catch(() => {}), module]);
await (await module).default({ module_or_path: program });
