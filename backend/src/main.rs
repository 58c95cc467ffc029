//! The `chapan` binary.

fn main() {}
