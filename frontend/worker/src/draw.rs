//! The engine in the browser: a model from files in memory, a picture with all its steps.

use chapan_engine::pipelines::{
    Flow, GenerationParams, Picture, ProgressEvent, StableDiffusionXl, StepSnapshot,
};
use chapan_engine::{DType, Device, Result};

use crate::check::Files;
use crate::messages::{Answer, Drawing, ModelFacts, StepReport};

/// A model that can draw.
pub struct Easel {
    pipeline: StableDiffusionXl,
    /// What it is made of.
    pub facts: ModelFacts,
}

impl Easel {
    /// Loads a model from its files.
    pub fn new(files: Files) -> Result<Self> {
        let pipeline = StableDiffusionXl::from_files(files, &Device::Cpu, DType::F32)?;
        let parts = pipeline.parts();
        let facts = ModelFacts {
            text_widths: parts.text_widths.clone(),
            parameters: [parts.text_encoder_parameters, parts.unet_parameters, parts.vae_parameters],
            took_ms: 0.0,
        };
        Ok(Self { pipeline, facts })
    }

    /// Draws; `tell` takes each event with its buffers, `now` reads the time since the task began in milliseconds.
    pub fn draw(
        &self,
        drawing: &Drawing,
        now: impl Fn() -> f64,
        mut tell: impl FnMut(Answer, Vec<Vec<u8>>),
    ) -> Result<Vec<u8>> {
        let params = GenerationParams {
            prompt: drawing.prompt.clone(),
            negative_prompt: drawing.negative_prompt.clone(),
            width: drawing.width as usize,
            height: drawing.height as usize,
            num_inference_steps: drawing.num_inference_steps as usize,
            guidance_scale: drawing.guidance_scale,
            seed: drawing.seed,
            scheduler: drawing.scheduler.as_deref().map(str::parse).transpose()?,
            ..GenerationParams::default()
        };
        let made = self.pipeline.generate(&params, &mut |event: ProgressEvent<'_>| {
            let at_ms = now();
            if let Some(seen) = StepSnapshot::of(&event) {
                let (report, buffers) = step(seen, at_ms);
                tell(Answer::Stepped(report), buffers);
            }
            match event {
                ProgressEvent::Encoded => tell(Answer::Encoded { at_ms }, Vec::new()),
                ProgressEvent::Decoding => tell(Answer::Decoding { at_ms }, Vec::new()),
                ProgressEvent::Encoding | ProgressEvent::Window { .. } | ProgressEvent::Step { .. } => {}
            }
            Flow::Continue
        })?;
        Ok(rgba(&made.image))
    }

    /// Decodes latents, little-endian 32-bit floats, to RGBA.
    pub fn decode(&self, latents: &[u8], width: u32, height: u32) -> Result<Vec<u8>> {
        let latents: Vec<f32> =
            latents.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        self.pipeline.decode_latents(&latents, width as usize, height as usize).map(|picture| rgba(&picture))
    }
}

/// What a step looks like: numbers, and pixels of latents, expectation and channels, and the expectation itself.
fn step(seen: StepSnapshot, at_ms: f64) -> (StepReport, Vec<Vec<u8>>) {
    let report = StepReport {
        index: seen.index,
        total: seen.total,
        timestep: seen.timestep,
        sigma: seen.sigma,
        guidance: seen.guidance,
        width: seen.latents.width,
        height: seen.latents.height,
        channels_size: (seen.channels.width, seen.channels.height),
        channels: seen.latent_channels,
        at_ms,
    };
    let latents = seen.clean_latents.iter().flat_map(|value| value.to_le_bytes()).collect();
    (report, vec![rgba(&seen.latents), rgba(&seen.clean), seen.channels.rgba, latents])
}

fn rgba(picture: &Picture) -> Vec<u8> {
    picture.rgb.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]).collect()
}
