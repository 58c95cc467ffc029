//! The three languages: keys made from `locales/`, the reader's choice and its keeping, and the words for errors. The texts
//! themselves are read from the server when the page begins, those of one language.

mod words;

pub use words::{Words, failure, fault, refusal};

use std::{cell::RefCell, collections::BTreeMap, fmt::Display};

use leptos::prelude::*;

use crate::{
    api::{self, Failure},
    state::memory,
};

/// The keys by room.
#[expect(non_upper_case_globals, reason = "made from locales/, named as there")]
pub mod texts {
    use super::Key;

    include!(concat!(env!("OUT_DIR"), "/texts.rs"));
}

/// The name of a text: room and key.
#[derive(Clone, Copy)]
pub struct Key(&'static str);

/// A language of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(non_camel_case_types, reason = "language codes")]
pub enum Locale {
    /// English.
    en,
    /// Russian.
    ru,
    /// Kazakh.
    kk,
}

/// The context that every component takes its words from.
#[derive(Clone, Copy)]
pub struct Language(RwSignal<Locale>);

/// A fixed text by its key, as a property of a component: `|i18n| t_string!(i18n, frame.close)`.
pub type Says = fn(Language) -> &'static str;

/// All languages with their own names, in the order of the switch.
pub const LANGUAGES: [(Locale, &str, &str); 3] =
    [(Locale::en, "en", "English"), (Locale::ru, "ru", "Русский"), (Locale::kk, "kk", "Қазақша")];

const KEPT: &str = "chapan.language";

/// A text in the reader's language; with values for its holes a `String`, without a `&'static str`.
macro_rules! t_string {
    ($i18n:expr, $room:ident . $key:ident) => {
        $i18n.say($crate::i18n::texts::$room::$key)
    };
    ($i18n:expr, $room:ident . $key:ident, $($hole:ident = $value:expr),+ $(,)?) => {
        $i18n.fill($crate::i18n::texts::$room::$key, &[$((stringify!($hole), &$value as &dyn std::fmt::Display)),+])
    };
}
pub(crate) use t_string;

impl Language {
    /// The language now; whoever asks runs again when it changes.
    pub fn get_locale(self) -> Locale {
        self.0.get()
    }

    /// A text.
    pub fn say(self, Key(name): Key) -> &'static str {
        let place = self.0.get() as usize;
        KNOWN.with_borrow(|known| known[place].get(name).copied()).unwrap_or(name)
    }

    /// A text with its holes filled.
    pub fn fill(self, key: Key, values: &[(&str, &dyn Display)]) -> String {
        fill(self.say(key), values)
    }
}

fn fill(text: &str, values: &[(&str, &dyn Display)]) -> String {
    let mut parts = text.split("{{");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap_or((part, ""));
        if let Some((_, value)) = values.iter().find(|(known, _)| *known == name.trim()) {
            filled.push_str(&value.to_string());
        }
        filled.push_str(rest);
    }
    filled
}

thread_local! {
    /// The texts of each language, once they are read. They live as long as the page.
    static KNOWN: RefCell<[BTreeMap<String, &'static str>; LANGUAGES.len()]> = RefCell::default();
}

/// Reads the texts of a language, if they are not there yet: a page needs one language, not all.
async fn read(locale: Locale) -> Result<(), Failure> {
    let place = locale as usize;
    if KNOWN.with_borrow(|known| !known[place].is_empty()) {
        return Ok(());
    }
    let mut all = BTreeMap::new();
    let rooms = api::text::all(code(locale), &texts::ROOMS).await?;
    for (room, texts) in texts::ROOMS.iter().zip(rooms) {
        all.extend(texts.into_iter().map(|(name, text)| (format!("{room}.{name}"), &*text.leak())));
    }
    KNOWN.with_borrow_mut(|known| known[place] = all);
    Ok(())
}

/// Reads the reader's language before anything is shown: the kept choice, else the browser's wish.
pub async fn begin() -> Result<Locale, Failure> {
    let locale = kept().or_else(wished).unwrap_or(Locale::en);
    read(locale).await?;
    Ok(locale)
}

/// Sets the language up, and tells the page's root.
pub fn provide(locale: Locale) -> Language {
    let language = Language(RwSignal::new(locale));
    provide_context(language);
    Effect::new(move |_| {
        let code = code(language.get_locale());
        if let Some(root) = document().document_element() {
            let _ = root.set_attribute("lang", code);
        }
    });
    language
}

/// The language of the page.
pub fn use_i18n() -> Language {
    expect_context()
}

/// Chooses a language and keeps the choice. Where its texts cannot be read, the page stays as it is.
pub async fn choose(language: Language, code: &str) -> Result<(), Failure> {
    if let Some(locale) = named(code) {
        read(locale).await?;
        language.0.set(locale);
        memory::set(KEPT, code);
    }
    Ok(())
}

fn kept() -> Option<Locale> {
    named(&memory::get(KEPT)?)
}

/// The first of the languages that the browser was told its reader knows, and that are ours.
fn wished() -> Option<Locale> {
    let wishes = window().navigator().languages();
    wishes.iter().find_map(|wish| named(wish.as_string()?.split('-').next()?))
}

fn named(code: &str) -> Option<Locale> {
    LANGUAGES.iter().find(|(_, own, _)| *own == code).map(|(locale, ..)| *locale)
}

/// The language code: `en`, `ru`, `kk`.
pub fn code(locale: Locale) -> &'static str {
    LANGUAGES[locale as usize].1
}

/// Picks the reader's language out of a text from a data file.
pub fn pick(language: Language, text: &chapan_api::lesson::Text) -> String {
    match language.get_locale() {
        Locale::en => text.en.clone(),
        Locale::ru => text.ru.clone(),
        Locale::kk => text.kk.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled_by_name() {
        let values: [(&str, &dyn Display); 2] = [("step", &3), ("total", &"20")];
        assert_eq!(fill("Қадам: {{ step }} / {{ total }}", &values), "Қадам: 3 / 20");
        assert_eq!(fill("{{total}} {{ step }}{{ step }}", &values), "20 33");
        assert_eq!(fill("no holes", &values), "no holes");
    }
}
