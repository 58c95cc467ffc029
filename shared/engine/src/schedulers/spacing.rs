//! Which timesteps and noise levels a run visits: numpy's arithmetic, as diffusers uses it.

use crate::schedulers::{NoiseSchedule, SchedulerConfig};
use crate::{Error, Result};

/// Where the visited timesteps lie among the training timesteps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spacing {
    /// Evenly from the last to the first, both included.
    Linspace,
    /// Multiples of a whole step from 0 up, plus `steps_offset`: the very last timesteps are not visited.
    Leading,
    /// From the last timestep down: what distilled and zero-SNR models need.
    Trailing,
}

impl Spacing {
    pub(super) fn from_config(config: &SchedulerConfig, default: &'static str) -> Result<Self> {
        match config.word("timestep_spacing", default)? {
            "linspace" => Ok(Self::Linspace),
            "leading" => Ok(Self::Leading),
            "trailing" => Ok(Self::Trailing),
            other => Err(Error::config(
                "scheduler",
                format!("`timestep_spacing` is `{other}`"),
                "known are `linspace`, `leading` and `trailing`",
            )),
        }
    }

    /// Timesteps of the Euler family (fractions kept) and, with `round`, of DDIM.
    pub(super) fn timesteps(self, train: usize, steps: usize, offset: i64, round: bool) -> Vec<f32> {
        match self {
            Self::Linspace => {
                let even = linspace(0.0, (train - 1) as f64, steps).into_iter().rev();
                even.map(|t| if round { t.round_ties_even() } else { t } as f32).collect()
            }
            Self::Leading => {
                let ratio = train / steps;
                (0..steps).rev().map(|i| (i * ratio) as f32 + offset as f32).collect()
            }
            Self::Trailing => descending(train as f64, train as f64 / steps as f64),
        }
    }

    /// Timesteps of the multistep solvers, which plan one more than they visit; `last` is the number of usable timesteps.
    pub(super) fn multistep_timesteps(
        self,
        train: usize,
        last: usize,
        steps: usize,
        offset: i64,
    ) -> Vec<f32> {
        match self {
            Self::Linspace => {
                let even = linspace(0.0, last as f64 - 1.0, steps + 1);
                even.into_iter().rev().take(steps).map(|t| t.round_ties_even() as f32).collect()
            }
            Self::Leading => {
                let ratio = last / (steps + 1);
                (1..=steps).rev().map(|i| (i * ratio) as f32 + offset as f32).collect()
            }
            Self::Trailing => descending(last as f64, train as f64 / steps as f64),
        }
    }
}

/// `numpy.arange(start, 0, -step).round() - 1`. Rounding inside numpy can make one value more than asked for; so it is here.
fn descending(start: f64, step: f64) -> Vec<f32> {
    let count = (-start / -step).ceil().max(0.0) as usize;
    let delta = (start - step) - start;
    (0..count).map(|i| (start + i as f64 * delta).round_ties_even() as f32 - 1.0).collect()
}

/// `numpy.linspace` in f64.
pub(super) fn linspace(start: f64, stop: f64, count: usize) -> Vec<f64> {
    if count == 1 {
        return vec![start];
    }
    let step = (stop - start) / (count - 1) as f64;
    let mut values: Vec<f64> = (0..count).map(|i| i as f64 * step + start).collect();
    if let Some(last) = values.last_mut() {
        *last = stop;
    }
    values
}

/// `numpy.interp(timestep, arange(len), values)` in f64.
pub(super) fn interpolate(timestep: f32, values: &[f32]) -> f64 {
    let last = values.len() - 1;
    let at = |i: usize| f64::from(values[i]);
    if timestep <= 0.0 {
        return at(0);
    }
    if timestep >= last as f32 {
        return at(last);
    }
    let low = timestep.floor();
    let i = low as usize;
    (at(i + 1) - at(i)) * (f64::from(timestep) - f64::from(low)) + at(i)
}

/// How the noise levels of a run are spread between the highest and the lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spread {
    /// As the training schedule has them at the visited timesteps.
    Schedule,
    /// Denser at low noise (Karras et al., 2022, equation 5, rho 7).
    Karras,
    /// Evenly in their logarithms.
    Exponential,
}

impl Spread {
    pub(super) fn from_config(config: &SchedulerConfig) -> Result<Self> {
        config.refuse(&["use_beta_sigmas"])?;
        match (config.flag("use_karras_sigmas", false)?, config.flag("use_exponential_sigmas", false)?) {
            (false, false) => Ok(Self::Schedule),
            (true, false) => Ok(Self::Karras),
            (false, true) => Ok(Self::Exponential),
            (true, true) => Err(Error::config(
                "scheduler",
                "`use_karras_sigmas` and `use_exponential_sigmas` are both `true`",
                "only one spread of noise levels can be used",
            )),
        }
    }

    /// `count` noise levels from `max` to `min`; the configuration's `sigma_max` and `sigma_min` go first.
    pub(super) fn sigmas(
        self,
        config: &SchedulerConfig,
        max: f64,
        min: f64,
        count: usize,
    ) -> Result<Vec<f64>> {
        let min = config.optional_number("sigma_min")?.unwrap_or(min);
        let max = config.optional_number("sigma_max")?.unwrap_or(max);
        if self == Self::Exponential {
            return Ok(linspace(max.ln(), min.ln(), count).into_iter().map(f64::exp).collect());
        }
        let rho = 7.0;
        let (min_root, max_root) = (min.powf(1.0 / rho), max.powf(1.0 / rho));
        let ramp = linspace(0.0, 1.0, count).into_iter();
        Ok(ramp.map(|r| (max_root + r * (min_root - max_root)).powf(rho)).collect())
    }
}

/// The fractional timestep at which the training schedule has this noise level.
pub(super) fn sigma_to_timestep(sigma: f64, log_sigmas: &[f32]) -> f64 {
    let log_sigma = sigma.max(1e-10).ln();
    let below = log_sigmas.iter().rposition(|&low| log_sigma - f64::from(low) >= 0.0).unwrap_or(0);
    let low = below.min(log_sigmas.len().saturating_sub(2));
    let high = (low + 1).min(log_sigmas.len() - 1);
    let width = log_sigmas[low] - log_sigmas[high];
    let weight = ((f64::from(log_sigmas[low]) - log_sigma) / f64::from(width)).clamp(0.0, 1.0);
    (1.0 - weight) * low as f64 + weight * high as f64
}

/// What the last noise level is.
pub(super) fn final_sigma(config: &SchedulerConfig, schedule: &NoiseSchedule) -> Result<f32> {
    match config.word("final_sigmas_type", "zero")? {
        "zero" => Ok(0.0),
        "sigma_min" => Ok(schedule.sigmas()[0]),
        other => Err(Error::config(
            "scheduler",
            format!("`final_sigmas_type` is `{other}`"),
            "known are `zero` and `sigma_min`",
        )),
    }
}

/// Refuses numbers of steps that no algorithm can plan.
pub(super) fn check_steps(steps: usize, schedule: &NoiseSchedule) -> Result<()> {
    if steps == 0 || steps > schedule.len() {
        return Err(Error::Parameter {
            parameter: "num_inference_steps",
            fault: format!("is `{steps}`"),
            hint: format!("the model was trained with {0} timesteps: choose 1 to {0}", schedule.len()),
        });
    }
    Ok(())
}
