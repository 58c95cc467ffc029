//! A headless browser with the studio's worker, in a process of its own: it measures two pictures whenever it is asked to.
//!
//! A small server on the loopback interface gives it the worker of the built front end and the pictures, and takes what it
//! measured. It lives as long as the bench.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use serde::Deserialize;

use crate::cli::Failure;

const PAGE: &str = concat!(
    "<!doctype html><meta charset=\"utf-8\"><title>chapan bench</title><script type=\"module\">",
    include_str!("browser.js"),
    "</script>"
);
const BOOT: &str = include_str!("../../../../frontend/worker/boot.js");
/// How long a browser may take to start or to measure once.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the worker measured.
#[derive(Debug, Deserialize)]
pub struct Measured {
    /// Structural similarity with equal windows of 7x7.
    pub ssim: f64,
    /// How long it took, in milliseconds.
    pub ssim_ms: f64,
    /// The same with the Gaussian window; absent for pictures smaller than that.
    pub ssim_gaussian: Option<f64>,
    /// How long it took, in milliseconds.
    pub gaussian_ms: f64,
}

#[derive(Deserialize)]
enum Answer {
    Compared(Measured),
    Crashed { message: String },
    Refused { message: String },
}

/// A running browser that waits for its turn.
pub struct Browser {
    child: Child,
    turns: mpsc::Sender<()>,
    measured: mpsc::Receiver<Vec<u8>>,
    _profile: tempfile::TempDir,
}

/// What the page asks for.
struct Given {
    glue: Vec<u8>,
    program: Vec<u8>,
    pictures: [Vec<u8>; 2],
    turns: Mutex<mpsc::Receiver<()>>,
    measured: mpsc::Sender<Vec<u8>>,
}

impl Browser {
    /// Starts the browser with the worker of a built front end and two PNG files.
    ///
    /// # Errors
    /// When there is no such worker, or the browser does not start.
    pub fn start(browser: &Path, front_end: &Path, pictures: [Vec<u8>; 2]) -> Result<Self, Failure> {
        let read = |name: &str| {
            std::fs::read(front_end.join(name)).map_err(|error| {
                let fact = format!("`{}` cannot be read: {error}", front_end.join(name).display());
                Failure::new(
                    fact,
                    "build the page with `cargo xtask build`, or name its folder with --static-dir",
                )
            })
        };
        let failed = |error: &dyn std::fmt::Display| {
            let fact = format!("`{}` cannot be started: {error}", browser.display());
            Failure::new(fact, "name a Chromium with --browser")
        };
        let (turn, turns) = mpsc::channel();
        let (tell, measured) = mpsc::channel();
        let given = Given {
            glue: read("chapan-worker.js")?,
            program: read("chapan-worker_bg.wasm")?,
            pictures,
            turns: Mutex::new(turns),
            measured: tell,
        };
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| failed(&error))?;
        let address = listener.local_addr().map_err(|error| failed(&error))?;
        std::thread::spawn(move || serve(&listener, &Arc::new(given)));
        let profile = tempfile::tempdir().map_err(|error| failed(&error))?;
        let child = Command::new(browser)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("http://{address}/"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| failed(&error))?;
        Ok(Self { child, turns: turn, measured, _profile: profile })
    }

    /// Measures once.
    ///
    /// # Errors
    /// When nothing comes back, or the worker refuses.
    pub fn measure(&mut self) -> Result<Measured, Failure> {
        let gone = |why: &dyn std::fmt::Display| {
            Failure::new(format!("the browser did not measure: {why}"), "try without --browser")
        };
        self.turns.send(()).map_err(|error| gone(&error))?;
        let answer = self.measured.recv_timeout(PATIENCE).map_err(|error| gone(&error))?;
        match serde_json::from_slice(&answer).map_err(|error| gone(&error))? {
            Answer::Compared(measured) => Ok(measured),
            Answer::Crashed { message } | Answer::Refused { message } => Err(gone(&message)),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself; either way there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers the page, each request on a thread of its own: one of them waits for its turn.
fn serve(listener: &TcpListener, given: &Arc<Given>) {
    for stream in listener.incoming().flatten() {
        let given = Arc::clone(given);
        // A connection that breaks off is the browser's business; it asks again, or the bench tells that nothing came.
        std::thread::spawn(move || drop(answer(&stream, &given)));
    }
}

/// One request and its answer.
fn answer(stream: &TcpStream, given: &Given) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    let (kind, body) = match path {
        "/" => ("text/html; charset=utf-8", PAGE.as_bytes()),
        "/boot.js" => ("text/javascript", BOOT.as_bytes()),
        "/chapan-worker.js" => ("text/javascript", &given.glue[..]),
        "/chapan-worker_bg.wasm" => ("application/wasm", &given.program[..]),
        "/a.png" => ("image/png", &given.pictures[0][..]),
        "/b.png" => ("image/png", &given.pictures[1][..]),
        "/turn" => {
            let turn = given.turns.lock().unwrap_or_else(PoisonError::into_inner).recv();
            ("text/plain", if turn.is_ok() { &b"measure"[..] } else { &b"end"[..] })
        }
        "/measured" => {
            let mut body = Vec::new();
            reader.take(length).read_to_end(&mut body)?;
            // A bench that has ended hears nothing.
            drop(given.measured.send(body));
            ("text/plain", &b""[..])
        }
        _ => ("text/plain", &b"nothing here"[..]),
    };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)
}
