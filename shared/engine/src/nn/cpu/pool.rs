//! The greatest of every square of pixels, and the way back to where it stood.

use candle_core::Tensor;
use rayon::prelude::*;

use super::{channels_last, picture, with_values};
use crate::Result;

/// The greatest value of every `size` by `size` pixels, and for each of them where it stands in its picture, channels last.
/// The first of equals; rows and columns that do not fill a square are left out.
pub fn max_pool2d(x: &Tensor, size: usize) -> Result<(Tensor, Vec<u32>)> {
    let (batch, channels, height, width) = x.dims4()?;
    let (rows, columns) = (height / size, width / size);
    let pooled = rows * columns * channels;
    let (mut out, mut places) = (vec![f32::NEG_INFINITY; batch * pooled], vec![0u32; batch * pooled]);
    with_values(&channels_last(x)?, |x| {
        let items = out.par_chunks_mut(pooled.max(1)).zip(places.par_chunks_mut(pooled.max(1)));
        items.zip(x.par_chunks((height * width * channels).max(1))).for_each(|((out, places), x)| {
            let pixels = out.chunks_exact_mut(channels).zip(places.chunks_exact_mut(channels));
            for (index, (out, places)) in pixels.enumerate() {
                let (top, left) = (index / columns * size, index % columns * size);
                for y in top..top + size {
                    for x_at in left..left + size {
                        let at = (y * width + x_at) * channels;
                        for (c, value) in x[at..at + channels].iter().enumerate() {
                            if *value > out[c] {
                                out[c] = *value;
                                places[c] = (at + c) as u32;
                            }
                        }
                    }
                }
            }
        });
        Ok(())
    })?;
    Ok((picture(out, (batch, channels, rows, columns))?, places))
}

/// The gradient of the input, `(batch, channels, height, width)`.
pub fn max_pool2d_gradient(
    gradient: &Tensor,
    places: &[u32],
    (height, width): (usize, usize),
) -> Result<Tensor> {
    let (batch, channels, rows, columns) = gradient.dims4()?;
    let pooled = (rows * columns * channels).max(1);
    let mut out = vec![0.0; batch * height * width * channels];
    with_values(&channels_last(gradient)?, |gradient| {
        let items = out.par_chunks_mut((height * width * channels).max(1));
        let found = gradient.par_chunks(pooled).zip(places.par_chunks(pooled));
        items.zip(found).for_each(|(out, (gradient, places))| {
            for (value, place) in gradient.iter().zip(places) {
                out[*place as usize] += value;
            }
        });
        Ok(())
    })?;
    picture(out, (batch, channels, height, width))
}
