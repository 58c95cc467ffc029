//! The worker's program: fetched once for the life of the page, so that a worker can be started when the server is gone.

use std::cell::RefCell;

use js_sys::{Array, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, future_to_promise};

use crate::api::{self, Failure};

/// As Trunk names them; workers' files carry no hash.
const GLUE: &str = "/chapan-worker.js";
const PROGRAM: &str = "/chapan-worker_bg.wasm";
/// What follows the glue in the worker's script.
const BOOT: &str = include_str!("../../worker/boot.js");

thread_local! {
    static LOADING: RefCell<Option<Promise>> = const { RefCell::new(None) };
}

/// What a worker is started with.
pub struct Program {
    /// Address of its script.
    pub script: String,
    /// Its compiled module, which it takes as the first message.
    pub module: JsValue,
}

/// The program, from memory or from the server.
pub async fn load() -> Result<Program, Failure> {
    let loading = LOADING.with_borrow_mut(|loading| {
        loading
            .get_or_insert_with(|| future_to_promise(async { fetch().await.map_err(|_| JsValue::NULL) }))
            .clone()
    });
    let Ok(parts) = JsFuture::from(loading).await else {
        // The next one tries again.
        LOADING.set(None);
        return Err(Failure::Offline);
    };
    let parts = Array::from(&parts);
    Ok(Program { script: parts.get(0).as_string().unwrap_or_default(), module: parts.get(1) })
}

async fn fetch() -> Result<JsValue, Failure> {
    let unreadable = |_| Failure::Unreadable("the worker's program".to_owned());
    let glue = String::from_utf8(api::bytes(GLUE).await?)
        .map_err(|_| Failure::Unreadable("the worker's script".to_owned()))?;
    let bytes = js_sys::Uint8Array::from(api::bytes(PROGRAM).await?.as_slice());
    let module = JsFuture::from(js_sys::WebAssembly::compile(&bytes)).await.map_err(unreadable)?;
    let parts = Array::of2(&JsValue::from_str(&glue), &JsValue::from_str(BOOT));
    let kind = web_sys::BlobPropertyBag::new();
    kind.set_type("text/javascript");
    let script = web_sys::Blob::new_with_str_sequence_and_options(&parts, &kind).map_err(unreadable)?;
    let script = web_sys::Url::create_object_url_with_blob(&script).map_err(unreadable)?;
    Ok(Array::of2(&JsValue::from_str(&script), &module).into())
}
