//! What the page says in a language: read from the texts themselves, so that a better word needs no new story.

use std::fs;

use chapan_tests::tree;
use serde_json::Value;

/// The texts of one language.
pub struct Words {
    /// Its code: `en`, `ru`, `kk`.
    pub code: &'static str,
}

pub const ENGLISH: Words = Words { code: "en" };
pub const RUSSIAN: Words = Words { code: "ru" };
pub const KAZAKH: Words = Words { code: "kk" };

impl Words {
    /// A text by room and name, such as `studio.generate`.
    pub fn get(&self, key: &str) -> String {
        let (room, name) = key.split_once('.').expect("a key has a room and a name");
        let path = tree::root().join(format!("frontend/locales/{}/{room}.json", self.code));
        let texts: Value =
            serde_json::from_slice(&fs::read(&path).expect("the room has texts")).expect("texts are JSON");
        texts[name].as_str().unwrap_or_else(|| panic!("{} has no text `{key}`", self.code)).to_owned()
    }

    /// A text with its holes filled.
    pub fn fill(&self, key: &str, holes: &[(&str, &str)]) -> String {
        holes
            .iter()
            .fold(self.get(key), |text, (name, value)| text.replace(&format!("{{{{ {name} }}}}"), value))
    }
}
