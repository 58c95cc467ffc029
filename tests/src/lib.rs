//! Integration tests of the whole studio.
