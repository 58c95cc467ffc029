//! UniPC: `UniPCMultistepScheduler` of diffusers (Zhao et al., 2023).
//!
//! A multistep predictor like DPM-Solver++, and a corrector of the same form that uses the network's next output, needed anyway
//! for the next step, to improve the step before it. So the extra accuracy costs no extra network call.

use std::collections::VecDeque;

use crate::noise::TorchRng;
use crate::schedulers::dpmpp_2m::{Level, check_falling, integer_timesteps};
use crate::schedulers::float::exp_m1;
use crate::schedulers::noise_schedule::{BetaDefaults, ZeroSnr};
use crate::schedulers::prediction::Clipping;
use crate::schedulers::spacing::{self, Spacing, Spread};
use crate::schedulers::{NoiseSchedule, PredictionType, Scheduler, SchedulerConfig, zip2};
use crate::{Error, Result};

/// `UniPCMultistepScheduler`.
#[derive(Clone, Debug)]
pub struct UniPc {
    timesteps: Vec<f32>,
    sigmas: Vec<f32>,
    prediction: PredictionType,
    clipping: Clipping,
    /// Whether the solver works on clean estimates, or on noise.
    predict_x0: bool,
    solver_order: usize,
    /// `B(h) = h` instead of `exp(h) - 1`.
    bh1: bool,
    lower_order_final: bool,
    disable_corrector: Vec<u64>,
    /// Converted network outputs of the last steps, newest last.
    outputs: VecDeque<Vec<f32>>,
    /// The (corrected) sample the last step started from, and the order it was taken with.
    last: Option<(Vec<f32>, usize)>,
}

impl UniPc {
    /// Plans `steps` steps.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        config.refuse(&["use_flow_sigmas"])?;
        if config.value("solver_p").is_some() {
            return Err(Error::config(
                "scheduler",
                "`solver_p` names another solver",
                "remove it from the file",
            ));
        }
        let schedule = NoiseSchedule::new(config, &BetaDefaults::LINEAR, ZeroSnr::Finite)?;
        spacing::check_steps(steps, &schedule)?;
        let bh1 = match config.word("solver_type", "bh2")? {
            "bh1" => true,
            // The words of DPM-Solver++ and DEIS, which a shared configuration may carry.
            "bh2" | "midpoint" | "heun" | "logrho" => false,
            other => {
                return Err(Error::config(
                    "scheduler",
                    format!("`solver_type` is `{other}`"),
                    "known are `bh1` and `bh2`",
                ));
            }
        };
        let solver_order = config.integer("solver_order", 2)?;
        if !(1..=6).contains(&solver_order) {
            return Err(Error::config(
                "scheduler",
                format!("`solver_order` is `{solver_order}`"),
                "2 with guidance and 3 without are usual",
            ));
        }
        let spacing = Spacing::from_config(config, "linspace")?;
        let offset = config.integer("steps_offset", 0)?;
        let mut timesteps = spacing.multistep_timesteps(schedule.len(), schedule.len(), steps, offset);
        let trained = schedule.sigmas();
        let spread = Spread::from_config(config)?;
        let mut sigmas: Vec<f32>;
        if spread == Spread::Schedule {
            sigmas = timesteps.iter().map(|&t| spacing::interpolate(t, &trained) as f32).collect();
            sigmas.push(spacing::final_sigma(config, &schedule)?);
        } else {
            let (max, min) = (f64::from(trained[trained.len() - 1]), f64::from(trained[0]));
            let exact = spread.sigmas(config, max, min, steps)?;
            timesteps = integer_timesteps(&exact, &schedule, spread == Spread::Karras);
            sigmas = exact.into_iter().map(|sigma| sigma as f32).collect();
            // With `sigma_min` the run ends on its own lowest level: the last step stays where it is.
            let last = sigmas[sigmas.len() - 1];
            let zero = spacing::final_sigma(config, &schedule)? == 0.0;
            sigmas.push(if zero { 0.0 } else { last });
        }
        check_falling(&sigmas, steps)?;
        let disabled = config.value("disable_corrector").and_then(serde_json::Value::as_array);
        Ok(Self {
            timesteps,
            sigmas,
            prediction: PredictionType::from_config(config)?,
            clipping: Clipping::from_config(config, None)?,
            predict_x0: config.flag("predict_x0", true)?,
            solver_order: solver_order as usize,
            bh1,
            lower_order_final: config.flag("lower_order_final", true)?,
            disable_corrector: disabled.into_iter().flatten().filter_map(serde_json::Value::as_u64).collect(),
            outputs: VecDeque::new(),
            last: None,
        })
    }

    /// The network's output as the solver wants it: a clean estimate, or noise.
    fn convert(&self, model_output: &[f32], index: usize, sample: &[f32]) -> Vec<f32> {
        let Level { alpha, sigma, .. } = Level::new(self.sigmas[index]);
        if self.predict_x0 {
            let clean =
                zip2(sample, model_output, |x, o| self.prediction.denoise_preserving(x, o, alpha, sigma));
            return self.clipping.apply(clean);
        }
        zip2(sample, model_output, |x, o| match self.prediction {
            PredictionType::Epsilon => o,
            PredictionType::VPrediction => alpha * o + sigma * x,
            PredictionType::Sample => (x - alpha * o) / sigma,
        })
    }

    /// Integrates from level `from` to level `from + 1`, from `sample`, with the outputs at and before `from`. With `newest`,
    /// the output at `from + 1`, this is the corrector; without, the predictor.
    fn update(&self, from: usize, sample: &[f32], order: usize, newest: Option<&[f32]>) -> Vec<f32> {
        let (start, end) = (Level::new(self.sigmas[from]), Level::new(self.sigmas[from + 1]));
        let h = end.lambda - start.lambda;
        let hh = if self.predict_x0 { -h } else { h };
        let phi_1 = exp_m1(hh);
        let b_h = if self.bh1 { hh } else { phi_1 };

        let latest = self.outputs.len() - 1;
        let m0 = &self.outputs[latest];
        let mut ratios = Vec::with_capacity(order);
        let mut differences = Vec::with_capacity(order);
        for i in 1..order {
            let ratio = (Level::new(self.sigmas[from - i]).lambda - start.lambda) / h;
            differences.push(zip2(&self.outputs[latest - i], m0, |m, m0| (m - m0) / ratio));
            ratios.push(ratio);
        }
        ratios.push(1.0);

        let mut rows: Vec<Vec<f32>> = Vec::with_capacity(order);
        let mut right = Vec::with_capacity(order);
        let mut phi_k = phi_1 / hh - 1.0;
        let mut factorial = 1u32;
        for i in 1..=order {
            rows.push(ratios.iter().map(|ratio| ratio.powi(i as i32 - 1)).collect());
            right.push(phi_k * factorial as f32 / b_h);
            factorial *= i as u32 + 1;
            phi_k = phi_k / hh - (1.0 / f64::from(factorial)) as f32;
        }
        let weights = match (newest.is_some(), order) {
            (true, 1) | (false, 2) => vec![0.5],
            (true, _) => solve(rows, right),
            (false, 1) => Vec::new(),
            (false, _) => {
                rows.pop();
                right.pop();
                for row in &mut rows {
                    row.pop();
                }
                solve(rows, right)
            }
        };

        let (keep, gain) = if self.predict_x0 {
            (end.sigma / start.sigma, end.alpha)
        } else {
            (end.alpha / start.alpha, end.sigma)
        };
        let mut residual = vec![0f32; sample.len()];
        for (weight, difference) in weights.iter().zip(&differences) {
            residual = zip2(&residual, difference, |sum, d| sum + weight * d);
        }
        if let (Some(newest), Some(weight)) = (newest, weights.last()) {
            let change = zip2(newest, m0, |m, m0| weight * (m - m0));
            residual = zip2(&residual, &change, |sum, change| sum + change);
        }
        let linear = zip2(sample, m0, |x, m0| keep * x - (gain * phi_1) * m0);
        zip2(&linear, &residual, |x, residual| x - (gain * b_h) * residual)
    }
}

/// Solves a small square linear system by elimination with row exchange.
fn solve(mut rows: Vec<Vec<f32>>, mut right: Vec<f32>) -> Vec<f32> {
    let n = right.len();
    for column in 0..n {
        let pivot = (column..n).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()));
        let pivot = pivot.unwrap_or(column);
        rows.swap(column, pivot);
        right.swap(column, pivot);
        let (top, rest) = rows.split_at_mut(column + 1);
        for (below, row) in rest.iter_mut().enumerate() {
            let factor = row[column] / top[column][column];
            for (value, above) in row.iter_mut().zip(&top[column]).skip(column) {
                *value -= factor * above;
            }
            right[column + 1 + below] -= factor * right[column];
        }
    }
    for row in (0..n).rev() {
        let known: f32 = (row + 1..n).map(|k| rows[row][k] * right[k]).sum();
        right[row] = (right[row] - known) / rows[row][row];
    }
    right
}

impl Scheduler for UniPc {
    fn timesteps(&self) -> &[f32] {
        &self.timesteps
    }

    fn step(&mut self, model_output: &[f32], index: usize, sample: &[f32], _: &mut TorchRng) -> Vec<f32> {
        let output = self.convert(model_output, index, sample);
        let corrected = match self.last.take() {
            Some((from, order)) if !self.disable_corrector.contains(&(index as u64 - 1)) => {
                self.update(index - 1, &from, order, Some(&output))
            }
            _ => sample.to_vec(),
        };
        self.outputs.push_back(output);
        if self.outputs.len() > self.solver_order {
            self.outputs.pop_front();
        }
        let wanted = if self.lower_order_final {
            self.solver_order.min(self.timesteps.len() - index)
        } else {
            self.solver_order
        };
        let order = wanted.min(self.outputs.len());
        let next = self.update(index, &corrected, order, None);
        self.last = Some((corrected, order));
        next
    }

    fn add_noise(&self, original: &[f32], noise: &[f32], index: usize) -> Vec<f32> {
        let level = Level::new(self.sigmas[index]);
        zip2(original, noise, |x, n| level.alpha * x + level.sigma * n)
    }
}
