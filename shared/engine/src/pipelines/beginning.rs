//! The latents of the first step, and what is done to latents after each: where the kinds of generation differ.

use crate::Result;
use crate::noise::TorchRng;
use crate::pipelines::anchor::LowPass;
use crate::pipelines::canvas::{Canvas, MaskedCanvas};
use crate::pipelines::{GenerationParams, Inpainting, MaskedContent, StableDiffusionXl, Start};
use crate::schedulers::Scheduler;

/// `(1, channels, rows, columns)` of latents.
pub(super) type LatentShape = (usize, usize, usize, usize);

/// How a loop begins.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    /// The first latents.
    pub(super) latents: Vec<f32>,
    /// Channels that the network is shown beside the latents at every step: mask and kept part, for checkpoints made for
    /// inpainting.
    pub(super) beside: Vec<f32>,
    /// The part to put back after every step.
    kept: Option<Kept>,
    /// The picture whose coarse part is put back after every step.
    anchor: Option<Anchor>,
}

/// A picture whose coarse part is kept.
#[derive(Debug)]
struct Anchor {
    /// Latents of the picture.
    original: Vec<f32>,
    /// The noise that the call began with.
    noise: Vec<f32>,
    filter: LowPass,
}

/// The part of a picture that is not repainted.
#[derive(Debug)]
struct Kept {
    /// Latents of the picture.
    original: Vec<f32>,
    /// The noise that the call began with; the same at every step.
    noise: Vec<f32>,
    /// For each latent value 1 to repaint and 0 to keep.
    mask: Vec<f32>,
}

impl Beginning {
    /// Puts the kept part back into `latents`, which timestep `next` will look at; after the last step without noise.
    pub(super) fn hold(&self, latents: Vec<f32>, scheduler: &dyn Scheduler, next: Option<usize>) -> Vec<f32> {
        if let Some(Anchor { original, noise, filter }) = &self.anchor {
            let kept =
                next.map_or_else(|| original.clone(), |next| scheduler.add_noise(original, noise, next));
            let apart: Vec<f32> = kept.iter().zip(&latents).map(|(kept, new)| kept - new).collect();
            return latents.iter().zip(filter.of(&apart)).map(|(new, coarse)| new + coarse).collect();
        }
        let Some(Kept { original, noise, mask }) = &self.kept else { return latents };
        let kept = next.map_or_else(|| original.clone(), |next| scheduler.add_noise(original, noise, next));
        let blend = |((new, old), mask): ((&f32, &f32), &f32)| (1.0 - mask) * old + mask * new;
        latents.iter().zip(&kept).zip(mask).map(blend).collect()
    }
}

impl StableDiffusionXl {
    /// Makes the first latents. `rng` draws in the order of diffusers, which is part of "same seed, same picture": the
    /// encoder's sample of the picture, the noise, the encoder's sample of the picture without its masked part.
    pub(super) fn begin(
        &self,
        params: &GenerationParams,
        canvas: &Canvas,
        shape: LatentShape,
        (scheduler, first): (&dyn Scheduler, usize),
        rng: &mut TorchRng,
    ) -> Result<Beginning> {
        let sigma = scheduler.init_noise_sigma();
        match (canvas, &params.start) {
            (Canvas::Masked(canvas), Start::Masked(start)) => {
                self.begin_masked(params, (canvas, start), shape, (scheduler, first), rng)
            }
            (Canvas::Picture(planes), _) => {
                let original = self.encode(planes, shape, rng)?;
                let noise = initial_noise(params, shape, rng)?;
                let latents = scheduler.add_noise(&original, &noise, first);
                let filter = params.keep_coarse.map(|factor| LowPass::new(shape, factor));
                let anchor = filter.map(|filter| Anchor { original, noise, filter });
                Ok(Beginning { latents, anchor, ..Beginning::default() })
            }
            _ => {
                let noise = initial_noise(params, shape, rng)?;
                let latents = noise.into_iter().map(|n| n * sigma).collect();
                Ok(Beginning { latents, ..Beginning::default() })
            }
        }
    }

    fn begin_masked(
        &self,
        params: &GenerationParams,
        (canvas, start): (&MaskedCanvas, &Inpainting),
        shape: LatentShape,
        (scheduler, first): (&dyn Scheduler, usize),
        rng: &mut TorchRng,
    ) -> Result<Beginning> {
        let (_, channels, rows, columns) = shape;
        let cells = canvas.cells(rows, columns);
        let mask = cells.repeat(channels);
        let pure_noise = start.strength == 1.0;
        // A checkpoint made for inpainting does not need the picture's own latents where it starts from noise.
        let original = if pure_noise && self.is_for_inpainting() {
            None
        } else {
            Some(self.encode(&canvas.planes, shape, rng)?)
        };
        let noise = initial_noise(params, shape, rng)?;
        let latents = match &original {
            Some(original) if !pure_noise => {
                let hide = |(value, mask): (&f32, &f32)| (1.0 - mask) * value;
                let hidden: Vec<f32> = match start.masked_content {
                    MaskedContent::Original => original.clone(),
                    MaskedContent::Noise => original.iter().zip(&mask).map(hide).collect(),
                };
                scheduler.add_noise(&hidden, &noise, first)
            }
            _ => noise.iter().map(|n| n * scheduler.init_noise_sigma()).collect(),
        };
        if self.is_for_inpainting() {
            let kept = self.encode(&canvas.kept_planes(), shape, rng)?;
            return Ok(Beginning { latents, beside: [cells, kept].concat(), ..Beginning::default() });
        }
        // Diffusers encodes the picture without its masked part here too, and throws it away; its draw is all that matters.
        let _ = rng.randn(channels * rows * columns);
        let kept = original.map(|original| Kept { original, noise, mask });
        Ok(Beginning { latents, kept, ..Beginning::default() })
    }
}

/// The noise of a call, moved towards another seed's if that is asked for.
fn initial_noise(params: &GenerationParams, shape: LatentShape, rng: &mut TorchRng) -> Result<Vec<f32>> {
    let noise = rng.randn(shape.1 * shape.2 * shape.3);
    params.variation.map_or(Ok(noise.clone()), |variation| variation.of(noise))
}
