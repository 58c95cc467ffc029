//! The fast way: 32-bit floats on the CPU; `gradient` has the way back.
//!
//! Pictures lie channels last, so that a pixel is a run of numbers: convolution is then matrix multiplication whose rows are
//! pixels, and a picture is the same memory as the tokens of a transformer. Weights are packed once into panels as wide as
//! the registers, biases, residuals and activations are added while a result is still in the cache, and nothing larger than
//! a strip of intermediate values is ever written.
//!
//! The instruction set is chosen when the program runs (`pulp`), without `unsafe`. How work is split over threads never
//! changes the order of additions, so the same input gives the same bytes on any number of threads.

#![expect(
    clippy::inline_always,
    clippy::needless_range_loop,
    reason = "a kernel's parts, closures included, are compiled for its instruction set only where they are inlined"
)]

mod attention;
mod conv2d;
mod elementwise;
mod gradient;
mod linear;
mod norm;
mod panels;
mod pool;
mod product;
mod winograd;

use std::cell::Cell;

use candle_core::{CpuStorage, DType, Device, Storage, Tensor};

pub use attention::attention;
pub use conv2d::{Call, Form, conv2d};
pub use elementwise::{activate, gate_with_gelu, rectify, scale_and_add};
pub use gradient::{
    Geometry, Groups, activation_gradient, attention_gradient, column_products, column_sums,
    conv2d_input_gradient, conv2d_weight_gradient, gate_gradient, group_norm_gradient, layer_norm_gradient,
    layer_norm_weight_gradient, linear_weight_gradient, rectifier_gradient, scale_columns, split_channels,
    sum_over_pixels,
};
pub use linear::linear;
pub use norm::{channel_statistics, group_norm, layer_norm};
pub use panels::PackedCell;
pub use pool::{max_pool2d, max_pool2d_gradient};

use crate::{Error, Result};

/// Larger scratch memory is given back after the call.
const KEPT_SCRATCH: usize = 1 << 22;

/// Whether the fast way may be taken for these tensors.
pub fn is_fast(tensors: &[&Tensor]) -> bool {
    tensors.iter().all(|tensor| {
        matches!(tensor.device(), Device::Cpu) && tensor.dtype() == DType::F32 && !tensor.track_op()
    })
}

/// Runs `work` on a thread of the pool, where parallel loops start without waking anybody.
pub fn on_workers<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    if rayon::current_thread_index().is_some() { work() } else { rayon::scope(|_| work()) }
}

/// Memory of this thread for intermediate values, kept from call to call: `work` is given `len` numbers of no meaning.
fn with_scratch(len: usize, work: impl FnOnce(&mut [f32])) {
    thread_local!(static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) });
    let mut scratch = SCRATCH.take();
    if scratch.len() < len {
        scratch.resize(len, 0.0);
    }
    work(&mut scratch[..len]);
    if len <= KEPT_SCRATCH {
        SCRATCH.set(scratch);
    }
}

/// Shows the numbers of a contiguous tensor to `read`.
fn with_values<T>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> Result<T>) -> Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    let refuse = || Error::shape("cpu kernel", "contiguous 32-bit floats", layout.dims());
    let (start, end) = layout.contiguous_offsets().ok_or_else(refuse)?;
    match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => read(&values[start..end]),
        _ => Err(refuse()),
    }
}

/// Shows the numbers of an optional tensor.
fn with_optional<T>(tensor: Option<&Tensor>, read: impl FnOnce(Option<&[f32]>) -> Result<T>) -> Result<T> {
    match tensor {
        Some(tensor) => with_values(&tensor.contiguous()?, |values| read(Some(values))),
        None => read(None),
    }
}

/// `(batch, channels, height, width)` as contiguous `(batch, height, width, channels)`: no copy if it lies so already.
fn channels_last(x: &Tensor) -> Result<Tensor> {
    Ok(x.permute((0, 2, 3, 1))?.contiguous()?)
}

/// A picture of values that lie channels last.
fn picture(
    values: Vec<f32>,
    (batch, channels, height, width): (usize, usize, usize, usize),
) -> Result<Tensor> {
    Ok(Tensor::from_vec(values, (batch, height, width, channels), &Device::Cpu)?.permute((0, 3, 1, 2))?)
}

/// The channels of `a`, then those of `b`.
pub fn concat_channels(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (batch, first, height, width) = a.dims4()?;
    let (other, second, h, w) = b.dims4()?;
    if (batch, height, width) != (other, h, w) {
        return Err(Error::shape(
            "concat channels",
            format!("({batch}, channels, {height}, {width})"),
            b.dims(),
        ));
    }
    let (a, b) = (channels_last(a)?, channels_last(b)?);
    with_values(&a, |a| {
        with_values(&b, |b| {
            let mut out = Vec::with_capacity(a.len() + b.len());
            for (a, b) in a.chunks_exact(first).zip(b.chunks_exact(second)) {
                out.extend_from_slice(a);
                out.extend_from_slice(b);
            }
            picture(out, (batch, first + second, height, width))
        })
    })
}
