//! Light, dark, or as the system wishes. `boot.js` has already put the first choice on the page.

use leptos::prelude::*;

use super::memory;

const KEPT: &str = "chapan.theme";

/// The reader's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Follow the system.
    System,
    /// Felt and paper.
    Light,
    /// The steppe at night.
    Dark,
}

impl Theme {
    /// All choices, in the order of the switch.
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// The name under which the choice is kept.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|theme| theme.name() == name).unwrap_or(Self::System)
    }

    fn is_dark(self) -> bool {
        match self {
            Self::Light => false,
            Self::Dark => true,
            Self::System => system_is_dark(),
        }
    }
}

fn system() -> Option<web_sys::MediaQueryList> {
    window().match_media("(prefers-color-scheme: dark)").ok()?
}

fn system_is_dark() -> bool {
    system().is_some_and(|query| query.matches())
}

fn show(theme: Theme) {
    if let Some(root) = document().document_element() {
        let _ = root.set_attribute("data-theme", if theme.is_dark() { "dark" } else { "light" });
    }
}

/// The signal that the switch shows and sets; the page and the browser's memory follow it.
pub fn provide() {
    let theme = RwSignal::new(memory::get(KEPT).map_or(Theme::System, |name| Theme::from_name(&name)));
    Effect::new(move |before: Option<Theme>| {
        let now = theme.get();
        show(now);
        if before.is_some() {
            memory::set(KEPT, now.name());
        }
        now
    });
    if let Some(query) = system() {
        let follow = wasm_bindgen::closure::Closure::<dyn Fn()>::new(move || show(theme.get_untracked()));
        query.set_onchange(Some(wasm_bindgen::JsCast::unchecked_ref(follow.as_ref())));
        // It lives as long as the page.
        follow.forget();
    }
    provide_context(theme);
}

/// The reader's choice of theme.
pub fn choice() -> RwSignal<Theme> {
    expect_context()
}
