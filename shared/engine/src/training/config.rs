//! What can be chosen about a training. Names are those of diffusers' training scripts.

use serde::{Deserialize, Serialize};

use super::optimizer::Adam;
use crate::{Error, Result};

/// How the learning rate moves after its warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LrScheduler {
    /// It stays.
    #[default]
    Constant,
    /// It falls along half a cosine, to zero at the last step.
    Cosine,
}

/// Which layers get factors besides the UNet's attention, which always does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Targets {
    /// Feed-forward networks and the projections into and out of the UNet's transformers.
    pub feed_forward: bool,
    /// Convolutions of the UNet's residual blocks and samplers.
    pub convolutions: bool,
    /// Attention of the text encoders.
    pub text_encoders: bool,
}

/// All settings of a training; they are part of every checkpoint, and a training goes on only with the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingConfig {
    /// Columns of the factors, 1 to 512: how much can be learnt, and the size of the file.
    pub rank: usize,
    /// The change is multiplied by `alpha / rank`.
    pub alpha: f64,
    /// Which layers.
    pub targets: Targets,
    /// Train the length of every row of a changed weight apart from its direction (DoRA).
    pub use_dora: bool,
    /// Steps of the optimiser in all.
    pub max_train_steps: usize,
    /// Pictures in a step of gradients.
    pub train_batch_size: usize,
    /// How many of those make one step of the optimiser.
    pub gradient_accumulation_steps: usize,
    /// The learning rate of the UNet after the warm-up.
    pub learning_rate: f64,
    /// That of the text encoders.
    pub text_encoder_lr: f64,
    /// How it moves.
    pub lr_scheduler: LrScheduler,
    /// Steps in which the learning rate rises from zero.
    pub lr_warmup_steps: usize,
    /// Decay of the first moment.
    pub adam_beta1: f64,
    /// Decay of the second moment.
    pub adam_beta2: f64,
    /// Added to the root of the second moment.
    pub adam_epsilon: f64,
    /// Share of every weight that a step of rate 1 takes away.
    pub adam_weight_decay: f64,
    /// The longest gradient; longer ones are shortened to it.
    pub max_grad_norm: f64,
    /// Weights timesteps by signal-to-noise, cut at this (min-SNR); 5 is usual.
    pub snr_gamma: Option<f64>,
    /// Adds a level to each channel of the noise: lets pictures become darker and brighter as a whole.
    pub noise_offset: f64,
    /// Share of steps in which the caption is left out, 0 to 1: keeps guidance working.
    pub caption_dropout: f64,
    /// Weight of the class pictures of prior preservation beside the references.
    pub prior_loss_weight: f64,
    /// Decay of a running mean of the weights, which is what samples and the file are made of then.
    pub ema_decay: Option<f64>,
    /// Runs blocks again on the way back instead of remembering them: less memory, more time, the same gradients.
    pub gradient_checkpointing: bool,
    /// All chance follows from it.
    pub seed: u64,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            rank: 4,
            alpha: 4.0,
            targets: Targets::default(),
            use_dora: false,
            max_train_steps: 500,
            train_batch_size: 4,
            gradient_accumulation_steps: 1,
            learning_rate: 1e-4,
            text_encoder_lr: 5e-6,
            lr_scheduler: LrScheduler::Constant,
            lr_warmup_steps: 0,
            adam_beta1: 0.9,
            adam_beta2: 0.999,
            adam_epsilon: 1e-8,
            adam_weight_decay: 1e-2,
            max_grad_norm: 1.0,
            snr_gamma: None,
            noise_offset: 0.0,
            caption_dropout: 0.0,
            prior_loss_weight: 1.0,
            ema_decay: None,
            gradient_checkpointing: false,
            seed: 0,
        }
    }
}

impl TrainingConfig {
    /// The optimiser's constants.
    pub(super) fn adam(&self) -> Adam {
        Adam {
            beta1: self.adam_beta1,
            beta2: self.adam_beta2,
            epsilon: self.adam_epsilon,
            weight_decay: self.adam_weight_decay,
        }
    }

    /// Refuses what cannot be meant.
    ///
    /// # Errors
    /// The first setting that is out of range, with the range.
    pub fn check(&self) -> Result<()> {
        let whole = |parameter, value: usize, low: usize, high: usize| {
            number(parameter, value as f64, low as f64, high as f64)
        };
        whole("rank", self.rank, 1, 512)?;
        whole("max_train_steps", self.max_train_steps, 1, 1_000_000)?;
        whole("train_batch_size", self.train_batch_size, 1, 64)?;
        whole("gradient_accumulation_steps", self.gradient_accumulation_steps, 1, 1_000)?;
        whole("lr_warmup_steps", self.lr_warmup_steps, 0, self.max_train_steps)?;
        number("alpha", self.alpha, 1e-3, 1e4)?;
        number("learning_rate", self.learning_rate, 0.0, 1.0)?;
        number("text_encoder_lr", self.text_encoder_lr, 0.0, 1.0)?;
        number("adam_beta1", self.adam_beta1, 0.0, 0.999_999)?;
        number("adam_beta2", self.adam_beta2, 0.0, 0.999_999)?;
        number("adam_epsilon", self.adam_epsilon, 1e-16, 1.0)?;
        number("adam_weight_decay", self.adam_weight_decay, 0.0, 1.0)?;
        number("max_grad_norm", self.max_grad_norm, 1e-6, 1e6)?;
        number("noise_offset", self.noise_offset, 0.0, 1.0)?;
        number("caption_dropout", self.caption_dropout, 0.0, 1.0)?;
        number("prior_loss_weight", self.prior_loss_weight, 0.0, 100.0)?;
        number("snr_gamma", self.snr_gamma.unwrap_or(5.0), 1e-3, 1e3)?;
        number("ema_decay", self.ema_decay.unwrap_or(0.99), 0.0, 0.999_999)?;
        if self.use_dora && self.targets.convolutions {
            return Err(Error::Parameter {
                parameter: "use_dora",
                fault: "is chosen together with `convolutions`".to_owned(),
                hint: "leave one out: row lengths are trained on linear layers only".to_owned(),
            });
        }
        Ok(())
    }
}

fn number(parameter: &'static str, value: f64, low: f64, high: f64) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::Parameter {
        parameter,
        fault: format!("is `{value}`"),
        hint: format!("choose a number from {low} to {high}"),
    })
}
