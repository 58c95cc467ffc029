//! Time as a parameter: whoever needs the time of day takes a [`Clock`].

use std::sync::atomic::{AtomicI64, Ordering};

/// Tells the time in milliseconds since 1970 UTC, the unit of every stored and transmitted time.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now_ms(&self) -> i64;
}

/// The clock of the machine.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
    fn now_ms(&self) -> i64 {
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since_1970.map_or(0, |elapsed| elapsed.as_millis() as i64)
    }
}

/// A clock that stands still until it is told to move, for tests of leases and expiry.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `now_ms`.
    pub fn new(now_ms: i64) -> Self {
        Self(AtomicI64::new(now_ms))
    }

    /// Moves the hands forward.
    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}
