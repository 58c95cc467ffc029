//! The driver's protocol (W3C), as much of it as a person's hands and eyes need: JSON over HTTP, blocking.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;

use crate::surroundings;

/// The key under which the protocol names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser session with the driver that holds it; dropping it ends both.
pub struct Session {
    driver: Child,
    agent: Agent,
    url: String,
    /// Kept open: the driver may still write to it.
    _output: BufReader<std::process::ChildStdout>,
    _profile: tempfile::TempDir,
}

/// An element of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element(String);

/// What the driver refused, in its own words.
#[derive(Debug)]
pub struct Refused(pub String);

impl Session {
    /// Starts a driver and a headless browser with a fresh profile.
    ///
    /// # Panics
    /// When they do not start.
    pub fn start() -> Self {
        let profile = tempfile::tempdir().expect("there is room for a profile");
        let user_data = format!("--user-data-dir={}", profile.path().display());
        let mut driver = Command::new(surroundings::chromedriver())
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts; `cargo xtask setup browser` installs it");
        let output = driver.stdout.take().expect("its output is ours");
        let mut output = BufReader::new(output);
        let port = output.by_ref().lines().map_while(Result::ok).find_map(|line| {
            line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        let port: u16 = port.expect("chromedriver says its port");
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_mins(2)))
            .proxy(None)
            .build();
        let mut session = Self {
            driver,
            agent: Agent::new_with_config(config),
            url: format!("http://127.0.0.1:{port}"),
            _output: output,
            _profile: profile,
        };
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--force-color-profile=srgb",
            "--lang=en-US",
            &user_data,
        ];
        let mut options = json!({"args": arguments});
        if let Some(chromium) = surroundings::chromium() {
            options["binary"] = json!(chromium);
        }
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let opened = session.post("/session", &capabilities).expect("the browser starts");
        let id = opened["sessionId"].as_str().expect("a session has an id");
        session.url = format!("{}/session/{id}", session.url);
        session
    }

    /// One command of the protocol.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Refused> {
        let response = self.agent.post(format!("{}{path}", self.url)).send_json(body);
        let mut response = response.map_err(|error| Refused(error.to_string()))?;
        let mut answer: Value =
            response.body_mut().read_json().map_err(|error| Refused(error.to_string()))?;
        if response.status().is_success() {
            return Ok(answer["value"].take());
        }
        let text = |name: &str| answer["value"][name].as_str().unwrap_or_default().to_owned();
        Err(Refused(format!("{}: {}", text("error"), text("message").lines().next().unwrap_or_default())))
    }

    /// A command of the browser's own protocol.
    pub fn devtools(&self, command: &str, parameters: &Value) -> Result<Value, Refused> {
        self.post("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Runs a function body in the page.
    pub fn script(&self, body: &str, arguments: &Value) -> Result<Value, Refused> {
        self.post("/execute/sync", &json!({"script": body, "args": arguments}))
    }

    /// Sends key presses to whatever has the focus; each string is pressed together.
    pub fn press(&self, chord: &[&str]) -> Result<Value, Refused> {
        let down = chord.iter().map(|key| json!({"type": "keyDown", "value": key}));
        let up = chord.iter().rev().map(|key| json!({"type": "keyUp", "value": key}));
        let actions: Vec<Value> = down.chain(up).collect();
        self.post("/actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}))
    }

    /// Clicks an element where a person would.
    pub fn click(&self, Element(id): &Element) -> Result<Value, Refused> {
        self.post(&format!("/element/{id}/click"), &json!({}))
    }

    /// Types into an element.
    pub fn write(&self, Element(id): &Element, text: &str) -> Result<Value, Refused> {
        self.post(&format!("/element/{id}/value"), &json!({"text": text}))
    }

    /// What the page and the browser wrote to the console since the last question: level and text.
    pub fn console(&self) -> Result<Vec<(String, String)>, Refused> {
        let entries = self.post("/se/log", &json!({"type": "browser"}))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(entries
            .as_array()
            .into_iter()
            .flatten()
            .map(|line| (text(&line["level"]), text(&line["message"])))
            .collect())
    }
}

impl Element {
    /// The elements that a script returned.
    pub fn list(value: &Value) -> Vec<Self> {
        let one = |value: &Value| value[ELEMENT].as_str().map(|id| Self(id.to_owned()));
        value.as_array().map(|list| list.iter().filter_map(one).collect()).unwrap_or_default()
    }

    /// As an argument of a script.
    pub fn argument(&self) -> Value {
        json!({ELEMENT: self.0})
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A failing test must not fail twice; the driver ends its browser when it is told to.
        if self.url.contains("/session/") {
            drop(self.agent.delete(&self.url).call());
        }
        if self.driver.kill().is_ok() {
            drop(self.driver.wait());
        }
    }
}
