//! The real server, as a process of its own on a free port with a data folder of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use crate::{surroundings, tree, wait};

/// A running server; dropping it kills it.
pub struct Server {
    child: Child,
    /// `http://127.0.0.1:port`.
    pub address: String,
    /// Database and pictures.
    pub data_dir: PathBuf,
    log: PathBuf,
}

/// What the server may draw with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Models {
    /// The family that ships, and nothing else.
    Family,
    /// A tiny network with random weights comes first: everything but the beauty, in no time.
    Tiny,
}

impl Server {
    /// Starts the server on a data folder and waits until it listens.
    ///
    /// # Panics
    /// When it does not start; with its log.
    pub fn start(data_dir: &Path, models: Models) -> Self {
        let log = data_dir.with_extension("log");
        let errors =
            std::fs::File::options().create(true).append(true).open(&log).expect("the log can be written");
        let mut command = Command::new(surroundings::server());
        command.arg("serve");
        if models == Models::Tiny {
            command.arg("--models-dir").arg(tree::root().join("tests/fixtures/pipelines"));
        }
        let mut child = command
            .current_dir(tree::root())
            .args(["--port", "0", "--device", "cpu", "--data-dir"])
            .arg(data_dir)
            .arg("--static-dir")
            .arg(surroundings::dist())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("the server starts");
        let output = child.stdout.take().expect("its output is ours");
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let address = loop {
            let Ok(line) = lines.recv_timeout(wait::LIMIT) else {
                child.kill().expect("a child can be killed");
                child.wait().expect("a child can be awaited");
                panic!("the server did not come up:\n{}", read(&log));
            };
            if let Some((_, address)) = line.split_once("listening on ") {
                break address.trim().to_owned();
            }
        };
        Self { child, address, data_dir: data_dir.to_owned(), log }
    }

    /// Kills it as a power cut would: no signal handler runs.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be awaited");
    }

    /// What it wrote to its error stream, over all its lives on this data folder.
    pub fn log(&self) -> String {
        read(&self.log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be dead already, and a test that is failing must not fail twice.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
        if std::thread::panicking() {
            eprintln!("--- log of the server\n{}", self.log());
        }
    }
}

fn read(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}
