//! A training from its settings to its end: what the command line, the server and a competition all run.
//!
//! [`prepare`] reads and encodes the pictures, [`train`] looks whether all fits, and trains. What was prepared can be kept by
//! those who stop and go on often.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use chapan_api::id::ModelId;
use chapan_api::training::{
    CreateTraining, LearningRateSchedule, Preflight, TrainingEvent, TrainingTarget, Usual,
};
use chapan_engine::pipelines::{GenerationParams, StableDiffusionXl};
use chapan_engine::training::{Example, LrScheduler, Targets, Trainer, TrainingConfig};

use super::{
    PictureSet, Plan, Planned, Run, RunFolder, SamplePrompt, Sources, TrainingError, Wish, encode, plan,
    read_pictures,
};
use crate::datasets::{Buckets, CaptionTemplate};

/// The LoRA's file in PEFT's names.
pub const LORA_FILE: &str = "lora.safetensors";

/// The settings of a request as the engine takes them; what it leaves open is what a model that draws pictures of `model_side`
/// usually wants.
pub fn config_of(request: &CreateTraining, model_side: u32) -> TrainingConfig {
    let usual = Usual::of(model_side);
    let request = request.clone().filled(model_side);
    let default = TrainingConfig::default();
    let whole = |value: Option<u32>, otherwise: usize| value.map_or(otherwise, |value| value as usize);
    let learning_rate = request.learning_rate.unwrap_or(usual.learning_rate);
    let targets = request.targets.unwrap_or_default();
    TrainingConfig {
        rank: whole(request.rank, default.rank),
        alpha: request.alpha.unwrap_or(default.alpha),
        targets: Targets {
            feed_forward: targets.contains(&TrainingTarget::FeedForward),
            convolutions: targets.contains(&TrainingTarget::Convolutions),
            text_encoders: request.text_encoders == Some(true),
        },
        use_dora: request.dora == Some(true),
        max_train_steps: whole(request.max_train_steps, default.max_train_steps),
        train_batch_size: whole(request.train_batch_size, default.train_batch_size),
        gradient_accumulation_steps: whole(request.gradient_accumulation_steps, 1),
        learning_rate,
        text_encoder_lr: learning_rate / usual.text_encoder_lr_divisor,
        lr_scheduler: match request.lr_scheduler.unwrap_or(usual.lr_scheduler) {
            LearningRateSchedule::Constant => LrScheduler::Constant,
            LearningRateSchedule::Cosine => LrScheduler::Cosine,
        },
        lr_warmup_steps: whole(request.lr_warmup_steps, 0),
        snr_gamma: request.min_snr_gamma.filter(|gamma| *gamma > 0.0),
        noise_offset: request.noise_offset.unwrap_or_default(),
        caption_dropout: request.caption_dropout.unwrap_or(usual.caption_dropout),
        prior_loss_weight: request.prior.map_or(default.prior_loss_weight, |prior| prior.weight),
        ema_decay: (request.ema == Some(true)).then_some(usual.ema_decay),
        gradient_checkpointing: request.gradient_checkpointing == Some(true),
        seed: request.seed.unwrap_or_default(),
        ..default
    }
}

/// Everything that is chosen about a training.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The numbers.
    pub config: TrainingConfig,
    /// Side in pixels that pictures are trained at; absent means the model's own.
    pub resolution: Option<usize>,
    /// Whether every picture is cut to a square.
    pub center_crop: bool,
    /// The folder of references.
    pub references: PathBuf,
    /// A folder of class pictures.
    pub class: Option<PathBuf>,
    /// A folder of pictures to measure with.
    pub held_out: Option<PathBuf>,
    /// How captions are put together.
    pub captions: CaptionTemplate,
    /// The caption of class pictures that have none.
    pub class_prompt: Option<String>,
    /// Whether files that cannot be used are passed over.
    pub skip_unusable: bool,
    /// What is drawn again and again; empty means the trigger and the first caption.
    pub sample_prompts: Vec<String>,
    /// Steps between samples; 0 for none, absent for a fifth of all.
    pub sample_every: Option<usize>,
    /// Steps between measurements; 0 for none, absent for a tenth of all.
    pub validate_every: Option<usize>,
    /// Steps between checkpoints; 0 for one at the end.
    pub checkpoint_every: usize,
    /// The LoRA's file in kohya's names, if it is wanted.
    pub kohya_file: Option<String>,
    /// What the LoRA calls itself.
    pub title: String,
    /// What the pictures are called together.
    pub pictures: String,
    /// The model.
    pub model: ModelId,
    /// SHA-256 of its weights.
    pub model_sha256: String,
}

/// What is going on.
#[derive(Clone, Copy, Debug)]
pub enum Doing<'a> {
    /// The pictures are looked at.
    Looking,
    /// So many of them are encoded.
    Encoding(usize, usize),
    /// A step is tried, to know how long one takes.
    TryingStep,
    /// A step of a sample is drawn.
    Drawing,
    /// Everything that is known before the first step.
    Preflight(&'a Preflight),
    /// The training tells something.
    Event(&'a TrainingEvent),
}

/// Hears everything and answers what is wanted next.
pub type Observer<'a> = dyn FnMut(Doing<'_>) -> Wish + 'a;

/// How to begin.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start {
    /// Go on from the folder's checkpoint if there is one.
    pub resume: bool,
    /// Look whether memory and space suffice, try a step to tell how long all will take, and say so.
    pub look_first: bool,
    /// Stop after that.
    pub only_look: bool,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It cannot begin; the preflight that was told says why.
    Blocked,
    /// It was only looked at.
    Looked,
    /// All steps are done, and the LoRA is written.
    Finished,
    /// It was told to stop after this step, and is kept.
    Stopped(usize),
}

/// Pictures that were read and encoded.
#[derive(Clone, Debug)]
pub struct Prepared {
    set: PictureSet,
    examples: Vec<Example>,
    side: usize,
}

impl Prepared {
    /// Different pictures that are learnt.
    pub fn references(&self) -> usize {
        self.set.count(chapan_engine::training::Role::Reference)
    }
}

/// Reads the pictures and encodes them. `None`: one of them cannot be used, or there is none; the preflight says so.
///
/// # Errors
/// When the resolution cannot be trained at, or a folder cannot be read.
pub fn prepare(
    pipeline: &StableDiffusionXl,
    setup: &Setup,
    observer: &mut Observer<'_>,
) -> Result<Option<Prepared>, TrainingError> {
    let side = setup.resolution.unwrap_or(pipeline.default_size());
    let cell = pipeline.cell_side();
    if side == 0 || !side.is_multiple_of(cell) || side > 4096 {
        return Err(TrainingError::Resolution { side, cell });
    }
    let buckets = if setup.center_crop { Buckets::square(side) } else { Buckets::new(side, cell) };
    let sources = Sources {
        references: setup.references.clone(),
        class: setup.class.clone(),
        held_out: setup.held_out.clone(),
        captions: setup.captions.clone(),
        class_prompt: setup.class_prompt.clone(),
        buckets,
        skip_unusable: setup.skip_unusable,
    };
    observer(Doing::Looking);
    let set = read_pictures(&sources)?;
    let looked = Preflight { findings: set.findings.clone(), ..Preflight::default() };
    if looked.is_blocked() {
        observer(Doing::Preflight(&looked));
        return Ok(None);
    }
    let mut stopped = false;
    let tell = |done, of| {
        stopped |= observer(Doing::Encoding(done, of)) == Wish::Stop;
        !stopped
    };
    let examples = encode(pipeline, &set, &sources.buckets, tell)?;
    Ok(Some(Prepared { set, examples, side }))
}

/// Trains to the last step, or until the observer wants to stop. The model is given back as it was.
///
/// # Errors
/// When numbers leave their range or a file cannot be written: the last checkpoint stays whole.
pub fn train(
    pipeline: &mut StableDiffusionXl,
    setup: &Setup,
    prepared: &Prepared,
    folder: &RunFolder,
    start: Start,
    observer: &mut Observer<'_>,
) -> Result<Outcome, TrainingError> {
    let Prepared { set, examples, side } = prepared;
    let mut trainer = Trainer::new(pipeline, examples.clone(), setup.config.clone())?;
    let plan_of_run = plan_of(setup, set, *side);
    if start.resume {
        let mut silent = |_: Doing<'_>| Wish::Continue;
        Run { trainer: &mut trainer, plan: &plan_of_run, folder, observer: &mut silent }.resume()?;
    }
    if start.look_first {
        // Memory and space are looked at before a step is tried: it would need them.
        let planned = planned(setup, &plan_of_run, *side);
        let before = plan(&trainer, set, folder, planned);
        if before.is_blocked() {
            observer(Doing::Preflight(&before));
            return Ok(Outcome::Blocked);
        }
        observer(Doing::TryingStep);
        let started = Instant::now();
        trainer.try_step()?;
        let accumulated = setup.config.gradient_accumulation_steps as f64;
        let step_ms = Some(started.elapsed().as_secs_f64() * 1000.0 * accumulated);
        observer(Doing::Preflight(&plan(&trainer, set, folder, Planned { step_ms, ..planned })));
    }
    if start.only_look {
        return Ok(Outcome::Looked);
    }
    let mut run = Run { trainer: &mut trainer, plan: &plan_of_run, folder, observer };
    let finished = run.to_the_end()?;
    Ok(if finished { Outcome::Finished } else { Outcome::Stopped(trainer.steps_done()) })
}

fn planned(setup: &Setup, plan: &Plan, side: usize) -> Planned {
    let rounds = setup.config.max_train_steps.checked_div(plan.sample_every).map_or(0, |rounds| rounds + 2);
    Planned {
        samples: (rounds * plan.samples.len()) as u64,
        sample_pixels: (side * side) as u64,
        step_ms: None,
    }
}

/// How often what is done, and what the file says of itself.
fn plan_of(setup: &Setup, set: &PictureSet, side: usize) -> Plan {
    let mut prompts = setup.sample_prompts.clone();
    if prompts.is_empty() {
        prompts.extend(setup.captions.trigger().map(str::to_owned));
        prompts.extend(set.captions().next().map(str::to_owned));
        prompts.dedup();
    }
    let total = setup.config.max_train_steps;
    let samples = prompts.into_iter().zip(0..).map(|(prompt, seed)| SamplePrompt { prompt, seed });
    Plan {
        samples: samples.collect(),
        sample_params: GenerationParams { width: side, height: side, ..GenerationParams::default() },
        sample_every: setup.sample_every.unwrap_or(Usual::sample_every(total as u32) as usize),
        validate_every: setup.validate_every.unwrap_or(Usual::validate_every(total as u32) as usize),
        checkpoint_every: setup.checkpoint_every,
        file: LORA_FILE.to_owned(),
        kohya_file: setup.kohya_file.clone(),
        metadata: described(setup, set),
        belongs_to: format!("{} {}", setup.model_sha256, set.digest()),
    }
}

/// What the file says of model, pictures and trigger.
fn described(setup: &Setup, set: &PictureSet) -> BTreeMap<String, String> {
    let mut tags: BTreeMap<&str, u64> = BTreeMap::new();
    for caption in set.captions() {
        for tag in caption.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            *tags.entry(tag).or_insert(0) += 1;
        }
    }
    let folder = &setup.pictures;
    let frequency = serde_json::json!({ folder: tags });
    let dirs = serde_json::json!({ folder: { "n_repeats": 1, "img_count": set.captions().count() } });
    let sizes: Vec<String> = set.sizes.keys().map(|b| format!("{}x{}", b.width, b.height)).collect();
    let mut metadata: BTreeMap<String, String> = [
        ("modelspec.title", setup.title.clone()),
        ("modelspec.resolution", sizes.first().cloned().unwrap_or_default()),
        ("modelspec.description", format!("Trained by chapan {}", env!("CARGO_PKG_VERSION"))),
        ("ss_output_name", setup.title.clone()),
        ("ss_sd_model_name", setup.model.to_string()),
        ("ss_enable_bucket", (!setup.center_crop).to_string()),
        ("ss_resolution", sizes.join(",")),
        ("ss_tag_frequency", frequency.to_string()),
        ("ss_dataset_dirs", dirs.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    if let Some(trigger) = setup.captions.trigger() {
        metadata.insert("modelspec.trigger_phrase".to_owned(), trigger.to_owned());
    }
    metadata
}
