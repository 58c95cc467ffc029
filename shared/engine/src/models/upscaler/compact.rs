//! `SRVGGNetCompact`: convolutions at the small size, then one pixel shuffle; the repeated picture is added.

use candle_core::Tensor;

use super::{MOST_LAYERS, Stage, WHAT, root_of, widths};
use crate::nn::{Conv2d, Conv2dShape, Plus, Rectifier, pixel_shuffle, repeat_pixels};
use crate::weights::Scope;
use crate::{Error, Result};

/// Convolutions of one stage: more of them are fewer intermediate maps, but a wider margin around each piece.
const STAGE_CONVOLUTIONS: usize = 16;

#[derive(Debug)]
pub(super) struct Compact {
    hidden: Vec<(Conv2d, Rectifier)>,
    last: Conv2d,
    features: usize,
    scale: usize,
}

impl Compact {
    /// `body.0` and every second tensor after it are convolutions, those between are `PReLU`.
    pub fn load(scope: &Scope) -> Result<Self> {
        let body = scope.pp("body");
        let same = Conv2dShape::same(3);
        let (features, channels) = widths(&body.pp(0))?;
        let count = (1..MOST_LAYERS).take_while(|i| body.contains(&format!("{}.weight", 2 * i))).count();
        let (outputs, _) = widths(&body.pp(2 * count))?;
        let scale = root_of(outputs / 3).filter(|scale| scale * scale * 3 == outputs);
        let (Some(scale), 3, true) = (scale, channels, count > 0) else {
            return Err(Error::config(
                WHAT,
                format!("the network takes {channels} channels and puts out {outputs} at the small size"),
                "only networks from RGB to RGB are implemented: 3 channels in, 3 times the square of the scale out",
            ));
        };
        if !body.contains("1.weight") {
            let fault = "there are no `PReLU` weights between the convolutions";
            return Err(Error::config(
                WHAT,
                fault,
                "only SRVGGNetCompact with `act_type` `prelu` is implemented",
            ));
        }
        let hidden = |i: usize| {
            let inputs = if i == 0 { channels } else { features };
            let conv = Conv2d::load(&body.pp(2 * i), inputs, features, same)?;
            Ok((conv, Rectifier::load(&body.pp(2 * i + 1), features)?))
        };
        Ok(Self {
            hidden: (0..count).map(hidden).collect::<Result<_>>()?,
            last: Conv2d::load(&body.pp(2 * count), features, outputs, same)?,
            features,
            scale,
        })
    }

    /// The convolutions in parts of nearly equal length.
    fn parts(&self) -> Vec<&[(Conv2d, Rectifier)]> {
        let parts = (self.hidden.len() + 1).div_ceil(STAGE_CONVOLUTIONS);
        self.hidden.chunks(self.hidden.len().div_ceil(parts)).collect()
    }

    pub fn stages(&self) -> Vec<Stage> {
        let parts = self.parts();
        let last = parts.len() - 1;
        let stage = |(index, part): (usize, &&[_])| {
            if index == last {
                Stage { radius: part.len() + 1, scale: self.scale, channels: 3, finer: 1 }
            } else {
                Stage { radius: part.len(), scale: 1, channels: self.features, finer: 1 }
            }
        };
        parts.iter().enumerate().map(stage).collect()
    }

    pub fn run(&self, index: usize, map: &Tensor, picture: &Tensor) -> Result<Tensor> {
        let parts = self.parts();
        let mut x = map.clone();
        for (conv, rectifier) in parts[index] {
            x = conv.forward_plus(&x, Plus { rectifier: Some(rectifier), ..Plus::default() })?;
        }
        if index + 1 < parts.len() {
            return Ok(x);
        }
        let detail = pixel_shuffle(&self.last.forward(&x)?, self.scale)?;
        Ok((detail + repeat_pixels(picture, self.scale)?)?)
    }
}
