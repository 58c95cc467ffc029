//! What can be asked of a training, and what it answers. Names are those of diffusers' training scripts.

use serde::{Deserialize, Serialize};

use super::Preflight;
use crate::dataset::check_name;
use crate::generation::limits::{ID_CHARS, MAX_SEED, PROMPT_CHARS};
use crate::id::{DatasetId, ModelId, TrainingId};
use crate::job::JobView;
use crate::validation::{Checker, FieldError, Rule};

/// Ranges of the settings.
pub mod limits {
    /// Largest rank.
    pub const MAX_RANK: u32 = 256;
    /// Least and greatest alpha.
    pub const ALPHA: (f64, f64) = (0.001, 1_000.0);
    /// Most steps.
    pub const MAX_STEPS: u32 = 100_000;
    /// Greatest learning rate.
    pub const MAX_LEARNING_RATE: f64 = 1.0;
    /// Most pictures in a step.
    pub const MAX_BATCH: u32 = 16;
    /// Most pictures that are added up before a step of the optimiser.
    pub const MAX_ACCUMULATION: u32 = 64;
    /// Smallest side that is trained at, in pixels.
    pub const MIN_RESOLUTION: u32 = 64;
    /// Largest side that is trained at, in pixels.
    pub const MAX_RESOLUTION: u32 = 2_048;
    /// Greatest cut of the min-SNR weighting.
    pub const MAX_SNR_GAMMA: f64 = 1_000.0;
    /// Most prompts that are drawn again and again.
    pub const MAX_SAMPLE_PROMPTS: u64 = 4;
    /// Greatest weight of class pictures.
    pub const MAX_PRIOR_WEIGHT: f64 = 100.0;
    /// Longest template of captions.
    pub const TEMPLATE_CHARS: u64 = 200;
}

/// Layers that get factors of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TrainingTarget {
    /// The UNet's attention. It always learns.
    Attention,
    /// Feed-forward networks of the UNet.
    FeedForward,
    /// Convolutions of the UNet.
    Convolutions,
}

/// How the learning rate moves after its warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LearningRateSchedule {
    /// It stays.
    Constant,
    /// It falls along half a cosine to zero.
    Cosine,
}

/// Pictures of the same kind that must stay as they are (prior preservation).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Prior {
    /// The dataset that has them; pictures without a caption are called by its trigger word.
    pub dataset: DatasetId,
    /// Their weight beside the references.
    #[serde(default = "one")]
    pub weight: f64,
}

fn one() -> f64 {
    1.0
}

/// A training: `POST /api/trainings`, and `POST /api/trainings/preflight`, which only says what it would be. What is absent is
/// what the model usually wants; the view of the training has every setting filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateTraining {
    /// The pictures that are learnt.
    pub dataset: DatasetId,
    /// What the training and its LoRA are called.
    pub name: String,
    /// The model that learns; absent means the server's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// Side in pixels that pictures are trained at; others of the same area are used for pictures of other shapes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<u32>,
    /// Columns of the factors: how much can be learnt, and the size of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// Strength of the change: it is multiplied by `alpha / rank`. Absent: the rank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// Steps in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_train_steps: Option<u32>,
    /// Learning rate of the UNet; the text encoders' is a twentieth of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Pictures in a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_batch_size: Option<u32>,
    /// How many of those make one step of the optimiser. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_accumulation_steps: Option<u32>,
    /// Layers of the UNet that learn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Vec<TrainingTarget>>,
    /// Whether the text encoders learn too. Absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_encoders: Option<bool>,
    /// Whether lengths of weights are trained apart from their directions (DoRA). Absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dora: Option<bool>,
    /// How the learning rate moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr_scheduler: Option<LearningRateSchedule>,
    /// Steps in which the learning rate rises from zero. Absent: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr_warmup_steps: Option<u32>,
    /// Cuts the weights of timesteps at this signal-to-noise ratio; 0 weights all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_snr_gamma: Option<f64>,
    /// Levels added to the noise, for darker and brighter pictures. Absent: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_offset: Option<f64>,
    /// Share of steps without caption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption_dropout: Option<f64>,
    /// How captions are put together, with `{trigger}` and `{caption}` in it. Absent: the trigger word before captions that
    /// lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption_template: Option<String>,
    /// Seed of everything that is drawn by chance. Absent: the server draws one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Whether the file is a running mean of the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema: Option<bool>,
    /// Whether blocks are computed twice instead of remembered: less memory, more time, the same result. Absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_checkpointing: Option<bool>,
    /// Pictures of the same kind that must stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<Prior>,
    /// What is drawn again and again with fixed seeds. Empty: the trigger word, or the first caption.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample_prompts: Vec<String>,
    /// Steps between samples; 0 for none. Absent: a fifth of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_every: Option<u32>,
    /// Steps between measurements of the held-out pictures; 0 for none. Absent: a tenth of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate_every: Option<u32>,
    /// Steps between checkpoints; 0 for one at the end. Absent: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<u32>,
}

impl CreateTraining {
    /// A training with everything as the model usually wants it.
    pub fn new(dataset: DatasetId, name: impl Into<String>) -> Self {
        Self {
            dataset,
            name: name.into(),
            model: None,
            resolution: None,
            rank: None,
            alpha: None,
            max_train_steps: None,
            learning_rate: None,
            train_batch_size: None,
            gradient_accumulation_steps: None,
            targets: None,
            text_encoders: None,
            dora: None,
            lr_scheduler: None,
            lr_warmup_steps: None,
            min_snr_gamma: None,
            noise_offset: None,
            caption_dropout: None,
            caption_template: None,
            seed: None,
            ema: None,
            gradient_checkpointing: None,
            prior: None,
            sample_prompts: Vec::new(),
            sample_every: None,
            validate_every: None,
            checkpoint_every: None,
        }
    }

    /// Checks every field and reports all faults at once.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut check = Checker::new();
        check_id("dataset", self.dataset.as_str(), &mut check);
        check_name("name", &self.name, &mut check);
        if let Some(model) = &self.model {
            check_id("model", model.as_str(), &mut check);
        }
        self.check_numbers(&mut check);
        self.check_targets(&mut check);
        check.text(
            "caption_template",
            self.caption_template.as_deref().unwrap_or_default(),
            limits::TEMPLATE_CHARS,
        );
        if let Some(prior) = &self.prior {
            check_id("prior.dataset", prior.dataset.as_str(), &mut check);
            check.number("prior.weight", prior.weight, 0.0, limits::MAX_PRIOR_WEIGHT);
        }
        check.count("sample_prompts", self.sample_prompts.len(), limits::MAX_SAMPLE_PROMPTS);
        for (index, prompt) in
            self.sample_prompts.iter().take(limits::MAX_SAMPLE_PROMPTS as usize).enumerate()
        {
            let field = format!("sample_prompts[{index}]");
            if prompt.trim().is_empty() {
                check.fault(&field, Rule::Required);
            }
            check.text(&field, prompt, PROMPT_CHARS);
        }
        check.finish()
    }

    fn check_numbers(&self, check: &mut Checker) {
        let steps = self.max_train_steps.unwrap_or(limits::MAX_STEPS).min(limits::MAX_STEPS);
        let whole = [
            ("rank", self.rank, 1, limits::MAX_RANK),
            ("max_train_steps", self.max_train_steps, 1, limits::MAX_STEPS),
            ("train_batch_size", self.train_batch_size, 1, limits::MAX_BATCH),
            ("gradient_accumulation_steps", self.gradient_accumulation_steps, 1, limits::MAX_ACCUMULATION),
            ("resolution", self.resolution, limits::MIN_RESOLUTION, limits::MAX_RESOLUTION),
            ("lr_warmup_steps", self.lr_warmup_steps, 0, steps),
            ("sample_every", self.sample_every, 0, limits::MAX_STEPS),
            ("validate_every", self.validate_every, 0, limits::MAX_STEPS),
            ("checkpoint_every", self.checkpoint_every, 0, limits::MAX_STEPS),
        ];
        for (field, value, min, max) in whole {
            if let Some(value) = value {
                check.number(field, f64::from(value), f64::from(min), f64::from(max));
            }
        }
        check.multiple("resolution", u64::from(self.resolution.unwrap_or_default()), 8);
        let numbers = [
            ("alpha", self.alpha, limits::ALPHA.0, limits::ALPHA.1),
            ("learning_rate", self.learning_rate, 0.0, limits::MAX_LEARNING_RATE),
            ("min_snr_gamma", self.min_snr_gamma, 0.0, limits::MAX_SNR_GAMMA),
            ("noise_offset", self.noise_offset, 0.0, 1.0),
            ("caption_dropout", self.caption_dropout, 0.0, 1.0),
            ("seed", self.seed.map(|seed| seed as f64), 0.0, MAX_SEED as f64),
        ];
        for (field, value, min, max) in numbers {
            if let Some(value) = value {
                check.number(field, value, min, max);
            }
        }
    }

    fn check_targets(&self, check: &mut Checker) {
        let Some(targets) = &self.targets else { return };
        check.count("targets", targets.len(), 3);
        if !targets.contains(&TrainingTarget::Attention) {
            check.needs("targets", "attention");
        }
        // Lengths of rows are trained on linear layers only.
        if self.dora == Some(true) && targets.contains(&TrainingTarget::Convolutions) {
            let allowed = vec!["attention".to_owned(), "feed_forward".to_owned()];
            check.fault("targets", Rule::UnknownName { got: "convolutions".to_owned(), allowed });
        }
    }
}

fn check_id(field: &str, id: &str, check: &mut Checker) {
    if id.is_empty() {
        check.fault(field, Rule::Required);
    }
    check.text(field, id, ID_CHARS);
}

/// What an owner can ask of a training that has begun: `POST /api/trainings/{id}/wish`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TrainingWish {
    /// Draw the samples after this step.
    Sample,
    /// Write a checkpoint after this step.
    Save,
    /// Write a checkpoint and rest, without a device, until it is resumed.
    Pause,
    /// Go on after a pause.
    Resume,
}

/// The body of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MakeWish {
    /// What is wished for.
    pub wish: TrainingWish,
}

/// A training as its owner sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrainingView {
    /// The training.
    pub id: TrainingId,
    /// What it is called.
    pub name: String,
    /// The dataset; it may be gone by now.
    pub dataset: DatasetId,
    /// What was asked, with everything that the server chose.
    pub parameters: Box<CreateTraining>,
    /// What was found before it was accepted.
    pub preflight: Box<Preflight>,
    /// Its job.
    pub job: JobView,
    /// Whether it rests: then its job is queued and has no place in line.
    pub paused: bool,
    /// The LoRA, when it is finished: it stands among the LoRAs under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<ModelId>,
    /// Steps that are done.
    pub last_step: u64,
    /// Steps in all.
    pub max_train_steps: u64,
    /// Mean loss of the last steps, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// When it was accepted, in milliseconds since 1970 UTC.
    pub created_at_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training() -> CreateTraining {
        CreateTraining::new(DatasetId::new("d"), "Aldar")
    }

    fn fields(result: Result<(), Vec<FieldError>>) -> Vec<String> {
        result.err().unwrap_or_default().into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn only_dataset_and_name_are_needed() {
        let read: CreateTraining = serde_json::from_str(r#"{"dataset": "d", "name": "Aldar"}"#).unwrap();
        assert_eq!((read.validate(), &read), (Ok(()), &training()));
        assert_eq!(serde_json::to_string(&read).unwrap(), r#"{"dataset":"d","name":"Aldar"}"#);
        assert!(serde_json::from_str::<CreateTraining>(r#"{"dataset":"d","name":"a","steps":3}"#).is_err());
    }

    #[test]
    fn every_hostile_number_is_refused() {
        let ok = training();
        for (bad, field) in [
            (CreateTraining { rank: Some(0), ..ok.clone() }, "rank"),
            (CreateTraining { rank: Some(u32::MAX), ..ok.clone() }, "rank"),
            (CreateTraining { max_train_steps: Some(0), ..ok.clone() }, "max_train_steps"),
            (CreateTraining { max_train_steps: Some(100_001), ..ok.clone() }, "max_train_steps"),
            (CreateTraining { learning_rate: Some(f64::NAN), ..ok.clone() }, "learning_rate"),
            (CreateTraining { learning_rate: Some(-1e-4), ..ok.clone() }, "learning_rate"),
            (CreateTraining { alpha: Some(f64::INFINITY), ..ok.clone() }, "alpha"),
            (CreateTraining { resolution: Some(100), ..ok.clone() }, "resolution"),
            (CreateTraining { resolution: Some(32), ..ok.clone() }, "resolution"),
            (CreateTraining { train_batch_size: Some(17), ..ok.clone() }, "train_batch_size"),
            (CreateTraining { caption_dropout: Some(1.5), ..ok.clone() }, "caption_dropout"),
            (CreateTraining { seed: Some(u64::MAX), ..ok.clone() }, "seed"),
            (CreateTraining { targets: Some(Vec::new()), ..ok.clone() }, "targets"),
            (CreateTraining { sample_prompts: vec!["a".to_owned(); 5], ..ok.clone() }, "sample_prompts"),
            (CreateTraining { sample_prompts: vec![" ".to_owned()], ..ok.clone() }, "sample_prompts[0]"),
            (CreateTraining { name: String::new(), ..ok.clone() }, "name"),
        ] {
            assert_eq!(fields(bad.validate()), [field], "{bad:?}");
        }
        let warm = CreateTraining { max_train_steps: Some(10), lr_warmup_steps: Some(11), ..ok.clone() };
        assert_eq!(fields(warm.validate()), ["lr_warmup_steps"]);
        let prior = Prior { dataset: DatasetId::new(""), weight: -1.0 };
        let prior = CreateTraining { prior: Some(prior), ..ok };
        assert_eq!(fields(prior.validate()), ["prior.dataset", "prior.weight"]);
    }

    #[test]
    fn row_lengths_are_not_trained_on_convolutions() {
        let targets = Some(vec![TrainingTarget::Attention, TrainingTarget::Convolutions]);
        let both = CreateTraining { targets, dora: Some(true), ..training() };
        assert_eq!(fields(both.validate()), ["targets"]);
        assert_eq!(CreateTraining { dora: None, ..both }.validate(), Ok(()));
    }
}
