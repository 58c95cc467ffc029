//! `AdamW` as in PyTorch: decay of weights apart from the gradient, moments corrected for their beginning at zero.

/// The optimiser's constants, by PyTorch's names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Share of every weight that a step of rate 1 takes away.
    pub weight_decay: f64,
}

/// What the optimiser remembers of one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Running mean of gradients.
    pub first: Vec<f32>,
    /// Running mean of their squares.
    pub second: Vec<f32>,
}

impl Moments {
    /// Before the first step.
    pub fn zeros(len: usize) -> Self {
        Self { first: vec![0.0; len], second: vec![0.0; len] }
    }
}

/// Step `step`, counted from 1, of one tensor.
pub fn update(
    values: &mut [f32],
    moments: &mut Moments,
    gradient: &[f32],
    rate: f64,
    step: usize,
    adam: Adam,
) {
    let Adam { beta1, beta2, epsilon, weight_decay } = adam;
    let corrected = |beta: f64| 1.0 - beta.powi(i32::try_from(step).unwrap_or(i32::MAX));
    let size = (rate / corrected(beta1)) as f32;
    let root = corrected(beta2).sqrt() as f32;
    let kept = (1.0 - rate * weight_decay) as f32;
    let (first_kept, first_new) = (beta1 as f32, (1.0 - beta1) as f32);
    let (second_kept, second_new) = (beta2 as f32, (1.0 - beta2) as f32);
    let epsilon = epsilon as f32;
    let moments = moments.first.iter_mut().zip(&mut moments.second);
    for ((value, gradient), (first, second)) in values.iter_mut().zip(gradient).zip(moments) {
        *first = *first * first_kept + gradient * first_new;
        *second = *second * second_kept + gradient * gradient * second_new;
        *value = *value * kept - size * *first / (second.sqrt() / root + epsilon);
    }
}

/// The length of all gradients together, in 64 bits and one order.
pub fn norm<'a>(gradients: impl Iterator<Item = &'a [f32]>) -> f64 {
    gradients.flatten().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}

/// What gradients of this length are multiplied with, as `clip_grad_norm_` does.
pub fn clip(norm: f64, longest: f64) -> f32 {
    (longest / (norm + 1e-6)).min(1.0) as f32
}

/// The decay of the running mean after `step` steps: it begins short, so that the first weights are soon forgotten.
pub fn ema_decay(decay: f64, step: usize) -> f64 {
    decay.min((1.0 + step as f64) / (10.0 + step as f64))
}
