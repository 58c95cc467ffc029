//! Between pictures `(batch, channels, height, width)` and tokens `(batch, height * width, channels)`.

use candle_core::Tensor;

use super::{cpu, tape};
use crate::{Error, Result};

/// Every pixel a token.
pub fn tokens_from_picture(x: &Tensor) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    tape::viewed(x, as_tokens, move |gradient| as_picture(gradient, height, width))
}

/// The reverse of [`tokens_from_picture`].
pub fn picture_from_tokens(x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    tape::viewed(x, |x| as_picture(x, height, width), as_tokens)
}

fn as_tokens(x: &Tensor) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    Ok(x.permute((0, 2, 3, 1))?.reshape((batch, height * width, channels))?)
}

fn as_picture(x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let (batch, _, channels) = x.dims3()?;
    let picture = x.reshape((batch, height, width, channels))?.permute((0, 3, 1, 2))?;
    // The fast way likes channels last; everything else expects them first.
    if cpu::is_fast(&[&picture]) { Ok(picture) } else { Ok(picture.contiguous()?) }
}

/// The channels of `a`, then those of `b`.
pub fn concat_channels(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let y = if cpu::is_fast(&[a, b]) {
        cpu::concat_channels(a, b)?
    } else {
        Tensor::cat(&[&a.contiguous()?, &b.contiguous()?], 1)?
    };
    if tape::follows(&[a, b]) {
        let (a, b) = (a.clone(), b.clone());
        tape::note(&y, move |gradient, gradients| {
            let (first, second) = (a.dim(1)?, b.dim(1)?);
            let (of_a, of_b) = if cpu::is_fast(&[gradient]) {
                cpu::split_channels(gradient, first)?
            } else {
                (gradient.narrow(1, 0, first)?, gradient.narrow(1, first, second)?)
            };
            gradients.add(&a, &of_a)?;
            gradients.add(&b, &of_b)
        });
    }
    Ok(y)
}

/// `a * factor + b` for pictures of one shape.
pub fn scale_and_add(a: &Tensor, factor: f64, b: &Tensor) -> Result<Tensor> {
    if cpu::is_fast(&[a, b]) {
        return cpu::scale_and_add(a, factor as f32, b);
    }
    Ok(((a * factor)? + b)?)
}

/// Every pixel `factor` times in both directions: nearest upsampling. Written as broadcast and reshape: candle's own
/// has a backward pass that overwrites accumulated gradients.
pub fn repeat_pixels(x: &Tensor, factor: usize) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let wide = x.reshape((batch, channels, height, 1, width, 1))?;
    let wide = wide.broadcast_as((batch, channels, height, factor, width, factor))?;
    Ok(wide.reshape((batch, channels, height * factor, width * factor))?)
}

/// `(batch, channels * factor^2, height, width)` to `(batch, channels, height * factor, width * factor)`: channels become
/// the pixels of a block, in rows.
pub fn pixel_shuffle(x: &Tensor, factor: usize) -> Result<Tensor> {
    let (batch, inputs, height, width) = x.dims4()?;
    let channels = inputs / (factor * factor).max(1);
    if channels * factor * factor != inputs || channels == 0 {
        return Err(Error::shape("pixel shuffle", format!("a multiple of {factor}^2 channels"), x.dims()));
    }
    let split = x.reshape((batch * channels, factor, factor, height, width))?;
    let woven = split.permute((0, 3, 1, 4, 2))?;
    Ok(woven.reshape((batch, channels, height * factor, width * factor))?)
}

/// The reverse of [`pixel_shuffle`].
pub fn pixel_unshuffle(x: &Tensor, factor: usize) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    if factor == 0 || height % factor != 0 || width % factor != 0 {
        return Err(Error::shape(
            "pixel unshuffle",
            format!("sides that are multiples of {factor}"),
            x.dims(),
        ));
    }
    let (h, w) = (height / factor, width / factor);
    let split = x.reshape((batch * channels, h, factor, w, factor))?;
    let woven = split.permute((0, 2, 4, 1, 3))?;
    Ok(woven.reshape((batch, channels * factor * factor, h, w))?)
}
