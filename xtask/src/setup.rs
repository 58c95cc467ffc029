//! `cargo xtask setup`: install and do nothing else.

use crate::fault::{Fault, Result};
use crate::project::Project;
use crate::tools::{Tool, browser, wasm_target};

const ALL: [&str; 5] = ["wasm", "trunk", "bindgen", "deny", "browser"];

/// Installs what is named, or everything.
pub fn run(project: &Project, names: &[String]) -> Result {
    let wanted: Vec<&str> =
        if names.is_empty() { ALL.to_vec() } else { names.iter().map(String::as_str).collect() };
    for name in wanted {
        match name {
            "wasm" => println!("wasm32: {}", wasm_target::ensure(project)?.label()),
            "trunk" => println!("trunk: {}", Tool::trunk().ensure(project)?.display()),
            "bindgen" => {
                println!("wasm-bindgen: {}", Tool::wasm_bindgen(project)?.ensure(project)?.display());
            }
            "deny" => println!("cargo-deny: {}", Tool::cargo_deny().ensure(project)?.display()),
            "browser" => {
                let browser = browser::ensure()?;
                println!("browser: {}, driven by {}", browser.chromium.display(), browser.driver.display());
            }
            other => {
                return Err(Fault::usage(
                    format!("`{other}` cannot be set up"),
                    format!("choose from {}", ALL.join(", ")),
                ));
            }
        }
    }
    Ok(())
}
