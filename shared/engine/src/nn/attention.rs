//! Scaled dot-product attention over several heads.

use candle_core::{D, DType, Device, Tensor};

use super::{cpu, tape};
use crate::{Error, Result};

/// Which keys a query may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Masking {
    /// All of them.
    None,
    /// Only those at its own position and before, as text encoders do.
    Causal,
}

/// `softmax(q k^T / sqrt(head size)) v` for each of `heads` heads.
///
/// `q` is `(batch, queries, heads * head size)`, `k` and `v` are `(batch, keys, heads * head size)`; the result has the
/// shape of `q`. The fast way never holds more than a strip of the score matrix.
pub fn scaled_dot_product_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    masking: Masking,
) -> Result<Tensor> {
    let (&[batch, queries, width], &[key_batch, keys, key_width]) = (q.dims(), k.dims()) else {
        return Err(Error::shape("attention", "queries and keys of three dimensions", q.dims()));
    };
    if heads == 0 || width % heads != 0 || key_batch != batch || key_width != width || v.dims() != k.dims() {
        let expected = format!("keys and values of ({batch}, keys, {width}) for {heads} heads");
        return Err(Error::shape("attention", expected, k.dims()));
    }
    if masking == Masking::Causal && keys != queries {
        return Err(Error::shape("causal attention", format!("{queries} keys"), k.dims()));
    }
    let y = if cpu::is_fast(&[q, k, v]) {
        cpu::attention(q, k, v, heads, masking == Masking::Causal)?
    } else {
        plain(q, k, v, heads, masking)?
    };
    if tape::follows(&[q, k, v]) {
        let inputs = [q.clone(), k.clone(), v.clone()];
        tape::note(&y, move |gradient, gradients| {
            let [q, k, v] = &inputs;
            if !cpu::is_fast(&[q, k, v, gradient]) {
                let function = move |t: &[&Tensor]| plain(t[0], t[1], t[2], heads, masking);
                return tape::by_candle(&inputs, gradient, gradients, function);
            }
            let causal = masking == Masking::Causal;
            let found = cpu::attention_gradient((q, k, v), gradient, heads, causal)?;
            inputs.iter().zip(found).try_for_each(|(x, gradient)| gradients.add(x, &gradient))
        });
    }
    Ok(y)
}

/// In candle's operations.
fn plain(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, masking: Masking) -> Result<Tensor> {
    let (batch, queries, width) = q.dims3()?;
    let (keys, size) = (k.dim(1)?, width / heads);
    let split = |x: &Tensor, length| x.reshape((batch, length, heads, size))?.transpose(1, 2)?.contiguous();
    let (q, k, v) = (split(q, queries)?, split(k, keys)?, split(v, keys)?);
    let scores = (q.matmul(&k.t()?)? * (1.0 / (size as f64).sqrt()))?.to_dtype(DType::F32)?;
    let scores = match masking {
        Masking::None => scores,
        Masking::Causal => scores.broadcast_add(&causal_mask(queries, scores.device())?)?,
    };
    let weights = softmax(&scores)?.to_dtype(v.dtype())?;
    Ok(weights.matmul(&v)?.transpose(1, 2)?.reshape((batch, queries, width))?)
}

/// Softmax over the last dimension in differentiable operations. The maximum is a constant here: it cancels.
fn softmax(x: &Tensor) -> Result<Tensor> {
    let shifted = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?.exp()?;
    Ok(shifted.broadcast_div(&shifted.sum_keepdim(D::Minus1)?)?)
}

/// `(length, length)`: 0 where a query may look, minus infinity where it may not.
fn causal_mask(length: usize, device: &Device) -> Result<Tensor> {
    let values: Vec<f32> = (0..length)
        .flat_map(|query| (0..length).map(move |key| if key <= query { 0.0 } else { f32::NEG_INFINITY }))
        .collect();
    Ok(Tensor::from_vec(values, (length, length), device)?)
}
