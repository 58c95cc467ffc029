//! The three languages: generated keys, the reader's choice and its keeping, and the words for errors.

mod words;

pub use generated::i18n::*;
pub use words::{Words, failure, fault, refusal};

use leptos::prelude::*;
use leptos_i18n::{
    I18nContext,
    context::{I18nContextOptions, init_i18n_context_with_options},
};

use crate::state::memory;

#[expect(
    clippy::pedantic,
    dead_code,
    unused_imports,
    unused_qualifications,
    reason = "made by leptos_i18n from locales/"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/i18n.rs"));
}

/// The context that every component takes its words from.
pub type Language = I18nContext<Locale>;

/// A fixed text by its key, as a property of a component: `|i18n| t_string!(i18n, frame.close)`.
pub type Says = fn(Language) -> &'static str;

/// All languages with their own names, in the order of the switch.
pub const LANGUAGES: [(Locale, &str, &str); 3] =
    [(Locale::en, "en", "English"), (Locale::ru, "ru", "Русский"), (Locale::kk, "kk", "Қазақша")];

const KEPT: &str = "chapan.language";

/// Sets the language up: the kept choice, else the browser's wish; and tells the page's root.
pub fn provide() -> Language {
    let options = I18nContextOptions::default().enable_cookie(false);
    let language: Language = init_i18n_context_with_options(options);
    provide_context(language);
    // After the browser's wish, which `leptos_i18n` sets by an effect of its own.
    Effect::new(move |_| {
        if let Some(kept) = memory::get(KEPT)
            && let Some((locale, ..)) = LANGUAGES.iter().find(|(_, code, _)| *code == kept)
        {
            language.set_locale(*locale);
        }
    });
    Effect::new(move |_| {
        let code = code(language.get_locale());
        if let Some(root) = document().document_element() {
            let _ = root.set_attribute("lang", code);
        }
    });
    language
}

/// Chooses a language and keeps the choice.
pub fn choose(language: Language, code: &str) {
    if let Some((locale, ..)) = LANGUAGES.iter().find(|(_, own, _)| *own == code) {
        language.set_locale(*locale);
        memory::set(KEPT, code);
    }
}

/// The language code: `en`, `ru`, `kk`.
pub fn code(locale: Locale) -> &'static str {
    LANGUAGES.iter().find(|(own, ..)| *own == locale).map_or("en", |(_, code, _)| code)
}

/// Picks the reader's language out of a text from a data file.
pub fn pick(language: Language, text: &chapan_api::lesson::Text) -> String {
    match language.get_locale() {
        Locale::en => text.en.clone(),
        Locale::ru => text.ru.clone(),
        Locale::kk => text.kk.clone(),
    }
}
