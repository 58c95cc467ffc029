//! The studio in the browser: a Leptos application that talks to the server through `api` and draws through `pages`.
//!
//! It knows the wire types of `chapan_api` and the messages of `chapan_worker`; it knows no route that `api` does not
//! name, and computes no picture itself: that is done in its workers.

mod api;
mod app;
mod canvas;
mod components;
mod i18n;
mod pages;
mod parts;
mod state;
mod worker;

fn main() {
    console_error_panic_hook::set_once();
    begin();
}

/// Shows the page once its texts are there; while the server is away it asks again.
fn begin() {
    wasm_bindgen_futures::spawn_local(async {
        match i18n::begin().await {
            Ok(locale) => leptos::mount::mount_to_body(move || app::App(app::AppProps { locale })),
            Err(_) => leptos::prelude::set_timeout(begin, std::time::Duration::from_secs(1)),
        }
    });
}
