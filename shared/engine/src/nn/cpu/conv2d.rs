//! Convolution as matrix products whose rows are pixels, read where they lie.

use candle_core::Tensor;
use rayon::prelude::*;

use super::elementwise::rectify_in_place;
use super::linear::rows_per_piece;
use super::panels::{PackedCell, Panels, Registers};
use super::product::{Product, Rows};
use super::{channels_last, picture, winograd, with_optional, with_values};
use crate::nn::{Conv2dShape, Plus, Rectifier};
use crate::{Error, Result};

/// Channels below which pixels are gathered into longer rows first: a product of rows this short is all overhead.
const SHORT_ROW: usize = 16;
/// Output pixels from which Winograd's algorithm wins over the direct one.
const WORTH_WINOGRAD: usize = 64;

/// The picture that a convolution reads.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Pixels of one picture, channels last.
    pub pixels: &'a [f32],
    /// As many zeros as there are channels: what lies outside.
    pub zeros: &'a [f32],
    /// Height and width as the convolution sees them.
    pub size: (usize, usize),
    /// Width in memory.
    pub width: usize,
    /// 1 if every pixel is seen twice in both directions, else 0.
    pub shift: u32,
    /// Channels of a pixel.
    pub channels: usize,
}

impl<'a> Source<'a> {
    /// The pixel at `y`, `x`; coordinates outside are seen as zero. Negative ones arrive as huge ones.
    #[inline(always)]
    pub fn pixel(&self, y: usize, x: usize) -> &'a [f32] {
        if y < self.size.0 && x < self.size.1 {
            let at = ((y >> self.shift) * self.width + (x >> self.shift)) * self.channels;
            &self.pixels[at..at + self.channels]
        } else {
            self.zeros
        }
    }
}

/// Which way a convolution's weights are used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// From inputs to outputs.
    Forward,
    /// From gradients of outputs to those of inputs: the kernel is turned round.
    Backward,
}

/// What a convolution is called with besides its input.
pub struct Call<'a> {
    /// The weights, `(out, in, kernel, kernel)`.
    pub weight: &'a Tensor,
    /// How they are used.
    pub form: Form,
    /// The bias, `(out)`.
    pub bias: Option<&'a Tensor>,
    /// Geometry.
    pub shape: Conv2dShape,
    /// Packed weights.
    pub packed: &'a PackedCell,
    /// Height and width of the input, enlarged if `upsample`.
    pub size: (usize, usize),
    /// Whether the input is seen enlarged twice.
    pub upsample: bool,
    /// What is added.
    pub plus: Plus<'a>,
}

/// The convolution of `x`.
pub fn conv2d(x: &Tensor, call: &Call<'_>) -> Result<Tensor> {
    let (batch, inputs, _, width) = x.dims4()?;
    let outputs = call.weight.dim(usize::from(call.form == Form::Backward))?;
    let shape = call.shape;
    let refuse = || Error::shape("conv2d", "a picture at least as large as the kernel", x.dims());
    let height_out = shape.output(call.size.0).ok_or_else(refuse)?;
    let width_out = shape.output(call.size.1).ok_or_else(refuse)?;
    let pixels_out = height_out * width_out;

    let lanes = Registers::here().lanes;
    let use_winograd = shape == Conv2dShape::same(3)
        && inputs.is_multiple_of(lanes)
        && outputs.is_multiple_of(lanes)
        && lanes > 1
        && pixels_out >= WORTH_WINOGRAD;
    let weights = match (call.form, use_winograd) {
        (Form::Forward, true) => call.packed.winograd(call.weight)?,
        (Form::Forward, false) => call.packed.conv2d(call.weight, shape)?,
        (Form::Backward, true) => call.packed.winograd_back(call.weight)?,
        (Form::Backward, false) => call.packed.conv2d_back(call.weight, shape)?,
    };

    let x = channels_last(x)?;
    let residual = call.plus.residual.map(channels_last).transpose()?;
    if let Some(residual) = &residual
        && residual.dims() != [batch, height_out, width_out, outputs]
    {
        return Err(Error::shape(
            "conv2d residual",
            format!("({batch}, {height_out}, {width_out}, {outputs})"),
            residual.dims(),
        ));
    }
    let per_channel = call.plus.per_channel;
    if let Some(per_channel) = per_channel
        && per_channel.dims() != [batch, outputs]
    {
        return Err(Error::shape("conv2d addition", format!("({batch}, {outputs})"), per_channel.dims()));
    }
    let slopes = call.plus.rectifier.map(Rectifier::slopes);
    if let Some(slopes) = slopes
        && slopes.dims() != [outputs]
    {
        return Err(Error::shape("conv2d rectifier", format!("({outputs})"), slopes.dims()));
    }
    let zeros = vec![0.0; inputs];
    let item_in = x.elem_count() / batch.max(1);
    let out = with_values(&x, |x| {
        with_optional(call.bias, |bias| {
            with_optional(per_channel, |per_channel| {
                with_optional(residual.as_ref(), |residual| {
                    with_optional(slopes, |slopes| {
                        let mut out = vec![0.0; batch * pixels_out * outputs];
                        let items = out.par_chunks_mut((pixels_out * outputs).max(1)).enumerate();
                        items.for_each(|(item, out)| {
                            let source = Source {
                                pixels: &x[item * item_in..][..item_in],
                                zeros: &zeros,
                                size: call.size,
                                width,
                                shift: u32::from(call.upsample),
                                channels: inputs,
                            };
                            let added = per_channel.map(|values| &values[item * outputs..][..outputs]);
                            let bias = sum_of_optional(bias, added, outputs);
                            let residual =
                                residual.map(|r| &r[item * pixels_out * outputs..][..pixels_out * outputs]);
                            if use_winograd {
                                winograd::conv2d(
                                    &source,
                                    &weights,
                                    &Added { bias: &bias, residual, slopes },
                                    out,
                                );
                            } else {
                                direct(
                                    &source,
                                    &weights,
                                    shape,
                                    width_out,
                                    &Added { bias: &bias, residual, slopes },
                                    out,
                                );
                            }
                        });
                        Ok(out)
                    })
                })
            })
        })
    })?;
    picture(out, (batch, outputs, height_out, width_out))
}

/// What is added to every pixel.
fn sum_of_optional(a: Option<&[f32]>, b: Option<&[f32]>, len: usize) -> Vec<f32> {
    let mut sum = a.map_or_else(|| vec![0.0; len], <[f32]>::to_vec);
    for (sum, b) in sum.iter_mut().zip(b.unwrap_or_default()) {
        *sum += b;
    }
    sum
}

/// What happens to the sums of one picture, in this order.
#[derive(Clone, Copy)]
pub struct Added<'a> {
    /// Added to every pixel.
    pub bias: &'a [f32],
    /// Added element by element.
    pub residual: Option<&'a [f32]>,
    /// Slopes below zero, one for each channel.
    pub slopes: Option<&'a [f32]>,
}

/// One picture, any kernel.
fn direct(
    source: &Source<'_>,
    weights: &Panels,
    shape: Conv2dShape,
    width: usize,
    added: &Added<'_>,
    out: &mut [f32],
) {
    let Added { bias, residual, slopes } = *added;
    let (outputs, taps, depth) = (weights.columns(), weights.taps(), weights.depth());
    let rows = rows_per_piece(out.len() / outputs, taps * depth * outputs);
    // Below zero wraps around to coordinates that are surely outside.
    let start = 0usize.wrapping_sub(shape.pad_before);
    let offsets: Vec<(usize, usize)> =
        (0..taps).map(|tap| (tap / shape.kernel, tap % shape.kernel)).collect();
    out.par_chunks_mut(rows * outputs).enumerate().for_each(|(piece, out)| {
        let (first, count) = (piece * rows, out.len() / outputs);
        let residual = residual.map(|r| &r[first * outputs..][..out.len()]);
        let places: Vec<(usize, usize)> = (first..first + count)
            .map(|m| {
                (start.wrapping_add(m / width * shape.stride), start.wrapping_add(m % width * shape.stride))
            })
            .collect();
        if taps > 1 && depth < SHORT_ROW {
            // All taps of a pixel side by side: one long row, and the panels already lie in that order.
            let long = taps * depth;
            let mut gathered = Vec::with_capacity(count * long);
            for (y, x) in places {
                for (dy, dx) in &offsets {
                    gathered.extend_from_slice(source.pixel(y.wrapping_add(*dy), x.wrapping_add(*dx)));
                }
            }
            Product {
                rows: Rows::Dense { values: &gathered, stride: long },
                count,
                panels: weights,
                taps: (0, 1),
                depth: long,
                out: &mut *out,
                stride: outputs,
                bias: Some(bias),
                residual,
            }
            .run();
        } else {
            Product {
                rows: Rows::Pixels { source, places: &places, offsets: &offsets },
                count,
                panels: weights,
                taps: (0, taps),
                depth,
                out: &mut *out,
                stride: outputs,
                bias: Some(bias),
                residual,
            }
            .run();
        }
        if let Some(slopes) = slopes {
            rectify_in_place(out, slopes);
        }
    });
}
