//! The studio in the browser.

fn main() {}
