//! What a network predicts, and how a prediction becomes an estimate of the clean sample.

use crate::schedulers::SchedulerConfig;
use crate::{Error, Result};

/// What the network was trained to predict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PredictionType {
    /// The noise in the sample.
    Epsilon,
    /// The velocity: `alpha * noise - sigma * sample` (Salimans and Ho, 2022).
    VPrediction,
    /// The clean sample itself.
    Sample,
}

impl PredictionType {
    pub(super) fn from_config(config: &SchedulerConfig) -> Result<Self> {
        match config.word("prediction_type", "epsilon")? {
            "epsilon" => Ok(Self::Epsilon),
            "v_prediction" => Ok(Self::VPrediction),
            "sample" | "original_sample" => Ok(Self::Sample),
            other => Err(Error::config(
                "scheduler",
                format!("`prediction_type` is `{other}`"),
                "known are `epsilon`, `v_prediction` and `sample`",
            )),
        }
    }

    /// Clean sample of a sample `x = x0 + sigma * noise` (the "variance exploding" form of the Euler family).
    pub(super) fn denoise_exploding(self, x: f32, output: f32, sigma: f32) -> f32 {
        match self {
            Self::Epsilon => x - sigma * output,
            Self::VPrediction => {
                output * (-sigma / (sigma * sigma + 1.0).sqrt()) + (x / (sigma * sigma + 1.0))
            }
            Self::Sample => output,
        }
    }

    /// Clean sample of a sample `x = alpha * x0 + sigma * noise`, `alpha^2 + sigma^2 = 1` ("variance preserving").
    pub(super) fn denoise_preserving(self, x: f32, output: f32, alpha: f32, sigma: f32) -> f32 {
        match self {
            Self::Epsilon => (x - sigma * output) / alpha,
            Self::VPrediction => alpha * x - sigma * output,
            Self::Sample => output,
        }
    }
}

/// What is done to an estimate of the clean sample to keep it in range. Meant for pixels; latent models leave it off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Clipping {
    Off,
    /// Clamp to `[-range, range]`.
    Clamp {
        range: f32,
    },
    /// Dynamic thresholding (Saharia et al., 2022): clamp to the given quantile of absolute values, then divide by it.
    Threshold {
        ratio: f64,
        max: f32,
    },
}

impl Clipping {
    /// Reads `thresholding` and, where the class has it, `clip_sample`.
    pub(super) fn from_config(config: &SchedulerConfig, clip_sample: Option<bool>) -> Result<Self> {
        if config.flag("thresholding", false)? {
            return Ok(Self::Threshold {
                ratio: config.number("dynamic_thresholding_ratio", 0.995)?,
                max: config.number("sample_max_value", 1.0)? as f32,
            });
        }
        match clip_sample {
            Some(default) if config.flag("clip_sample", default)? => {
                Ok(Self::Clamp { range: config.number("clip_sample_range", 1.0)? as f32 })
            }
            _ => Ok(Self::Off),
        }
    }

    pub(super) fn apply(self, mut clean: Vec<f32>) -> Vec<f32> {
        match self {
            Self::Off => {}
            Self::Clamp { range } => {
                for v in &mut clean {
                    *v = v.clamp(-range, range);
                }
            }
            Self::Threshold { ratio, max } => {
                let limit = quantile_of_absolutes(&clean, ratio).clamp(1.0, max.max(1.0));
                for v in &mut clean {
                    *v = v.clamp(-limit, limit) / limit;
                }
            }
        }
        clean
    }
}

/// `torch.quantile(|values|, ratio)` with linear interpolation.
fn quantile_of_absolutes(values: &[f32], ratio: f64) -> f32 {
    let mut sorted: Vec<f32> = values.iter().map(|v| v.abs()).collect();
    sorted.sort_by(f32::total_cmp);
    let Some(&last) = sorted.last() else { return 0.0 };
    let rank = ratio as f32 * (sorted.len() - 1) as f32;
    let low = rank.floor();
    let from = sorted.get(low as usize).copied().unwrap_or(last);
    let to = sorted.get(rank.ceil() as usize).copied().unwrap_or(last);
    from + (rank - low) * (to - from)
}
