//! A person at the studio: a server, a browser, a language.

use std::path::Path;

use chapan_tests::browser::Browser;
use chapan_tests::client::Client;
use chapan_tests::server::{Models, Server};
use chapan_tests::wait;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::words::{ENGLISH, Words};

/// A first visit. Fields are dropped in order: the browser goes before the server.
pub struct Visit {
    /// The window.
    pub browser: Browser,
    /// The words on the page.
    pub words: Words,
    /// The server behind it.
    pub server: Server,
    _folder: TempDir,
}

impl Visit {
    /// Opens a path of a fresh studio.
    pub fn to(path: &str) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a database");
        let server = Server::start(&folder.path().join("data"), Models::Family);
        let browser = Browser::open(&server.address);
        browser.visit(path);
        Self { browser, words: ENGLISH, server, _folder: folder }
    }

    /// A text of the page.
    pub fn says(&self, key: &str) -> String {
        self.words.get(key)
    }

    /// Fills in what the next picture should be; few steps where nothing has to be watched.
    pub fn describe(&self, prompt: &str, steps: u32) {
        self.browser.fill("textbox", &self.says("studio.prompt"), prompt);
        self.unfold("studio.fine", "spinbutton", "studio.steps");
        self.browser.fill("spinbutton", &self.says("studio.steps"), &steps.to_string());
    }

    /// Opens a part of the settings that is folded away, known by something inside.
    pub fn unfold(&self, part: &str, role: &str, inside: &str) {
        self.browser.get("button", &self.says(part));
        if self.browser.all(role, Some(&self.says(inside))).is_empty() {
            self.browser.click("button", &self.says(part));
        }
    }

    /// Presses Generate.
    pub fn generate(&self) {
        self.browser.click("button", &self.says("studio.generate"));
    }

    /// Waits until the stage shows a finished picture of a prompt, loaded and of a size.
    pub fn finished(&self, prompt: &str, (width, height): (u32, u32)) {
        let size = (Some(width.to_string()), Some(height.to_string()));
        wait::until(&format!("a picture of `{prompt}`; the page says: {}", self.browser.text()), || {
            let pictures = self.browser.all("img", Some(prompt));
            let seen = |name: &str| self.browser.property(pictures.first()?, name);
            ((seen("naturalWidth"), seen("naturalHeight")) == size).then_some(())
        });
    }

    /// Waits until the stage says a step of the running job, and returns it.
    pub fn step_seen(&self) -> u32 {
        let pattern = self.says("studio.step_of");
        let before = pattern.split("{{").next().unwrap_or_default().trim().to_owned();
        wait::until("a running job that counts its steps", || {
            let text = self.progress_text()?;
            let step = text.strip_prefix(&before)?.split_whitespace().next()?.parse().ok()?;
            (step > 0).then_some(step)
        })
    }

    /// What the progress line says to assistive technology.
    pub fn progress_text(&self) -> Option<String> {
        let line = self.browser.all("progressbar", Some(&self.says("studio.progress")));
        self.browser.property(line.first()?, "ariaValueText")
    }

    /// The pictures that the server has for this person, newest first.
    pub fn pictures(&self) -> Vec<Value> {
        let answer = Client::new(&self.server.address).get("/api/images").expect("the server answers");
        answer.body["items"].as_array().cloned().unwrap_or_default()
    }

    /// Red, green and blue of a picture of the server, row by row.
    pub fn pixels(&self, id: &Value) -> Vec<[u8; 3]> {
        let path = format!("/api/images/{}/file", id.as_str().expect("a picture has an id"));
        let file = Client::new(&self.server.address).file(&path).expect("the server answers");
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().expect("it is a PNG");
        let mut bytes = vec![0; reader.output_buffer_size().expect("it has a size")];
        let frame = reader.next_frame(&mut bytes).expect("it is whole");
        let channels = frame.color_type.samples();
        bytes[..frame.buffer_size()]
            .chunks_exact(channels)
            .map(|pixel| if channels < 3 { [pixel[0]; 3] } else { [pixel[0], pixel[1], pixel[2]] })
            .collect()
    }

    /// Keeps what the window shows under `target/screenshots`.
    pub fn keep(&self, name: &str) {
        let folder = chapan_tests::tree::root().join("target/screenshots");
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        write_png(&folder.join(format!("{name}.png")), &self.browser.screenshot());
    }

    /// Fails when the browser reported a fault: an exception, a blocked load, a missing file.
    pub fn no_faults(&self) {
        let faults = self.browser.faults();
        assert!(faults.is_empty(), "the browser reported: {faults:#?}");
    }

    /// Waits until every picture and font of the page is there, so that a screenshot shows it.
    pub fn settled(&self) {
        let script = "return document.fonts.status === 'loaded' && [...document.images].every((image) => image.complete);";
        wait::until("fonts and pictures", || {
            (self.browser.script(script, &json!([])) == Value::Bool(true)).then_some(())
        });
    }
}

fn write_png(path: &Path, bytes: &[u8]) {
    assert!(bytes.starts_with(b"\x89PNG"), "the browser draws PNG");
    std::fs::write(path, bytes).expect("the picture can be written");
}
