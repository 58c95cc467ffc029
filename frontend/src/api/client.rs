//! Sends a request and reads the answer. A request whose future is dropped is aborted, so a page that goes away takes
//! its requests with it.

use chapan_api::error::ErrorBody;
use serde::{Serialize, de::DeserializeOwned};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, RequestInit, Response};

use crate::worker::Fault;

/// Why there is no answer to use.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// The server could not be reached.
    Offline,
    /// The server refused, and says why.
    Refused(Box<ErrorBody>),
    /// The answer is not what this version of the page understands.
    Unreadable(String),
    /// The page's own worker did not do it.
    Worker(Fault),
}

struct AbortOnDrop(AbortController);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn send(
    method: &str,
    path: &str,
    body: Option<String>,
) -> Result<(Response, Option<AbortOnDrop>), Failure> {
    let json = body.is_some().then_some("application/json");
    request(method, path, body.map(JsValue::from), json).await
}

async fn request(
    method: &str,
    path: &str,
    body: Option<JsValue>,
    kind: Option<&str>,
) -> Result<(Response, Option<AbortOnDrop>), Failure> {
    let Some(window) = web_sys::window() else { return Err(Failure::Offline) };
    let init = RequestInit::new();
    init.set_method(method);
    let abort = AbortController::new().ok().map(AbortOnDrop);
    if let Some(abort) = &abort {
        init.set_signal(Some(&abort.0.signal()));
    }
    if let Ok(headers) = web_sys::Headers::new() {
        let _ = headers.set("Accept", "application/json");
        // A file names its own kind.
        if let Some(kind) = kind {
            let _ = headers.set("Content-Type", kind);
        }
        init.set_headers(&headers);
    }
    if let Some(body) = body {
        init.set_body(&body);
    }
    let answer =
        JsFuture::from(window.fetch_with_str_and_init(path, &init)).await.map_err(|_| Failure::Offline)?;
    let response: Response = answer.dyn_into().map_err(|_| Failure::Unreadable("no response".to_owned()))?;
    if response.ok() {
        return Ok((response, abort));
    }
    let status = response.status();
    let text = text_of(&response).await.unwrap_or_default();
    match serde_json::from_str::<ErrorBody>(&text) {
        Ok(body) => Err(Failure::Refused(Box::new(body))),
        // A proxy in between answers for a server that is gone.
        Err(_) if matches!(status, 502..=504) => Err(Failure::Offline),
        Err(_) => Err(Failure::Unreadable(format!("HTTP {status}"))),
    }
}

async fn text_of(response: &Response) -> Result<String, Failure> {
    let promise = response.text().map_err(|_| Failure::Offline)?;
    let text = JsFuture::from(promise).await.map_err(|_| Failure::Offline)?;
    text.as_string().ok_or_else(|| Failure::Unreadable("not text".to_owned()))
}

/// The text of a file on the server.
pub(super) async fn text(path: &str) -> Result<String, Failure> {
    let (response, _abort) = send("GET", path, None).await?;
    text_of(&response).await
}

async fn json<T: DeserializeOwned>(method: &str, path: &str, body: Option<String>) -> Result<T, Failure> {
    let (response, _abort) = send(method, path, body).await?;
    let text = text_of(&response).await?;
    serde_json::from_str(&text).map_err(|error| Failure::Unreadable(error.to_string()))
}

pub(super) async fn get<T: DeserializeOwned>(path: &str) -> Result<T, Failure> {
    json("GET", path, None).await
}

pub(super) async fn post<B: Serialize, T: DeserializeOwned>(path: &str, body: &B) -> Result<T, Failure> {
    let body = serde_json::to_string(body).map_err(|error| Failure::Unreadable(error.to_string()))?;
    json("POST", path, Some(body)).await
}

pub(super) async fn patch<B: Serialize, T: DeserializeOwned>(path: &str, body: &B) -> Result<T, Failure> {
    let body = serde_json::to_string(body).map_err(|error| Failure::Unreadable(error.to_string()))?;
    json("PATCH", path, Some(body)).await
}

/// Removes a part and reads what is left.
pub(super) async fn remove<T: DeserializeOwned>(path: &str) -> Result<T, Failure> {
    json("DELETE", path, None).await
}

/// Sends a file as it is.
pub(super) async fn upload<T: DeserializeOwned>(path: &str, file: &web_sys::Blob) -> Result<T, Failure> {
    send_file(path, file, None).await
}

/// Sends a file as what the server expects: browsers name a zip in more than one way.
pub(super) async fn upload_as<T: DeserializeOwned>(
    path: &str,
    file: &web_sys::Blob,
    kind: &str,
) -> Result<T, Failure> {
    send_file(path, file, Some(kind)).await
}

async fn send_file<T: DeserializeOwned>(
    path: &str,
    file: &web_sys::Blob,
    kind: Option<&str>,
) -> Result<T, Failure> {
    let (response, _abort) = request("POST", path, Some(file.into()), kind).await?;
    let text = text_of(&response).await?;
    serde_json::from_str(&text).map_err(|error| Failure::Unreadable(error.to_string()))
}

/// Asks for something to be done and reads no answer but its success.
pub(super) async fn act(method: &str, path: &str) -> Result<(), Failure> {
    send(method, path, None).await.map(|_| ())
}

/// The bytes of a file on the server.
pub async fn bytes(path: &str) -> Result<Vec<u8>, Failure> {
    let (response, _abort) = send("GET", path, None).await?;
    let promise = response.array_buffer().map_err(|_| Failure::Offline)?;
    let buffer = JsFuture::from(promise).await.map_err(|_| Failure::Offline)?;
    Ok(js_sys::Uint8Array::new(&buffer).to_vec())
}
