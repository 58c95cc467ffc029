//! What can be put on a loaded layer: low-rank branches beside its weights, or other weights in their place.
//!
//! The layer's own weights are never written to, so taking an adapter off gives back the layer as it was, to the bit. A
//! branch is two small layers of the same kinds as the big one, so it takes the fast way where that does, and gradients flow
//! into its factors as into any weights: that is all that training needs of this file.
//!
//! A layer without adapter pays one uncontended lock for asking.

use std::sync::{Arc, PoisonError, RwLock};

use candle_core::Tensor;

use super::{Conv2d, Conv2dShape, Linear, Plus, cpu, tape};
use crate::{Error, Result};

/// A change of one layer.
#[derive(Debug, Default)]
pub struct Adapter {
    /// Takes the place of the layer's weight.
    pub(super) weight: Option<(Tensor, Arc<cpu::PackedCell>)>,
    /// Takes the place of the layer's bias.
    pub(super) bias: Option<Tensor>,
    /// Added to the layer's output, each times its scale.
    pub(super) branches: Vec<(Arc<Branch>, f64)>,
    /// What the rows of the weight and its branches together are brought to.
    pub(super) lengths: Option<RowLengths>,
}

/// DoRA while it is trained: the length of every row of the changed weight, apart from its direction.
#[derive(Debug)]
pub struct RowLengths {
    /// What the rows are brought to, `(out)`: trained.
    pub magnitude: Tensor,
    /// One over the length that they have, `(out)`: a constant, as in PEFT and in the paper (4.3).
    pub inverse: Tensor,
}

impl RowLengths {
    /// The outputs `(.., out)` of the changed weight, before its bias, brought to their lengths; then the bias.
    pub(super) fn bring(&self, y: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let Self { magnitude, inverse } = self;
        if !cpu::is_fast(&[y, magnitude, inverse]) || bias.is_some_and(|bias| tape::follows(&[bias])) {
            let constant = inverse.clone();
            let y = tape::traced(&[y, magnitude], move |t| Ok(t[0].broadcast_mul(&(t[1] * &constant)?)?))?;
            return match bias {
                Some(bias) => tape::traced(&[&y, bias], |t| Ok(t[0].broadcast_add(t[1])?)),
                None => Ok(y),
            };
        }
        let inverse = inverse.to_vec1::<f32>()?;
        let lengths = magnitude.to_vec1::<f32>()?;
        let factors: Vec<f32> = lengths.iter().zip(&inverse).map(|(length, one)| length * one).collect();
        let bias = bias.map(Tensor::to_vec1::<f32>).transpose()?;
        let out = cpu::scale_columns(y, &factors, bias.as_deref())?;
        if tape::follows(&[y, magnitude]) {
            let (y, magnitude) = (y.clone(), magnitude.clone());
            tape::note(&out, move |gradient, gradients| {
                gradients.add(&y, &cpu::scale_columns(gradient, &factors, None)?)?;
                if !gradients.wants(&magnitude) {
                    return Ok(());
                }
                let products = cpu::column_products(gradient, &y)?;
                let found: Vec<f32> = products.iter().zip(&inverse).map(|(sum, one)| sum * one).collect();
                gradients.add(&magnitude, &Tensor::from_vec(found, magnitude.shape(), magnitude.device())?)
            });
        }
        Ok(out)
    }
}

impl Adapter {
    /// A change that changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With `weight` in place of the layer's; it must have the same shape, type and device.
    #[must_use]
    pub fn with_weight(self, weight: Tensor) -> Self {
        Self { weight: Some((weight, Arc::default())), ..self }
    }

    /// With `bias` in place of the layer's, or as the bias of a layer that has none: `(out)`.
    #[must_use]
    pub fn with_bias(self, bias: Tensor) -> Self {
        Self { bias: Some(bias), ..self }
    }

    /// With the rows of a linear layer's weight and its branches together brought to these lengths.
    #[must_use]
    pub fn with_row_lengths(self, lengths: RowLengths) -> Self {
        Self { lengths: Some(lengths), ..self }
    }

    /// Whether nothing is changed.
    pub(super) fn is_empty(&self) -> bool {
        self.weight.is_none() && self.bias.is_none() && self.branches.is_empty()
    }

    /// With `scale` times the output of `branch` added to the layer's.
    #[must_use]
    pub fn with_branch(mut self, branch: Arc<Branch>, scale: f64) -> Self {
        self.branches.push((branch, scale));
        self
    }
}

/// Where a layer looks for its adapter. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub struct AdapterSlot(Arc<RwLock<Option<Arc<Adapter>>>>);

impl AdapterSlot {
    pub(super) fn get(&self) -> Option<Arc<Adapter>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts an adapter on the layer in place of the one before; `None` gives back the layer as it was loaded.
    pub fn put(&self, adapter: Option<Adapter>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = adapter.map(Arc::new);
    }
}

/// A loaded layer as seen by whoever adapts it.
#[derive(Clone, Debug)]
pub struct Adaptable {
    weight: Tensor,
    bias: Option<Tensor>,
    conv: Option<Conv2dShape>,
    slot: AdapterSlot,
}

impl Adaptable {
    pub(super) fn new(
        weight: Tensor,
        bias: Option<Tensor>,
        conv: Option<Conv2dShape>,
        slot: AdapterSlot,
    ) -> Self {
        Self { weight, bias, conv, slot }
    }

    /// The layer's own weight: `(out, in)`, or `(out, in, kernel, kernel)` of a convolution.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The layer's own bias, `(out)`.
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// Output size, input size, and the side of the kernel, which is 1 for a linear layer.
    pub fn sizes(&self) -> (usize, usize, usize) {
        match *self.weight.dims() {
            [outputs, inputs] => (outputs, inputs, 1),
            [outputs, inputs, kernel, ..] => (outputs, inputs, kernel),
            _ => (0, 0, 0),
        }
    }

    /// Puts an adapter on the layer in place of the one before; `None` gives back the layer as it was loaded.
    pub fn put(&self, adapter: Option<Adapter>) {
        self.slot.put(adapter);
    }

    /// A branch that fits this layer: `up(mid(down(x)))`.
    ///
    /// Beside a linear layer `down` is `(rank, in)` and `up` `(out, rank)`. Beside a convolution `up` is `(out, rank, 1, 1)`
    /// and `down` has the layer's kernel, stride and padding, `(rank, in, kernel, kernel)`; with a `mid`,
    /// `(rank, rank, kernel, kernel)`, it is `mid` that has them, and `down` is `(rank, in, 1, 1)`.
    pub fn branch(&self, down: Tensor, mid: Option<Tensor>, up: Tensor) -> Result<Branch> {
        let refuse = || Error::shape("adapter", "factors that fit the layer", up.dims());
        let (outputs, inputs, _) = self.sizes();
        if down.dim(1)? != inputs || up.dim(0)? != outputs {
            return Err(refuse());
        }
        let Some(shape) = self.conv else {
            return match mid {
                None => Ok(Branch::Linear { down: Linear::new(down, None)?, up: Linear::new(up, None)? }),
                Some(_) => Err(refuse()),
            };
        };
        let point = Conv2dShape::same(1);
        let (down, mid) = match mid {
            None => (Conv2d::new(down, None, shape)?, None),
            Some(mid) => (Conv2d::new(down, None, point)?, Some(Box::new(Conv2d::new(mid, None, shape)?))),
        };
        Ok(Branch::Conv2d { down, mid, up: Conv2d::new(up, None, point)? })
    }
}

/// A low-rank way beside a layer, of the layer's kind.
#[derive(Debug)]
pub enum Branch {
    /// Beside a linear layer.
    Linear {
        /// `(rank, in)`.
        down: Linear,
        /// `(out, rank)`.
        up: Linear,
    },
    /// Beside a convolution.
    Conv2d {
        /// To `rank` channels.
        down: Conv2d,
        /// Between them, if there is one.
        mid: Option<Box<Conv2d>>,
        /// From `rank` channels.
        up: Conv2d,
    },
}

impl Branch {
    /// `y + scale * up(down(x))`.
    pub(super) fn linear(&self, x: &Tensor, scale: f64, y: &Tensor) -> Result<Tensor> {
        match self {
            Self::Linear { down, up } => up.forward_plus(&tape::scale(&down.forward(x)?, scale)?, y),
            Self::Conv2d { .. } => Err(Error::shape("adapter", "a linear branch", x.dims())),
        }
    }

    /// The same beside a convolution, which sees `x` with `size`, enlarged if `upsample`.
    pub(super) fn conv2d(
        &self,
        x: &Tensor,
        size: (usize, usize),
        upsample: bool,
        scale: f64,
        y: &Tensor,
    ) -> Result<Tensor> {
        let Self::Conv2d { down, mid, up } = self else {
            return Err(Error::shape("adapter", "a convolution branch", x.dims()));
        };
        let h = match mid {
            None => down.apply(x, size, upsample, Plus::default())?,
            // Enlarging by repetition and a pointwise layer may change places: the smaller picture is cheaper.
            Some(mid) => mid.apply(&down.forward(x)?, size, upsample, Plus::default())?,
        };
        up.forward_plus(&tape::scale(&h, scale)?, Plus { residual: Some(y), ..Plus::default() })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Var};

    use super::*;
    use crate::nn::Activation;

    fn normal(shape: &[usize]) -> Tensor {
        let seed = shape.iter().fold(7, |seed, dim| seed * 31 + *dim as u64);
        let values = crate::noise::TorchRng::new(seed).randn(shape.iter().product());
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn apart(a: &Tensor, b: &Tensor) -> f32 {
        let off = (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
        off.to_scalar::<f32>().unwrap()
    }

    fn linear_slot(layer: &Linear) -> Adaptable {
        Adaptable::new(layer.weight().clone(), layer.bias().cloned(), None, layer.adapter_slot().clone())
    }

    #[test]
    fn a_branch_is_the_same_as_the_sum_of_the_weights() {
        let layer = Linear::new(normal(&[12, 20]), Some(normal(&[12]))).unwrap();
        let (down, up, x) = (normal(&[3, 20]), normal(&[12, 3]), normal(&[2, 9, 20]));
        let place = linear_slot(&layer);
        let before = layer.forward(&x).unwrap();
        let merged = (layer.weight() + (up.matmul(&down).unwrap() * 0.7).unwrap()).unwrap();
        let expected = Linear::new(merged.clone(), layer.bias().cloned()).unwrap();
        let residual = normal(&[2, 9, 12]);
        let branch = Arc::new(place.branch(down, None, up).unwrap());
        for adapter in [
            Adapter::new().with_branch(branch.clone(), 0.7),
            Adapter::new().with_branch(branch.clone(), 0.5).with_branch(branch, 0.2),
            Adapter::new().with_weight(merged),
        ] {
            place.put(Some(adapter));
            let (y, e) = (layer.forward(&x).unwrap(), expected.forward(&x).unwrap());
            assert!(apart(&y, &e) < 2e-5, "{}", apart(&y, &e));
            let (y, e) = (
                layer.forward_activated(&x, Activation::Gelu).unwrap(),
                expected.forward_activated(&x, Activation::Gelu).unwrap(),
            );
            assert!(apart(&y, &e) < 2e-5);
            let (y, e) =
                (layer.forward_plus(&x, &residual).unwrap(), expected.forward_plus(&x, &residual).unwrap());
            assert!(apart(&y, &e) < 2e-5);
        }
        place.put(None);
        assert_eq!(apart(&layer.forward(&x).unwrap(), &before), 0.0);
    }

    #[test]
    fn gradients_flow_into_the_factors_and_the_input_only() {
        let layer = Linear::new(normal(&[6, 5]), None).unwrap();
        let (down, up) =
            (Var::from_tensor(&normal(&[2, 5])).unwrap(), Var::from_tensor(&normal(&[6, 2])).unwrap());
        let x = Var::from_tensor(&normal(&[4, 5])).unwrap();
        let place = linear_slot(&layer);
        let branch = place.branch(down.as_tensor().clone(), None, up.as_tensor().clone()).unwrap();
        place.put(Some(Adapter::new().with_branch(Arc::new(branch), 0.5)));
        let loss = layer.forward(&x).unwrap().sqr().unwrap().sum_all().unwrap();
        let gradients = loss.backward().unwrap();
        for variable in [&down, &up, &x] {
            let gradient = gradients.get(variable).unwrap().abs().unwrap().sum_all().unwrap();
            assert!(gradient.to_scalar::<f32>().unwrap() > 0.0);
        }
        assert!(gradients.get(layer.weight()).is_none());
    }

    #[test]
    fn both_ways_of_a_convolution_agree_with_a_branch() {
        for (kernel, stride, upsample, with_mid) in [
            (3, 1, false, false),
            (3, 2, false, false),
            (3, 1, true, false),
            (3, 1, true, true),
            (1, 1, false, false),
        ] {
            let shape = Conv2dShape { stride, ..Conv2dShape::same(kernel) };
            let layer = Conv2d::new(normal(&[16, 8, kernel, kernel]), Some(normal(&[16])), shape).unwrap();
            let place =
                Adaptable::new(layer.weight().clone(), None, Some(shape), layer.adapter_slot().clone());
            let (down, mid) = if with_mid {
                (normal(&[4, 8, 1, 1]), Some(normal(&[4, 4, kernel, kernel])))
            } else {
                (normal(&[4, 8, kernel, kernel]), None)
            };
            let branch = place.branch(down, mid, normal(&[16, 4, 1, 1])).unwrap();
            place.put(Some(Adapter::new().with_branch(Arc::new(branch), -0.3)));
            let x = normal(&[2, 8, 10, 12]);
            // A variable takes the differentiable way.
            let tracked = Var::from_tensor(&x).unwrap();
            let run = |x: &Tensor| {
                if upsample { layer.forward_upsampled(x, Some((19, 24))) } else { layer.forward(x) }.unwrap()
            };
            let (fast, plain) = (run(&x), run(&tracked));
            assert!(apart(&fast.contiguous().unwrap(), &plain) < 5e-4, "{kernel} {stride} {upsample}");
            assert_eq!(fast.dtype(), DType::F32);
        }
    }

    #[test]
    fn factors_of_another_layer_are_refused() {
        let layer = Linear::new(normal(&[6, 5]), None).unwrap();
        let place = linear_slot(&layer);
        assert!(place.branch(normal(&[2, 6]), None, normal(&[6, 2])).is_err());
        assert!(place.branch(normal(&[2, 5]), Some(normal(&[2, 2, 1, 1])), normal(&[6, 2])).is_err());
    }
}
