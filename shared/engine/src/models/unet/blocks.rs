//! The way down, the middle and the way up.

use candle_core::Tensor;

use super::conditioning::{Conditioning, CrossSlot};
use super::config::{BlockPlan, MidPlan, UnetPlan};
use super::resnet::{ResnetBlock, ResnetShape};
use super::transformer::Transformer2d;
use crate::nn::{Conv2d, Conv2dShape, concat_channels};
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
    fn layers(
        &mut self,
        scope: &Scope,
        block: &BlockPlan,
    ) -> Result<Vec<(ResnetBlock, Option<Transformer2d>)>> {
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
            layers.push((resnet, attention));
        }
        Ok(layers)
    }
}

/// `DownBlock2D` and `CrossAttnDownBlock2D`.
#[derive(Debug)]
pub(super) struct DownBlock {
    layers: Vec<(ResnetBlock, Option<Transformer2d>)>,
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
        for (resnet, attention) in &self.layers {
            x = resnet.forward(&x, Some(time))?;
            if let Some(attention) = attention {
                x = attention.forward(&x, conditioning)?;
            }
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
    first: ResnetBlock,
    rest: Option<(Transformer2d, ResnetBlock)>,
}

impl MidBlock {
    pub fn load(scope: &Scope, mid: &MidPlan, loading: &mut Loading<'_>) -> Result<Self> {
        let (width, resnets) = (mid.channels, scope.pp("resnets"));
        let first = loading.resnet(&resnets.pp(0), width, width)?;
        let rest = match mid.attending {
            Some(attending) => {
                let scope = scope.pp("attentions").pp(0);
                let attention =
                    Transformer2d::load(&scope, width, loading.plan.groups, attending, &mut loading.slots)?;
                Some((attention, loading.resnet(&resnets.pp(1), width, width)?))
            }
            None => None,
        };
        Ok(Self { first, rest })
    }

    pub fn forward(&self, x: &Tensor, time: &Tensor, conditioning: &Conditioning) -> Result<Tensor> {
        let x = self.first.forward(x, Some(time))?;
        match &self.rest {
            Some((attention, resnet)) => resnet.forward(&attention.forward(&x, conditioning)?, Some(time)),
            None => Ok(x),
        }
    }
}

/// `UpBlock2D` and `CrossAttnUpBlock2D`.
#[derive(Debug)]
pub(super) struct UpBlock {
    layers: Vec<(ResnetBlock, Option<Transformer2d>)>,
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
        for (resnet, attention) in &self.layers {
            let skip =
                skips.pop().ok_or_else(|| Error::shape("up block", "a skip for each layer", x.dims()))?;
            x = resnet.forward(&concat_channels(&x, &skip)?, Some(time))?;
            if let Some(attention) = attention {
                x = attention.forward(&x, conditioning)?;
            }
        }
        if let Some(upsampler) = &self.upsampler {
            // Odd sides: the next skip says how large the picture was on the way down.
            let size = skips.last().map(|skip| skip.dims4().map(|(_, _, h, w)| (h, w))).transpose()?;
            x = upsampler.forward_upsampled(&x, size)?;
        }
        Ok(x)
    }
}
