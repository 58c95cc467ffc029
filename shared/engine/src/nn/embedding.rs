//! Rows looked up by number.

use candle_core::Tensor;

use super::traced;
use crate::Result;
use crate::weights::Scope;

/// A table `(count, size)`.
#[derive(Debug)]
pub struct Embedding {
    table: Tensor,
}

impl Embedding {
    /// Takes `weight` of `scope`.
    pub fn load(scope: &Scope, count: usize, size: usize) -> Result<Self> {
        Ok(Self { table: scope.get(&[count, size], "weight")? })
    }

    /// The table, `(count, size)`.
    pub fn table(&self) -> &Tensor {
        &self.table
    }

    /// Rows `ids`, any shape of 32-bit numbers: `(..)` to `(.., size)`.
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        let mut shape = ids.dims().to_vec();
        shape.push(self.table.dim(1)?);
        let ids = ids.flatten_all()?.contiguous()?;
        traced(&[&self.table], move |t| Ok(t[0].index_select(&ids, 0)?.reshape(shape.as_slice())?))
    }
}
