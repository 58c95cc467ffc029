//! Stable Diffusion XL, text to image: the loop can be read from top to bottom in [`StableDiffusionXl::generate`].
//!
//! Latents live on the host in f32 and go to the device only to be looked at by the network, so that noise, guidance and
//! scheduler compute the same bits on every device.

use std::collections::BTreeMap;
#[cfg(not(target_arch = "wasm32"))]
use std::path::Path;

use candle_core::{DType, Device, Tensor};

use crate::models::unet::{Conditioning, UNet2DConditionModel, UnetConfig};
use crate::models::vae::{AutoencoderKl, VaeConfig};
use crate::models::{PerBlock, parse_config};
use crate::noise::TorchRng;
use crate::pipelines::files::ModelFiles;
use crate::pipelines::guidance::guide;
use crate::pipelines::model_index::ModelIndex;
use crate::pipelines::text::TextTowers;
use crate::pipelines::{
    Flow, Generated, LatentPreview, Picture, PreviewFactors, Progress, ProgressEvent, TextToImageParams,
};
use crate::schedulers::SchedulerConfig;
use crate::weights::Weights;
use crate::{Error, Result};

/// A loaded checkpoint of the SDXL architecture.
#[derive(Debug)]
pub struct StableDiffusionXl {
    text: TextTowers,
    unet: UNet2DConditionModel,
    vae: AutoencoderKl,
    vae_dtype: DType,
    scheduler: SchedulerConfig,
    preview: Option<PreviewFactors>,
    device: Device,
    dtype: DType,
}

impl StableDiffusionXl {
    /// Loads a folder in diffusers layout, or a single file in the original layout of SDXL base, onto `device`, with
    /// weights in `dtype`.
    ///
    /// A single file carries no configuration: that of SDXL base is assumed where no JSON lies beside it (in the folder
    /// `model` for `model.safetensors`, or in its own). The tokenizers' files must be there.
    ///
    /// # Errors
    /// When a component is missing, not implemented, or its weights are not those that its configuration implies.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn load(path: &Path, device: &Device, dtype: DType) -> Result<Self> {
        Self::assemble(ModelFiles::open(path)?, device, dtype)
    }

    /// The same from files in memory, by their paths in the folder (`unet/config.json`): how a browser loads.
    pub fn from_files(files: BTreeMap<String, Vec<u8>>, device: &Device, dtype: DType) -> Result<Self> {
        Self::assemble(ModelFiles::Memory(files), device, dtype)
    }

    fn assemble(mut files: ModelFiles, device: &Device, dtype: DType) -> Result<Self> {
        let index = ModelIndex::parse(files.read("model_index.json")?)?;
        let scheduler = SchedulerConfig::from_json(
            &files.read("scheduler/scheduler_config.json")?.unwrap_or_else(|| b"{}".to_vec()),
            index.class("scheduler", None),
        )?;
        let unet_config: UnetConfig = parse_config("unet", &files.config("unet", "unet/config.json")?)?;
        let vae_config: VaeConfig = parse_config("vae", &files.config("vae", "vae/config.json")?)?;
        check_channels(&unet_config, &vae_config)?;
        let preview = match files.read("preview.json")? {
            Some(bytes) => Some(PreviewFactors::from_json(&bytes, unet_config.in_channels)?),
            None => (unet_config.in_channels == 4).then(PreviewFactors::sdxl),
        };

        let text = TextTowers::load(&mut files, &index, device, dtype)?;
        let weights = Weights::new(files.weights("unet")?, dtype, device);
        let unet = UNet2DConditionModel::load(&weights.root(), &unet_config)?;
        weights.finish()?;
        // Plain half precision overflows in the autoencoder of SDXL; the checkpoint says so.
        let vae_dtype = if dtype == DType::F16 && vae_config.force_upcast { DType::F32 } else { dtype };
        let weights = Weights::new(files.weights("vae")?, vae_dtype, device);
        let vae = AutoencoderKl::load(&weights.root(), &vae_config)?;
        weights.finish()?;
        Ok(Self { text, unet, vae, vae_dtype, scheduler, preview, device: device.clone(), dtype })
    }

    /// The configuration of the checkpoint's own scheduler.
    pub fn scheduler_config(&self) -> &SchedulerConfig {
        &self.scheduler
    }

    /// The side in pixels of the square pictures that the checkpoint was made for.
    pub fn default_size(&self) -> usize {
        let cells = match self.unet.config().sample_size {
            Some(PerBlock::All(cells)) => cells,
            _ => 128,
        };
        cells * self.vae.config().downscale()
    }

    /// Draws one picture. Answers [`Error::Cancelled`] when `progress` says so.
    ///
    /// # Errors
    /// When a parameter does not fit the checkpoint, or latents leave the range of numbers; the step is named.
    pub fn generate(&self, params: &TextToImageParams, progress: &mut dyn Progress) -> Result<Generated> {
        let (rows, columns) = self.latent_size(params)?;
        let channels = self.unet.config().in_channels;
        let guided = params.guidance_scale > 1.0;
        let mut scheduler = self.scheduler.build(params.scheduler, params.num_inference_steps)?;

        tell(progress, ProgressEvent::Encoding)?;
        let positive = self.text.encode(&params.prompt, None)?;
        let prompts = if guided {
            // The order of the batch: negative first.
            self.text.encode_negative(params.negative_prompt.as_deref(), &positive)?.before(&positive)?
        } else {
            positive
        };
        // Original size, crop and target size, as (height, width) each.
        let (height, width) = (params.height as f64, params.width as f64);
        let time_ids = vec![vec![height, width, 0.0, 0.0, height, width]; if guided { 2 } else { 1 }];
        let conditioning = self.unet.condition(&prompts.states, Some(&prompts.pooled), Some(&time_ids))?;

        let mut rng = TorchRng::new(params.seed);
        let sigma = scheduler.init_noise_sigma();
        let mut latents: Vec<f32> =
            rng.randn(channels * rows * columns).into_iter().map(|n| n * sigma).collect();
        let shape = (1, channels, rows, columns);

        let timesteps = scheduler.timesteps().to_vec();
        let mut input = scheduler.scale_model_input(&latents, 0);
        for (index, &timestep) in timesteps.iter().enumerate() {
            let timestep = f64::from(timestep);
            let prediction = self.predict(&input, shape, timestep, &conditioning, params)?;
            latents = scheduler.step(&prediction, index, &latents, &mut rng);
            if latents.iter().any(|value| !value.is_finite()) {
                return Err(Error::NotFinite {
                    what: format!(
                        "the latents after step {} of {} (timestep {timestep})",
                        index + 1,
                        timesteps.len()
                    ),
                    hint: "the scheduler may not fit the checkpoint; try its own, more steps, or f32"
                        .to_owned(),
                });
            }
            input = if index + 1 < timesteps.len() {
                scheduler.scale_model_input(&latents, index + 1)
            } else {
                latents.clone()
            };
            let factors = self.preview.as_ref();
            let preview = LatentPreview { latents: &input, width: columns, height: rows, factors };
            tell(progress, ProgressEvent::Step { index, total: timesteps.len(), timestep, preview })?;
        }

        tell(progress, ProgressEvent::Decoding)?;
        let image = self.decode(&latents, shape, params)?;
        Ok(Generated { image, latents: Tensor::from_vec(latents, shape, &Device::Cpu)? })
    }

    /// Asks the network once, for both prompts when guided.
    fn predict(
        &self,
        input: &[f32],
        shape: (usize, usize, usize, usize),
        timestep: f64,
        conditioning: &Conditioning,
        params: &TextToImageParams,
    ) -> Result<Vec<f32>> {
        let sample = Tensor::from_slice(input, shape, &self.device)?.to_dtype(self.dtype)?;
        let batch = Tensor::cat(&vec![&sample; conditioning.batch()], 0)?;
        let output = self.unet.forward(&batch, &[timestep], conditioning)?.to_dtype(DType::F32)?;
        let output = output.flatten_all()?.to_vec1::<f32>()?;
        if conditioning.batch() == 1 {
            return Ok(output);
        }
        let (negative, positive) = output.split_at(input.len());
        Ok(guide(negative, positive, params.guidance_scale, params.guidance_rescale))
    }

    /// Decodes final latents to a picture.
    fn decode(
        &self,
        latents: &[f32],
        shape: (usize, usize, usize, usize),
        params: &TextToImageParams,
    ) -> Result<Picture> {
        let config = self.vae.config();
        let factor = config.scaling_factor as f32;
        let plane = shape.2 * shape.3;
        let unscaled: Vec<f32> = match (&config.latents_mean, &config.latents_std) {
            (Some(mean), Some(std)) => {
                let cell =
                    |(i, x): (usize, &f32)| x * std[i / plane] as f32 / factor + mean[i / plane] as f32;
                latents.iter().enumerate().map(cell).collect()
            }
            _ => latents.iter().map(|x| x / factor).collect(),
        };
        let unscaled = Tensor::from_vec(unscaled, shape, &self.device)?.to_dtype(self.vae_dtype)?;
        let decoded = self.vae.decode(&unscaled)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        if decoded.iter().any(|value| value.is_nan()) {
            return Err(Error::NotFinite {
                what: "the decoded picture".to_owned(),
                hint: "the autoencoder overflows in this element type; use f32 or bf16".to_owned(),
            });
        }
        Ok(Picture::from_planes(params.width, params.height, &decoded))
    }

    /// Rows and columns of the latents of a picture.
    fn latent_size(&self, params: &TextToImageParams) -> Result<(usize, usize)> {
        let side = self.vae.config().downscale();
        let unit = side.max(8);
        for (parameter, value) in [("width", params.width), ("height", params.height)] {
            if value == 0 || !value.is_multiple_of(unit) {
                return Err(Error::Parameter {
                    parameter,
                    fault: format!("is `{value}`"),
                    hint: format!("choose a multiple of {unit}"),
                });
            }
        }
        if !params.guidance_scale.is_finite() {
            return Err(Error::Parameter {
                parameter: "guidance_scale",
                fault: format!("is `{}`", params.guidance_scale),
                hint: "choose a number; 5 is usual, 1 is without guidance".to_owned(),
            });
        }
        Ok((params.height / side, params.width / side))
    }
}

/// Reports an event; an answer of [`Flow::Cancel`] becomes an error that unwinds the loop.
fn tell(progress: &mut dyn Progress, event: ProgressEvent<'_>) -> Result<()> {
    match progress.on(event) {
        Flow::Continue => Ok(()),
        Flow::Cancel => Err(Error::Cancelled),
    }
}

/// Refuses denoisers that cannot work on the autoencoder's latents alone.
fn check_channels(unet: &UnetConfig, vae: &VaeConfig) -> Result<()> {
    let (input, output, latent) = (unet.in_channels, unet.out_channels, vae.latent_channels);
    if input == 0 || input != output || input != latent || vae.out_channels != 3 {
        return Err(Error::config(
            "pipeline",
            format!(
                "`unet` takes {input} channels and gives {output}, `vae` has {latent} latent and {} picture channels",
                vae.out_channels
            ),
            "text to image needs as many in all three places, and pictures of 3; 9-channel models are for inpainting",
        ));
    }
    Ok(())
}
