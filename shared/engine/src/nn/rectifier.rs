//! Leaky rectifiers: what is below zero is multiplied by a slope, one for each channel.

use candle_core::{DType, Device, Tensor};

use super::{cpu, tape};
use crate::weights::Scope;
use crate::{Error, Result};

/// `max(x, 0) + slope * min(x, 0)`: `PReLU` where the slopes are weights, leaky `ReLU` where they are all one constant.
#[derive(Debug)]
pub struct Rectifier {
    slopes: Tensor,
}

impl Rectifier {
    /// A rectifier of these slopes, one for each channel.
    pub fn new(slopes: Tensor) -> Result<Self> {
        slopes.dims1()?;
        Ok(Self { slopes })
    }

    /// The same slope for all of `channels`.
    pub fn leaky(channels: usize, slope: f64, dtype: DType, device: &Device) -> Result<Self> {
        Self::new(Tensor::full(slope as f32, channels, device)?.to_dtype(dtype)?)
    }

    /// Takes the slopes, `weight` of `scope`.
    pub fn load(scope: &Scope, channels: usize) -> Result<Self> {
        Self::new(scope.get(&[channels], "weight")?)
    }

    /// One number for each channel.
    pub fn slopes(&self) -> &Tensor {
        &self.slopes
    }

    /// `(batch, channels, height, width)` to the same shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let channels = self.slopes.dim(0)?;
        if x.rank() != 4 || x.dim(1)? != channels {
            return Err(Error::shape("rectifier", format!("(batch, {channels}, height, width)"), x.dims()));
        }
        let y = if cpu::is_fast(&[x, &self.slopes]) {
            cpu::rectify(x, &self.slopes)?
        } else {
            plain(x, &self.slopes)?
        };
        if tape::follows(&[x]) {
            let (x, slopes) = (x.clone(), self.slopes.clone());
            tape::note(&y, move |gradient, gradients| {
                if !cpu::is_fast(&[&x, &slopes, gradient]) {
                    return tape::by_candle(&[x], gradient, gradients, move |t| plain(t[0], &slopes));
                }
                gradients.add(&x, &cpu::rectifier_gradient(&x, gradient, &slopes)?)
            });
        }
        Ok(y)
    }
}

/// In candle's operations.
fn plain(x: &Tensor, slopes: &Tensor) -> Result<Tensor> {
    let below = x.minimum(&x.zeros_like()?)?;
    Ok((x.relu()? + below.broadcast_mul(&slopes.reshape((1, (), 1, 1))?)?)?)
}
