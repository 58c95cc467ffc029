//! Back through convolutions: for the input the same convolution with its kernel turned round, for the weight a product
//! over all pixels.

use candle_core::{Device, Tensor};

use super::super::conv2d::{Call, Form, Source, conv2d};
use super::super::panels::PackedCell;
use super::super::{channels_last, picture, with_values};
use super::weights::product_over_rows;
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
        for (index, pixel) in x.chunks_exact(channels).enumerate() {
            let (item, y, x) = (index / (height * width), index / width % height, index % width);
            let at = ((item * size.0 + y * stride) * size.1 + x * stride) * channels;
            out[at..at + channels].copy_from_slice(pixel);
        }
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
        for (index, pixel) in x.chunks_exact(channels).enumerate() {
            let (item, y, x) = (index / (height * width), index / width % height, index % width);
            let at = ((item * rows + y / 2) * columns + x / 2) * channels;
            for (sum, value) in out[at..at + channels].iter_mut().zip(pixel) {
                *sum += value;
            }
        }
        Ok(())
    })?;
    picture(out, (batch, channels, rows, columns))
}

/// The gradient of the weight, `(out, in, kernel, kernel)`, for the input and the gradient of the output.
pub fn conv2d_weight_gradient(x: &Tensor, gradient: &Tensor, geometry: Geometry) -> Result<Tensor> {
    let Geometry { shape, size, upsample, .. } = geometry;
    let (batch, inputs, _, width) = x.dims4()?;
    let (_, outputs, height_out, width_out) = gradient.dims4()?;
    let (kernel, taps) = (shape.kernel, shape.kernel * shape.kernel);
    let pixels = height_out * width_out;
    let zeros = vec![0.0; inputs];
    let mut out = vec![0f32; outputs * inputs * taps];
    let (x, gradient) = (channels_last(x)?, channels_last(gradient)?);
    with_values(&x, |x| {
        with_values(&gradient, |gradient| {
            let (mut seen, mut product) = (Vec::new(), vec![0.0; outputs * inputs]);
            let item_in = x.len() / batch.max(1);
            for tap in 0..taps {
                seen.clear();
                for item in 0..batch {
                    let source = Source {
                        pixels: &x[item * item_in..][..item_in],
                        zeros: &zeros,
                        size,
                        width,
                        shift: u32::from(upsample),
                        channels: inputs,
                    };
                    for pixel in 0..pixels {
                        let (y, x) = (pixel / width_out * shape.stride, pixel % width_out * shape.stride);
                        let y = (y + tap / kernel).wrapping_sub(shape.pad_before);
                        let x = (x + tap % kernel).wrapping_sub(shape.pad_before);
                        seen.extend_from_slice(source.pixel(y, x));
                    }
                }
                product_over_rows(gradient, &seen, (outputs, inputs), &mut product);
                for (index, value) in product.iter().enumerate() {
                    out[index * taps + tap] = *value;
                }
            }
            Ok(())
        })
    })?;
    Ok(Tensor::from_vec(out, (outputs, inputs, kernel, kernel), &Device::Cpu)?)
}
