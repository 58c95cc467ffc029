// Puts the icons into the page, then starts the WebAssembly module that the build named on this script's own tag.
const own = document.querySelector("script[data-wasm]");
const module = import(own.dataset.js);

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
await (await module).default({ module_or_path: own.dataset.wasm });
