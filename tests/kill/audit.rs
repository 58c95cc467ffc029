//! The books after the last kill: every promise kept, once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chapan_tests::client::Client;
use chapan_tests::server::{Models, Server};
use chapan_tests::{tree, wait};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Row};

use crate::load::Ledger;

/// Time for the queue that the rounds left behind.
const DRAIN: Duration = Duration::from_mins(15);

/// One check of the audit.
pub struct Check {
    /// What holds when it passes.
    pub name: &'static str,
    /// What does not hold.
    pub fault: Option<String>,
}

fn check(name: &'static str, faults: Vec<String>) -> Check {
    let count = faults.len();
    let fault = faults.into_iter().next().map(|first| format!("{count} faults; the first: {first}"));
    Check { name, fault }
}

/// What the audit found, and how much there was to find.
pub struct Audit {
    /// The checks, in the order of the report.
    pub checks: Vec<Check>,
    /// Jobs that were running when the server was killed, and were started again.
    pub interrupted: usize,
}

/// Starts the server once more, waits until its queue is empty, and compares with what was promised.
pub fn audit(data_dir: &Path, ledger: &Ledger) -> Audit {
    let mut server = Server::start(data_dir, Models::Tiny);
    let client = Client::new(&server.address);
    let mut lost = Vec::new();
    let mut images = BTreeMap::new();
    for job in ledger.accepted.keys() {
        match outcome(&client, job) {
            Ok(image) => drop(images.insert(job.clone(), image)),
            Err(fault) => lost.push(format!("{job}: {fault}")),
        }
    }
    let changed =
        ledger.finished.iter().filter(|(job, image)| images.get(*job).is_some_and(|now| now != *image));
    let changed = changed.map(|(job, image)| format!("{job} had picture {image}")).collect();
    let unequal = unequal_pictures(&client, ledger, &images);
    server.kill();
    let books = books(data_dir);
    let promised = ledger.accepted.len();
    let most = promised + ledger.doubted;
    let loaded = if promised > 0 && ledger.refused.is_empty() {
        Vec::new()
    } else {
        vec![format!("{promised} accepted, refusals {:?}", ledger.refused.first())]
    };
    let count = if (promised..=most).contains(&books.jobs) {
        Vec::new()
    } else {
        vec![format!("{} jobs, {promised} promised and {} in doubt", books.jobs, ledger.doubted)]
    };
    let checks = vec![
        check("every_request_was_accepted", loaded),
        check("no_accepted_job_is_lost", lost),
        check("a_finished_job_keeps_its_picture", changed),
        check("an_interrupted_job_gives_the_same_picture", unequal),
        check("no_job_completes_twice", books.twice),
        check("no_job_appears_from_nowhere", count),
        check("nothing_is_left_over", books.left_over),
        check("the_database_is_whole", books.damage),
        check("every_picture_has_its_file", missing_files(data_dir, &books.hashes)),
    ];
    Audit { checks, interrupted: books.interrupted }
}

/// Waits for a job's end; its picture, or why there is none.
fn outcome(client: &Client, job: &str) -> Result<String, String> {
    let last = wait::attempt(DRAIN, || {
        let answer = client.get(&format!("/api/jobs/{job}")).ok()?;
        let status = answer.body["status"].as_str().unwrap_or_default();
        let is_final = answer.status != 200 || ["succeeded", "failed", "cancelled"].contains(&status);
        is_final.then_some(answer)
    });
    let answer = last.ok_or("did not end")?;
    match (answer.body["status"].as_str(), answer.body["image"].as_str()) {
        (Some("succeeded"), Some(image)) => Ok(image.to_owned()),
        _ => Err(format!("{} {}", answer.status, answer.body)),
    }
}

/// Seeds whose pictures differ.
fn unequal_pictures(client: &Client, ledger: &Ledger, images: &BTreeMap<String, String>) -> Vec<String> {
    let mut hashes: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    let mut faults = Vec::new();
    for (job, image) in images {
        match client.get(&format!("/api/images/{image}")) {
            Ok(answer) if answer.status == 200 => {
                let hash = answer.body["sha256"].as_str().unwrap_or_default().to_owned();
                hashes.entry(ledger.accepted[job]).or_default().insert(hash);
            }
            Ok(answer) => faults.push(format!("picture {image}: {} {}", answer.status, answer.body)),
            Err(error) => faults.push(format!("picture {image}: {error}")),
        }
    }
    let unequal = hashes.iter().filter(|(_, hashes)| hashes.len() != 1);
    faults.extend(unequal.map(|(seed, hashes)| format!("seed {seed} gave {hashes:?}")));
    faults
}

struct Books {
    jobs: usize,
    interrupted: usize,
    twice: Vec<String>,
    left_over: Vec<String>,
    damage: Vec<String>,
    hashes: Vec<String>,
}

/// Reads the database itself, as the kill left it.
fn books(data_dir: &Path) -> Books {
    let files = tree::files(data_dir);
    let is_database = |name: &&String| [".db", ".sqlite", ".sqlite3"].iter().any(|end| name.ends_with(end));
    let database = data_dir.join(files.iter().find(is_database).expect("the server keeps a SQLite file"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(database);
        let mut connection = SqliteConnection::connect_with(&options).await.expect("the database opens");
        let mut texts = async |statement: &'static str| -> Vec<String> {
            let rows =
                sqlx::query(statement).fetch_all(&mut connection).await.expect("the question is understood");
            rows.iter().map(|row| row.get::<String, _>(0)).collect()
        };
        Books {
            jobs: texts("SELECT id FROM jobs").await.len(),
            interrupted: texts("SELECT id FROM jobs WHERE attempts > 1").await.len(),
            twice: texts("SELECT generation_id FROM images GROUP BY generation_id HAVING count(*) > 1").await,
            left_over: texts(
                "SELECT id || ' is ' || state FROM jobs WHERE state <> 'succeeded' \
                 OR (SELECT count(*) FROM images WHERE job_id = jobs.id) <> 1",
            )
            .await,
            damage: {
                let mut damage = texts("PRAGMA integrity_check").await;
                damage.retain(|line| line != "ok");
                damage.extend(texts("PRAGMA foreign_key_check").await);
                damage
            },
            hashes: texts("SELECT DISTINCT sha256 FROM images").await,
        }
    })
}

/// Hashes of pictures that no file is named after.
fn missing_files(data_dir: &Path, hashes: &[String]) -> Vec<String> {
    let files: Vec<PathBuf> = tree::files(data_dir).into_iter().map(PathBuf::from).collect();
    let stem = |path: &PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let names: BTreeSet<String> = files.iter().filter_map(stem).collect();
    hashes.iter().filter(|hash| !names.contains(*hash)).cloned().collect()
}
