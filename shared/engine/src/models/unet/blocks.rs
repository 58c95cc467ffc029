//! The way down, the middle and the way up.

use std::sync::Arc;

use candle_core::Tensor;

use super::conditioning::{Conditioning, CrossSlot};
use super::config::{BlockPlan, MidPlan, UnetPlan};
use super::resnet::{ResnetBlock, ResnetShape};
use super::transformer::Transformer2d;
use crate::nn::{Conv2d, Conv2dShape, concat_channels, recomputed};
use crate::weights::Scope;
use crate::{Error, Result};

/// What blocks share while they are loaded.
pub(super) struct Loading<'a> {
    pub plan: &'a UnetPlan,
    pub eps: f64,
    pub slots: CrossSlot,
}

impl Loading<'_> {
    fn resnet(&self, scope: &Scope, inputs: usize, outputs: usize) -> Result<ResnetBlock> {
        let (time_size, groups) = (Some(self.plan.time_size), self.plan.groups);
        ResnetBlock::load(scope, ResnetShape { inputs, outputs, time_size, groups, eps: self.eps })
    }

    /// The residual blocks and transformers of a block, which alternate.
    fn layers(&mut self, scope: &Scope, block: &BlockPlan) -> Result<Vec<Arc<Layer>>> {
        let (resnets, attentions) = (scope.pp("resnets"), scope.pp("attentions"));
        let groups = self.plan.groups;
        let mut layers = Vec::with_capacity(block.resnets.len());
        for (index, &(inputs, outputs)) in block.resnets.iter().enumerate() {
            let resnet = self.resnet(&resnets.pp(index), inputs, outputs)?;
            let attention = match block.attending {
                Some(attending) => Some(Transformer2d::load(
                    &attentions.pp(index),
                    outputs,
                    groups,
                    attending,
                    &mut self.slots,
                )?),
                None => None,
            };
            layers.push(Arc::new(Layer { resnet, attention }));
        }
        Ok(layers)
    }
}

/// A residual block and the transformer after it, if there is one.
#[derive(Debug)]
struct Layer {
    resnet: ResnetBlock,
    attention: Option<Transformer2d>,
}

impl Layer {
    fn forward(&self, x: &Tensor, time: &Tensor, conditioning: &Conditioning) -> Result<Tensor> {
        let x = self.resnet.forward(x, Some(time))?;
        match &self.attention {
            Some(attention) => attention.forward(&x, conditioning),
            None => Ok(x),
        }
    }

    /// The same; nothing inside is remembered where the conditioning says so.
    fn run(self: &Arc<Self>, x: &Tensor, time: &Tensor, conditioning: &Conditioning) -> Result<Tensor> {
        if !conditioning.recomputes() {
            return self.forward(x, time, conditioning);
        }
        let (layer, slots) = (self.clone(), conditioning.slots());
        let inputs = vec![x.clone(), time.clone(), conditioning.context().clone()];
        recomputed(inputs, move |inputs| {
            layer.forward(&inputs[0], &inputs[1], &Conditioning::of_block(inputs[2].clone(), slots))
        })
    }
}

/// `DownBlock2D` and `CrossAttnDownBlock2D`.
#[derive(Debug)]
pub(super) struct DownBlock {
    layers: Vec<Arc<Layer>>,
    downsampler: Option<Conv2d>,
}

impl DownBlock {
    pub fn load(scope: &Scope, block: &BlockPlan, loading: &mut Loading<'_>) -> Result<Self> {
        let layers = loading.layers(scope, block)?;
        let (width, conv) = (block.channels(), Conv2dShape { stride: 2, ..Conv2dShape::same(3) });
        let downsampler = block
            .resamples
            .then(|| Conv2d::load(&scope.pp("downsamplers").pp(0).pp("conv"), width, width, conv))
            .transpose()?;
        Ok(Self { layers, downsampler })
    }

    /// Every intermediate picture is also put on `skips`.
    pub fn forward(
        &self,
        x: Tensor,
        time: &Tensor,
        conditioning: &Conditioning,
        skips: &mut Vec<Tensor>,
    ) -> Result<Tensor> {
        let mut x = x;
        for layer in &self.layers {
            x = layer.run(&x, time, conditioning)?;
            skips.push(x.clone());
        }
        if let Some(downsampler) = &self.downsampler {
            x = downsampler.forward(&x)?;
            skips.push(x.clone());
        }
        Ok(x)
    }
}

/// `UNetMidBlock2DCrossAttn`, or `UNetMidBlock2D`, which is one residual block.
#[derive(Debug)]
pub(super) struct MidBlock {
    layers: Vec<Arc<Layer>>,
}

impl MidBlock {
    pub fn load(scope: &Scope, mid: &MidPlan, loading: &mut Loading<'_>) -> Result<Self> {
        let (width, resnets) = (mid.channels, scope.pp("resnets"));
        let first = loading.resnet(&resnets.pp(0), width, width)?;
        let Some(attending) = mid.attending else {
            return Ok(Self { layers: vec![Arc::new(Layer { resnet: first, attention: None })] });
        };
        let scope = scope.pp("attentions").pp(0);
        let attention =
            Transformer2d::load(&scope, width, loading.plan.groups, attending, &mut loading.slots)?;
        let second = loading.resnet(&resnets.pp(1), width, width)?;
        let layers = [(first, Some(attention)), (second, None)];
        let layers = layers.map(|(resnet, attention)| Arc::new(Layer { resnet, attention })).into();
        Ok(Self { layers })
    }

    pub fn forward(&self, x: &Tensor, time: &Tensor, conditioning: &Conditioning) -> Result<Tensor> {
        self.layers.iter().try_fold(x.clone(), |x, layer| layer.run(&x, time, conditioning))
    }
}

/// `UpBlock2D` and `CrossAttnUpBlock2D`.
#[derive(Debug)]
pub(super) struct UpBlock {
    layers: Vec<Arc<Layer>>,
    upsampler: Option<Conv2d>,
}

impl UpBlock {
    pub fn load(scope: &Scope, block: &BlockPlan, loading: &mut Loading<'_>) -> Result<Self> {
        let layers = loading.layers(scope, block)?;
        let width = block.channels();
        let upsampler = block
            .resamples
            .then(|| {
                Conv2d::load(&scope.pp("upsamplers").pp(0).pp("conv"), width, width, Conv2dShape::same(3))
            })
            .transpose()?;
        Ok(Self { layers, upsampler })
    }

    /// Takes one picture off `skips` for each residual block.
    pub fn forward(
        &self,
        x: Tensor,
        time: &Tensor,
        conditioning: &Conditioning,
        skips: &mut Vec<Tensor>,
    ) -> Result<Tensor> {
        let mut x = x;
        for layer in &self.layers {
            let skip =
                skips.pop().ok_or_else(|| Error::shape("up block", "a skip for each layer", x.dims()))?;
            x = layer.run(&concat_channels(&x, &skip)?, time, conditioning)?;
        }
        if let Some(upsampler) = &self.upsampler {
            // Odd sides: the next skip says how large the picture was on the way down.
            let size = skips.last().map(|skip| skip.dims4().map(|(_, _, h, w)| (h, w))).transpose()?;
            x = upsampler.forward_upsampled(&x, size)?;
        }
        Ok(x)
    }
}
