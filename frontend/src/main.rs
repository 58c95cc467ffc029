//! The studio in the browser: a Leptos application that talks to the server through `api` and draws through `pages`.
//!
//! It knows the wire types of `chapan_api` and the metrics of `chapan_metrics`; it knows no route that `api` does not
//! name, and computes no picture itself.

mod api;
mod app;
mod components;
mod i18n;
mod pages;
mod state;
mod worker;

fn main() {
    console_error_panic_hook::set_once();
    leptos::mount::mount_to_body(app::App);
}
