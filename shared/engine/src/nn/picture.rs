//! Between pictures `(batch, channels, height, width)` and tokens `(batch, height * width, channels)`.

use candle_core::Tensor;

use super::cpu;
use crate::Result;

/// Every pixel a token.
pub fn tokens_from_picture(x: &Tensor) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    Ok(x.permute((0, 2, 3, 1))?.reshape((batch, height * width, channels))?)
}

/// The reverse of [`tokens_from_picture`].
pub fn picture_from_tokens(x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let (batch, _, channels) = x.dims3()?;
    let picture = x.reshape((batch, height, width, channels))?.permute((0, 3, 1, 2))?;
    // The fast way likes channels last; everything else expects them first.
    if cpu::is_fast(&[&picture]) { Ok(picture) } else { Ok(picture.contiguous()?) }
}

/// The channels of `a`, then those of `b`.
pub fn concat_channels(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if cpu::is_fast(&[a, b]) {
        return cpu::concat_channels(a, b);
    }
    Ok(Tensor::cat(&[&a.contiguous()?, &b.contiguous()?], 1)?)
}
