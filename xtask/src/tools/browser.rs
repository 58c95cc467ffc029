//! Chromium and its driver, for the tests that use the page as a person does.

use std::path::PathBuf;

use crate::environment;
use crate::fault::{Fault, Result};
use crate::process;
use crate::tools::apt;

/// A browser and the program that drives it.
pub struct Browser {
    /// The browser.
    pub chromium: PathBuf,
    /// The program that drives it, of the same version.
    pub driver: PathBuf,
}

/// Finds both, or installs them.
pub fn ensure() -> Result<Browser> {
    if let Some(browser) = find() {
        return Ok(browser);
    }
    apt::install(&["chromium", "chromium-driver"], "the browser tests")?;
    find().ok_or_else(|| {
        Fault::hinted("no Chromium with its driver was found", "set CHROMIUM and CHROMEDRIVER to their paths")
    })
}

fn find() -> Option<Browser> {
    let named = |variable: &str| environment::variable(variable).map(PathBuf::from);
    let found = |names: &[&str]| names.iter().find_map(|name| process::find(name));
    Some(Browser {
        chromium: named("CHROMIUM")
            .or_else(|| found(&["chromium", "google-chrome", "google-chrome-stable", "chromium-browser"]))?,
        driver: named("CHROMEDRIVER").or_else(|| found(&["chromedriver"]))?,
    })
}
