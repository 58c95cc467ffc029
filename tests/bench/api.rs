//! Fifty students in one class poll the server, first idle, then while it makes pictures: how long one answer takes.
//!
//! A report, not a verdict; the goal is p95 <= 50 ms for everything that is not the model.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use chapan_tests::client::Client;
use chapan_tests::server::{Models, Server};
use serde_json::{Value, json};

const STUDENTS: usize = 50;
/// Questions of each student; with the pause, about ten seconds.
const QUESTIONS: usize = 20;
const PAUSE: Duration = Duration::from_millis(500);

fn main() {
    let folder = tempfile::tempdir().expect("there is room for a database");
    let server = Server::start(&folder.path().join("data"), Models::Family);
    let job = order(&server, 1);
    report("idle", &mut class(&server, &job));
    let busy: Vec<String> = (0..8).map(|_| order(&server, 150)).collect();
    report("while pictures are made", &mut class(&server, &job));
    drop(busy);
}

/// Orders a picture; its job.
fn order(server: &Server, steps: u32) -> String {
    let body = json!({"prompt": "a portrait of a man", "num_inference_steps": steps});
    let answer = Client::new(&server.address).post("/api/generations", &body).expect("the server answers");
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.body["id"].as_str().expect("a job has an id").to_owned()
}

/// Every student asks for a job and for the gallery in turn.
fn class(server: &Server, job: &str) -> Vec<Duration> {
    let students: Vec<_> = (0..STUDENTS)
        .map(|student| {
            let (client, job) = (Client::new(&server.address), format!("/api/jobs/{job}"));
            thread::spawn(move || {
                // Not all in the same moment.
                thread::sleep(PAUSE * student as u32 / STUDENTS as u32);
                let mut took = Vec::with_capacity(QUESTIONS);
                for question in 0..QUESTIONS {
                    let path = if question % 2 == 0 { job.as_str() } else { "/api/images" };
                    let start = Instant::now();
                    let answer = client.get(path).expect("the server answers");
                    took.push(start.elapsed());
                    // The job belongs to another session in a class, and to the same person alone.
                    assert!(matches!(answer.status, 200 | 404), "{path}: {} {}", answer.status, answer.body);
                    thread::sleep(PAUSE);
                }
                took
            })
        })
        .collect();
    students.into_iter().flat_map(|student| student.join().expect("a student does not panic")).collect()
}

fn report(when: &str, took: &mut [Duration]) {
    took.sort_unstable();
    let at = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)].as_secs_f64() * 1000.0;
    let line: Value = json!({
        "when": when, "students": STUDENTS, "answers": took.len(),
        "p50_ms": at(50), "p95_ms": at(95), "p99_ms": at(99), "max_ms": at(100),
    });
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}
