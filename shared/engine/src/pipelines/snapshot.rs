//! A step of the loop as numbers and pixels that outlive it: what a microscope shows, in the browser and on the server.

use crate::pipelines::{ChannelSheet, Picture, ProgressEvent};

/// All that can be seen of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSnapshot {
    /// Which step, from 0.
    pub index: usize,
    /// How many there are.
    pub total: usize,
    /// The timestep that the network was told, from about 1000 (noise) down to 0.
    pub timestep: f64,
    /// Noise for one unit of signal at the start of the step; infinite where there is no signal.
    pub sigma: f32,
    /// How far guidance moved the prediction, see [`StepLook::guidance`](crate::pipelines::StepLook::guidance).
    pub guidance: Option<f32>,
    /// How many channels the latents have.
    pub latent_channels: usize,
    /// The latents after the step as a small picture, one pixel for each cell.
    pub latents: Picture,
    /// The clean latents that the network expected, as a small picture.
    pub clean: Picture,
    /// All channels of the latents after the step.
    pub channels: ChannelSheet,
    /// The clean latents themselves, channel after channel: what
    /// [`StableDiffusionXl::decode_latents`](crate::pipelines::StableDiffusionXl::decode_latents) takes.
    pub clean_latents: Vec<f32>,
}

impl StepSnapshot {
    /// Draws what an event shows; `None` where it is not the end of a step.
    pub fn of(event: &ProgressEvent<'_>) -> Option<Self> {
        let ProgressEvent::Step { index, total, timestep, preview, look } = event else { return None };
        Some(Self {
            index: *index,
            total: *total,
            timestep: *timestep,
            sigma: look.sigma,
            guidance: look.guidance,
            latent_channels: preview.channels(),
            latents: preview.picture(),
            clean: look.clean.picture(),
            channels: preview.channel_sheet(),
            clean_latents: look.clean.latents().to_vec(),
        })
    }
}
