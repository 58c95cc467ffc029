//! Back through convolutions: for the input the same convolution with its kernel turned round, for the weight a product
//! over all pixels.

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::super::conv2d::{Call, Form, conv2d};
use super::super::panels::{PackedCell, Registers};
use super::super::{channels_last, picture, with_values};
use super::outer::{self, Sides};
use crate::Result;
use crate::nn::{Conv2dShape, Plus};

/// What the forward convolution was.
#[derive(Clone, Copy)]
pub struct Geometry {
    /// The kernel and how it walks.
    pub shape: Conv2dShape,
    /// Height and width of the input as the convolution saw it.
    pub size: (usize, usize),
    /// Whether it was seen enlarged twice.
    pub upsample: bool,
    /// Height and width of the input itself.
    pub input: (usize, usize),
}

/// The gradient of the input, `(batch, in, height, width)`, for that of the output.
pub fn conv2d_input_gradient(
    gradient: &Tensor,
    weight: &Tensor,
    packed: &PackedCell,
    geometry: Geometry,
    before: Option<&Tensor>,
) -> Result<Tensor> {
    let Geometry { shape, size, upsample, input } = geometry;
    let Conv2dShape { kernel, stride, pad_before, pad_after } = shape;
    let dense = Conv2dShape { stride: 1, ..shape };
    let spread = if stride == 1 {
        gradient.clone()
    } else {
        let of = |length| dense.output(length).unwrap_or(0);
        spread(gradient, stride, (of(size.0), of(size.1)))?
    };
    let back = Conv2dShape {
        kernel,
        stride: 1,
        pad_before: kernel - 1 - pad_before,
        pad_after: kernel - 1 - pad_after,
    };
    let (_, _, height, width) = spread.dims4()?;
    let plus = Plus { residual: before.filter(|_| !upsample), ..Plus::default() };
    let call = Call {
        weight,
        form: Form::Backward,
        bias: None,
        shape: back,
        packed,
        size: (height, width),
        upsample: false,
        plus,
    };
    let seen = conv2d(&spread, &call)?;
    if upsample { halve(&seen, input, before) } else { Ok(seen) }
}

/// Puts zeros between pixels: those of `x` come `stride` apart in a picture of `size`.
fn spread(x: &Tensor, stride: usize, size: (usize, usize)) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let out = with_values(&channels_last(x)?, |x| {
        let mut out = vec![0.0; batch * size.0 * size.1 * channels];
        let items = out.par_chunks_mut((size.0 * size.1 * channels).max(1));
        items.zip(x.par_chunks((height * width * channels).max(1))).for_each(|(out, x)| {
            for (index, pixel) in x.chunks_exact(channels).enumerate() {
                let (y, x) = (index / width, index % width);
                let at = (y * stride * size.1 + x * stride) * channels;
                out[at..at + channels].copy_from_slice(pixel);
            }
        });
        Ok(out)
    })?;
    picture(out, (batch, channels, size.0, size.1))
}

/// Sums of two by two pixels, plus `before`.
fn halve(x: &Tensor, (rows, columns): (usize, usize), before: Option<&Tensor>) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let before = before.map(channels_last).transpose()?;
    let mut out = match &before {
        Some(before) => with_values(before, |before| Ok(before.to_vec()))?,
        None => vec![0.0; batch * rows * columns * channels],
    };
    with_values(&channels_last(x)?, |x| {
        let items = out.par_chunks_mut((rows * columns * channels).max(1));
        items.zip(x.par_chunks((height * width * channels).max(1))).for_each(|(out, x)| {
            for (index, pixel) in x.chunks_exact(channels).enumerate() {
                let (y, x) = (index / width, index % width);
                let at = (y / 2 * columns + x / 2) * channels;
                for (sum, value) in out[at..at + channels].iter_mut().zip(pixel) {
                    *sum += value;
                }
            }
        });
        Ok(())
    })?;
    picture(out, (batch, channels, rows, columns))
}

/// The gradient of the weight, `(out, in, kernel, kernel)`, for the input and the gradient of the output.
pub fn conv2d_weight_gradient(x: &Tensor, gradient: &Tensor, geometry: Geometry) -> Result<Tensor> {
    let Geometry { shape, size, upsample, .. } = geometry;
    let (batch, inputs, height, width) = x.dims4()?;
    let (_, outputs, height_out, width_out) = gradient.dims4()?;
    let (kernel, taps) = (shape.kernel, shape.kernel * shape.kernel);
    let (pixels, shift) = (height_out * width_out, u32::from(upsample));
    let count = batch * pixels;
    // Where the pixel lies that `tap` sees for output pixel `index`, if it is none of the zeros around.
    let seen = |index: usize, tap: usize| {
        let (item, pixel) = (index / pixels, index % pixels);
        let y = (pixel / width_out * shape.stride + tap / kernel).checked_sub(shape.pad_before)?;
        let x = (pixel % width_out * shape.stride + tap % kernel).checked_sub(shape.pad_before)?;
        (y < size.0 && x < size.1).then(|| ((item * height + (y >> shift)) * width + (x >> shift)) * inputs)
    };
    let (x, gradient) = (channels_last(x)?, channels_last(gradient)?);
    let out = with_values(&x, |x| {
        with_values(&gradient, |left| {
            let mut out = vec![0f32; outputs * inputs * taps];
            if outer::fits(inputs) {
                let sides = Sides { left, right: x, outputs, inputs };
                let found = outer::sums(sides, (count, taps), |tap, indices, out| {
                    // Walked along rows: dividing for every pixel and tap would take as long as the product of few channels.
                    let (dy, dx) = (tap / kernel, tap % kernel);
                    let (mut item, within) = (indices.start / pixels, indices.start % pixels);
                    let (mut row, mut column) = (within / width_out, within % width_out);
                    for index in indices {
                        // Below zero wraps around to coordinates that are surely outside.
                        let y = (row * shape.stride + dy).wrapping_sub(shape.pad_before);
                        let x = (column * shape.stride + dx).wrapping_sub(shape.pad_before);
                        if y < size.0 && x < size.1 {
                            let at = ((item * height + (y >> shift)) * width + (x >> shift)) * inputs;
                            out.push(((index * outputs) as u32, at as u32));
                        }
                        column += 1;
                        if column == width_out {
                            (column, row) = (0, row + 1);
                        }
                        if row == height_out {
                            (row, item) = (0, item + 1);
                        }
                    }
                });
                for (tap, found) in found.chunks_exact(outputs * inputs).enumerate() {
                    for (index, value) in found.iter().enumerate() {
                        out[index * taps + tap] = *value;
                    }
                }
                return Ok(out);
            }
            // All taps of a pixel side by side, filled up to whole registers.
            let long = (taps * inputs).next_multiple_of(Registers::here().lanes);
            let mut rows = vec![0f32; count * long];
            rows.par_chunks_mut(long).enumerate().for_each(|(index, row)| {
                for (tap, place) in row.chunks_exact_mut(inputs).take(taps).enumerate() {
                    if let Some(at) = seen(index, tap) {
                        place.copy_from_slice(&x[at..at + inputs]);
                    }
                }
            });
            let sides = Sides { left, right: &rows, outputs, inputs: long };
            let found = outer::sums(sides, (count, 1), |_, indices, out| {
                out.extend(indices.map(|index| ((index * outputs) as u32, (index * long) as u32)));
            });
            for (output, found) in found.chunks_exact(long).enumerate() {
                for (place, value) in found[..taps * inputs].iter().enumerate() {
                    out[(output * inputs + place % inputs) * taps + place / inputs] = *value;
                }
            }
            Ok(out)
        })
    })?;
    Ok(Tensor::from_vec(out, (outputs, inputs, kernel, kernel), &Device::Cpu)?)
}
