//! Waiting for a condition: asked again until it holds, given up after a limit.

use std::time::{Duration, Instant};

/// Long enough for a slow machine; reached only by a test that fails.
pub const LIMIT: Duration = Duration::from_mins(2);

const PAUSE: Duration = Duration::from_millis(20);

/// Asks until there is an answer.
///
/// # Panics
/// After [`LIMIT`], with what was waited for.
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    within(LIMIT, what, ask)
}

/// Asks until there is an answer, for a time.
///
/// # Panics
/// After the limit, with what was waited for.
pub fn within<T>(limit: Duration, what: &str, ask: impl FnMut() -> Option<T>) -> T {
    attempt(limit, ask).unwrap_or_else(|| panic!("waited {} s in vain: {what}", limit.as_secs()))
}

/// Asks until there is an answer; `None` after the limit.
pub fn attempt<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if start.elapsed() > limit {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}
