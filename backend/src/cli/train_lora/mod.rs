//! `chapan train-lora`: a few pictures become a small file that changes what a model draws.

mod options;
mod telling;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use chapan_api::training::{Preflight, TrainingEvent};
use chapan_engine::pipelines::GenerationParams;
use chapan_engine::training::Trainer;

pub use options::Arguments;

use self::telling::Teller;
use super::installed::Installed;
use super::{Failure, output};
use crate::config::Environment;
use crate::datasets::{Buckets, CaptionTemplate, DatasetError};
use crate::jobs::training::{
    PictureSet, Plan, Planned, Run, RunFolder, SamplePrompt, Sources, TrainingError, Wish, encode, plan,
    read_pictures,
};

/// The LoRA's file.
const FILE: &str = "lora.safetensors";
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
    let side = arguments.resolution.map_or(pipeline.default_size(), |side| side as usize);
    let cell = pipeline.cell_side();
    if side == 0 || !side.is_multiple_of(cell) || side > 4096 {
        let fact = format!("`--resolution {side}` cannot be trained at");
        return Err(Failure::usage(fact, format!("choose a multiple of {cell} up to 4096")));
    }
    let config = arguments.config(pipeline.default_size());
    config.check()?;
    let buckets = if arguments.center_crop { Buckets::square(side) } else { Buckets::new(side, cell) };
    let sources = Sources {
        references: arguments.references.clone(),
        class: arguments.class_references.clone(),
        held_out: arguments.held_out_references.clone(),
        captions,
        class_prompt: arguments.class_prompt.clone(),
        buckets,
        skip_unusable: arguments.skip_unusable,
    };
    teller.doing("looking at the pictures");
    let set = read_pictures(&sources)?;
    let looked = Preflight { findings: set.findings.clone(), ..Preflight::default() };
    if looked.is_blocked() {
        teller.preflight(&looked)?;
        return Err(blocked());
    }
    let examples = encode(&pipeline, &set, &sources.buckets, |done, of| teller.encoding(done, of))?;
    let params = GenerationParams { width: side, height: side, ..GenerationParams::default() };
    let total = config.max_train_steps;
    let mut trainer = Trainer::new(&mut pipeline, examples, config)?;
    let belongs_to = format!("{} {}", installed.sha256()?, set.digest());
    let plan_of_run = plan_of(arguments, &installed, &set, (total, params, belongs_to));
    let mut observer = |event: &TrainingEvent| teller.tell(event);
    let mut run = Run { trainer: &mut trainer, plan: &plan_of_run, folder: &folder, observer: &mut observer };
    if arguments.resume && !arguments.check {
        run.resume()?;
    }
    let rounds = total.checked_div(plan_of_run.sample_every).map_or(0, |rounds| rounds + 2);
    let planned = Planned {
        samples: (rounds * plan_of_run.samples.len()) as u64,
        sample_pixels: (side * side) as u64,
        step_ms: None,
    };
    // Memory and space are looked at before a step is tried: it would need them.
    let before = plan(run.trainer, &set, &folder, planned);
    if before.is_blocked() {
        teller.preflight(&before)?;
        return Err(blocked());
    }
    teller.doing("trying a step");
    let started = Instant::now();
    run.trainer.try_step()?;
    let step_ms = started.elapsed().as_secs_f64() * 1000.0 * arguments.gradient_accumulation_steps as f64;
    let planned = Planned { step_ms: Some(step_ms), ..planned };
    let preflight = plan(run.trainer, &set, &folder, planned);
    teller.preflight(&preflight)?;
    if arguments.check {
        return Ok(());
    }
    let stop = stop_at_interrupt();
    let mut observer = |event: &TrainingEvent| {
        teller.tell(event);
        if stop.load(Ordering::SeqCst) { Wish::Stop } else { Wish::Continue }
    };
    let started = Instant::now();
    let mut run = Run { trainer: &mut trainer, plan: &plan_of_run, folder: &folder, observer: &mut observer };
    let finished = run.to_the_end()?;
    teller.finish();
    if arguments.json {
        return Ok(());
    }
    let path = folder.path().join(FILE);
    if finished {
        output::say(&format!(
            "{}: {total} steps on {} pictures in {:.0} s",
            path.display(),
            preflight.references,
            started.elapsed().as_secs_f64()
        ))
    } else {
        output::say(&format!("stopped after step {}; go on with --resume", trainer.steps_done()))
    }
}

fn blocked() -> Failure {
    Failure::new("the training cannot begin", "change what is marked above, then try again")
}

/// How often what is done, and what the file says of itself.
fn plan_of(
    arguments: &Arguments,
    installed: &Installed,
    set: &PictureSet,
    (total, sample_params, belongs_to): (usize, GenerationParams, String),
) -> Plan {
    let mut prompts = arguments.validation_prompt.clone();
    if prompts.is_empty() {
        prompts.extend(arguments.trigger.clone());
        prompts.extend(set.captions().next().map(str::to_owned));
        prompts.dedup();
    }
    let samples = prompts.into_iter().zip(0..).map(|(prompt, seed)| SamplePrompt { prompt, seed });
    Plan {
        samples: samples.collect(),
        sample_params,
        sample_every: arguments.sample_steps.unwrap_or(total.div_ceil(5)),
        validate_every: arguments.validation_steps.unwrap_or(total.div_ceil(10)),
        checkpoint_every: arguments.checkpointing_steps,
        file: FILE.to_owned(),
        kohya_file: arguments.output_kohya_format.then(|| KOHYA_FILE.to_owned()),
        metadata: described(arguments, installed, set),
        belongs_to,
    }
}

/// What the file says of model, pictures and trigger.
fn described(arguments: &Arguments, installed: &Installed, set: &PictureSet) -> BTreeMap<String, String> {
    let name = |path: &Path| path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let title = name(&arguments.output);
    let mut tags: BTreeMap<&str, u64> = BTreeMap::new();
    for caption in set.captions() {
        for tag in caption.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            *tags.entry(tag).or_insert(0) += 1;
        }
    }
    let folder = name(&arguments.references);
    let frequency = serde_json::json!({ &folder: tags });
    let dirs = serde_json::json!({ &folder: { "n_repeats": 1, "img_count": set.captions().count() } });
    let sizes: Vec<String> = set.sizes.keys().map(|b| format!("{}x{}", b.width, b.height)).collect();
    let mut metadata: BTreeMap<String, String> = [
        ("modelspec.title", title.clone()),
        ("modelspec.resolution", sizes.first().cloned().unwrap_or_default()),
        ("modelspec.description", format!("Trained by chapan {}", env!("CARGO_PKG_VERSION"))),
        ("ss_output_name", title),
        ("ss_sd_model_name", installed.id.to_string()),
        ("ss_enable_bucket", (!arguments.center_crop).to_string()),
        ("ss_resolution", sizes.join(",")),
        ("ss_tag_frequency", frequency.to_string()),
        ("ss_dataset_dirs", dirs.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    if let Some(trigger) = &arguments.trigger {
        metadata.insert("modelspec.trigger_phrase".to_owned(), trigger.clone());
    }
    metadata
}

/// Becomes true when the person presses Ctrl-C. A second time ends the process at once, as usual.
fn stop_at_interrupt() -> Arc<AtomicBool> {
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
