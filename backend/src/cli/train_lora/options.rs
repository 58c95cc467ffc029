//! Options of `chapan train-lora`, and what they mean where they are not given.

use std::path::PathBuf;

use chapan_api::training::{LearningRateSchedule, Usual};
use chapan_engine::training::{LrScheduler, Targets, TrainingConfig};
use clap::{Args, ValueEnum};

use crate::cli::installed::ModelOptions;

/// How the learning rate moves after its warm-up.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Schedule {
    /// It stays.
    Constant,
    /// It falls along half a cosine to zero.
    Cosine,
}

/// Options of `chapan train-lora`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chapan train-lora --references assets/references/aldar/training --output aldar
  chapan train-lora --references photos --trigger \"sks dog\" --model path/to/sdxl --rank 16 --output dog
  chapan train-lora --references photos --trigger \"sks dog\" --class-references dogs --class-prompt \"a dog\" --output dog
  chapan train-lora --references photos --output dog --resume          # goes on where it was stopped
  chapan train-lora --references photos --output dog --check           # says what it would do, and stops
Folders hold pictures with a .txt caption beside each, folders named 10_words as for kohya's trainer, or a metadata.jsonl or
metadata.csv as for diffusers. The LoRA is OUTPUT/lora.safetensors; it can be used at once: generate --lora.
Ctrl-C writes a checkpoint first. The same pictures, settings and seed give the same bytes, resumed or not.")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Arguments {
    /// The folder of pictures to learn.
    #[arg(long, value_name = "DIR")]
    pub references: PathBuf,
    #[command(flatten)]
    pub model: ModelOptions,
    /// The word that will call what is learnt; it is put before captions that lack it.
    #[arg(long, value_name = "WORDS")]
    pub trigger: Option<String>,
    /// How captions are put together, with {trigger} and {caption} [default: "{trigger}, {caption}"]
    #[arg(long, value_name = "TEXT")]
    pub caption_template: Option<String>,
    /// A folder of pictures of the same kind that must stay as they are (prior preservation).
    #[arg(long, value_name = "DIR")]
    pub class_references: Option<PathBuf>,
    /// The caption of class pictures that have none.
    #[arg(long, value_name = "TEXT", requires = "class_references")]
    pub class_prompt: Option<String>,
    /// Weight of class pictures beside the references.
    #[arg(long, default_value_t = 1.0)]
    pub prior_loss_weight: f64,
    /// A folder of pictures that are never learnt, to measure with.
    #[arg(long, value_name = "DIR")]
    pub held_out_references: Option<PathBuf>,
    /// Pass over files that cannot be used instead of refusing them.
    #[arg(long)]
    pub skip_unusable: bool,
    /// Side in pixels that pictures are trained at [default: the model's own]
    #[arg(long)]
    pub resolution: Option<u32>,
    /// Cut every picture to a square instead of keeping its shape.
    #[arg(long)]
    pub center_crop: bool,
    /// Columns of the factors: how much can be learnt, and the size of the file.
    #[arg(long)]
    pub rank: Option<usize>,
    /// Strength of the change: it is multiplied by alpha / rank [default: the rank]
    #[arg(long)]
    pub alpha: Option<f64>,
    /// Train the feed-forward networks of the UNet too [default: yes for small models]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub train_feed_forward: Option<bool>,
    /// Train the convolutions of the UNet too.
    #[arg(long)]
    pub train_convolutions: bool,
    /// Train the text encoders too.
    #[arg(long)]
    pub train_text_encoder: bool,
    /// Train the lengths of weights apart from their directions (DoRA).
    #[arg(long)]
    pub use_dora: bool,
    /// Steps in all.
    #[arg(long)]
    pub max_train_steps: Option<usize>,
    /// Pictures in a step.
    #[arg(long)]
    pub train_batch_size: Option<usize>,
    /// How many of those make one step of the optimiser.
    #[arg(long, default_value_t = 1)]
    pub gradient_accumulation_steps: usize,
    /// Learning rate of the UNet.
    #[arg(long)]
    pub learning_rate: Option<f64>,
    /// Learning rate of the text encoders [default: a twentieth of the UNet's]
    #[arg(long)]
    pub text_encoder_lr: Option<f64>,
    /// How the learning rate moves.
    #[arg(long)]
    pub lr_scheduler: Option<Schedule>,
    /// Steps in which the learning rate rises from zero.
    #[arg(long, default_value_t = 0)]
    pub lr_warmup_steps: usize,
    /// Decay of the first moment.
    #[arg(long, default_value_t = 0.9)]
    pub adam_beta1: f64,
    /// Decay of the second moment.
    #[arg(long, default_value_t = 0.999)]
    pub adam_beta2: f64,
    /// Added to the root of the second moment.
    #[arg(long, default_value_t = 1e-8)]
    pub adam_epsilon: f64,
    /// Decay of weights.
    #[arg(long, default_value_t = 1e-2)]
    pub adam_weight_decay: f64,
    /// The longest gradient.
    #[arg(long, default_value_t = 1.0)]
    pub max_grad_norm: f64,
    /// Cuts the weights of timesteps at this signal-to-noise ratio (min-SNR); 0 weights all the same.
    #[arg(long)]
    pub snr_gamma: Option<f64>,
    /// Levels added to the noise, for darker and brighter pictures; 0.05 is usual.
    #[arg(long, default_value_t = 0.0)]
    pub noise_offset: f64,
    /// Share of steps without caption.
    #[arg(long)]
    pub caption_dropout: Option<f64>,
    /// Decay of a running mean of the weights, which becomes the file; 0 for none.
    #[arg(long)]
    pub ema_decay: Option<f64>,
    /// Compute blocks twice instead of remembering them: less memory, more time, the same result.
    #[arg(long)]
    pub gradient_checkpointing: bool,
    /// Seed of everything that is drawn by chance.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Draw this every so often; can be repeated [default: the trigger and the first caption]
    #[arg(long, value_name = "TEXT")]
    pub validation_prompt: Vec<String>,
    /// Steps between samples; 0 for none [default: a fifth of all]
    #[arg(long)]
    pub sample_steps: Option<usize>,
    /// Steps between measurements of the held-out pictures; 0 for none [default: a tenth of all]
    #[arg(long)]
    pub validation_steps: Option<usize>,
    /// Steps between checkpoints; 0 for one at the end.
    #[arg(long, default_value_t = 100)]
    pub checkpointing_steps: usize,
    /// Go on with the training that the folder holds.
    #[arg(long)]
    pub resume: bool,
    /// Say what was found and planned, and stop.
    #[arg(long)]
    pub check: bool,
    /// Write the LoRA in kohya's names too: lora-kohya.safetensors.
    #[arg(long)]
    pub output_kohya_format: bool,
    /// The folder of this training: checkpoint, samples, events, and the LoRA.
    #[arg(long, value_name = "DIR")]
    pub output: PathBuf,
    /// Report events as JSON, one a line.
    #[arg(long)]
    pub json: bool,
}

impl Arguments {
    /// The settings for a model that draws pictures of this side.
    pub fn config(&self, model_side: usize) -> TrainingConfig {
        let usual = Usual::of(u32::try_from(model_side).unwrap_or(u32::MAX));
        let rank = self.rank.unwrap_or(usual.rank as usize);
        let learning_rate = self.learning_rate.unwrap_or(usual.learning_rate);
        let positive = |value: f64| (value != 0.0).then_some(value);
        let usual_is_cosine = usual.lr_scheduler == LearningRateSchedule::Cosine;
        let cosine =
            self.lr_scheduler.map_or(usual_is_cosine, |schedule| matches!(schedule, Schedule::Cosine));
        TrainingConfig {
            rank,
            alpha: self.alpha.unwrap_or(rank as f64),
            targets: Targets {
                feed_forward: self.train_feed_forward.unwrap_or(usual.feed_forward),
                convolutions: self.train_convolutions,
                text_encoders: self.train_text_encoder,
            },
            use_dora: self.use_dora,
            max_train_steps: self.max_train_steps.unwrap_or(usual.max_train_steps as usize),
            train_batch_size: self.train_batch_size.unwrap_or(usual.train_batch_size as usize),
            gradient_accumulation_steps: self.gradient_accumulation_steps,
            learning_rate,
            text_encoder_lr: self.text_encoder_lr.unwrap_or(learning_rate / usual.text_encoder_lr_divisor),
            lr_scheduler: if cosine { LrScheduler::Cosine } else { LrScheduler::Constant },
            lr_warmup_steps: self.lr_warmup_steps,
            adam_beta1: self.adam_beta1,
            adam_beta2: self.adam_beta2,
            adam_epsilon: self.adam_epsilon,
            adam_weight_decay: self.adam_weight_decay,
            max_grad_norm: self.max_grad_norm,
            snr_gamma: positive(self.snr_gamma.unwrap_or(usual.min_snr_gamma)),
            noise_offset: self.noise_offset,
            caption_dropout: self.caption_dropout.unwrap_or(usual.caption_dropout),
            prior_loss_weight: self.prior_loss_weight,
            ema_decay: self.ema_decay.map_or(usual.ema.then_some(usual.ema_decay), positive),
            gradient_checkpointing: self.gradient_checkpointing,
            seed: self.seed,
        }
    }
}
