//! Pools: fewer pixels of the same channels.

use candle_core::Tensor;

use super::{cpu, tape};
use crate::{Error, Result};

/// The greatest value of every `size` by `size` pixels of `(batch, channels, height, width)`.
pub fn max_pool2d(x: &Tensor, size: usize) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    if size == 0 || height < size || width < size {
        return Err(Error::shape("max pool", format!("pictures of at least {size} by {size}"), x.dims()));
    }
    if !cpu::is_fast(&[x]) {
        return tape::traced(&[x], move |t| Ok(t[0].contiguous()?.max_pool2d(size)?));
    }
    let (y, places) = cpu::max_pool2d(x, size)?;
    if tape::follows(&[x]) {
        let x = x.clone();
        tape::note(&y, move |gradient, gradients| {
            gradients.add(&x, &cpu::max_pool2d_gradient(gradient, &places, (height, width))?)
        });
    }
    Ok(y)
}
