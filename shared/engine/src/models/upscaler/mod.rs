//! Networks that enlarge pictures: `RRDBNet` (ESRGAN, Real-ESRGAN) and `SRVGGNetCompact` (realesr-general, animevideo).
//!
//! Their files carry no configuration: which network it is, how wide, how deep and how much it enlarges is read from the
//! names and shapes of the tensors. Pictures are `(batch, 3, height, width)` in 0..1.
//!
//! A network is a chain of [`Stage`]s, each with a bound on how far an output pixel looks. Computed piece by piece with
//! that much margin, the result is the same as computed at once, however deep the whole is.

mod compact;
mod names;
mod rrdb;

use candle_core::{DType, Device, Tensor};

use self::compact::Compact;
use self::names::Canonical;
use self::rrdb::Rrdb;
use crate::nn::{on_workers, pixel_unshuffle};
use crate::weights::{Scope, TensorSource, Weights};
use crate::{Error, Result};

const WHAT: &str = "upscaler";

/// A part of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// How many pixels beyond its own place an output pixel looks, in pixels of the stage's input.
    pub radius: usize,
    /// Side of the output over side of the input.
    pub scale: usize,
    /// Channels of the output.
    pub channels: usize,
    /// How many times smaller its tiles should be than those of a stage that works at the size of its input.
    pub finer: usize,
}

/// A loaded upscaler.
#[derive(Debug)]
pub struct Upscaler {
    net: Net,
    unshuffle: usize,
    device: Device,
    dtype: DType,
}

/// More layers of a kind than any network has: where counting them ends.
const MOST_LAYERS: usize = 10_000;

#[derive(Debug)]
enum Net {
    Rrdb(Box<Rrdb>),
    Compact(Box<Compact>),
}

impl Upscaler {
    /// Loads the network of `source`, whichever it is.
    ///
    /// # Errors
    /// When it is none of the known networks, takes other than three channels, or has tensors that its network has not.
    pub fn load(source: impl TensorSource + 'static, device: &Device, dtype: DType) -> Result<Self> {
        let weights = Weights::new(Canonical::new(Box::new(source)), dtype, device);
        let root = weights.root();
        let (net, unshuffle) = if root.contains("conv_first.weight") {
            let (net, unshuffle) = Rrdb::load(&root)?;
            (Net::Rrdb(Box::new(net)), unshuffle)
        } else if root.contains("body.0.weight") {
            (Net::Compact(Box::new(Compact::load(&root)?)), 1)
        } else {
            return Err(Error::config(
                WHAT,
                "the tensors are of no known network",
                "known are RRDBNet (ESRGAN, Real-ESRGAN x4plus, x2plus, anime 6B) and SRVGGNetCompact \
                 (realesr-general, realesr-animevideo), converted to safetensors",
            ));
        };
        weights.finish()?;
        Ok(Self { net, unshuffle, device: device.clone(), dtype })
    }

    /// What the network is called where it was published.
    pub fn architecture(&self) -> &'static str {
        match &self.net {
            Net::Rrdb(_) => "RRDBNet",
            Net::Compact(_) => "SRVGGNetCompact",
        }
    }

    /// Side of the result over side of the picture.
    pub fn scale(&self) -> usize {
        self.stages().iter().map(|stage| stage.scale).product::<usize>() / self.unshuffle
    }

    /// The sides of a picture must be multiples of this.
    pub fn multiple(&self) -> usize {
        self.unshuffle
    }

    /// Where the weights are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Number format of the weights.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The chain.
    pub fn stages(&self) -> Vec<Stage> {
        match &self.net {
            Net::Rrdb(net) => net.stages(),
            Net::Compact(net) => net.stages(),
        }
    }

    /// The index of the map that the last stage reads besides its own input: 0 is what goes into the first stage, 1 what
    /// comes out of it.
    pub fn kept(&self) -> usize {
        match &self.net {
            Net::Rrdb(_) => 1,
            Net::Compact(_) => 0,
        }
    }

    /// What goes into the first stage.
    pub fn enter(&self, picture: &Tensor) -> Result<Tensor> {
        let &[_, channels, height, width] = picture.dims() else {
            return Err(Error::shape(WHAT, "(batch, 3, height, width)", picture.dims()));
        };
        if channels != 3 || height % self.unshuffle != 0 || width % self.unshuffle != 0 {
            let side = self.unshuffle;
            let expected = format!("(batch, 3, multiple of {side}, multiple of {side})");
            return Err(Error::shape(WHAT, expected, picture.dims()));
        }
        if self.unshuffle == 1 { Ok(picture.clone()) } else { pixel_unshuffle(picture, self.unshuffle) }
    }

    /// Stage `index` of `map`, or of a piece of it; `kept` is the same piece of the map that [`Self::kept`] names.
    pub fn run(&self, index: usize, map: &Tensor, kept: &Tensor) -> Result<Tensor> {
        on_workers(|| match &self.net {
            Net::Rrdb(net) => net.run(index, map, kept),
            Net::Compact(net) => net.run(index, map, kept),
        })
    }

    /// The enlarged picture, computed at once.
    pub fn forward(&self, picture: &Tensor) -> Result<Tensor> {
        let mut map = self.enter(picture)?;
        let mut kept = map.clone();
        for index in 0..self.stages().len() {
            map = self.run(index, &map, &kept)?;
            if index + 1 == self.kept() {
                kept = map.clone();
            }
        }
        Ok(map)
    }
}

/// The two outermost dimensions of the weight of `scope`: outputs and inputs of its convolution.
fn widths(scope: &Scope) -> Result<(usize, usize)> {
    match scope.shape_of("weight") {
        Some(&[outputs, inputs, 3, 3]) if outputs > 0 && inputs > 0 => Ok((outputs, inputs)),
        other => Err(Error::config(
            WHAT,
            format!("`{}.weight` has shape {:?}", scope.path(), other.unwrap_or_default()),
            "the convolutions of the known networks are all 3x3; this file is of another one",
        )),
    }
}

/// The whole number whose square is `square`.
fn root_of(square: usize) -> Option<usize> {
    (1..=8).find(|root| root * root == square)
}
