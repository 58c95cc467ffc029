//! The denoising network of Stable Diffusion: `UNet2DConditionModel` of diffusers, with Stable Diffusion XL's `text_time`
//! conditioning.

mod blocks;
mod conditioning;
mod config;
mod resnet;
mod transformer;

use candle_core::{DType, Tensor};

use self::blocks::{DownBlock, Loading, MidBlock, UpBlock};
use self::conditioning::CrossSlot;
use crate::models::Tap;
use crate::nn::{
    Activation, Conv2d, Conv2dShape, GroupNorm, TimestepEmbedding, add, is_recording, on_workers,
    sinusoidal_embedding, traced,
};
use crate::weights::Scope;
use crate::{Error, Result};

pub use conditioning::Conditioning;
pub use config::UnetConfig;
pub use resnet::{ResnetBlock, ResnetShape};

/// Predicts the noise (or what the checkpoint was trained to predict) in latents at a time.
#[derive(Debug)]
pub struct UNet2DConditionModel {
    config: UnetConfig,
    conv_in: Conv2d,
    time_embedding: TimestepEmbedding,
    add_embedding: Option<TimestepEmbedding>,
    down_blocks: Vec<DownBlock>,
    mid_block: Option<MidBlock>,
    up_blocks: Vec<UpBlock>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    cross_slots: usize,
    dtype: DType,
}

impl UNet2DConditionModel {
    /// Loads the network from a checkpoint in diffusers layout.
    pub fn load(scope: &Scope, config: &UnetConfig) -> Result<Self> {
        let plan = config.plan()?;
        let widths = &config.block_out_channels;
        let first = widths[0];
        let mut loading = Loading { plan: &plan, eps: config.norm_eps, slots: CrossSlot::default() };
        let conv_in = Conv2dShape::same(config.conv_in_kernel);
        let add_embedding = match config.addition_embed_type {
            Some(_) => {
                let inputs = added(config)?.1;
                Some(TimestepEmbedding::load(&scope.pp("add_embedding"), inputs, plan.time_size)?)
            }
            None => None,
        };
        let (down, up) = (scope.pp("down_blocks"), scope.pp("up_blocks"));
        Ok(Self {
            conv_in: Conv2d::load(&scope.pp("conv_in"), config.in_channels, first, conv_in)?,
            time_embedding: TimestepEmbedding::load(&scope.pp("time_embedding"), first, plan.time_size)?,
            add_embedding,
            down_blocks: (plan.down.iter().enumerate())
                .map(|(index, block)| DownBlock::load(&down.pp(index), block, &mut loading))
                .collect::<Result<_>>()?,
            mid_block: (plan.mid.iter())
                .map(|mid| MidBlock::load(&scope.pp("mid_block"), mid, &mut loading))
                .next()
                .transpose()?,
            up_blocks: (plan.up.iter().enumerate())
                .map(|(index, block)| UpBlock::load(&up.pp(index), block, &mut loading))
                .collect::<Result<_>>()?,
            conv_norm_out: GroupNorm::load(&scope.pp("conv_norm_out"), plan.groups, first, config.norm_eps)?,
            conv_out: Conv2d::load(
                &scope.pp("conv_out"),
                first,
                config.out_channels,
                Conv2dShape::same(config.conv_out_kernel),
            )?,
            cross_slots: loading.slots.count(),
            dtype: scope.dtype(),
            config: config.clone(),
        })
    }

    /// The configuration it was loaded with.
    pub fn config(&self) -> &UnetConfig {
        &self.config
    }

    /// Element type of its weights, and of latents and text it takes.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Prepares what stays the same in every step.
    ///
    /// `context` is the text, `(batch, tokens, cross_attention_dim)`; `text_embeds` the pooled text, `(batch, size)`, and
    /// `time_ids` original size, crop and target size of each item, `(batch, 6)`; both are required exactly when the
    /// checkpoint's `addition_embed_type` is `text_time`.
    pub fn condition(
        &self,
        context: &Tensor,
        text_embeds: Option<&Tensor>,
        time_ids: Option<&[Vec<f64>]>,
    ) -> Result<Conditioning> {
        let batch = context.dim(0)?;
        let added = match (&self.add_embedding, text_embeds, time_ids) {
            (None, _, _) => None,
            (Some(embedding), Some(text), Some(ids)) => {
                let (size, inputs) = added(&self.config)?;
                let widths_fit =
                    ids.iter().all(|ids| text.dims().last().map(|d| d + size * ids.len()) == Some(inputs));
                if ids.len() != batch || text.dims().first() != Some(&batch) || !widths_fit {
                    let expected = format!(
                        "{batch} pooled texts and as many `time_ids`, together {inputs} numbers wide"
                    );
                    return Err(Error::shape("add_embedding", expected, text.dims()));
                }
                let flat: Vec<f64> = ids.iter().flatten().copied().collect();
                let UnetConfig { flip_sin_to_cos, freq_shift, .. } = self.config;
                let device = text.device();
                let waves =
                    sinusoidal_embedding(&flat, size, flip_sin_to_cos, freq_shift, self.dtype, device)?;
                let waves = waves.reshape((batch, ()))?;
                let text = text.to_dtype(self.dtype)?;
                let both = traced(&[&text, &waves], |t| Ok(Tensor::cat(t, 1)?))?;
                Some(embedding.forward(&both)?)
            }
            (Some(_), _, _) => {
                return Err(Error::Parameter {
                    parameter: "text_embeds",
                    fault: "or `time_ids` is missing, but the checkpoint is conditioned on both".into(),
                    hint: "Stable Diffusion XL needs the pooled text of its second encoder and six numbers of sizes".into(),
                });
            }
        };
        Conditioning::new(context.to_dtype(self.dtype)?, added, self.cross_slots)
    }

    /// `sample` `(batch, in_channels, height, width)` at `timesteps` (one for all or one for each item) to
    /// `(batch, out_channels, height, width)`.
    pub fn forward(&self, sample: &Tensor, timesteps: &[f64], conditioning: &Conditioning) -> Result<Tensor> {
        let batch = sample.dim(0)?;
        let items = conditioning.items();
        let side_by_side =
            items.len() == batch && !sample.track_op() && !is_recording() && sample.device().is_cpu();
        if !side_by_side {
            return self.forward_tapped(sample, timesteps, conditioning, &mut Tap::none());
        }
        // The items of a batch never look at each other, so on the CPU each is computed on its own: no thread waits for
        // another between layers, and the result of an item cannot depend on its neighbours.
        let outputs = on_workers(|| {
            use rayon::prelude::*;
            items
                .par_iter()
                .enumerate()
                .map(|(index, item)| {
                    let timestep =
                        if timesteps.len() == batch { &timesteps[index..=index] } else { timesteps };
                    let sample = sample.narrow(0, index, 1)?;
                    self.forward_tapped(&sample, timestep, item, &mut Tap::none())
                })
                .collect::<Result<Vec<_>>>()
        })?;
        Ok(Tensor::cat(&outputs, 0)?)
    }

    /// The same, showing activations to `tap`: `time_embedding`, `add_embedding`, `down_blocks.N`, `mid_block`,
    /// `up_blocks.N`.
    pub fn forward_tapped(
        &self,
        sample: &Tensor,
        timesteps: &[f64],
        conditioning: &Conditioning,
        tap: &mut Tap<'_>,
    ) -> Result<Tensor> {
        let config = &self.config;
        let &[batch, channels, _, _] = sample.dims() else {
            return Err(Error::shape("unet", "(batch, channels, height, width)", sample.dims()));
        };
        if channels != config.in_channels || batch != conditioning.batch() {
            let expected = format!("({}, {}, height, width)", conditioning.batch(), config.in_channels);
            return Err(Error::shape("unet", expected, sample.dims()));
        }
        let timesteps = match *timesteps {
            [one] => vec![one; batch],
            ref each if each.len() == batch => each.to_vec(),
            ref other => return Err(Error::shape("unet", format!("1 or {batch} timesteps"), &[other.len()])),
        };
        let (size, device) = (config.block_out_channels[0], sample.device());
        let waves = sinusoidal_embedding(
            &timesteps,
            size,
            config.flip_sin_to_cos,
            config.freq_shift,
            self.dtype,
            device,
        )?;
        let mut time = self.time_embedding.forward(&waves)?;
        tap.show("time_embedding", &time);
        if let Some(added) = conditioning.added() {
            tap.show("add_embedding", added);
            time = add(&time, added)?;
        }
        // Every residual block starts with this activation: done once.
        let time = Activation::Silu.forward(&time)?;

        let mut x = self.conv_in.forward(&sample.to_dtype(conditioning.dtype())?)?;
        let mut skips = vec![x.clone()];
        for (index, block) in self.down_blocks.iter().enumerate() {
            x = block.forward(x, &time, conditioning, &mut skips)?;
            tap.show(&format!("down_blocks.{index}"), &x);
        }
        if let Some(mid) = &self.mid_block {
            x = mid.forward(&x, &time, conditioning)?;
            tap.show("mid_block", &x);
        }
        for (index, block) in self.up_blocks.iter().enumerate() {
            x = block.forward(x, &time, conditioning, &mut skips)?;
            tap.show(&format!("up_blocks.{index}"), &x);
        }
        let x = self.conv_norm_out.forward_activated(&x, Activation::Silu)?;
        self.conv_out.forward(&x)
    }
}

/// Size of one sinusoid of `time_ids` and width of the input of `add_embedding`.
fn added(config: &UnetConfig) -> Result<(usize, usize)> {
    config.addition_time_embed_dim.zip(config.projection_class_embeddings_input_dim).ok_or_else(|| {
        Error::config(
            "unet",
            "`addition_time_embed_dim` or `projection_class_embeddings_input_dim` is missing",
            "`addition_embed_type` `text_time` needs both",
        )
    })
}
