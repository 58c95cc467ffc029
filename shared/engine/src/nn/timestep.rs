//! How a network is told the time: sines and cosines of many frequencies, then two linear layers.

use candle_core::{DType, Device, Tensor};

use super::{Activation, Linear};
use crate::Result;
use crate::weights::Scope;

/// Period of the slowest wave.
const MAX_PERIOD: f64 = 10_000.0;

/// Sinusoids of `values`: `(values, size)`, always computed in 32-bit floats on the host.
///
/// Wave `k` of `size / 2` has frequency `10000^(-k / (size / 2 - freq_shift))`. Sines come first, then cosines;
/// `flip_sin_to_cos` swaps the halves. Sixteen bits would not do: a timestep of 951 times a frequency must keep its phase.
pub fn sinusoidal_embedding(
    values: &[f64],
    size: usize,
    flip_sin_to_cos: bool,
    freq_shift: f64,
    dtype: DType,
    device: &Device,
) -> Result<Tensor> {
    let half = size / 2;
    let frequencies: Vec<f32> = (0..half)
        .map(|k| {
            let exponent = -MAX_PERIOD.ln() as f32 * k as f32 / (half as f64 - freq_shift) as f32;
            f64::from(exponent).exp() as f32
        })
        .collect();
    let mut out = Vec::with_capacity(values.len() * size);
    for &value in values {
        // The product is rounded to 32 bits as in the reference; its sine and cosine are then exact to the last bit.
        let phases: Vec<f64> = frequencies.iter().map(|f| f64::from(value as f32 * f)).collect();
        let (sines, cosines) = (phases.iter().map(|p| p.sin() as f32), phases.iter().map(|p| p.cos() as f32));
        if flip_sin_to_cos {
            out.extend(cosines.chain(sines));
        } else {
            out.extend(sines.chain(cosines));
        }
        // An odd size ends with a zero.
        out.resize(out.len() + size % 2, 0.0);
    }
    Ok(Tensor::from_vec(out, (values.len(), size), &Device::Cpu)?.to_device(device)?.to_dtype(dtype)?)
}

/// `linear_1`, the activation `silu`, `linear_2`.
#[derive(Debug)]
pub struct TimestepEmbedding {
    linear_1: Linear,
    linear_2: Linear,
}

impl TimestepEmbedding {
    /// Takes `linear_1` and `linear_2` of `scope`.
    pub fn load(scope: &Scope, inputs: usize, size: usize) -> Result<Self> {
        let linear_1 = Linear::load(&scope.pp("linear_1"), inputs, size)?;
        Ok(Self { linear_1, linear_2: Linear::load(&scope.pp("linear_2"), size, size)? })
    }

    /// `(batch, in)` to `(batch, size)`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.linear_2.forward(&self.linear_1.forward_activated(x, Activation::Silu)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_come_first_when_flipped_and_phases_survive_large_times() {
        let e = sinusoidal_embedding(&[0.0, 951.0], 8, true, 0.0, DType::F32, &Device::Cpu).unwrap();
        let e = e.to_vec2::<f32>().unwrap();
        assert_eq!(e[0], [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        assert!((f64::from(e[1][0]) - 951f64.cos()).abs() < 1e-7);
        assert!((f64::from(e[1][1]) - 95.1f64.cos()).abs() < 1e-5);
    }
}
