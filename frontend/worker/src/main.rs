//! The program of a web worker: takes one task after the other from the page and answers each.
//!
//! It holds what was loaded: the easel for drawing, the reader of prompts. Nothing here waits for the page, so a page that
//! wants a drawing to end ends the worker. A panic is told and then ends the program; the page starts another.

mod tasks;

use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

use chapan_worker::messages::{Answer, Reply, Request};
use tasks::post;

fn main() {
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        post(&Reply { id: None, answer: Answer::Crashed { message: info.to_string() } }, Vec::new());
    }));
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let take = Closure::<dyn Fn(MessageEvent)>::new(|event: MessageEvent| {
        let message = js_sys::Array::from(&event.data());
        let text = message.get(0).as_string().unwrap_or_default();
        // Page and worker are built together: another kind of message is nobody's.
        if let Ok(Request { id, task }) = serde_json::from_str(&text) {
            let buffers = message.iter().skip(1).collect();
            wasm_bindgen_futures::spawn_local(tasks::run(id, task, buffers));
        }
    });
    scope.set_onmessage(Some(take.as_ref().unchecked_ref()));
    // It lives as long as the worker.
    take.forget();
    post(&Reply { id: None, answer: Answer::Ready }, Vec::new());
}
