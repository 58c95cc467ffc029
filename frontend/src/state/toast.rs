//! One short message at the foot of the page, with at most one way back.

use std::time::Duration;

use leptos::prelude::*;

const STAYS: Duration = Duration::from_secs(8);

/// What the toast says and offers.
#[derive(Clone)]
pub struct Toast {
    /// What happened.
    pub words: String,
    /// Whether it went wrong.
    pub bad: bool,
    /// The way back, if there is one.
    pub undo: Option<Callback<()>>,
}

/// The toast of the page.
#[derive(Clone, Copy)]
pub struct Toasts {
    current: RwSignal<Option<Toast>>,
    number: StoredValue<u32>,
}

impl Toasts {
    /// Provides the toast to the whole page.
    pub fn provide() -> Self {
        let toasts = Self { current: RwSignal::new(None), number: StoredValue::new(0) };
        provide_context(toasts);
        toasts
    }

    /// Shows a message for a while; a newer one takes its place.
    pub fn show(self, toast: Toast) {
        let number = self.number.get_value() + 1;
        self.number.set_value(number);
        self.current.set(Some(toast));
        set_timeout(
            move || {
                if self.number.get_value() == number {
                    self.current.set(None);
                }
            },
            STAYS,
        );
    }

    /// Shows that something happened.
    pub fn tell(self, words: impl Into<String>) {
        self.show(Toast { words: words.into(), bad: false, undo: None });
    }

    /// Shows that something went wrong.
    pub fn warn(self, words: impl Into<String>) {
        self.show(Toast { words: words.into(), bad: true, undo: None });
    }

    /// Takes the message away.
    pub fn dismiss(self) {
        self.current.set(None);
    }

    /// What is shown now.
    pub fn current(self) -> Option<Toast> {
        self.current.get()
    }
}
