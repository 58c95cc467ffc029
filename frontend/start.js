// Starts the WebAssembly module that the build named on this script's own tag.
const own = document.querySelector("script[data-wasm]");
const { default: start } = await import(own.dataset.js);
await start({ module_or_path: own.dataset.wasm });
