//! A picture as the training sees it: encoded once, used in every step.

use crate::models::vae::Posterior;

/// What a picture is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is learnt.
    Reference,
    /// It shows what must stay: prior preservation.
    Class,
    /// It is never trained on, only measured with.
    HeldOut,
}

/// One picture with its caption.
#[derive(Clone, Debug)]
pub struct Example {
    /// What it is there for.
    pub role: Role,
    /// What it shows.
    pub caption: String,
    /// The autoencoder's distribution of its latents, `(1, channels, height, width)`, not scaled.
    pub posterior: Posterior,
    /// Original size, crop and target size, each as height (top) and width (left) in pixels.
    pub time_ids: [f64; 6],
}

impl Example {
    /// Numbers in its latents.
    pub fn len(&self) -> usize {
        self.posterior.mean.elem_count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn channels(&self) -> usize {
        self.posterior.mean.dims().get(1).copied().unwrap_or(1).max(1)
    }
}
