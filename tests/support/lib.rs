//! What the integration tests share: the tree, the real server as a process, a client, and a browser.
//!
//! Nothing here plays a part of the studio: the tests run against the programs that people run.

pub mod browser;
pub mod client;
pub mod fixture;
pub mod pipelines;
pub mod pointer;
pub mod server;
pub mod surroundings;
pub mod tree;
pub mod wait;
pub mod webdriver;
