//! How much signal is left at each training timestep: the betas of a checkpoint and what follows from them.

use crate::schedulers::SchedulerConfig;
use crate::schedulers::float::numpy_ln;
use crate::{Error, Result};

/// The longest schedule accepted, so that a hostile file cannot ask for all memory. Published models use 1,000.
const MAX_TRAIN_TIMESTEPS: i64 = 100_000;

/// The training noise schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseSchedule {
    /// Product of `1 - beta` up to each timestep: the share of signal power, falling from near 1 to near 0.
    pub alphas_cumprod: Vec<f32>,
}

/// The defaults of a scheduler class for a file that does not state its betas.
pub(super) struct BetaDefaults {
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) schedule: &'static str,
}

impl BetaDefaults {
    /// Of most classes.
    pub(super) const LINEAR: Self = Self { start: 0.0001, end: 0.02, schedule: "linear" };
    /// Of `HeunDiscreteScheduler`.
    pub(super) const HEUN: Self = Self { start: 0.00085, end: 0.012, schedule: "linear" };
    /// Of `LCMScheduler`.
    pub(super) const LCM: Self = Self { start: 0.00085, end: 0.012, schedule: "scaled_linear" };
}

/// What a class does with `rescale_betas_zero_snr`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ZeroSnr {
    /// The class has no such setting.
    Unknown,
    /// Exactly zero signal at the last timestep.
    Exact,
    /// 2^-24 instead of zero, so that its noise level stays finite.
    Finite,
}

impl NoiseSchedule {
    pub(super) fn new(config: &SchedulerConfig, defaults: &BetaDefaults, zero_snr: ZeroSnr) -> Result<Self> {
        let mut betas = betas(config, defaults)?;
        let rescale = zero_snr != ZeroSnr::Unknown && config.flag("rescale_betas_zero_snr", false)?;
        if rescale {
            betas = rescale_zero_terminal_snr(&betas);
        }
        let mut alphas_cumprod = cumulative_product(betas.iter().map(|beta| 1.0 - beta));
        if let (true, ZeroSnr::Finite, Some(last)) = (rescale, zero_snr, alphas_cumprod.last_mut()) {
            *last = 2f32.powi(-24);
        }
        Ok(Self { alphas_cumprod })
    }

    /// The number of training timesteps.
    pub fn len(&self) -> usize {
        self.alphas_cumprod.len()
    }

    /// Never: a schedule has at least one timestep.
    pub fn is_empty(&self) -> bool {
        self.alphas_cumprod.is_empty()
    }

    /// The ratio of noise to signal at each timestep, rising.
    pub fn sigmas(&self) -> Vec<f32> {
        self.alphas_cumprod.iter().map(|alpha| ((1.0 - alpha) / alpha).sqrt()).collect()
    }

    /// Logarithms of [`Self::sigmas`], rounded as numpy rounds them.
    pub(super) fn log_sigmas(&self) -> Vec<f32> {
        self.sigmas().into_iter().map(numpy_ln).collect()
    }

    /// The share of signal at a timestep; negative timesteps count from the end, as Python indexes.
    pub(super) fn alpha(&self, timestep: i64) -> f32 {
        let index = if timestep < 0 { timestep + self.len() as i64 } else { timestep };
        self.alphas_cumprod[index as usize]
    }

    /// Refuses timesteps that the schedule does not have.
    pub(super) fn check_timesteps(&self, timesteps: &[f32]) -> Result<()> {
        let last = (self.len() - 1) as f32;
        match timesteps.iter().find(|&&t| t > last || t < -last - 1.0) {
            None => Ok(()),
            Some(t) => Err(Error::Parameter {
                parameter: "num_inference_steps",
                fault: format!("leads to timestep `{t}`, the schedule ends at {last}"),
                hint: "ask for fewer steps".to_owned(),
            }),
        }
    }
}

fn betas(config: &SchedulerConfig, defaults: &BetaDefaults) -> Result<Vec<f32>> {
    if let Some(trained) = config.value("trained_betas") {
        let numbers = trained.as_array().and_then(|all| {
            all.iter().map(|beta| beta.as_f64().map(|beta| beta as f32)).collect::<Option<Vec<f32>>>()
        });
        return numbers.filter(|betas| !betas.is_empty()).ok_or_else(|| {
            Error::config(
                "scheduler",
                "`trained_betas` is not a list of numbers",
                "remove it, or state one beta a timestep",
            )
        });
    }
    let count = config.integer("num_train_timesteps", 1000)?;
    if !(1..=MAX_TRAIN_TIMESTEPS).contains(&count) {
        return Err(Error::config(
            "scheduler",
            format!("`num_train_timesteps` is `{count}`"),
            format!("it lies between 1 and {MAX_TRAIN_TIMESTEPS}; published models use 1000"),
        ));
    }
    let count = count as usize;
    let start = config.number("beta_start", defaults.start)?;
    let end = config.number("beta_end", defaults.end)?;
    match config.word("beta_schedule", defaults.schedule)? {
        "linear" => Ok(linspace(start, end, count)),
        "scaled_linear" => {
            Ok(linspace(start.sqrt(), end.sqrt(), count).into_iter().map(|root| root * root).collect())
        }
        "squaredcos_cap_v2" => Ok(betas_for_alpha_bar(count, |t| {
            ((t + 0.008) / 1.008 * std::f64::consts::PI / 2.0).cos().powi(2)
        })),
        "exp" => Ok(betas_for_alpha_bar(count, |t| (t * -12.0).exp())),
        other => Err(Error::config(
            "scheduler",
            format!("`beta_schedule` is `{other}`"),
            "known are `linear`, `scaled_linear`, `squaredcos_cap_v2` and `exp`",
        )),
    }
}

/// `torch.linspace` in f32: from both ends towards the middle, with fused multiply-add.
pub(super) fn linspace(start: f64, end: f64, count: usize) -> Vec<f32> {
    let (start, end) = (start as f32, end as f32);
    if count == 1 {
        return vec![start];
    }
    let step = (end - start) / (count - 1) as f32;
    (0..count)
        .map(|i| {
            if i < count / 2 {
                step.mul_add(i as f32, start)
            } else {
                (-step).mul_add((count - 1 - i) as f32, end)
            }
        })
        .collect()
}

/// Betas that make the product of `1 - beta` follow a given curve (Nichol and Dhariwal, 2021), capped at 0.999.
fn betas_for_alpha_bar(count: usize, alpha_bar: impl Fn(f64) -> f64) -> Vec<f32> {
    let n = count as f64;
    (0..count)
        .map(|i| {
            let (t1, t2) = (i as f64 / n, (i + 1) as f64 / n);
            (1.0 - alpha_bar(t2) / alpha_bar(t1)).min(0.999) as f32
        })
        .collect()
}

/// `torch.cumprod` in f32 on the CPU: the running product is kept in f64, each value rounded.
fn cumulative_product(values: impl Iterator<Item = f32>) -> Vec<f32> {
    values
        .scan(1f64, |product, value| {
            *product *= f64::from(value);
            Some(*product as f32)
        })
        .collect()
}

/// Shifts and scales the schedule so that its last timestep holds no signal (Lin et al., 2023, algorithm 1).
fn rescale_zero_terminal_snr(betas: &[f32]) -> Vec<f32> {
    let mut root: Vec<f32> =
        cumulative_product(betas.iter().map(|beta| 1.0 - beta)).into_iter().map(f32::sqrt).collect();
    let (first, last) = (root[0], root[root.len() - 1]);
    let scale = first / (first - last);
    for value in &mut root {
        *value = (*value - last) * scale;
    }
    let alphas_bar: Vec<f32> = root.into_iter().map(|value| value * value).collect();
    let first = alphas_bar[0];
    let alphas = std::iter::once(first).chain(alphas_bar.windows(2).map(|pair| pair[1] / pair[0]));
    alphas.map(|alpha| 1.0 - alpha).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn the_schedule_of_sdxl_has_torchs_bits() {
        let schedule = NoiseSchedule::new(&SchedulerConfig::sdxl(), &BetaDefaults::LINEAR, ZeroSnr::Finite)
            .expect("builds");
        let mut hash = Sha256::new();
        for value in &schedule.alphas_cumprod {
            hash.update(value.to_le_bytes());
        }
        let hex = hash.finalize().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        assert_eq!(hex, "b0c6833c866f3aae5d58606971a4297931251d8ed9c31d9a8b849e13ca14e3b6");
        assert_eq!(schedule.alphas_cumprod[0], 0.999149978);
        assert_eq!(schedule.alphas_cumprod[999], 0.00466009509);
    }

    #[test]
    fn absurd_lengths_are_refused_before_allocation() {
        let config =
            SchedulerConfig::from_json(br#"{"num_train_timesteps": 99999999999}"#, None).expect("reads");
        let refusal =
            NoiseSchedule::new(&config, &BetaDefaults::LINEAR, ZeroSnr::Unknown).expect_err("too long");
        assert!(refusal.to_string().contains("`num_train_timesteps` is `99999999999`"));
    }
}
