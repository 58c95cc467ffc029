//! Turns `locales/` into the typed keys of `i18n`. A key that one language lacks, or has too much, fails the build.

use std::{env, error::Error, fs, path::PathBuf};

use leptos_i18n_parser::parse_locales::{
    options::{Config, ParseOptions},
    parse_locales,
};

const LOCALES: [&str; 2] = ["ru", "kk"];
const ROOMS: [&str; 6] = ["frame", "studio", "gallery", "lesson", "models", "errors"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=locales");
    let config = Config::new("en")?.add_locales(LOCALES)?.add_namespaces(ROOMS)?;
    let config = config.parse_options(ParseOptions::new().interpolate_display(true));
    let parsed = parse_locales(None, config)?;
    let faults: Vec<String> = {
        let (errors, warnings) = parsed.diag.borrow();
        errors.iter().map(ToString::to_string).chain(warnings.iter().map(ToString::to_string)).collect()
    };
    for fault in &faults {
        println!("cargo::error={}", fault.replace('\n', " "));
    }
    if !faults.is_empty() {
        return Err("the languages do not have the same keys".into());
    }
    let code = leptos_i18n_codegen::gen_code(&parsed, None, false, None, false)?;
    #[expect(clippy::disallowed_methods, reason = "cargo tells a build script its folder in this variable")]
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    fs::write(out.join("i18n.rs"), code.to_string())?;
    Ok(())
}
