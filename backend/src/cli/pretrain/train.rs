//! One stage from where it stands to its end: time, checkpoints, what is told.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use chapan_engine::Device;
use chapan_engine::training::pretrain::{Figure, Finished, Pretrainer, Report, Stage};
use serde::Serialize;

use super::stages::StageName;
use crate::cli::{Failure, output};
use crate::jobs::training::RunFolder;

/// Steps by which a stage that is given seconds finds out how many steps those are; the first ones are slower.
const TRIAL: (usize, usize) = (3, 12);
/// Seconds between two lines of progress.
const LINE_SECONDS: f64 = 10.0;
/// Seconds between two checkpoints.
const CHECKPOINT_SECONDS: f64 = 60.0;
/// A stage that does not know its number of steps yet has at least this many.
const UNKNOWN: usize = 1_000_000_000;

/// How a stage's training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With its last step.
    Finished,
    /// Before, by request; a checkpoint holds where.
    Stopped,
}

/// What was asked for.
pub struct Run<'a> {
    /// Checkpoints and models.
    pub output: &'a Path,
    /// What every checkpoint belongs to.
    pub belongs_to: String,
    /// All chance follows from it.
    pub seed: u64,
    /// Steps of each stage.
    pub steps: Option<usize>,
    /// Or seconds of each stage.
    pub seconds: Option<f64>,
    /// Steps between two checkpoints, if not only by time.
    pub checkpoint_every: Option<usize>,
    /// Begin even where a checkpoint is.
    pub restart: bool,
    /// Where it is computed.
    pub device: Device,
    /// Lines for programs.
    pub json: bool,
    /// Set when the person wants to stop.
    pub stop: &'a AtomicBool,
}

/// What is told, as a line of JSON.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Event<'a> {
    Started {
        stage: &'a str,
        step: usize,
        steps: Option<usize>,
    },
    Step {
        stage: &'a str,
        step: usize,
        steps: usize,
        loss: f64,
        rate: f64,
        norm: f64,
        pictures_per_second: f64,
    },
    Figure {
        stage: &'a str,
        name: &'a str,
        value: f64,
        gate: Option<f64>,
        reached: bool,
    },
    Checkpoint {
        stage: &'a str,
        step: usize,
    },
    Finished {
        stage: &'a str,
        steps: usize,
        seconds: f64,
    },
    Stopped {
        stage: &'a str,
        step: usize,
    },
}

impl Run<'_> {
    fn path(stage: StageName) -> PathBuf {
        PathBuf::from("stages").join(format!("{}.safetensors", stage.name()))
    }

    /// Writes a file below the output folder, whole or not at all.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.output.join(path);
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Failure::new(
                format!("`{}` is no file", path.display()),
                "choose another `--output`",
            ));
        };
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::new(format!("cannot make `{}`: {error}", folder.display()), "choose another `--output`")
        })?;
        Ok(RunFolder::planned(folder).write(&name.to_string_lossy(), bytes)?)
    }

    fn read(&self, stage: StageName) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.output.join(Self::path(stage));
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::new(
                format!("cannot read `{}`: {error}", path.display()),
                "is the disk in order?",
            )),
        }
    }

    /// What an earlier stage has made.
    pub fn finished(&self, stage: StageName) -> Result<Finished, Failure> {
        let origin = self.output.join(Self::path(stage)).display().to_string();
        let missing = || {
            let hint = format!("train it first: chapan pretrain --stage {}", stage.name());
            Failure::new(
                format!("the stage `{}` is not finished in `{}`", stage.name(), self.output.display()),
                hint,
            )
        };
        let finished = Finished::read(&origin, self.read(stage)?.ok_or_else(missing)?, &self.belongs_to)?;
        if finished.progress.step < finished.progress.steps { Err(missing()) } else { Ok(finished) }
    }

    /// Whether a stage has come to its end.
    pub fn is_finished(&self, stage: StageName) -> Result<bool, Failure> {
        let Some(bytes) = self.read(stage)? else { return Ok(false) };
        let origin = self.output.join(Self::path(stage)).display().to_string();
        let progress = Finished::read(&origin, bytes, &self.belongs_to)?.progress;
        Ok(progress.step >= progress.steps)
    }

    /// Trains a stage that `make` makes; `make` is asked only if there is something left to train.
    pub fn stage<S: Stage + Send>(
        &self,
        name: StageName,
        make: impl FnOnce() -> Result<S, Failure>,
    ) -> Result<Ended, Failure> {
        let stage = make()?;
        let seconds = self.seconds.unwrap_or_else(|| name.seconds());
        let kept = if self.restart { None } else { self.read(name)? };
        let mut trainer = match kept {
            Some(bytes) => {
                let origin = self.output.join(Self::path(name)).display().to_string();
                let mut trainer = Pretrainer::resume(stage, &origin, bytes, &self.belongs_to, &self.device)?;
                if let Some(steps) = self.steps {
                    trainer.set_steps(steps);
                }
                trainer
            }
            None => Pretrainer::begin(
                stage,
                self.seed.wrapping_add(name.number()),
                self.steps.unwrap_or(UNKNOWN),
                &self.device,
            )?,
        };
        let steps = Some(trainer.progress().steps).filter(|steps| *steps < UNKNOWN);
        self.tell(&Event::Started { stage: name.name(), step: trainer.progress().step, steps })?;
        let begun = Instant::now();
        let ended = self.steps_of(name, &mut trainer, seconds)?;
        let (stage, progress) = (name.name(), trainer.progress());
        if ended == Ended::Stopped {
            self.tell(&Event::Stopped { stage, step: progress.step })?;
            return Ok(ended);
        }
        self.tell(&Event::Finished { stage, steps: progress.steps, seconds: begun.elapsed().as_secs_f64() })?;
        self.figures(stage, &trainer.figures(None)?)?;
        Ok(ended)
    }

    fn steps_of<S: Stage + Send>(
        &self,
        name: StageName,
        trainer: &mut Pretrainer<S>,
        seconds: f64,
    ) -> Result<Ended, Failure> {
        let (mut shown, mut saved) = (Instant::now(), Instant::now());
        let (mut losses, mut trial) = (Vec::new(), Instant::now());
        let first = trainer.progress().step;
        while !trainer.is_done() {
            let report = trainer.step()?;
            losses.push(report.loss);
            let done = report.step - first;
            if trainer.progress().steps >= UNKNOWN {
                if done == TRIAL.0 {
                    trial = Instant::now();
                } else if done == TRIAL.1 {
                    let each = trial.elapsed().as_secs_f64() / (TRIAL.1 - TRIAL.0) as f64;
                    trainer.set_steps(((seconds / each) as usize).max(TRIAL.1));
                }
            }
            let stop = self.stop.load(Ordering::SeqCst);
            if shown.elapsed().as_secs_f64() > LINE_SECONDS || trainer.is_done() || stop {
                let speed =
                    (losses.len() * trainer.stage().pictures()) as f64 / shown.elapsed().as_secs_f64();
                let loss = losses.iter().sum::<f64>() / losses.len() as f64;
                self.step_told(name, &Report { loss, ..report }, trainer.progress().steps, speed)?;
                losses.clear();
                shown = Instant::now();
            }
            let due = saved.elapsed().as_secs_f64() > CHECKPOINT_SECONDS
                || self.checkpoint_every.is_some_and(|every| report.step.is_multiple_of(every));
            // A stage that does not know its number of steps yet is begun again sooner than gone on with.
            if trainer.progress().steps < UNKNOWN && (due || trainer.is_done() || stop) {
                self.write(&Self::path(name), &trainer.checkpoint(&self.belongs_to)?)?;
                saved = Instant::now();
                self.tell(&Event::Checkpoint { stage: name.name(), step: report.step })?;
            }
            if stop && !trainer.is_done() {
                return Ok(Ended::Stopped);
            }
        }
        Ok(Ended::Finished)
    }

    fn step_told(
        &self,
        name: StageName,
        report: &Report,
        steps: usize,
        pictures_per_second: f64,
    ) -> Result<(), Failure> {
        let Report { step, loss, rate, norm } = *report;
        self.tell(&Event::Step { stage: name.name(), step, steps, loss, rate, norm, pictures_per_second })
    }

    fn figures(&self, stage: &str, figures: &[Figure]) -> Result<(), Failure> {
        for figure in figures {
            let Figure { name, value, gate } = figure;
            self.tell(&Event::Figure { stage, name, value: *value, gate: *gate, reached: figure.passes() })?;
        }
        Ok(())
    }

    fn tell(&self, event: &Event<'_>) -> Result<(), Failure> {
        if self.json {
            let text = serde_json::to_string(event).map_err(|error| {
                Failure::new(format!("cannot write the result as JSON: {error}"), "please report this")
            })?;
            return output::say(&text);
        }
        let of = |steps: usize| if steps < UNKNOWN { format!("/{steps}") } else { String::new() };
        output::say(&match event {
            Event::Started { stage, step: 0, .. } => format!("{stage}: begins"),
            Event::Started { stage, step, steps } => {
                format!("{stage}: goes on after step {step}{}", of(steps.unwrap_or(UNKNOWN)))
            }
            Event::Step { stage, step, steps, loss, rate, norm, pictures_per_second } => format!(
                "{stage}: step {step}{}, loss {loss:.4}, rate {rate:.1e}, gradient {norm:.2}, {pictures_per_second:.1} pictures/s",
                of(*steps)
            ),
            Event::Figure { stage, name, value, gate: None, .. } => format!("{stage}: {name} {value:.3}"),
            Event::Figure { stage, name, value, gate: Some(gate), reached: true } => {
                format!("{stage}: {name} {value:.3}, gate {gate:.2} reached")
            }
            Event::Figure { stage, name, value, gate: Some(gate), .. } => {
                format!("{stage}: {name} {value:.3}, MISSED gate {gate:.2} by {:.3}", gate - value)
            }
            Event::Checkpoint { .. } => return Ok(()),
            Event::Finished { stage, steps, seconds } => {
                format!("{stage}: {steps} steps done in {seconds:.0} s")
            }
            Event::Stopped { stage, step } => {
                format!("{stage}: stopped after step {step}; the same command goes on from there")
            }
        })
    }
}
