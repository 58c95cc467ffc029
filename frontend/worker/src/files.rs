//! Files of a small model: from the browser's own store when they are there, else from the server, and kept.
//!
//! Files are kept under their hash, so a kept one never needs to be asked for again; the list of files is asked for each
//! time and kept for the day on which the server does not answer.

use chapan_api::model::ModelFile;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Cache, DedicatedWorkerGlobalScope, Response};

use crate::check::Files;
use crate::messages::{Reason, Refusal};

/// Fetches the files of a model that `wants` says yes to. `tell` hears how many bytes of how many are there.
pub async fn fetch(
    scope: &DedicatedWorkerGlobalScope,
    model: &str,
    wants: impl Fn(&str) -> bool,
    tell: impl Fn(u64, u64),
) -> Result<Files, Refusal> {
    let place =
        format!("{}/api/models/{}/files", origin(scope), String::from(js_sys::encode_uri_component(model)));
    let store = open_store(scope, model).await;
    let list = list(scope, store.as_ref(), &place).await?;
    let address = |file: &ModelFile| format!("{place}/{}?sha256={}", file.path, file.sha256);
    let wanted: Vec<&ModelFile> = list.iter().filter(|file| wants(&file.path)).collect();
    let total = wanted.iter().map(|file| file.size_bytes).sum();
    let mut files = Files::new();
    let mut done = 0;
    for file in wanted {
        let bytes = match kept(store.as_ref(), &address(file)).await {
            Some(bytes) => bytes,
            None => download(scope, store.as_ref(), &address(file)).await?,
        };
        done += file.size_bytes;
        tell(done, total);
        files.insert(file.path.clone(), bytes);
    }
    if let Some(store) = &store {
        let known: Vec<String> = list.iter().map(address).chain([place.clone()]).collect();
        forget_others(store, &known).await;
    }
    Ok(files)
}

/// Where the page comes from. The worker's own address is a blob, from which no path leads to the server.
fn origin(scope: &DedicatedWorkerGlobalScope) -> String {
    let origin = js_sys::Reflect::get(scope, &JsValue::from_str("origin")).ok();
    origin.and_then(|origin| origin.as_string()).unwrap_or_default()
}

/// The store of a model; a browser that has none (an address without encryption, private mode) asks the server each time.
async fn open_store(scope: &DedicatedWorkerGlobalScope, model: &str) -> Option<Cache> {
    let caches = js_sys::Reflect::get(scope, &JsValue::from_str("caches")).ok()?;
    let caches: web_sys::CacheStorage = caches.dyn_into().ok()?;
    JsFuture::from(caches.open(&format!("chapan-model-{model}"))).await.ok()?.dyn_into().ok()
}

async fn list(
    scope: &DedicatedWorkerGlobalScope,
    store: Option<&Cache>,
    place: &str,
) -> Result<Vec<ModelFile>, Refusal> {
    let bytes = match download(scope, store, place).await {
        Err(Refusal { reason: Reason::Offline, message }) => {
            kept(store, place).await.ok_or(Refusal { reason: Reason::Offline, message })?
        }
        other => other?,
    };
    serde_json::from_slice(&bytes).map_err(|error| Refusal::new(Reason::Unreadable, error))
}

async fn kept(store: Option<&Cache>, address: &str) -> Option<Vec<u8>> {
    let found = JsFuture::from(store?.match_with_str(address)).await.ok()?;
    read(&found.dyn_into().ok()?).await
}

async fn download(
    scope: &DedicatedWorkerGlobalScope,
    store: Option<&Cache>,
    address: &str,
) -> Result<Vec<u8>, Refusal> {
    let offline = || Refusal::new(Reason::Offline, format!("`{address}` could not be fetched"));
    let answer = JsFuture::from(scope.fetch_with_str(address)).await.map_err(|_| offline())?;
    let response: Response = answer.dyn_into().map_err(|_| offline())?;
    match response.status() {
        200 => {}
        404 => return Err(Refusal::new(Reason::NoModel, format!("`{address}` is not there"))),
        502..=504 => return Err(offline()),
        status => return Err(Refusal::new(Reason::Unreadable, format!("`{address}`: HTTP {status}"))),
    }
    if let Some(store) = store
        && let Ok(copy) = response.clone()
    {
        // A store that is full keeps nothing; the file is still used.
        drop(JsFuture::from(store.put_with_str(address, &copy)).await);
    }
    read(&response).await.ok_or_else(offline)
}

async fn read(response: &Response) -> Option<Vec<u8>> {
    let buffer = JsFuture::from(response.array_buffer().ok()?).await.ok()?;
    Some(Uint8Array::new(&buffer).to_vec())
}

/// Forgets files of earlier versions.
async fn forget_others(store: &Cache, known: &[String]) {
    let Ok(keys) = JsFuture::from(store.keys()).await else { return };
    for key in Array::from(&keys).iter() {
        let Ok(request) = key.dyn_into::<web_sys::Request>() else { continue };
        if !known.iter().any(|address| request.url().ends_with(address.as_str())) {
            drop(JsFuture::from(store.delete_with_request(&request)).await);
        }
    }
}
