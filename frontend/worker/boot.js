// Starts the worker's program, which the page sends as the first message, and tells of its end if it dies.
const crash = (what) => postMessage([JSON.stringify({ id: null, answer: { Crashed: { message: String(what) } } })]);
addEventListener("error", (event) => crash(event.message));
addEventListener("unhandledrejection", (event) => crash(event.reason));
addEventListener("message", ({ data }) => wasm_bindgen({ module_or_path: data }).catch(crash), { once: true });
