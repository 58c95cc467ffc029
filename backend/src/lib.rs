//! The library behind the `chapan` binary: server rooms and command line.
