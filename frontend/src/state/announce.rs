//! Words for screen readers: what happened on the page, said once, politely.

use leptos::prelude::*;

/// The line that the frame's live region speaks.
#[derive(Clone, Copy)]
pub struct Announcer(RwSignal<String>);

impl Announcer {
    /// Provides the line to the whole page.
    pub fn provide() -> Self {
        let announcer = Self(RwSignal::new(String::new()));
        provide_context(announcer);
        announcer
    }

    /// Says something.
    pub fn say(self, words: impl Into<String>) {
        self.0.set(words.into());
    }

    /// The current words.
    pub fn words(self) -> String {
        self.0.get()
    }
}
