//! The engine in the browser: a model from files in memory, a picture with all its steps.

use chapan_engine::pipelines::{
    Flow, GenerationParams, LatentPreview, Picture, ProgressEvent, StableDiffusionXl, StepLook,
};
use chapan_engine::{DType, Device, Result};
use serde_json::Value;

use crate::check::Files;
use crate::messages::{Answer, Drawing, ModelFacts, StepReport};

/// A latent this far from zero is drawn as black or white; latents of the clean picture have a spread near 1.
const CHANNEL_RANGE: f32 = 3.0;

/// A model that can draw.
pub struct Easel {
    pipeline: StableDiffusionXl,
    /// What it is made of.
    pub facts: ModelFacts,
}

impl Easel {
    /// Loads a model from its files.
    pub fn new(files: Files) -> Result<Self> {
        let facts = facts(&files);
        Ok(Self { pipeline: StableDiffusionXl::from_files(files, &Device::Cpu, DType::F32)?, facts })
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
            match event {
                ProgressEvent::Encoding => {}
                ProgressEvent::Encoded => tell(Answer::Encoded { at_ms: now() }, Vec::new()),
                ProgressEvent::Decoding => tell(Answer::Decoding { at_ms: now() }, Vec::new()),
                ProgressEvent::Step { index, total, timestep, preview, look } => {
                    let at_ms = now();
                    let (report, buffers) = step((index, total), timestep, &preview, &look, at_ms);
                    tell(Answer::Stepped(report), buffers);
                }
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

/// What a step looks like.
fn step(
    (index, total): (usize, usize),
    timestep: f64,
    preview: &LatentPreview<'_>,
    look: &StepLook<'_>,
    at_ms: f64,
) -> (StepReport, Vec<Vec<u8>>) {
    let (width, height) = (preview.width(), preview.height());
    let clean = look.clean.latents();
    let channels = clean.len() / (width * height).max(1);
    let (sheet, channels_size) = channel_sheet(preview.latents(), (width, height), channels);
    let report = StepReport {
        index,
        total,
        timestep,
        sigma: look.sigma,
        guidance: look.guidance,
        width,
        height,
        channels_size,
        channels,
        at_ms,
    };
    let latents = clean.iter().flat_map(|value| value.to_le_bytes()).collect();
    (report, vec![rgba(&preview.picture()), rgba(&look.clean.picture()), sheet, latents])
}

/// All channels as grey pictures in rows, one clear pixel between them: black below zero, white above.
fn channel_sheet(
    latents: &[f32],
    (width, height): (usize, usize),
    channels: usize,
) -> (Vec<u8>, (usize, usize)) {
    let columns = (channels as f64).sqrt().ceil().max(1.0) as usize;
    let rows = channels.div_ceil(columns);
    let size = (columns * (width + 1) - 1, (rows * (height + 1)).saturating_sub(1));
    let mut sheet = vec![0; size.0 * size.1 * 4];
    for (channel, plane) in latents.chunks_exact((width * height).max(1)).enumerate() {
        let (left, top) = (channel % columns * (width + 1), channel / columns * (height + 1));
        for (y, row) in plane.chunks_exact(width).enumerate() {
            for (x, value) in row.iter().enumerate() {
                let grey = ((value / CHANNEL_RANGE * 0.5 + 0.5).clamp(0.0, 1.0) * 255.0).round() as u8;
                let at = ((top + y) * size.0 + left + x) * 4;
                sheet[at..at + 4].copy_from_slice(&[grey, grey, grey, 255]);
            }
        }
    }
    (sheet, size)
}

fn rgba(picture: &Picture) -> Vec<u8> {
    picture.rgb.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]).collect()
}

/// What a model's files say of it.
fn facts(files: &Files) -> ModelFacts {
    let config = |path: &str| -> Value {
        files.get(path).and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default()
    };
    let width = |path: &str| config(path)["hidden_size"].as_u64().map(|width| width as usize);
    let parameters = |part: &str| {
        let inside = |name: &&String| name.starts_with(part) && name.ends_with(".safetensors");
        files.keys().filter(inside).filter_map(|name| count(&files[name])).sum()
    };
    ModelFacts {
        text_widths: ["text_encoder/config.json", "text_encoder_2/config.json"]
            .into_iter()
            .filter_map(width)
            .collect(),
        parameters: [parameters("text_encoder"), parameters("unet/"), parameters("vae/")],
        took_ms: 0.0,
    }
}

/// Numbers in a safetensors file, from the shapes in its header.
fn count(file: &[u8]) -> Option<u64> {
    let length = u64::from_le_bytes(file.get(..8)?.try_into().ok()?) as usize;
    let header: Value = serde_json::from_slice(file.get(8..8_usize.checked_add(length)?)?).ok()?;
    let of =
        |tensor: &Value| -> Option<u64> { tensor["shape"].as_array()?.iter().map(Value::as_u64).product() };
    Some(header.as_object()?.values().filter_map(of).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_lie_side_by_side_with_a_clear_line_between() {
        let latents = [-3.0, 0.0, 3.0, 9.0, 0.0, 0.0, 0.0, 0.0, 3.0, 3.0, 3.0, 3.0];
        let (sheet, size) = channel_sheet(&latents, (2, 2), 3);
        assert_eq!(size, (5, 5));
        let pixel = |x: usize, y: usize| &sheet[(y * 5 + x) * 4..][..4];
        assert_eq!(pixel(0, 0), [0, 0, 0, 255]);
        assert_eq!(pixel(1, 0), [128, 128, 128, 255]);
        assert_eq!(pixel(1, 1), [255, 255, 255, 255]);
        assert_eq!(pixel(2, 0), [0, 0, 0, 0]);
        assert_eq!(pixel(0, 3), [255, 255, 255, 255]);
        assert_eq!(pixel(4, 4), [0, 0, 0, 0]);
    }

    #[test]
    fn numbers_are_counted_from_headers() {
        let header =
            br#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},
            "b":{"dtype":"F16","shape":[],"data_offsets":[12,14]}}"#;
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header);
        assert_eq!(count(&file), Some(7));
        assert_eq!(count(&file[..20]), None);
    }
}
