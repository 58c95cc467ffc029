//! English, Russian and Kazakh say the same things.
//!
//! The i18n crate turns a key that a language lacks into its default; here it is a fault, with the key's name.

use std::collections::BTreeMap;

use chapan_tests::tree::Source;
use serde_json::Value;

use crate::Finding;

const LANGUAGES: [&str; 3] = ["en", "ru", "kk"];

/// Compares `frontend/locales/{en,ru,kk}`, one file or one folder of files each.
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let texts: Vec<BTreeMap<String, String>> =
        LANGUAGES.iter().map(|language| texts(sources, language)).collect();
    let mut findings = Vec::new();
    let fault = |language: &str, what: String| Finding {
        path: format!("frontend/locales/{language}"),
        line: 1,
        what,
    };
    if texts[0].is_empty() {
        return vec![fault("en", "there are no texts".to_owned())];
    }
    for (language, own) in LANGUAGES.iter().zip(&texts) {
        let all = texts.iter().flat_map(BTreeMap::keys);
        let mut missing: Vec<&String> =
            all.filter(|key| !is_plural_form(key) && !own.contains_key(*key)).collect();
        missing.dedup();
        findings.extend(missing.into_iter().map(|key| fault(language, format!("`{key}` is missing"))));
        for (key, text) in own {
            if text.trim().is_empty() {
                findings.push(fault(language, format!("`{key}` is empty")));
            }
            let english = texts[0].get(key).map(|text| holes(text));
            if english.is_some_and(|english| !is_plural_form(key) && english != holes(text)) {
                findings.push(fault(language, format!("`{key}` fills other holes than in English")));
            }
        }
    }
    findings
}

fn texts(sources: &[Source], language: &str) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    let (file, folder) =
        (format!("frontend/locales/{language}.json"), format!("frontend/locales/{language}/"));
    for source in sources.iter().filter(|source| source.path == file || source.path.starts_with(&folder)) {
        let value: Value = serde_json::from_str(&source.text).expect("a locale is JSON");
        let space = source.path.strip_prefix(&folder).map_or("", |name| name.trim_end_matches(".json"));
        flatten(space, &value, &mut texts);
    }
    texts
}

fn flatten(key: &str, value: &Value, texts: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(&if key.is_empty() { name.clone() } else { format!("{key}.{name}") }, value, texts);
            }
        }
        Value::String(text) => drop(texts.insert(key.to_owned(), text.clone())),
        other => drop(texts.insert(key.to_owned(), other.to_string())),
    }
}

/// Languages have different plural forms: `picture_few` exists in Russian only.
fn is_plural_form(key: &str) -> bool {
    ["_zero", "_one", "_two", "_few", "_many"].iter().any(|form| key.ends_with(form))
}

/// The names between `{{` and `}}`, in alphabetical order.
fn holes(text: &str) -> Vec<&str> {
    let mut holes: Vec<&str> =
        text.split("{{").skip(1).filter_map(|part| Some(part.split_once("}}")?.0.trim())).collect();
    holes.sort_unstable();
    holes.dedup();
    holes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(en: &str, ru: &str, kk: &str) -> Vec<String> {
        let source =
            |language: &str, text: &str| Source::new(&format!("frontend/locales/{language}.json"), text);
        let found = check(&[source("en", en), source("ru", ru), source("kk", kk)]);
        found.into_iter().map(|finding| format!("{} {}", finding.path, finding.what)).collect()
    }

    #[test]
    fn a_missing_key_is_found() {
        let full = r#"{"studio": {"generate": "x"}}"#;
        assert_eq!(findings(full, full, full), Vec::<String>::new());
        assert_eq!(
            findings(full, full, r#"{"studio": {}}"#),
            ["frontend/locales/kk `studio.generate` is missing"]
        );
        assert_eq!(findings(r#"{"a": "x"}"#, r#"{"a": "x", "b": "y"}"#, r#"{"a": "x"}"#).len(), 2);
    }

    #[test]
    fn empty_texts_and_lost_holes_are_found() {
        assert_eq!(findings(r#"{"a": "x"}"#, r#"{"a": " "}"#, r#"{"a": "x"}"#).len(), 1);
        assert_eq!(
            findings(r#"{"a": "{{ n }} left"}"#, r#"{"a": "осталось"}"#, r#"{"a": "{{n}} қалды"}"#).len(),
            1
        );
    }

    #[test]
    fn plural_forms_may_differ() {
        let (en, ru) =
            (r#"{"a_one": "1", "a_other": "n"}"#, r#"{"a_one": "1", "a_few": "2", "a_other": "n"}"#);
        assert_eq!(findings(en, ru, r#"{"a_other": "n"}"#), Vec::<String>::new());
    }

    #[test]
    fn no_texts_at_all_is_a_fault() {
        assert_eq!(check(&[]).len(), 1);
    }
}
