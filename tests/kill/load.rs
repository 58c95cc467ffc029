//! Four people who ask for pictures as fast as they can, and what they were told.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Sender};
use std::thread;

use chapan_tests::client::Client;
use chapan_tests::server::Server;
use serde_json::json;

const PEOPLE: u64 = 4;
/// Few, so that equal seeds meet: some of their jobs interrupted, some not.
const SEEDS: u64 = 5;

/// What the server promised.
#[derive(Default)]
pub struct Ledger {
    /// Job to the seed it was asked for; each was answered with 202.
    pub accepted: BTreeMap<String, u64>,
    /// Job to picture, for jobs that were seen finished.
    pub finished: BTreeMap<String, String>,
    /// Requests that got no answer: accepted or not, nobody knows.
    pub doubted: usize,
    /// Answers other than promises: statuses, as text.
    pub refused: Vec<String>,
}

enum Told {
    Accepted { job: String, seed: u64 },
    Seen { job: String, image: Option<String> },
    Refused(String),
    Doubted,
}

/// Loads the server, kills it after a number of answers, and writes down all that was promised until then.
pub fn until_killed(server: &mut Server, answers: u64, rng: &mut Rng, ledger: &mut Ledger) {
    let (tell, told) = mpsc::channel();
    let people: Vec<_> = (0..PEOPLE)
        .map(|_| {
            let (client, tell, rng) = (Client::new(&server.address), tell.clone(), Rng::new(rng.next()));
            thread::spawn(move || ask_until_it_is_gone(&client, rng, &tell))
        })
        .collect();
    drop(tell);
    for _ in 0..answers {
        match told.recv() {
            Ok(news) => ledger.note(news),
            Err(_) => break,
        }
    }
    server.kill();
    for news in told {
        ledger.note(news);
    }
    for person in people {
        person.join().expect("a person does not panic");
    }
}

fn ask_until_it_is_gone(client: &Client, mut rng: Rng, tell: &Sender<Told>) {
    loop {
        let seed = rng.below(SEEDS);
        let body = json!({
            "prompt": "a man with a topknot", "model": "tiny-sdxl", "seed": seed,
            "num_inference_steps": 2, "guidance_scale": 3.0, "width": 64, "height": 64,
        });
        let news = match client.post("/api/generations", &body) {
            Ok(answer) if answer.status == 202 => {
                let job = answer.body["id"].as_str().unwrap_or_default().to_owned();
                Told::Accepted { job, seed }
            }
            Ok(answer) => Told::Refused(format!("{} {}", answer.status, answer.body)),
            Err(_) => Told::Doubted,
        };
        let job = match &news {
            Told::Accepted { job, .. } => Some(job.clone()),
            _ => None,
        };
        let gone = matches!(news, Told::Doubted);
        if tell.send(news).is_err() || gone {
            return;
        }
        if let Some(job) = job {
            let Ok(answer) = client.get(&format!("/api/jobs/{job}")) else { return };
            let image = answer.body["image"].as_str().map(str::to_owned);
            if tell.send(Told::Seen { job, image }).is_err() {
                return;
            }
        }
    }
}

impl Ledger {
    fn note(&mut self, news: Told) {
        match news {
            Told::Accepted { job, seed } => drop(self.accepted.insert(job, seed)),
            Told::Seen { job, image: Some(image) } => drop(self.finished.insert(job, image)),
            Told::Seen { image: None, .. } => {}
            Told::Refused(why) => self.refused.push(why),
            Told::Doubted => self.doubted += 1,
        }
    }
}

/// `SplitMix64`: small, and the same everywhere, so that a seed repeats a run as far as a race can be repeated.
pub struct Rng(u64);

impl Rng {
    /// A stream of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below a limit that is small beside 2^64.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
