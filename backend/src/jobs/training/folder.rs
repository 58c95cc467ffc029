//! The folder of a run: everything in it is written beside its place first and then renamed into it, so that a file is there
//! whole or not at all, whenever the process dies.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use chapan_api::training::TrainingEvent;

use super::TrainingError;

const CHECKPOINT: &str = "checkpoint.safetensors";
const LOG: &str = "events.jsonl";

/// Where a run keeps its files.
///
/// `checkpoint.safetensors` to go on from, `events.jsonl` what it told, `samples/` its pictures, and the LoRA.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Whether the log is never cut: readers who follow it by its lines must not see it change behind them.
    whole_log: bool,
}

impl RunFolder {
    /// Makes the folder, or takes one that is there.
    ///
    /// # Errors
    /// When it holds a training and `resume` is not said, or cannot be made.
    pub fn open(path: &Path, resume: bool) -> Result<Self, TrainingError> {
        let folder = Self::planned(path);
        if !resume && folder.checkpoint_path().exists() {
            return Err(TrainingError::Exists { path: path.to_owned() });
        }
        let samples = path.join("samples");
        std::fs::create_dir_all(&samples)
            .map_err(|source| TrainingError::Write { path: samples.clone(), source })?;
        Ok(folder)
    }

    /// The folder of a run that may go on, whose log keeps every line: what came after the step that it goes on from stays in
    /// it, and the line `started` says that it is void.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open_with_whole_log(path: &Path) -> Result<Self, TrainingError> {
        Ok(Self { whole_log: true, ..Self::open(path, true)? })
    }

    /// The folder of a run that is only planned: nothing is made.
    pub fn planned(path: &Path) -> Self {
        Self { path: path.to_owned(), whole_log: false }
    }

    /// The space that is free where the folder is or will be, if the system says so.
    pub fn available_space(&self) -> Option<u64> {
        let there = self.path.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
        fs4::available_space(there).ok()
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the checkpoint lies.
    pub fn checkpoint_path(&self) -> PathBuf {
        self.path.join(CHECKPOINT)
    }

    /// The checkpoint, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn checkpoint(&self) -> Result<Option<Vec<u8>>, TrainingError> {
        let path = self.checkpoint_path();
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(TrainingError::Read { path, source }),
        }
    }

    /// Replaces the checkpoint.
    ///
    /// # Errors
    /// When it cannot be written: then the one before is still whole.
    pub fn keep_checkpoint(&self, bytes: &[u8]) -> Result<(), TrainingError> {
        self.write(CHECKPOINT, bytes)
    }

    /// Writes a file of the run.
    ///
    /// # Errors
    /// When it cannot be written: then what was in its place is still there.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TrainingError> {
        let path = self.path.join(name);
        let partial = self.path.join(format!("{}.part", name.replace('/', "-")));
        let written = write_to_disk(&partial, bytes).and_then(|()| std::fs::rename(&partial, &path));
        written.and_then(|()| sync_folder(&self.path)).map_err(|source| {
            // Best effort: the first error is the one to report.
            let _ = std::fs::remove_file(&partial);
            TrainingError::Write { path, source }
        })
    }

    /// Adds an event to the log.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn log(&self, event: &TrainingEvent) -> Result<(), TrainingError> {
        let path = self.path.join(LOG);
        let fail = |source| TrainingError::Write { path: path.clone(), source };
        let mut line = serde_json::to_vec(event).map_err(|error| fail(error.into()))?;
        line.push(b'\n');
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        file.and_then(|mut file| file.write_all(&line)).map_err(fail)
    }

    /// Takes what came after step `step` out of the log: it will come again. Of a log that is kept whole only half a line goes,
    /// which a process that died left behind.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    pub fn cut_log_after(&self, step: u64) -> Result<(), TrainingError> {
        let path = self.path.join(LOG);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            text => text.map_err(|source| TrainingError::Read { path, source })?,
        };
        let kept: Vec<&[u8]> = text
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| {
                let whole = self.whole_log && line.ends_with(b"\n");
                whole
                    || serde_json::from_slice(line)
                        .is_ok_and(|event| !self.whole_log && step_of(&event) <= step)
            })
            .collect();
        if self.whole_log && kept.concat().len() == text.len() {
            return Ok(());
        }
        self.write(LOG, &kept.concat())
    }
}

/// The step that an event is about.
fn step_of(event: &TrainingEvent) -> u64 {
    match event {
        TrainingEvent::Started { step, .. }
        | TrainingEvent::Step { step, .. }
        | TrainingEvent::Validation { step, .. }
        | TrainingEvent::Sample { step, .. }
        | TrainingEvent::Checkpoint { step }
        | TrainingEvent::Finished { step, .. }
        | TrainingEvent::Stopped { step } => *step,
    }
}

/// How far a log says that its training is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepsTold {
    /// Steps that are done.
    pub last_step: u64,
    /// Mean loss of the last [`LAST_STEPS`] of them.
    pub loss: Option<f64>,
}

/// So many losses make a mean.
const LAST_STEPS: usize = 10;
/// So much of a log's end is read; a line has some hundred bytes.
const TAIL_BYTES: u64 = 64 << 10;

/// Reads the end of a log. One that is not there yet tells of no steps.
///
/// # Errors
/// When it cannot be read.
pub fn steps_told(log: &Path) -> std::io::Result<StepsTold> {
    let mut file = match std::fs::File::open(log) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(StepsTold::default()),
        file => file?,
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    let (mut told, mut losses): (StepsTold, Vec<(u64, f64)>) = (StepsTold::default(), Vec::new());
    // The first line may be half a line, and then is none.
    for event in tail.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()) {
        told.last_step = step_of(&event);
        match event {
            TrainingEvent::Step { step, loss, .. } => losses.push((step, loss)),
            // What came after the step that it goes on from is void.
            TrainingEvent::Started { step, .. } => losses.retain(|(done, _)| *done <= step),
            _ => {}
        }
    }
    let last = &losses[losses.len().saturating_sub(LAST_STEPS)..];
    let mean = last.iter().map(|(_, loss)| loss).sum::<f64>() / last.len() as f64;
    told.loss = (!last.is_empty()).then_some(mean);
    Ok(told)
}

fn write_to_disk(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a rename last: without it a power cut could bring the old name back.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    if cfg!(unix) { std::fs::File::open(path)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_forgets_what_will_come_again() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::open(folder.path(), false).unwrap();
        let step = |step| TrainingEvent::Step { step, loss: 0.5, lr: 0.1, grad_norm: 1.0 };
        for number in 1..=4 {
            run.log(&step(number)).unwrap();
        }
        // The process died in the middle of a line.
        let path = folder.path().join(LOG);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        run.cut_log_after(2).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        run.log(&step(3)).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("\"grad_norm\":1.0}\n"));
    }

    #[test]
    fn a_log_that_is_kept_whole_loses_half_lines_only_and_tells_how_far_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOG);
        assert_eq!(steps_told(&path).unwrap(), StepsTold::default());
        let run = RunFolder::open_with_whole_log(folder.path()).unwrap();
        let step = |step: u64, loss| TrainingEvent::Step { step, loss, lr: 0.1, grad_norm: 1.0 };
        for number in 1..=30 {
            run.log(&step(number, number as f64)).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        run.cut_log_after(20).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 29);
        assert_eq!(steps_told(&path).unwrap(), StepsTold { last_step: 29, loss: Some(24.5) });
        let started = TrainingEvent::Started {
            step: 20,
            max_train_steps: 40,
            references: 1,
            class_pictures: 0,
            held_out: 0,
            parameters: 1,
        };
        run.log(&started).unwrap();
        assert_eq!(steps_told(&path).unwrap(), StepsTold { last_step: 20, loss: Some(15.5) });
        run.log(&step(21, 21.0)).unwrap();
        assert_eq!(steps_told(&path).unwrap(), StepsTold { last_step: 21, loss: Some(16.5) });
    }

    #[test]
    fn a_training_is_not_begun_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::open(folder.path(), false).unwrap();
        assert!(run.checkpoint().unwrap().is_none());
        run.keep_checkpoint(b"bytes").unwrap();
        assert!(matches!(RunFolder::open(folder.path(), false), Err(TrainingError::Exists { .. })));
        assert_eq!(RunFolder::open(folder.path(), true).unwrap().checkpoint().unwrap().unwrap(), b"bytes");
    }
}
