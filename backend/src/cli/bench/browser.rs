//! A headless browser with the studio's worker, in a process of its own: it measures two pictures whenever it is asked to.
//!
//! A small server on the loopback interface gives it the worker of the built front end and the pictures, and takes what it
//! measured. It lives as long as the bench.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{Html, IntoResponse};
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::sync::{Mutex, mpsc as turns};

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
    turns: turns::UnboundedSender<()>,
    measured: mpsc::Receiver<Bytes>,
    _profile: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

/// What the page asks for.
struct Given {
    glue: Vec<u8>,
    program: Vec<u8>,
    pictures: [Vec<u8>; 2],
    turns: Mutex<turns::UnboundedReceiver<()>>,
    measured: mpsc::Sender<Bytes>,
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
        let (turn, turns) = turns::unbounded_channel();
        let (tell, measured) = mpsc::channel();
        let given = Given {
            glue: read("chapan-worker.js")?,
            program: read("chapan-worker_bg.wasm")?,
            pictures,
            turns: Mutex::new(turns),
            measured: tell,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| failed(&error))?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let listener = listener.map_err(|error| failed(&error))?;
        let address = listener.local_addr().map_err(|error| failed(&error))?;
        runtime.spawn(async move { axum::serve(listener, router(given)).await });
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
        Ok(Self { child, turns: turn, measured, _profile: profile, _runtime: runtime })
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

fn router(given: Given) -> Router {
    let bytes = |kind: &'static str, choose: fn(&Given) -> &[u8]| {
        get(move |State(given): State<Arc<Given>>| async move {
            ([("content-type", kind)], choose(&given).to_vec()).into_response()
        })
    };
    Router::new()
        .route("/", get(|| async { Html(PAGE) }))
        .route("/boot.js", get(|| async { BOOT }))
        .route("/chapan-worker.js", bytes("text/javascript", |given| &given.glue))
        .route("/chapan-worker_bg.wasm", bytes("application/wasm", |given| &given.program))
        .route("/a.png", bytes("image/png", |given| &given.pictures[0]))
        .route("/b.png", bytes("image/png", |given| &given.pictures[1]))
        .route("/turn", get(turn))
        .route("/measured", post(measured))
        .with_state(Arc::new(given))
}

/// Answers when it is the browser's turn, or when there will be none any more.
async fn turn(State(given): State<Arc<Given>>) -> &'static str {
    match given.turns.lock().await.recv().await {
        Some(()) => "measure",
        None => "end",
    }
}

async fn measured(State(given): State<Arc<Given>>, answer: Bytes) {
    // A bench that has ended hears nothing.
    let _ = given.measured.send(answer);
}
