//! `chapan train-lora`: a few pictures become a small file that changes what a model draws.

mod options;
mod telling;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use chapan_api::training::TrainingEvent;

pub use options::Arguments;

use self::telling::Teller;
use super::{Failure, output};
use crate::config::Environment;
use crate::datasets::{CaptionTemplate, DatasetError};
use crate::jobs::training::{
    Doing, LORA_FILE, Outcome, RunFolder, Setup, Start, TrainingError, Wish, prepare, train,
};

/// The LoRA's file in kohya's names.
const KOHYA_FILE: &str = "lora-kohya.safetensors";

impl From<TrainingError> for Failure {
    fn from(error: TrainingError) -> Self {
        match error {
            TrainingError::Engine(error) => error.into(),
            other => Self::from_text(&other.to_string()),
        }
    }
}

impl From<DatasetError> for Failure {
    fn from(error: DatasetError) -> Self {
        Self::from_text(&error.to_string())
    }
}

/// Looks, plans, trains.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let captions = CaptionTemplate::new(arguments.caption_template.as_deref(), arguments.trigger.as_deref())
        .map_err(|error| Failure::usage_text(&error.to_string()))?;
    // Cheap refusals first: settings, then the folder, then every picture; the model only after them.
    arguments.config(1024).check()?;
    let installed = arguments.model.find(environment)?;
    let place = arguments.model.place()?;
    let folder = if arguments.check {
        RunFolder::planned(&arguments.output)
    } else {
        RunFolder::open(&arguments.output, arguments.resume)?
    };
    let teller = Teller::new(arguments.json);
    teller.doing("loading");
    let mut pipeline = installed.load(&place)?;
    let config = arguments.config(pipeline.default_size());
    config.check()?;
    let total = config.max_train_steps;
    let name = |path: &Path| path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let setup = Setup {
        config,
        resolution: arguments.resolution.map(|side| side as usize),
        center_crop: arguments.center_crop,
        references: arguments.references.clone(),
        class: arguments.class_references.clone(),
        held_out: arguments.held_out_references.clone(),
        captions,
        class_prompt: arguments.class_prompt.clone(),
        skip_unusable: arguments.skip_unusable,
        sample_prompts: arguments.validation_prompt.clone(),
        sample_every: arguments.sample_steps,
        validate_every: arguments.validation_steps,
        checkpoint_every: arguments.checkpointing_steps,
        kohya_file: arguments.output_kohya_format.then(|| KOHYA_FILE.to_owned()),
        title: name(&arguments.output),
        pictures: name(&arguments.references),
        model: installed.id.clone(),
        model_sha256: installed.sha256()?,
    };
    let (mut said, mut stop, mut began) = (Ok(()), None::<Arc<AtomicBool>>, Instant::now());
    let mut observer = |doing: Doing<'_>| {
        match doing {
            Doing::Looking => teller.doing("looking at the pictures"),
            Doing::Encoding(done, of) => teller.encoding(done, of),
            Doing::TryingStep => teller.doing("trying a step"),
            Doing::Drawing => {}
            Doing::Preflight(preflight) => said = teller.preflight(preflight),
            Doing::Event(event) => {
                if matches!(event, TrainingEvent::Started { .. }) {
                    // From now on there is something to keep.
                    began = Instant::now();
                    stop = Some(stop_at_interrupt());
                }
                teller.tell(event);
            }
        }
        let stop = stop.as_ref().is_some_and(|stop| stop.load(Ordering::SeqCst));
        if stop { Wish::Stop } else { Wish::Continue }
    };
    let prepared = prepare(&pipeline, &setup, &mut observer).map_err(wrong_resolution)?;
    let start =
        Start { resume: arguments.resume && !arguments.check, look_first: true, only_look: arguments.check };
    let outcome = match &prepared {
        Some(prepared) => train(&mut pipeline, &setup, prepared, &folder, start, &mut observer)?,
        None => Outcome::Blocked,
    };
    said?;
    match outcome {
        Outcome::Blocked => {
            Err(Failure::new("the training cannot begin", "change what is marked above, then try again"))
        }
        Outcome::Looked => Ok(()),
        Outcome::Finished | Outcome::Stopped(_) => {
            teller.finish();
            if arguments.json {
                return Ok(());
            }
            if let Outcome::Stopped(step) = outcome {
                return output::say(&format!("stopped after step {step}; go on with --resume"));
            }
            let path = folder.path().join(LORA_FILE);
            output::say(&format!(
                "{}: {total} steps on {} pictures in {:.0} s",
                path.display(),
                prepared.map_or(0, |prepared| prepared.references()),
                began.elapsed().as_secs_f64()
            ))
        }
    }
}

/// A resolution that the model does not have is a fault of the command.
fn wrong_resolution(error: TrainingError) -> Failure {
    match error {
        TrainingError::Resolution { .. } => Failure::usage_text(&error.to_string()),
        other => other.into(),
    }
}

/// Becomes true when the person presses Ctrl-C. A second time ends the process at once, as usual.
pub fn stop_at_interrupt() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                told.store(true, Ordering::SeqCst);
            }
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        });
    });
    stop
}
