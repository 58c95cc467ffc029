//! Turns `locales/` into the keys of `i18n`; the texts are served as they are. A key that one language lacks, or has too much, fails the build,
//! and so does a text with other holes than in English.

use std::{collections::BTreeMap, env, error::Error, fmt::Write as _, fs, path::PathBuf};

const LANGUAGES: [&str; 3] = ["en", "ru", "kk"];
const ROOMS: [&str; 12] = [
    "frame",
    "studio",
    "prompt",
    "mask",
    "gallery",
    "compare",
    "microscope",
    "lesson",
    "training",
    "arena",
    "models",
    "errors",
];

type Texts = BTreeMap<String, String>;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=locales");
    let mut code = format!("pub const ROOMS: [&str; {}] = {ROOMS:?};\n", ROOMS.len());
    for room in ROOMS {
        let texts = LANGUAGES.map(|language| read(language, room));
        let [english, ..] = &texts;
        for (language, own) in LANGUAGES.iter().zip(&texts) {
            compare(&format!("locales/{language}/{room}.json"), own, english);
        }
        writeln!(code, "pub mod {room} {{")?;
        for name in english.keys() {
            writeln!(code, "    pub const {name}: super::Key = super::Key(\"{room}.{name}\");")?;
        }
        writeln!(code, "}}")?;
    }
    #[expect(clippy::disallowed_methods, reason = "cargo tells a build script its folder in this variable")]
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    fs::write(out.join("texts.rs"), code)?;
    Ok(())
}

/// The texts of a room; what is wrong with the file is told as an error of the build.
fn read(language: &str, room: &str) -> Texts {
    let path = format!("locales/{language}/{room}.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| {
        println!("cargo::error={path}: {error}");
        "{}".to_owned()
    });
    serde_json::from_str(&text).unwrap_or_else(|error| {
        println!("cargo::error={path}: {error}");
        Texts::new()
    })
}

/// Says where a language differs from English.
fn compare(path: &str, own: &Texts, english: &Texts) {
    for name in english.keys().chain(own.keys()) {
        match (english.get(name), own.get(name)) {
            (Some(english), Some(own)) if holes(english) != holes(own) => {
                println!("cargo::error={path}: `{name}` has other holes than in English");
            }
            (Some(_), None) => println!("cargo::error={path}: `{name}` is missing"),
            (None, Some(_)) => println!("cargo::error={path}: `{name}` is not in English"),
            _ => {}
        }
    }
}

/// The names between `{{` and `}}`, in order of the alphabet.
fn holes(text: &str) -> Vec<&str> {
    let parts = text.split("{{").skip(1);
    let mut holes: Vec<&str> = parts.filter_map(|part| Some(part.split_once("}}")?.0.trim())).collect();
    holes.sort_unstable();
    holes.dedup();
    holes
}
