//! The change of one layer, in memory: as a matrix to be added, or as a branch beside the layer.

use std::sync::{Arc, OnceLock};

use candle_core::{DType, Tensor};

use crate::Result;
use crate::nn::{Adaptable, Branch};

/// A matrix given whole or as a product, perhaps with a core that has the kernel's places.
#[derive(Debug)]
pub(super) enum Matrix {
    Whole(Tensor),
    /// `a (rows, r)` times `b (r, columns)`.
    Product(Tensor, Tensor),
    /// `a (rows, p)`, core `(p, q, k, k)`, `b (q, columns)`: `sum a[o, p] core[p, q, ..] b[q, i]`.
    Core(Tensor, Tensor, Tensor),
}

impl Matrix {
    /// `(rows, columns)`, where the places of a kernel count as columns of their input.
    fn whole(&self) -> Result<Tensor> {
        match self {
            Self::Whole(matrix) => Ok(matrix.flatten_from(1)?),
            Self::Product(a, b) => Ok(a.matmul(&b.flatten_from(1)?)?),
            Self::Core(a, core, b) => {
                let (p, q, height, width) = core.dims4()?;
                let (rows, columns, places) = (a.dim(0)?, b.dim(1)?, height * width);
                let left = a.matmul(&core.reshape((p, q * places))?)?.reshape((rows, q, places))?;
                let left = left.transpose(1, 2)?.contiguous()?.reshape((rows * places, q))?;
                let both = left.matmul(b)?.reshape((rows, places, columns))?;
                Ok(both.transpose(1, 2)?.contiguous()?.reshape((rows, columns * places))?)
            }
        }
    }
}

/// How a change is put together. Everything is in 32-bit floats on the layer's device.
#[derive(Debug)]
pub(super) enum Change {
    /// `up mid down`; `down` as `(rank, in k k)`, `up` as `(out, rank)`.
    LowRank(Matrix),
    /// The elementwise product.
    Hadamard(Matrix, Matrix),
    /// The Kronecker product.
    Kronecker(Matrix, Matrix),
}

/// DoRA: the length that every row, or column, of the changed weight is brought to.
#[derive(Debug)]
pub(super) struct Magnitude {
    /// `(out)` or `(in)`.
    pub lengths: Tensor,
    pub of_inputs: bool,
}

/// What one file does to one layer.
#[derive(Debug)]
pub(super) struct Update {
    pub change: Change,
    /// Alpha over rank.
    pub scale: f64,
    pub magnitude: Option<Magnitude>,
    /// `(out)`, scaled like the change.
    pub bias: Option<Tensor>,
    /// The change as a branch, made when first needed.
    pub branch: OnceLock<Arc<Branch>>,
}

impl Update {
    /// The change of the layer's weight at a user's weight, in the weight's shape and 32-bit floats.
    ///
    /// The user's weight scales the factors, so with a magnitude the result is not linear in it, as in PEFT.
    pub fn dense(&self, layer: &Adaptable, user_weight: f64) -> Result<Tensor> {
        let delta = match &self.change {
            Change::LowRank(matrix) => matrix.whole()?,
            Change::Hadamard(a, b) => (a.whole()? * b.whole()?)?,
            Change::Kronecker(a, b) => kronecker(&a.whole()?, &b.whole()?)?,
        };
        let delta = (delta.reshape(layer.weight().shape())? * (self.scale * user_weight))?;
        let Some(Magnitude { lengths, of_inputs }) = &self.magnitude else { return Ok(delta) };
        let own = layer.weight().to_dtype(DType::F32)?;
        let changed = (&own + delta)?;
        let (kept, summed) = if *of_inputs { (1, 0) } else { (0, 1) };
        let mut squares = changed.sqr()?.sum_keepdim(summed)?;
        for dim in 2..squares.rank() {
            squares = squares.sum_keepdim(dim)?;
        }
        let mut shape = vec![1; changed.rank()];
        shape[kept] = lengths.elem_count();
        let factor = (lengths.reshape(shape)? / squares.sqrt()?)?;
        Ok((changed.broadcast_mul(&factor)? - own)?)
    }

    /// The change as a branch beside the layer, if it is of low rank and keeps no magnitude.
    pub fn branch(&self, layer: &Adaptable) -> Result<Option<Arc<Branch>>> {
        let (Change::LowRank(matrix), None) = (&self.change, &self.magnitude) else { return Ok(None) };
        if let Some(branch) = self.branch.get() {
            return Ok(Some(branch.clone()));
        }
        let (_, inputs, kernel) = layer.sizes();
        let is_conv = layer.weight().rank() == 4;
        let point = |matrix: &Tensor| {
            let (rows, columns) = matrix.dims2()?;
            if is_conv { matrix.reshape((rows, columns, 1, 1)) } else { Ok(matrix.clone()) }
        };
        let (down, mid, up) = match matrix {
            Matrix::Whole(_) => return Ok(None),
            Matrix::Product(up, down) => {
                let rank = down.dim(0)?;
                let down = if is_conv { down.reshape((rank, inputs, kernel, kernel))? } else { down.clone() };
                (down, None, point(up)?)
            }
            Matrix::Core(up, mid, down) => (point(down)?, Some(mid.clone()), point(up)?),
        };
        let cast = |tensor: Tensor| tensor.to_dtype(layer.weight().dtype());
        let branch = layer.branch(cast(down)?, mid.map(cast).transpose()?, cast(up)?)?;
        Ok(Some(self.branch.get_or_init(|| Arc::new(branch)).clone()))
    }
}

/// The Kronecker product of `(a, b)` and `(c, d)`: `(a c, b d)`.
fn kronecker(left: &Tensor, right: &Tensor) -> Result<Tensor> {
    let ((a, b), (c, d)) = (left.dims2()?, right.dims2()?);
    let product = left.reshape((a, 1, b, 1))?.broadcast_mul(&right.reshape((1, c, 1, d))?)?;
    Ok(product.reshape((a * c, b * d))?)
}
