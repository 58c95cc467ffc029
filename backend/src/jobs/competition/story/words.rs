//! Texts of the page in three languages, one beside the other: which one is seen is decided by the page's style, so that one
//! file serves everybody.

use std::collections::BTreeMap;

/// Texts by key and language.
const WORDS: &str = include_str!("../../../../../assets/feedback/story.json");
/// The languages, with their own names.
pub(super) const LANGUAGES: [(&str, &str); 3] = [("en", "English"), ("ru", "Русский"), ("kk", "Қазақша")];

/// The texts.
pub(super) struct Words(BTreeMap<String, BTreeMap<String, String>>);

impl Words {
    pub fn read() -> Self {
        Self(serde_json::from_str(WORDS).unwrap_or_default())
    }

    /// A text in all languages, as markup; `values` take the place of `{names}`.
    pub fn say(&self, key: &str, values: &[(&str, String)]) -> String {
        match self.0.get(key) {
            Some(texts) => beside(texts, values),
            None => escape(key),
        }
    }

    /// A text in one language, escaped, for what cannot hold markup.
    pub fn plain(&self, key: &str, language: &str) -> String {
        let texts = self.0.get(key);
        let found = texts.and_then(|texts| texts.get(language).or_else(|| texts.get("en")));
        escape(found.map_or(key, String::as_str))
    }

    /// Keys with the languages that each is said in.
    #[cfg(test)]
    pub fn languages(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.0.iter().map(|(key, texts)| (key.as_str(), texts.keys().map(String::as_str).collect()))
    }
}

/// One text in all languages, as markup.
pub(super) fn beside(texts: &BTreeMap<String, String>, values: &[(&str, String)]) -> String {
    let mut html = String::from("<span class=\"w\">");
    for (language, _) in LANGUAGES {
        let mut text = escape(texts.get(language).or_else(|| texts.get("en")).map_or("", String::as_str));
        for (name, value) in values {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        for part in ["<span lang=\"", language, "\">", &text, "</span>"] {
            html.push_str(part);
        }
    }
    html + "</span>"
}

/// Names and prompts may hold anything.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
