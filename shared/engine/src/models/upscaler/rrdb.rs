//! `RRDBNet`: blocks of densely connected convolutions, each adding a fifth of what it finds, then nearest upsampling with
//! a convolution after each step.

use candle_core::{DType, Device, Tensor};

use super::{MOST_LAYERS, Stage, WHAT, root_of, widths};
use crate::nn::{Conv2d, Conv2dShape, Plus, Rectifier, concat_channels, scale_and_add};
use crate::weights::Scope;
use crate::{Error, Result};

/// The slope below zero of every rectifier.
const SLOPE: f64 = 0.2;
/// What share of a block's findings is added to its input.
const SHARE: f64 = 0.2;
/// Dense blocks in a block, and convolutions in a dense block.
const DENSE: usize = 3;
const CONVOLUTIONS: usize = 5;

#[derive(Debug)]
pub(super) struct Rrdb {
    conv_first: Conv2d,
    body: Vec<[DenseBlock; DENSE]>,
    conv_body: Conv2d,
    /// Each after an enlargement by two.
    ups: Vec<Conv2d>,
    conv_hr: Conv2d,
    conv_last: Conv2d,
    rectifier: Rectifier,
    features: usize,
}

impl Rrdb {
    /// The network, and the factor by which pictures are unshuffled before it.
    pub fn load(scope: &Scope) -> Result<(Self, usize)> {
        let same = Conv2dShape::same(3);
        let (features, inputs) = widths(&scope.pp("conv_first"))?;
        let (channels, _) = widths(&scope.pp("conv_last"))?;
        let unshuffle = root_of(inputs / 3).filter(|factor| factor * factor * 3 == inputs);
        let (Some(unshuffle), 3) = (unshuffle, channels) else {
            return Err(Error::config(
                WHAT,
                format!("the network takes {inputs} channels and puts out {channels}"),
                "only networks from RGB to RGB are implemented: 3 channels in, or 12 or 48 after unshuffling",
            ));
        };
        let body = scope.pp("body");
        let count = (0..MOST_LAYERS).take_while(|i| body.contains(&format!("{i}.rdb1.conv1.weight"))).count();
        let ups = (1..MOST_LAYERS).take_while(|i| scope.contains(&format!("conv_up{i}.weight"))).count();
        if count == 0 || (1 << ups) % unshuffle != 0 {
            return Err(Error::config(
                WHAT,
                format!("the network has {count} blocks, {ups} enlargements and takes {inputs} channels"),
                "the file may be incomplete; get it again",
            ));
        }
        let (growth, _) = widths(&body.pp("0.rdb1.conv1"))?;
        let block = |i: usize| -> Result<[DenseBlock; DENSE]> {
            let dense = |j: usize| {
                // The last dense block's findings are scaled once more, by the block around it.
                let share = if j + 1 == DENSE { SHARE * SHARE } else { SHARE };
                DenseBlock::load(&body.pp(i).pp(format!("rdb{}", j + 1)), features, growth, share)
            };
            Ok([dense(0)?, dense(1)?, dense(2)?])
        };
        let conv = |name: &str| Conv2d::load(&scope.pp(name), features, features, same);
        let net = Self {
            conv_first: Conv2d::load(&scope.pp("conv_first"), inputs, features, same)?,
            body: (0..count).map(block).collect::<Result<_>>()?,
            conv_body: conv("conv_body")?,
            ups: (1..=ups).map(|i| conv(&format!("conv_up{i}"))).collect::<Result<_>>()?,
            conv_hr: conv("conv_hr")?,
            conv_last: Conv2d::load(&scope.pp("conv_last"), features, channels, same)?,
            rectifier: leaky(features, scope.dtype(), scope.device())?,
            features,
        };
        Ok((net, unshuffle))
    }

    /// The first convolution, every block, and the enlargement.
    pub fn stages(&self) -> Vec<Stage> {
        let stage = |radius| Stage { radius, scale: 1, channels: self.features, finer: 1 };
        let blocks = self.body.iter().map(|_| stage(DENSE * CONVOLUTIONS));
        // Three pixels at the largest size are at most two at half of it; with that size's own one they are three again,
        // and so on down to the size before any enlargement.
        let scale = 1 << self.ups.len();
        let last = Stage { radius: 3, scale, channels: 3, finer: (scale / 2).max(1) };
        std::iter::once(stage(1)).chain(blocks).chain([last]).collect()
    }

    pub fn run(&self, index: usize, map: &Tensor, first: &Tensor) -> Result<Tensor> {
        if index == 0 {
            return self.conv_first.forward(map);
        }
        let rectified = Plus { rectifier: Some(&self.rectifier), ..Plus::default() };
        let Some([one, two, three]) = self.body.get(index - 1) else {
            let mut x =
                self.conv_body.forward_plus(map, Plus { residual: Some(first), ..Plus::default() })?;
            for up in &self.ups {
                x = up.forward_upsampled_plus(&x, None, rectified)?;
            }
            return self.conv_last.forward(&self.conv_hr.forward_plus(&x, rectified)?);
        };
        let x = two.forward(&one.forward(map, None)?, None)?;
        let around = scale_and_add(&x, SHARE, map)?;
        three.forward(&x, Some(&around))
    }
}

fn leaky(channels: usize, dtype: DType, device: &Device) -> Result<Rectifier> {
    Rectifier::leaky(channels, SLOPE, dtype, device)
}

#[derive(Debug)]
struct DenseBlock {
    growing: Vec<Conv2d>,
    rectifier: Rectifier,
    last: Conv2d,
}

impl DenseBlock {
    fn load(scope: &Scope, features: usize, growth: usize, share: f64) -> Result<Self> {
        let (same, inputs) = (Conv2dShape::same(3), |i: usize| features + i * growth);
        let growing = |i: usize| Conv2d::load(&scope.pp(format!("conv{}", i + 1)), inputs(i), growth, same);
        let last = scope.pp(format!("conv{CONVOLUTIONS}"));
        let weight = last.get(&[features, inputs(CONVOLUTIONS - 1), 3, 3], "weight")?;
        let bias = last.get(&[features], "bias")?;
        Ok(Self {
            growing: (0..CONVOLUTIONS - 1).map(growing).collect::<Result<_>>()?,
            rectifier: leaky(growth, scope.dtype(), scope.device())?,
            // Scaling the weights once is scaling the findings every time.
            last: Conv2d::new((weight * share)?, Some((bias * share)?), same)?,
        })
    }

    /// A share of what was found, plus `around`, or plus the input.
    fn forward(&self, x: &Tensor, around: Option<&Tensor>) -> Result<Tensor> {
        let mut seen = x.clone();
        for conv in &self.growing {
            let plus = Plus { rectifier: Some(&self.rectifier), ..Plus::default() };
            seen = concat_channels(&seen, &conv.forward_plus(&seen, plus)?)?;
        }
        self.last.forward_plus(&seen, Plus { residual: Some(around.unwrap_or(x)), ..Plus::default() })
    }
}
