//! The linear layer `y = x W^T + b`, with what may follow it done in the same pass.

use std::sync::Arc;

use candle_core::Tensor;

use super::adapter::{Adaptable, AdapterSlot};
use super::{Activation, cpu, tape};
use crate::weights::Scope;
use crate::{Error, Result};

/// A linear layer: weight `(out, in)`, optional bias `(out)`.
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
    packed: Arc<cpu::PackedCell>,
    adapter: AdapterSlot,
}

impl Linear {
    /// A layer of these weights.
    pub fn new(weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        let (out, _) = weight.dims2()?;
        if let Some(bias) = &bias
            && bias.dims() != [out]
        {
            return Err(Error::shape("linear", format!("a bias of {out}"), bias.dims()));
        }
        Ok(Self { weight, bias, packed: Arc::default(), adapter: AdapterSlot::default() })
    }

    /// Takes `weight` and `bias` of `scope`.
    pub fn load(scope: &Scope, inputs: usize, outputs: usize) -> Result<Self> {
        let weight = scope.get(&[outputs, inputs], "weight")?;
        Self::new(weight, Some(scope.get(&[outputs], "bias")?)).map(|layer| layer.known_to(scope))
    }

    /// Takes `weight` of `scope`; there is no bias.
    pub fn load_without_bias(scope: &Scope, inputs: usize, outputs: usize) -> Result<Self> {
        Self::new(scope.get(&[outputs, inputs], "weight")?, None).map(|layer| layer.known_to(scope))
    }

    /// Takes weights that are either of a linear layer or of a 1x1 convolution, which is the same function.
    pub fn load_pointwise(scope: &Scope, inputs: usize, outputs: usize) -> Result<Self> {
        if scope.shape_of("weight").is_some_and(|shape| shape.len() == 4) {
            let weight = scope.get(&[outputs, inputs, 1, 1], "weight")?.reshape((outputs, inputs))?;
            let bias = scope.get(&[outputs], "bias")?;
            return Self::new(weight, Some(bias)).map(|layer| layer.known_to(scope));
        }
        Self::load(scope, inputs, outputs)
    }

    /// Lets adapters find the layer by its place in the checkpoint.
    fn known_to(self, scope: &Scope) -> Self {
        let Self { weight, bias, adapter, .. } = &self;
        scope.register(Adaptable::new(weight.clone(), bias.clone(), None, adapter.clone()));
        self
    }

    /// The weight, `(out, in)`.
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

    /// `(.., in)` to `(.., out)`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.apply(x, None, None)
    }

    /// The activation of the layer's output.
    pub fn forward_activated(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        self.apply(x, Some(activation), None)
    }

    /// The layer's output plus `residual`, which has its shape.
    pub fn forward_plus(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        self.apply(x, None, Some(residual))
    }

    fn apply(&self, x: &Tensor, activation: Option<Activation>, residual: Option<&Tensor>) -> Result<Tensor> {
        let adapter = self.adapter.get();
        let Some(adapter) = adapter.filter(|adapter| !adapter.is_empty()) else {
            return product(x, &self.weight, self.bias.as_ref(), &self.packed, activation, residual);
        };
        let (weight, packed) = adapter.weight.as_ref().map_or((&self.weight, &self.packed), |(w, p)| (w, p));
        let bias = adapter.bias.as_ref().or(self.bias.as_ref());
        if adapter.branches.is_empty() {
            return product(x, weight, bias, packed, activation, residual);
        }
        // Branches come before the activation, and a residual after it.
        let early = residual.filter(|_| activation.is_none() && adapter.lengths.is_none());
        let own = bias.filter(|_| adapter.lengths.is_none());
        let mut y = product(x, weight, own, packed, None, early)?;
        for (branch, scale) in &adapter.branches {
            y = branch.linear(x, *scale, &y)?;
        }
        if let Some(lengths) = &adapter.lengths {
            y = lengths.bring(&y, bias)?;
        }
        if let Some(activation) = activation {
            y = activation.forward(&y)?;
        }
        match residual.filter(|_| early.is_none()) {
            Some(residual) => tape::add(&y, residual),
            None => Ok(y),
        }
    }
}

/// `x W^T + bias`, then the activation, then `+ residual`.
fn product(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    packed: &Arc<cpu::PackedCell>,
    activation: Option<Activation>,
    residual: Option<&Tensor>,
) -> Result<Tensor> {
    let (outputs, inputs) = weight.dims2()?;
    let Some((&last, leading)) = x.dims().split_last().filter(|(last, _)| **last == inputs) else {
        return Err(Error::shape("linear", format!("(.., {inputs})"), x.dims()));
    };
    if tape::follows(&[x, weight]) || [bias, residual].iter().flatten().any(|t| tape::follows(&[t])) {
        if let Some(activation) = activation {
            let y = activation.forward(&product(x, weight, bias, packed, None, None)?)?;
            return residual.map_or(Ok(y.clone()), |residual| tape::add(&y, residual));
        }
        return recorded(x, weight, bias, packed, residual);
    }
    let mut shape = leading.to_vec();
    shape.push(outputs);
    if cpu::is_fast(&[x, weight]) && residual.is_none_or(|r| cpu::is_fast(&[r])) {
        let weights = packed.linear(weight)?;
        return cpu::linear(x, &weights, bias, &shape, activation, residual);
    }
    let rows = leading.iter().product::<usize>();
    let mut y = x.contiguous()?.reshape((rows, last))?.matmul(&weight.t()?)?;
    if let Some(bias) = bias {
        y = y.broadcast_add(bias)?;
    }
    let mut y = y.reshape(shape)?;
    if let Some(activation) = activation {
        y = activation.forward(&y)?;
    }
    match residual {
        Some(residual) => Ok((y + residual)?),
        None => Ok(y),
    }
}

/// The same with a note on the tape.
fn recorded(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    packed: &Arc<cpu::PackedCell>,
    residual: Option<&Tensor>,
) -> Result<Tensor> {
    let y = tape::paused(|| product(x, weight, bias, packed, None, residual))?;
    let (x, weight, packed) = (x.clone(), weight.clone(), packed.clone());
    let (bias, residual) = (bias.cloned(), residual.cloned());
    tape::note(&y, move |gradient, gradients| {
        if let Some(residual) = &residual {
            gradients.add(residual, gradient)?;
        }
        let (outputs, inputs) = weight.dims2()?;
        let fast = cpu::is_fast(&[&x, &weight, gradient]);
        let rows = |t: &Tensor| -> Result<Tensor> { Ok(t.contiguous()?.flatten_to(t.rank() - 2)?) };
        if let Some(bias) = bias.filter(|bias| gradients.wants(bias)) {
            let found = if fast { cpu::column_sums(gradient)? } else { rows(gradient)?.sum(0)? };
            gradients.add(&bias, &found)?;
        }
        gradients.update(&x, |before| {
            if fast {
                let weights = packed.linear_back(&weight)?;
                return cpu::linear(gradient, &weights, None, x.dims(), None, before);
            }
            let back = rows(gradient)?.matmul(&weight)?.reshape(x.shape())?;
            Ok(before.map_or(Ok(back.clone()), |before| before + back)?)
        })?;
        gradients.update(&weight, |before| {
            let found = if fast {
                cpu::linear_weight_gradient(&x, gradient, inputs, outputs)?
            } else {
                rows(gradient)?.t()?.matmul(&rows(&x)?)?
            };
            Ok(before.map_or(Ok(found.clone()), |before| before + found)?)
        })
    });
    Ok(y)
}
