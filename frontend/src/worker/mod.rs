//! Work on pixels: decoding and comparing. It knows no page; today it runs where it is called, and a worker binary can
//! take it over without a change for its callers.

mod compare;
mod png;

pub use compare::{Comparison, compare};
