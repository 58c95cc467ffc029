//! The texts of the page: data files that are served beside it.

use std::collections::BTreeMap;

use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, future_to_promise};

use super::{Failure, client};

/// The texts of some rooms in a language, by their names there; all rooms are asked for at once.
pub async fn all(language: &str, rooms: &[&'static str]) -> Result<Vec<BTreeMap<String, String>>, Failure> {
    let answers: js_sys::Array = rooms
        .iter()
        .map(|room| {
            let path = format!("/locales/{language}/{room}.json");
            future_to_promise(async move {
                let text = client::text(&path).await.map_err(|_| JsValue::NULL)?;
                Ok(JsValue::from_str(&text))
            })
        })
        .collect();
    let answers = JsFuture::from(js_sys::Promise::all(&answers)).await.map_err(|_| Failure::Offline)?;
    let read = |answer: JsValue| {
        let text = answer.as_string().unwrap_or_default();
        serde_json::from_str(&text).map_err(|error| Failure::Unreadable(error.to_string()))
    };
    js_sys::Array::from(&answers).iter().map(read).collect()
}
