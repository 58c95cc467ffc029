//! The learning rate of each step.

use super::config::{LrScheduler, TrainingConfig};

/// What the base rate is multiplied with in step `step`, counted from 0, as in diffusers' `get_scheduler`.
pub fn factor(config: &TrainingConfig, step: usize) -> f64 {
    let warmup = config.lr_warmup_steps;
    if step < warmup {
        return step as f64 / warmup as f64;
    }
    match config.lr_scheduler {
        LrScheduler::Constant => 1.0,
        LrScheduler::Cosine => {
            let rest = config.max_train_steps.saturating_sub(warmup).max(1);
            let progress = ((step - warmup) as f64 / rest as f64).min(1.0);
            0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// from diffusers.optimization import get_scheduler
    /// s = get_scheduler("cosine", torch.optim.SGD([torch.zeros(1)], 1.0), num_warmup_steps=4, num_training_steps=10)
    /// [s.lr_lambdas[0](i) for i in (0, 2, 4, 7, 9)]
    /// ```
    #[test]
    fn it_rises_and_falls_as_in_diffusers() {
        let config = TrainingConfig {
            lr_scheduler: LrScheduler::Cosine,
            lr_warmup_steps: 4,
            max_train_steps: 10,
            ..TrainingConfig::default()
        };
        let expected = [(0, 0.0), (2, 0.5), (4, 1.0), (7, 0.5), (9, 0.066_987_298_107_780_7)];
        for (step, rate) in expected {
            assert!((factor(&config, step) - rate).abs() < 1e-12, "{step}");
        }
        let constant = TrainingConfig { lr_scheduler: LrScheduler::Constant, ..config };
        assert_eq!(factor(&constant, 9), 1.0);
    }
}
