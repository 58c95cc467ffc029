//! DPM-Solver++ multistep: `DPMSolverMultistepScheduler` of diffusers (Lu et al., 2022, algorithm 2 and its SDE form).
//!
//! Solves the exact linear part of the diffusion equation in closed form and extrapolates the rest from the clean estimates of
//! the last one or two steps. Time is measured in `lambda = log(alpha / sigma)`, half the log signal-to-noise ratio.

use std::collections::VecDeque;

use crate::noise::TorchRng;
use crate::schedulers::float::{exp, ln};
use crate::schedulers::noise_schedule::{BetaDefaults, ZeroSnr};
use crate::schedulers::prediction::Clipping;
use crate::schedulers::spacing::{self, Spacing, Spread};
use crate::schedulers::{NoiseSchedule, PredictionType, Scheduler, SchedulerConfig, zip2, zip3};
use crate::{Error, Result};

/// `DPMSolverMultistepScheduler`.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "so many switches the configuration has")]
pub struct Dpmpp2m {
    timesteps: Vec<f32>,
    sigmas: Vec<f32>,
    prediction: PredictionType,
    clipping: Clipping,
    solver_order: usize,
    /// Heun's way of using the difference of two estimates, instead of the midpoint's.
    heun: bool,
    /// Draws noise at every step (`sde-dpmsolver++`).
    stochastic: bool,
    euler_at_final: bool,
    lower_order_final: bool,
    final_sigma_zero: bool,
    /// Clean estimates of the last steps, newest last.
    estimates: VecDeque<Vec<f32>>,
}

/// A noise level in the three ways the solvers need it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    pub(super) alpha: f32,
    pub(super) sigma: f32,
    pub(super) lambda: f32,
}

impl Level {
    /// From the ratio of noise to signal to the variance-preserving form.
    pub(super) fn new(ratio: f32) -> Self {
        let alpha = 1.0 / (ratio * ratio + 1.0).sqrt();
        let sigma = ratio * alpha;
        Self { alpha, sigma, lambda: ln(alpha) - ln(sigma) }
    }
}

impl Dpmpp2m {
    /// Plans `steps` steps.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        config.refuse(&["use_flow_sigmas", "use_lu_lambdas"])?;
        let schedule = NoiseSchedule::new(config, &BetaDefaults::LINEAR, ZeroSnr::Finite)?;
        spacing::check_steps(steps, &schedule)?;
        let stochastic = match config.word("algorithm_type", "dpmsolver++")? {
            "dpmsolver++" | "deis" => false,
            "sde-dpmsolver++" => true,
            other => {
                return Err(Error::config(
                    "scheduler",
                    format!("`algorithm_type` is `{other}`"),
                    "known are `dpmsolver++` and `sde-dpmsolver++`",
                ));
            }
        };
        let heun = match config.word("solver_type", "midpoint")? {
            // The words of UniPC and DEIS, which a shared configuration may carry.
            "midpoint" | "bh1" | "bh2" | "logrho" => false,
            "heun" => true,
            other => {
                return Err(Error::config(
                    "scheduler",
                    format!("`solver_type` is `{other}`"),
                    "known are `midpoint` and `heun`",
                ));
            }
        };
        let solver_order = config.integer("solver_order", 2)?;
        if !(1..=3).contains(&solver_order) {
            return Err(Error::config(
                "scheduler",
                format!("`solver_order` is `{solver_order}`"),
                "it is 1, 2 or 3; 2 is usual",
            ));
        }
        if let Some("learned" | "learned_range") =
            config.value("variance_type").and_then(serde_json::Value::as_str)
        {
            return Err(Error::config(
                "scheduler",
                "`variance_type` asks for a network that predicts its variance",
                "use another scheduler for this checkpoint",
            ));
        }

        let clipped = clipped_timesteps(&schedule, config.number("lambda_min_clipped", f64::NEG_INFINITY)?);
        let spacing = Spacing::from_config(config, "linspace")?;
        let offset = config.integer("steps_offset", 0)?;
        let mut timesteps =
            spacing.multistep_timesteps(schedule.len(), schedule.len() - clipped, steps, offset);
        let trained = schedule.sigmas();
        let spread = Spread::from_config(config)?;
        let sigmas: Vec<f64> = if spread == Spread::Schedule {
            timesteps.iter().map(|&t| spacing::interpolate(t, &trained)).collect()
        } else {
            let (max, min) = (f64::from(trained[trained.len() - 1]), f64::from(trained[0]));
            let sigmas = spread.sigmas(config, max, min, steps)?;
            let round =
                spread == Spread::Karras && config.word("beta_schedule", "linear")? != "squaredcos_cap_v2";
            timesteps = integer_timesteps(&sigmas, &schedule, round);
            sigmas
        };
        let mut sigmas: Vec<f32> = sigmas.into_iter().map(|sigma| sigma as f32).collect();
        let final_sigma = spacing::final_sigma(config, &schedule)?;
        sigmas.push(final_sigma);
        check_falling(&sigmas, steps)?;
        Ok(Self {
            timesteps,
            sigmas,
            prediction: PredictionType::from_config(config)?,
            clipping: Clipping::from_config(config, None)?,
            solver_order: solver_order as usize,
            heun,
            stochastic,
            euler_at_final: config.flag("euler_at_final", false)?,
            lower_order_final: config.flag("lower_order_final", true)?,
            final_sigma_zero: config.word("final_sigmas_type", "zero")? == "zero",
            estimates: VecDeque::new(),
        })
    }

    /// The order of the step about to be taken, when `self.estimates` already holds this step's.
    fn order_at(&self, index: usize) -> usize {
        let count = self.timesteps.len();
        let short = self.lower_order_final && count < 15;
        let last = index + 1 == count && (self.euler_at_final || short || self.final_sigma_zero);
        if last {
            1
        } else if index + 2 == count && short {
            self.solver_order.min(self.estimates.len()).min(2)
        } else {
            self.solver_order.min(self.estimates.len())
        }
    }
}

/// How many timesteps at the noisy end are left out because their lambda lies below the limit.
fn clipped_timesteps(schedule: &NoiseSchedule, lambda_min: f64) -> usize {
    let lambda = |alpha: &f32| ln(alpha.sqrt()) - ln((1.0 - alpha).sqrt());
    schedule.alphas_cumprod.iter().rev().take_while(|alpha| f64::from(lambda(alpha)) < lambda_min).count()
}

/// Whole timesteps of noise levels: rounded first, or cut off as conversion to an integer does.
pub(super) fn integer_timesteps(sigmas: &[f64], schedule: &NoiseSchedule, round: bool) -> Vec<f32> {
    let logs = schedule.log_sigmas();
    let exact = sigmas.iter().map(|&sigma| spacing::sigma_to_timestep(sigma, &logs));
    exact.map(|t| if round { t.round_ties_even() } else { t.trunc() } as f32).collect()
}

/// Refuses plans in which two noise levels coincide: the solvers divide by the distance between them. The final level may
/// equal the last (`final_sigmas_type: sigma_min`): that step stays where it is.
pub(super) fn check_falling(sigmas: &[f32], steps: usize) -> Result<()> {
    if sigmas[..sigmas.len() - 1].windows(2).all(|pair| pair[0] > pair[1]) {
        return Ok(());
    }
    Err(Error::Parameter {
        parameter: "num_inference_steps",
        fault: format!("is `{steps}`: two steps would fall on one noise level"),
        hint: "ask for fewer steps, or use `euler` or `ddim`".to_owned(),
    })
}

impl Scheduler for Dpmpp2m {
    fn timesteps(&self) -> &[f32] {
        &self.timesteps
    }

    fn step(&mut self, model_output: &[f32], index: usize, sample: &[f32], rng: &mut TorchRng) -> Vec<f32> {
        let now = Level::new(self.sigmas[index]);
        let next = Level::new(self.sigmas[index + 1]);
        let clean =
            zip2(sample, model_output, |x, o| self.prediction.denoise_preserving(x, o, now.alpha, now.sigma));
        self.estimates.push_back(self.clipping.apply(clean));
        if self.estimates.len() > self.solver_order {
            self.estimates.pop_front();
        }
        let order = self.order_at(index);
        let newest = self.estimates.len() - 1;
        let m0 = &self.estimates[newest];

        let h = next.lambda - now.lambda;
        // Coefficients of the sample, the estimate and its first and second difference; the last is used by order 3 alone.
        let decay = exp(-h) - 1.0;
        let (keep, estimate, first, second) = if self.stochastic {
            let decay = 1.0 - exp(-2.0 * h);
            (
                next.sigma / now.sigma * exp(-h),
                next.alpha * decay,
                if order == 3 || self.heun {
                    next.alpha * (decay / (-2.0 * h) + 1.0)
                } else {
                    0.5 * (next.alpha * decay)
                },
                next.alpha * ((decay - 2.0 * h) / ((2.0 * h) * (2.0 * h)) - 0.5),
            )
        } else {
            (
                next.sigma / now.sigma,
                -(next.alpha * decay),
                if order == 3 || self.heun {
                    next.alpha * (decay / h + 1.0)
                } else {
                    -(0.5 * (next.alpha * decay))
                },
                -(next.alpha * ((decay + h) / (h * h) - 0.5)),
            )
        };
        let mut result = zip2(sample, m0, |x, m0| keep * x + estimate * m0);
        if order >= 2 {
            let m1 = &self.estimates[newest - 1];
            let h0 = now.lambda - Level::new(self.sigmas[index - 1]).lambda;
            let r0 = h0 / h;
            let difference = zip2(m0, m1, |m0, m1| (1.0 / r0) * (m0 - m1));
            if order == 2 {
                result = zip2(&result, &difference, |x, d1| x + first * d1);
            } else {
                let m2 = &self.estimates[newest - 2];
                let h1 =
                    Level::new(self.sigmas[index - 1]).lambda - Level::new(self.sigmas[index - 2]).lambda;
                let r1 = h1 / h;
                let older = zip2(m1, m2, |m1, m2| (1.0 / r1) * (m1 - m2));
                result = zip3(&result, &difference, &older, |x, new, old| {
                    let d1 = new + (r0 / (r0 + r1)) * (new - old);
                    let d2 = (1.0 / (r0 + r1)) * (new - old);
                    x + first * d1 + second * d2
                });
            }
        }
        if self.stochastic {
            let spread = next.sigma * (1.0 - exp(-2.0 * h)).sqrt();
            result = zip2(&result, &rng.randn(sample.len()), |x, n| x + spread * n);
        }
        result
    }

    fn add_noise(&self, original: &[f32], noise: &[f32], index: usize) -> Vec<f32> {
        let level = Level::new(self.sigmas[index]);
        zip2(original, noise, |x, n| level.alpha * x + level.sigma * n)
    }
}
