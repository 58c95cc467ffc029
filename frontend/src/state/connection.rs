//! Whether the server is there. When it goes, one quiet loop asks until it is back, and everybody loads again.

use std::time::Duration;

use leptos::{prelude::*, task::spawn_local};

use crate::api::{Failure, user};

/// The waits between two questions, in seconds; the last one repeats.
const WAITS: [u64; 4] = [1, 2, 4, 8];

/// The state of the line to the server.
#[derive(Clone, Copy)]
pub struct Connection {
    lost: RwSignal<bool>,
    returns: RwSignal<u32>,
}

impl Connection {
    /// Provides the connection to the whole page.
    pub fn provide() -> Self {
        let connection = Self { lost: RwSignal::new(false), returns: RwSignal::new(0) };
        provide_context(connection);
        connection
    }

    /// Whether the server is out of reach now.
    pub fn is_lost(self) -> bool {
        self.lost.get()
    }

    /// Grows by one each time the server comes back: whoever reads it runs again then.
    pub fn returns(self) -> u32 {
        self.returns.get()
    }

    /// Takes note of an answer, or of its absence.
    pub fn note<T>(self, answer: Result<T, Failure>) -> Result<T, Failure> {
        if matches!(answer, Err(Failure::Offline)) {
            self.lose();
        }
        answer
    }

    fn lose(self) {
        if self.lost.get_untracked() {
            return;
        }
        self.lost.set(true);
        self.ask(0);
    }

    fn ask(self, tries: usize) {
        let wait = Duration::from_secs(WAITS[tries.min(WAITS.len() - 1)]);
        set_timeout(
            move || {
                spawn_local(async move {
                    if matches!(user::me().await, Err(Failure::Offline)) {
                        self.ask(tries + 1);
                    } else {
                        self.lost.set(false);
                        self.returns.update(|times| *times += 1);
                    }
                });
            },
            wait,
        );
    }
}
