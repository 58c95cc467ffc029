//! The page as a person uses it: found by role and name, typed and clicked, looked at.
//!
//! Every question waits until the page has the answer; nothing waits for time.

use std::time::Duration;

use serde_json::{Value, json};

use crate::wait;
use crate::webdriver::{Element, Refused, Session};

const ROLES: &str = include_str!("roles.js");

/// How long a page may take to show something that needs no model.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keys by the protocol's code points.
pub mod keys {
    /// Enter.
    pub const ENTER: &str = "\u{e007}";
    /// Tabulator.
    pub const TAB: &str = "\u{e004}";
    /// Escape.
    pub const ESCAPE: &str = "\u{e00c}";
    /// Control.
    pub const CONTROL: &str = "\u{e009}";
    /// Shift.
    pub const SHIFT: &str = "\u{e008}";
    /// Delete.
    pub const DELETE: &str = "\u{e017}";
    /// The right arrow.
    pub const RIGHT: &str = "\u{e014}";
    /// Space.
    pub const SPACE: &str = " ";
}

/// A window on the studio.
pub struct Browser {
    /// The session below.
    pub session: Session,
    address: String,
}

impl Browser {
    /// Opens a browser for a server; nothing is loaded yet.
    pub fn open(address: &str) -> Self {
        let browser = Self { session: Session::start(), address: address.to_owned() };
        browser.resize(1280, 800);
        browser
    }

    /// Goes to a path of the studio.
    ///
    /// # Panics
    /// When the page does not load.
    pub fn visit(&self, path: &str) {
        self.session
            .post("/url", &json!({"url": format!("{}{path}", self.address)}))
            .expect("the page loads");
    }

    /// Loads the page again.
    ///
    /// # Panics
    /// When the page does not load.
    pub fn reload(&self) {
        self.session.post("/refresh", &json!({})).expect("the page loads again");
    }

    /// The path and question of the address line.
    pub fn place(&self) -> String {
        let script = "return location.pathname + location.search;";
        self.script(script, &json!([])).as_str().unwrap_or_default().to_owned()
    }

    /// Sets the size of the page, smaller than a window could be.
    ///
    /// # Panics
    /// When the browser refuses.
    pub fn resize(&self, width: u32, height: u32) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.session.devtools("Emulation.setDeviceMetricsOverride", &metrics).expect("the page takes a size");
    }

    /// Tells the page that the person prefers light or dark.
    ///
    /// # Panics
    /// When the browser refuses.
    pub fn prefer(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}]);
        self.session
            .devtools("Emulation.setEmulatedMedia", &json!({"features": features}))
            .expect("the page takes a scheme");
    }

    /// The one visible element of this role and name, as soon as there is one.
    ///
    /// # Panics
    /// When there is none, with what there is instead.
    pub fn get(&self, role: &str, name: &str) -> Element {
        let found = wait::attempt(PATIENCE, || self.all(role, Some(name)).into_iter().next());
        found.unwrap_or_else(|| {
            panic!("there is no {role} `{name}` on `{}`; the page says:\n{}", self.place(), self.text())
        })
    }

    /// All visible elements of a role, and of a name when one is given.
    pub fn all(&self, role: &str, name: Option<&str>) -> Vec<Element> {
        self.try_script(ROLES, &json!([role, name])).map(|found| Element::list(&found)).unwrap_or_default()
    }

    /// Controls and pictures that assistive technology cannot name, as markup.
    pub fn unnamed(&self) -> Vec<String> {
        let found = self.script(ROLES, &json!(["unnamed", null]));
        found.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
    }

    /// Clicks the element of this role and name, once it can be clicked.
    ///
    /// # Panics
    /// When it cannot be clicked in time.
    pub fn click(&self, role: &str, name: &str) {
        self.with(role, name, |element| {
            // A fresh page may still move, or draw the element anew: the next try finds it.
            self.session.click(element)
        });
    }

    /// Replaces what a field holds.
    ///
    /// # Panics
    /// When there is no such field, or it cannot be written to.
    pub fn fill(&self, role: &str, name: &str, text: &str) {
        self.with(role, name, |element| {
            self.session.click(element)?;
            self.session.press(&[keys::CONTROL, "a"])?;
            self.session.write(element, if text.is_empty() { keys::DELETE } else { text })
        });
    }

    /// Chooses an entry of a list by what it says.
    ///
    /// # Panics
    /// When there is no such entry.
    pub fn choose(&self, list: &str, entry: &str) {
        self.with("combobox", list, |element| self.session.write(element, entry));
    }

    fn with(&self, role: &str, name: &str, act: impl Fn(&Element) -> Result<Value, Refused>) {
        let mut last = String::new();
        let done = wait::attempt(PATIENCE, || {
            let element = self.all(role, Some(name)).into_iter().next()?;
            match act(&element) {
                Ok(_) => Some(()),
                Err(Refused(why)) => {
                    last = why;
                    None
                }
            }
        });
        if done.is_none() {
            let element = self.get(role, name);
            panic!("{role} `{name}` ({element:?}) cannot be used: {last}");
        }
    }

    /// The value of a field.
    pub fn value(&self, role: &str, name: &str) -> String {
        let field = self.get(role, name);
        let value = self.script("return String(arguments[0].value);", &json!([field.argument()]));
        value.as_str().unwrap_or_default().to_owned()
    }

    /// An attribute or property of an element as text.
    pub fn property(&self, element: &Element, name: &str) -> Option<String> {
        let value = self
            .try_script("return arguments[0][arguments[1]] ?? null;", &json!([element.argument(), name]))
            .ok()?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned)).filter(|text| text != "null")
    }

    /// Presses keys together, wherever the focus is.
    ///
    /// # Panics
    /// When the browser refuses.
    pub fn press(&self, chord: &[&str]) {
        self.session.press(chord).expect("keys can be pressed");
    }

    /// Moves the focus with the tabulator until it is on the element of this role and name.
    ///
    /// # Panics
    /// When the focus comes back to where it was, or nowhere.
    pub fn tab_to(&self, role: &str, name: &str) {
        let wanted = self.get(role, name).argument();
        for _ in 0..120 {
            let script = "return document.activeElement === arguments[0];";
            if self.script(script, &json!([wanted])) == Value::Bool(true) {
                return;
            }
            self.press(&[keys::TAB]);
        }
        panic!("{role} `{name}` cannot be reached with the keyboard");
    }

    /// Waits until the page says something.
    ///
    /// # Panics
    /// When it does not, with what it says.
    pub fn see(&self, words: &str) {
        self.see_within(PATIENCE, words);
    }

    /// Waits until the page says something that takes a model's time.
    ///
    /// # Panics
    /// When it does not, with what it says.
    pub fn see_at_last(&self, words: &str) {
        self.see_within(wait::LIMIT, words);
    }

    fn see_within(&self, limit: Duration, words: &str) {
        let said = wait::attempt(limit, || self.text().contains(words).then_some(()));
        assert!(said.is_some(), "the page never says `{words}`; it says:\n{}", self.text());
    }

    /// The text that can be seen, spaces joined.
    pub fn text(&self) -> String {
        let text = self.try_script("return document.body ? document.body.innerText : '';", &json!([]));
        let text = text.ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Runs a function body in the page.
    ///
    /// # Panics
    /// When it throws.
    pub fn script(&self, body: &str, arguments: &Value) -> Value {
        self.try_script(body, arguments).expect("the script runs in the page")
    }

    fn try_script(&self, body: &str, arguments: &Value) -> Result<Value, Refused> {
        self.session.script(body, arguments)
    }

    /// Whether the page is wider than its window.
    pub fn scrolls_sideways(&self) -> bool {
        let script = "return document.scrollingElement.scrollWidth > document.scrollingElement.clientWidth;";
        self.script(script, &json!([])) == Value::Bool(true)
    }

    /// A picture of the window, as PNG in base64.
    ///
    /// # Panics
    /// When the browser refuses.
    pub fn screenshot(&self) -> Vec<u8> {
        let shot = self
            .session
            .devtools("Page.captureScreenshot", &json!({"format": "png"}))
            .expect("the page can be drawn");
        decode_base64(shot["data"].as_str().unwrap_or_default())
    }

    /// Faults that the browser reported: exceptions, blocked loads, missing files.
    pub fn faults(&self) -> Vec<String> {
        let console = self.session.console().unwrap_or_default();
        console.into_iter().filter(|(level, _)| level == "SEVERE").map(|(_, text)| text).collect()
    }
}

/// RFC 4648, without line breaks; what is not in the alphabet is skipped.
fn decode_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|byte| ALPHABET.iter().position(|letter| *letter == byte));
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(text.len() / 4 * 3), 0, 0);
    for digit in digits {
        held = (held << 6) | digit as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    bytes
}
