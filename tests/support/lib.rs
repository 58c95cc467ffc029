//! What the integration tests share: the tree, the real server as a process, and a browser.
//!
//! Nothing here plays a part of the studio: the tests run against the programs that people run.

pub mod fixture;
pub mod tree;
