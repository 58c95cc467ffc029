//! Two-dimensional convolution, with upsampling before it and additions after it done in the same pass.

use std::sync::Arc;

use candle_core::Tensor;

use super::adapter::{Adaptable, AdapterSlot};
use super::{Rectifier, cpu, repeat_pixels, tape};
use crate::weights::Scope;
use crate::{Error, Result};

/// Geometry of a square convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2dShape {
    /// Width and height of the kernel.
    pub kernel: usize,
    /// Step between two output pixels.
    pub stride: usize,
    /// Zeros added above and to the left.
    pub pad_before: usize,
    /// Zeros added below and to the right.
    pub pad_after: usize,
}

impl Conv2dShape {
    /// `kernel` x `kernel`, output as large as the input.
    pub fn same(kernel: usize) -> Self {
        Self { kernel, stride: 1, pad_before: kernel / 2, pad_after: kernel / 2 }
    }

    /// Output length for an input of `length`.
    pub fn output(&self, length: usize) -> Option<usize> {
        Some((length + self.pad_before + self.pad_after).checked_sub(self.kernel)? / self.stride + 1)
    }
}

/// What is added to the output of a convolution.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plus<'a> {
    /// `(batch, channels)`: the same for every pixel of a channel, such as a projected time embedding.
    pub per_channel: Option<&'a Tensor>,
    /// A tensor of the output's shape, such as the input of a residual block.
    pub residual: Option<&'a Tensor>,
    /// What the sum goes through at last.
    pub rectifier: Option<&'a Rectifier>,
}

/// A convolution: weight `(out, in, kernel, kernel)`, bias `(out)`.
#[derive(Debug)]
pub struct Conv2d {
    weight: Tensor,
    bias: Option<Tensor>,
    shape: Conv2dShape,
    packed: Arc<cpu::PackedCell>,
    adapter: AdapterSlot,
}

impl Conv2d {
    /// A layer of these weights.
    pub fn new(weight: Tensor, bias: Option<Tensor>, shape: Conv2dShape) -> Result<Self> {
        let (out, _, kh, kw) = weight.dims4()?;
        if kh != shape.kernel || kw != shape.kernel || shape.stride == 0 {
            return Err(Error::shape("conv2d", format!("a kernel of {0}x{0}", shape.kernel), weight.dims()));
        }
        if let Some(bias) = &bias
            && bias.dims() != [out]
        {
            return Err(Error::shape("conv2d", format!("a bias of {out}"), bias.dims()));
        }
        Ok(Self { weight, bias, shape, packed: Arc::default(), adapter: AdapterSlot::default() })
    }

    /// Takes `weight` and `bias` of `scope`.
    pub fn load(scope: &Scope, inputs: usize, outputs: usize, shape: Conv2dShape) -> Result<Self> {
        let weight = scope.get(&[outputs, inputs, shape.kernel, shape.kernel], "weight")?;
        Self::new(weight, Some(scope.get(&[outputs], "bias")?), shape).map(|layer| layer.known_to(scope))
    }

    /// The same without a bias.
    pub fn load_without_bias(
        scope: &Scope,
        inputs: usize,
        outputs: usize,
        shape: Conv2dShape,
    ) -> Result<Self> {
        let weight = scope.get(&[outputs, inputs, shape.kernel, shape.kernel], "weight")?;
        Self::new(weight, None, shape).map(|layer| layer.known_to(scope))
    }

    /// Lets adapters find the layer by its place in the checkpoint.
    fn known_to(self, scope: &Scope) -> Self {
        let Self { weight, bias, shape, adapter, .. } = &self;
        scope.register(Adaptable::new(weight.clone(), bias.clone(), Some(*shape), adapter.clone()));
        self
    }

    /// The weight, `(out, in, kernel, kernel)`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Where the layer looks for its adapter.
    pub fn adapter_slot(&self) -> &AdapterSlot {
        &self.adapter
    }

    /// The bias, `(out)`.
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// `(batch, in, height, width)` to `(batch, out, height', width')`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_plus(x, Plus::default())
    }

    /// The convolution plus what `plus` names.
    pub fn forward_plus(&self, x: &Tensor, plus: Plus<'_>) -> Result<Tensor> {
        let (_, _, height, width) = self.check(x)?;
        self.apply(x, (height, width), false, plus)
    }

    /// The convolution of `x` enlarged by repeating every pixel twice in both directions, cut to `size` if given.
    ///
    /// `size` serves networks whose skip connections have an odd side: `2n` or `2n - 1` for an input of `n`.
    pub fn forward_upsampled(&self, x: &Tensor, size: Option<(usize, usize)>) -> Result<Tensor> {
        self.forward_upsampled_plus(x, size, Plus::default())
    }

    /// The same plus what `plus` names.
    pub fn forward_upsampled_plus(
        &self,
        x: &Tensor,
        size: Option<(usize, usize)>,
        plus: Plus<'_>,
    ) -> Result<Tensor> {
        let (_, _, h, w) = self.check(x)?;
        let (height, width) = size.unwrap_or((2 * h, 2 * w));
        if height.div_ceil(2) != h || width.div_ceil(2) != w {
            return Err(Error::shape("upsample", format!("half of {height}x{width}"), x.dims()));
        }
        self.apply(x, (height, width), true, plus)
    }

    /// Shape of `x` as `(batch, channels, height, width)`, if it fits this layer.
    fn check(&self, x: &Tensor) -> Result<(usize, usize, usize, usize)> {
        let inputs = self.weight.dim(1)?;
        match *x.dims() {
            [batch, channels, height, width]
                if channels == inputs
                    && self.shape.output(height).is_some()
                    && self.shape.output(width).is_some() =>
            {
                Ok((batch, channels, height, width))
            }
            _ => Err(Error::shape("conv2d", format!("(batch, {inputs}, height, width)"), x.dims())),
        }
    }

    /// The convolution of `x`, which is seen with `size`: its own, or twice as large where `upsample` says so.
    pub(super) fn apply(
        &self,
        x: &Tensor,
        size: (usize, usize),
        upsample: bool,
        plus: Plus<'_>,
    ) -> Result<Tensor> {
        let Some(adapter) = self.adapter.get() else {
            let weight = (&self.weight, &self.packed);
            return convolve(x, weight, self.bias.as_ref(), (self.shape, size, upsample), plus);
        };
        let weight = adapter.weight.as_ref().map_or((&self.weight, &self.packed), |(w, p)| (w, p));
        let bias = adapter.bias.as_ref().or(self.bias.as_ref());
        // What branches add goes through the rectifier too.
        let rectifier = plus.rectifier.filter(|_| !adapter.branches.is_empty());
        let plus = if rectifier.is_some() { Plus { rectifier: None, ..plus } } else { plus };
        let mut y = convolve(x, weight, bias, (self.shape, size, upsample), plus)?;
        for (branch, scale) in &adapter.branches {
            y = branch.conv2d(x, size, upsample, *scale, &y)?;
        }
        rectifier.map_or(Ok(y.clone()), |rectifier| rectifier.forward(&y))
    }
}

/// Shape of the kernel, size of the input as it is seen, and whether that is enlarged twice.
type View = (Conv2dShape, (usize, usize), bool);

fn convolve(
    x: &Tensor,
    (weight, packed): (&Tensor, &Arc<cpu::PackedCell>),
    bias: Option<&Tensor>,
    (shape, size, upsample): View,
    plus: Plus<'_>,
) -> Result<Tensor> {
    let optional = [bias, plus.per_channel, plus.residual, plus.rectifier.map(Rectifier::slopes)];
    if tape::follows(&[x, weight]) || optional.iter().flatten().any(|t| tape::follows(&[t])) {
        if let Some(rectifier) = plus.rectifier {
            let plus = Plus { rectifier: None, ..plus };
            return rectifier.forward(&convolve(x, (weight, packed), bias, (shape, size, upsample), plus)?);
        }
        return recorded(x, (weight, packed), bias, (shape, size, upsample), plus);
    }
    if cpu::is_fast(&[x, weight]) && optional.iter().flatten().all(|t| cpu::is_fast(&[t])) {
        let form = cpu::Form::Forward;
        return cpu::conv2d(x, &cpu::Call { weight, form, bias, shape, packed, size, upsample, plus });
    }
    let mut y = plain(x, weight, (shape, size, upsample))?;
    if let Some(bias) = bias {
        y = y.broadcast_add(&bias.reshape((1, (), 1, 1))?)?;
    }
    if let Some(per_channel) = plus.per_channel {
        y = y.broadcast_add(&per_channel.unsqueeze(2)?.unsqueeze(3)?)?;
    }
    if let Some(residual) = plus.residual {
        y = (y + residual)?;
    }
    match plus.rectifier {
        Some(rectifier) => rectifier.forward(&y),
        None => Ok(y),
    }
}

/// The convolution alone in candle's operations.
fn plain(x: &Tensor, weight: &Tensor, (shape, size, upsample): View) -> Result<Tensor> {
    let mut x = x.contiguous()?;
    if upsample {
        x = repeat_pixels(&x, 2)?;
        x = x.narrow(2, 0, size.0)?.narrow(3, 0, size.1)?.contiguous()?;
    }
    let Conv2dShape { stride, pad_before, pad_after, .. } = shape;
    let mut padding = pad_before;
    if pad_before != pad_after {
        x = x.pad_with_zeros(2, pad_before, pad_after)?.pad_with_zeros(3, pad_before, pad_after)?;
        padding = 0;
    }
    Ok(x.conv2d(weight, padding, stride, 1, 1)?)
}

/// Rows and columns that a transposed convolution of the output must add to be as large as the input, if one is the whole way
/// back: no enlarging, the same padding everywhere, and as many rows as columns.
fn output_padding(x: &Tensor, gradient: &Tensor, (shape, _, upsample): View) -> Option<usize> {
    let Conv2dShape { kernel, stride, pad_before, pad_after } = shape;
    let missing = |dim: usize| {
        let (input, output) = (x.dim(dim).ok()?, gradient.dim(dim).ok()?);
        (input + 2 * pad_before).checked_sub((output.checked_sub(1)?) * stride + kernel)
    };
    let (rows, columns) = (missing(2)?, missing(3)?);
    (!upsample && pad_before == pad_after && rows == columns).then_some(rows)
}

/// The same with a note on the tape.
fn recorded(
    x: &Tensor,
    (weight, packed): (&Tensor, &Arc<cpu::PackedCell>),
    bias: Option<&Tensor>,
    view: View,
    plus: Plus<'_>,
) -> Result<Tensor> {
    let y = tape::paused(|| convolve(x, (weight, packed), bias, view, plus))?;
    let (x, weight, packed) = (x.clone(), weight.clone(), packed.clone());
    let (bias, per_channel, residual) = (bias.cloned(), plus.per_channel.cloned(), plus.residual.cloned());
    tape::note(&y, move |gradient, gradients| {
        if let Some(residual) = &residual {
            gradients.add(residual, gradient)?;
        }
        let fast = cpu::is_fast(&[&x, &weight, gradient]);
        if let Some(bias) = bias.filter(|bias| gradients.wants(bias)) {
            let found = if fast {
                cpu::column_sums(gradient)?
            } else {
                gradient.transpose(0, 1)?.contiguous()?.flatten_from(1)?.sum(1)?
            };
            gradients.add(&bias, &found)?;
        }
        if let Some(per_channel) = &per_channel {
            gradients.update(per_channel, |before| {
                if fast {
                    return cpu::sum_over_pixels(gradient, before);
                }
                let sums = gradient.flatten_from(2)?.sum(2)?;
                Ok(before.map_or(Ok(sums.clone()), |before| before + sums)?)
            })?;
        }
        if !fast {
            // A frozen weight's gradient is not even computed where candle lets one ask for the input's alone.
            let alone = if gradients.wants(&weight) { None } else { output_padding(&x, gradient, view) };
            if let Some(more) = alone {
                let Conv2dShape { stride, pad_before, .. } = view.0;
                let found = gradient.contiguous()?.conv_transpose2d(&weight, pad_before, more, stride, 1)?;
                return gradients.add(&x, &found);
            }
            let function = move |t: &[&Tensor]| plain(t[0], t[1], view);
            return tape::by_candle(&[x, weight], gradient, gradients, function);
        }
        let (shape, size, upsample) = view;
        let (_, _, height, width) = x.dims4()?;
        let geometry = cpu::Geometry { shape, size, upsample, input: (height, width) };
        gradients
            .update(&x, |before| cpu::conv2d_input_gradient(gradient, &weight, &packed, geometry, before))?;
        gradients.update(&weight, |before| {
            let found = cpu::conv2d_weight_gradient(&x, gradient, geometry)?;
            Ok(before.map_or(Ok(found.clone()), |before| before + found)?)
        })
    });
    Ok(y)
}
