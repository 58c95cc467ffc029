//! Stable Diffusion XL: the loop can be read from top to bottom in [`StableDiffusionXl::generate`].
//!
//! Text to image, image to image and inpainting are one loop. They differ in the latents of the first step and in what is put
//! back after each: see `beginning.rs`.
//!
//! Latents live on the host in f32 and go to the device only to be looked at by the network, so that noise, guidance and
//! scheduler compute the same bits on every device.

use std::collections::BTreeMap;
#[cfg(not(target_arch = "wasm32"))]
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use crate::lora::{self, Application, AppliedLora, Component, Lora, LoraFile, ModelLayers};
use crate::models::unet::{Conditioning, UNet2DConditionModel, UnetConfig};
use crate::models::vae::{AutoencoderKl, VaeConfig};
use crate::models::{PerBlock, parse_config};
use crate::noise::TorchRng;
use crate::pipelines::beginning::LatentShape;
use crate::pipelines::canvas::Canvas;
use crate::pipelines::files::ModelFiles;
use crate::pipelines::guidance::{guide, pull};
use crate::pipelines::model_index::ModelIndex;
use crate::pipelines::text::{Negative, TextTowers};
use crate::pipelines::windows::Plan;
use crate::pipelines::{
    Flow, Generated, GenerationParams, LatentPreview, ModelParts, PreviewFactors, Progress, ProgressEvent,
    Start, StepLook,
};
use crate::schedulers::{NoiseLevel, SchedulerConfig};
use crate::tokenizer::TokenReport;
use crate::weights::Weights;
use crate::{Error, Result};

/// A loaded checkpoint of the SDXL architecture.
#[derive(Debug)]
pub struct StableDiffusionXl {
    pub(crate) text: TextTowers,
    pub(crate) unet: UNet2DConditionModel,
    pub(crate) layers: Arc<ModelLayers>,
    loras: (Vec<AppliedLora>, Application),
    pub(crate) vae: AutoencoderKl,
    pub(super) vae_dtype: DType,
    pub(crate) scheduler: SchedulerConfig,
    preview: Option<PreviewFactors>,
    parts: ModelParts,
    pub(crate) device: Device,
    pub(crate) dtype: DType,
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
            Some(bytes) => Some(PreviewFactors::from_json(&bytes, vae_config.latent_channels)?),
            None => (vae_config.latent_channels == 4).then(PreviewFactors::sdxl),
        };

        let text = TextTowers::load(&mut files, &index, device, dtype)?;
        let weights = Weights::new(files.weights("unet")?, dtype, device);
        let unet = UNet2DConditionModel::load(&weights.root(), &unet_config)?;
        weights.finish()?;
        let unet_parameters = weights.parameters();
        let components = std::iter::once((Component::Unet, weights.layers())).chain(text.layers());
        let layers = Arc::new(ModelLayers::new(components)?);
        // Plain half precision overflows in the autoencoder of SDXL; the checkpoint says so.
        let vae_dtype = if dtype == DType::F16 && vae_config.force_upcast { DType::F32 } else { dtype };
        let weights = Weights::new(files.weights("vae")?, vae_dtype, device);
        let vae = AutoencoderKl::load(&weights.root(), &vae_config)?;
        weights.finish()?;
        let (text_widths, text_encoder_parameters) = text.sizes();
        let parts = ModelParts {
            text_widths,
            text_encoder_parameters,
            unet_parameters,
            vae_parameters: weights.parameters(),
        };
        let (loras, device) = ((Vec::new(), Application::default()), device.clone());
        Ok(Self { text, unet, layers, loras, vae, vae_dtype, scheduler, preview, parts, device, dtype })
    }

    /// The configuration of the checkpoint's own scheduler.
    pub fn scheduler_config(&self) -> &SchedulerConfig {
        &self.scheduler
    }

    /// What it is made of.
    pub fn parts(&self) -> &ModelParts {
        &self.parts
    }

    /// The side in pixels of the square pictures that the checkpoint was made for.
    pub fn default_size(&self) -> usize {
        let cells = match self.unet.config().sample_size {
            Some(PerBlock::All(cells)) => cells,
            _ => 128,
        };
        cells * self.vae.config().downscale()
    }

    /// Whether the denoiser was made for inpainting: it looks at a mask and at the kept part, and can do nothing else.
    pub fn is_for_inpainting(&self) -> bool {
        self.unet.config().in_channels != self.vae.config().latent_channels
    }

    /// Reads a LoRA for this model; nothing changes until it is among [`Self::set_loras`].
    ///
    /// # Errors
    /// When it was made for another model, or is damaged: see [`Lora::read`].
    pub fn read_lora(&self, file: &LoraFile) -> Result<Lora> {
        Lora::read(file, &self.layers)
    }

    /// Puts exactly these LoRAs on the model, in place of those before; none takes all off, to the bit.
    ///
    /// # Errors
    /// When one was read for another model or its change is not finite: then nothing changes. See [`lora::apply`].
    pub fn set_loras(&mut self, loras: &[AppliedLora], application: Application) -> Result<()> {
        if self.loras.1 != application || self.loras.0 != loras {
            lora::apply(&self.layers, loras, application)?;
            self.loras = (loras.to_vec(), application);
        }
        Ok(())
    }

    /// The LoRAs that are on the model.
    pub fn loras(&self) -> &[AppliedLora] {
        &self.loras.0
    }

    /// How much of `text` each text encoder reads where prompts are [`PromptSyntax::Plain`](crate::prompt::PromptSyntax).
    pub fn token_reports(&self, text: &str) -> Vec<TokenReport> {
        self.text.reports(text)
    }

    /// Draws one picture. Answers [`Error::Cancelled`] when `progress` says so.
    ///
    /// # Errors
    /// When a parameter does not fit the checkpoint, or latents leave the range of numbers; the step is named.
    pub fn generate(&self, params: &GenerationParams, progress: &mut dyn Progress) -> Result<Generated> {
        let shape = self.latent_shape(params)?;
        let guided = params.guidance_scale > 1.0;
        let mut scheduler = self.scheduler.build(params.scheduler, params.num_inference_steps)?;
        let first = params.start.first_timestep(params.num_inference_steps, scheduler.order())?;
        let canvas = Canvas::prepare(&params.start, params.width, params.height)?;

        tell(progress, ProgressEvent::Encoding)?;
        let negative = Negative::of(guided, params.negative_prompt.as_deref());
        let prompts = self.text.encode_prompts(&params.prompt, negative, params.prompt_syntax)?;
        let windows = Plan::new(params.windows, shape.2, shape.3, self.vae.config().downscale())?;
        // Original size, crop and target size, as (height, width) each: to the network every window is a picture.
        let pixels = |cells: usize| (cells * self.vae.config().downscale()) as f64;
        let (height, width) = (pixels(windows.window_size().0), pixels(windows.window_size().1));
        let time_ids = vec![vec![height, width, 0.0, 0.0, height, width]; if guided { 2 } else { 1 }];
        let conditioning = self.unet.condition(&prompts.states, Some(&prompts.pooled), Some(&time_ids))?;

        tell(progress, ProgressEvent::Encoded)?;

        let mut rng = TorchRng::new(params.seed);
        let mut beginning = self.begin(params, &canvas, shape, (&*scheduler, first), &mut rng)?;
        let mut latents = std::mem::take(&mut beginning.latents);

        let timesteps = scheduler.timesteps().to_vec();
        let total = timesteps.len() - first;
        let mut input = scheduler.scale_model_input(&latents, first);
        for (at, &timestep) in timesteps.iter().enumerate().skip(first) {
            let (index, timestep) = (at - first, f64::from(timestep));
            let next = (at + 1 < timesteps.len()).then_some(at + 1);
            let level = NoiseLevel::of(&*scheduler, at);
            let seen =
                Seen { input: &input, beside: &beginning.beside, channels: shape.1, windows: &windows };
            let (prediction, guidance) = self.predict(&seen, timestep, &conditioning, params, progress)?;
            let clean = level.clean(self.scheduler.prediction_type()?, &prediction, &latents);
            latents = scheduler.step(&prediction, at, &latents, &mut rng);
            check_finite(&latents, || {
                format!("the latents after step {} of {total} (timestep {timestep})", index + 1)
            })?;
            latents = beginning.hold(latents, &*scheduler, next);
            input = next.map_or_else(|| latents.clone(), |next| scheduler.scale_model_input(&latents, next));
            let (columns, rows, factors) = (shape.3, shape.2, self.preview.as_ref());
            let preview = LatentPreview { latents: &input, width: columns, height: rows, factors };
            let clean = LatentPreview { latents: &clean, ..preview };
            let look = StepLook { sigma: level.sigma(), guidance, clean };
            tell(progress, ProgressEvent::Step { index, total, timestep, preview, look })?;
        }

        tell(progress, ProgressEvent::Decoding)?;
        let image = canvas.finish(self.decode(&latents, shape, params)?)?;
        Ok(Generated { image, latents: Tensor::from_vec(latents, shape, &Device::Cpu)? })
    }

    /// Asks the network for its prediction, window by window where the picture is large; answers also how far guidance moved
    /// it, on average.
    fn predict(
        &self,
        seen: &Seen<'_>,
        timestep: f64,
        conditioning: &Conditioning,
        params: &GenerationParams,
        progress: &mut dyn Progress,
    ) -> Result<(Vec<f32>, Option<f32>)> {
        let Seen { input, beside, channels, windows } = *seen;
        let (rows, columns) = windows.window_size();
        if windows.is_whole() {
            let planes = [input, beside].concat();
            return self.predict_window(planes, (channels, rows, columns), timestep, conditioning, params);
        }
        let mut pulls = Vec::new();
        let (mut index, total) = (0, windows.count());
        let prediction = windows.blend(channels, |place| {
            tell(progress, ProgressEvent::Window { index, total })?;
            index += 1;
            let planes = [windows.cut(input, place), windows.cut(beside, place)].concat();
            let shape = (channels, rows, columns);
            let (part, pull) = self.predict_window(planes, shape, timestep, conditioning, params)?;
            pulls.extend(pull);
            Ok(part)
        })?;
        let mean = (!pulls.is_empty()).then(|| pulls.iter().sum::<f32>() / pulls.len() as f32);
        Ok((prediction, mean))
    }

    /// Asks the network once, for both prompts when guided. `planes` are the latents and whatever it sees beside them.
    fn predict_window(
        &self,
        planes: Vec<f32>,
        (channels, rows, columns): (usize, usize, usize),
        timestep: f64,
        conditioning: &Conditioning,
        params: &GenerationParams,
    ) -> Result<(Vec<f32>, Option<f32>)> {
        let shape = (1, planes.len() / (rows * columns), rows, columns);
        let sample = Tensor::from_vec(planes, shape, &self.device)?.to_dtype(self.dtype)?;
        let batch = Tensor::cat(&vec![&sample; conditioning.batch()], 0)?;
        let output = self.unet.forward(&batch, &[timestep], conditioning)?.to_dtype(DType::F32)?;
        let output = output.flatten_all()?.to_vec1::<f32>()?;
        if conditioning.batch() == 1 {
            return Ok((output, None));
        }
        let (negative, positive) = output.split_at(channels * rows * columns);
        let guided = guide(negative, positive, params.guidance_scale, params.guidance_rescale);
        Ok((guided, Some(pull(negative, positive, params.guidance_scale))))
    }

    /// The shape of the latents of a picture. Refuses sizes and guidance that cannot be, and starts that the checkpoint does
    /// not know.
    fn latent_shape(&self, params: &GenerationParams) -> Result<LatentShape> {
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
        if self.is_for_inpainting() && !matches!(params.start, Start::Masked(_)) {
            return Err(Error::Parameter {
                parameter: "mask_image",
                fault: "is missing, and the checkpoint is made for inpainting".to_owned(),
                hint: "give a picture and a mask, or choose another model".to_owned(),
            });
        }
        Ok((1, self.vae.config().latent_channels, params.height / side, params.width / side))
    }
}

/// What the network is shown at a step.
#[derive(Clone, Copy)]
struct Seen<'a> {
    /// The latents, scaled for the step.
    input: &'a [f32],
    /// Channels that it sees next to them.
    beside: &'a [f32],
    /// Channels of the latents.
    channels: usize,
    /// The windows in which it looks.
    windows: &'a Plan,
}

/// Refuses latents that left the range of numbers; `what` says which.
fn check_finite(latents: &[f32], what: impl FnOnce() -> String) -> Result<()> {
    if latents.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    Err(Error::NotFinite {
        what: what(),
        hint: "the scheduler may not fit the checkpoint; try its own, more steps, or f32".to_owned(),
    })
}

/// Reports an event; an answer of [`Flow::Cancel`] becomes an error that unwinds the loop.
fn tell(progress: &mut dyn Progress, event: ProgressEvent<'_>) -> Result<()> {
    match progress.on(event) {
        Flow::Continue => Ok(()),
        Flow::Cancel => Err(Error::Cancelled),
    }
}

/// Refuses denoisers that cannot work on the autoencoder's latents, alone or with a mask and a masked picture beside them.
fn check_channels(unet: &UnetConfig, vae: &VaeConfig) -> Result<()> {
    let (input, output, latent) = (unet.in_channels, unet.out_channels, vae.latent_channels);
    let known = input == latent || input == 2 * latent + 1;
    if latent == 0 || !known || output != latent || (vae.in_channels, vae.out_channels) != (3, 3) {
        return Err(Error::config(
            "pipeline",
            format!(
                "`unet` takes {input} channels and gives {output}, `vae` has {latent} latent, {} and {} picture channels",
                vae.in_channels, vae.out_channels
            ),
            "the denoiser gives as many as there are latent channels, takes as many or (for inpainting) twice as many and one, and pictures have 3",
        ));
    }
    Ok(())
}
