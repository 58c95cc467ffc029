//! The server killed (`kill -9`) at random moments under load, started again, and its books audited.
//!
//! Each round lets four people ask for pictures as fast as they can, kills the server after a random number of answers,
//! and starts it again on the same data. In the end: no accepted job lost, none completed twice, equal seeds give equal
//! pictures whether or not a job was interrupted, and the database is whole.
//!
//! Then a training is killed again and again, on the command line and on the server, and its LoRA must be the same to the byte; so is
//! a competition, with all that it
//! keeps.
//!
//! `cargo xtask kill --rounds 100 --seed 7`; without a seed one is drawn and printed. `--training 20` says how often a training
//! is killed, `--competition 20` how often a competition is, `--rounds 0` leaves the server alone.

mod audit;
mod competition;
mod load;
mod server_training;
mod training;

use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::process::ExitCode;

use chapan_tests::server::{Models, Server};

use load::{Ledger, Rng};

/// Answers after which a round may end.
const MOST_ANSWERS: u64 = 40;

struct Options {
    rounds: u32,
    training: u32,
    competition: u32,
    seed: u64,
}

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options =
            Self { rounds: 10, training: 3, competition: 3, seed: RandomState::new().hash_one("kill") };
        let mut arguments = arguments.peekable();
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("`{name}` wants a number"))?;
            let number: u64 = value.parse().map_err(|_| format!("`{value}` is not a number"))?;
            match name.as_str() {
                "--rounds" | "--training" | "--competition" => {
                    let count = number.try_into().map_err(|_| format!("`{number}` times are too many"))?;
                    *match name.as_str() {
                        "--rounds" => &mut options.rounds,
                        "--training" => &mut options.training,
                        _ => &mut options.competition,
                    } = count;
                }
                "--seed" => options.seed = number,
                _ => {
                    return Err(format!(
                        "`{name}` is not an option; there are --rounds, --training, --competition and --seed"
                    ));
                }
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)) {
        Ok(options) => run(&options),
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> ExitCode {
    say(&format!("killing the server {} times, seed {}", options.rounds, options.seed));
    let folder = tempfile::tempdir().expect("there is room for a database");
    let data_dir = folder.path().join("data");
    let mut rng = Rng::new(options.seed);
    let mut ledger = Ledger::default();
    for round in 1..=options.rounds {
        let mut server = Server::start(&data_dir, Models::Tiny);
        let answers = 1 + rng.below(MOST_ANSWERS);
        load::until_killed(&mut server, answers, &mut rng, &mut ledger);
        say(&format!(
            "round {round}: killed after {answers} answers; {} accepted so far, {} in doubt",
            ledger.accepted.len(),
            ledger.doubted
        ));
    }
    let audit::Audit { mut checks, interrupted } = if options.rounds == 0 {
        audit::Audit { checks: Vec::new(), interrupted: 0 }
    } else {
        audit::audit(&data_dir, &ledger)
    };
    if options.training > 0 {
        let training::Outcome { ended, fault } = training::kill(options.training, &mut rng);
        say(&format!("training killed {} times on the way to {ended} LoRAs", options.training));
        checks.push(audit::Check { name: "a killed training ends with the same bytes", fault });
        let training::Outcome { ended, fault } = server_training::kill(options.training, &mut rng);
        say(&format!("server killed {} times on the way to {ended} LoRAs", options.training));
        checks.push(audit::Check { name: "a training of a killed server ends with the same bytes", fault });
    }
    if options.competition > 0 {
        let competition::Outcome { ended, fault } = competition::kill(options.competition, &mut rng);
        say(&format!("competition killed {} times on the way to {ended} ends", options.competition));
        checks.push(audit::Check { name: "a killed competition ends with the same bytes", fault });
    }
    if options.rounds >= 10 {
        // Kills that hit nothing would prove nothing.
        let fault = (interrupted == 0).then(|| "no job was interrupted in all rounds".to_owned());
        checks.push(audit::Check { name: "jobs were interrupted", fault });
    }
    say(&format!("{interrupted} jobs were interrupted and started again"));
    let failed = checks.iter().filter(|check| check.fault.is_some()).count();
    for check in &checks {
        match &check.fault {
            None => say(&format!("test {} ... ok", check.name)),
            Some(fault) => say(&format!("test {} ... FAILED: {fault}", check.name)),
        }
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    let passed = checks.len() - failed;
    say(&format!("test result: {verdict}. {passed} passed; {failed} failed; {} rounds", options.rounds));
    if failed == 0 {
        return ExitCode::SUCCESS;
    }
    say(&format!("data kept in {}; seed {}", folder.keep().display(), options.seed));
    ExitCode::FAILURE
}

/// A line of the report; a reader that has gone away is no reason to stop.
fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    drop(writeln!(output, "{line}"));
}
