//! What a drawing looked like at every step, gathered while it is drawn, for whoever asked for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use chapan_api::generation::CreateGeneration;
use chapan_api::id::ModelId;
use chapan_api::steps::{MAX_EXPECTED_PIXELS, PartsView, PixelFormat, StepPicture, StepView};
use chapan_engine::pipelines::{ModelParts, Picture, ProgressEvent, StepSnapshot};

use super::device::{Bench, Loaded};
use super::steps::{Expectation, KeptSteps, ROOM_BYTES};

/// Listens to one drawing.
pub(super) struct StepKeeper {
    began: Instant,
    size: (u32, u32),
    encoded_ms: u64,
    looped_ms: u64,
    steps: Vec<Arc<StepView>>,
    waiting: VecDeque<Expectation>,
    /// Bytes of all that is gathered and of what will be decoded from it.
    size_bytes: usize,
}

impl StepKeeper {
    /// A keeper for a request that wants one.
    pub fn of(request: &CreateGeneration) -> Option<Self> {
        request.keep_steps.then(|| Self {
            began: Instant::now(),
            size: (request.width, request.height),
            encoded_ms: 0,
            looped_ms: 0,
            steps: Vec::new(),
            waiting: VecDeque::new(),
            size_bytes: 0,
        })
    }

    /// Takes what there is to see. Once there is more than the room takes, nothing is kept.
    pub fn hear(&mut self, event: &ProgressEvent<'_>) {
        let at_ms = self.now_ms();
        match event {
            ProgressEvent::Encoded => self.encoded_ms = at_ms,
            ProgressEvent::Decoding => self.looped_ms = at_ms,
            ProgressEvent::Encoding | ProgressEvent::Window { .. } => {}
            ProgressEvent::Step { .. } if self.size_bytes > ROOM_BYTES => {
                self.steps.clear();
                self.waiting.clear();
            }
            ProgressEvent::Step { .. } => {
                if let Some(step) = StepSnapshot::of(event) {
                    self.keep(step, at_ms);
                }
            }
        }
    }

    fn keep(&mut self, step: StepSnapshot, at_ms: u64) {
        let sheet = step.channels;
        let view = StepView {
            index: step.index as u32,
            total: step.total as u32,
            timestep: step.timestep,
            sigma: Some(step.sigma).filter(|sigma| sigma.is_finite()),
            guidance: step.guidance.filter(|guidance| guidance.is_finite()),
            at_ms,
            latent_channels: step.latent_channels as u32,
            latents: view_of(step.latents),
            clean: view_of(step.clean),
            channels: StepPicture {
                width: sheet.width as u32,
                height: sheet.height as u32,
                format: PixelFormat::Rgba,
                pixels: sheet.rgba,
            },
            expected: None,
        };
        self.size_bytes += view.size_bytes();
        let (width, height) = self.size;
        let pixels = u64::from(width) * u64::from(height);
        if pixels <= MAX_EXPECTED_PIXELS {
            let latents = step.clean_latents;
            self.size_bytes += size_of_val(latents.as_slice()) + pixels as usize * PixelFormat::Rgb.bytes();
            self.waiting.push_back(Expectation { index: self.steps.len(), latents });
        }
        self.steps.push(Arc::new(view));
    }

    /// Ends with the picture. `None`: there was more than the room takes.
    pub fn finish(self, model: &Loaded) -> Option<KeptSteps> {
        if self.size_bytes > ROOM_BYTES {
            return None;
        }
        Some(KeptSteps {
            size: self.size,
            encoded_ms: self.encoded_ms,
            looped_ms: self.looped_ms,
            decoded_ms: self.now_ms(),
            parts: parts_of(model.pipeline.parts()),
            model: (model.id.clone(), model.sha256.clone()),
            steps: self.steps,
            pending: self.waiting.len(),
            waiting: self.waiting,
            size_bytes: self.size_bytes,
        })
    }

    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

/// Decodes what was expected at a step, on the device's thread. `None`: the model that expected it is not in memory.
pub(super) fn decode(
    bench: &Bench,
    (id, sha256): &(ModelId, String),
    latents: &[f32],
    (width, height): (u32, u32),
) -> Option<chapan_engine::Result<StepPicture>> {
    let held = bench.loaded.as_ref().filter(|held| held.id == *id && held.sha256 == *sha256)?;
    Some(held.pipeline.decode_latents(latents, width as usize, height as usize).map(view_of))
}

fn view_of(picture: Picture) -> StepPicture {
    let (width, height) = (picture.width as u32, picture.height as u32);
    StepPicture { width, height, format: PixelFormat::Rgb, pixels: picture.rgb }
}

fn parts_of(parts: &ModelParts) -> PartsView {
    PartsView {
        text_widths: parts.text_widths.iter().map(|width| *width as u32).collect(),
        text_encoder_parameters: parts.text_encoder_parameters,
        unet_parameters: parts.unet_parameters,
        vae_parameters: parts.vae_parameters,
    }
}
