//! Weights that are made when a network first asks for them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Tensor};

use super::begin::{self, Begin};
use crate::Result;
use crate::weights::{self, Scope, ShapesOnly, TensorInfo, TensorSource, Weights};

/// Tensors by name. Clones are the same store.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    tensors: Mutex<BTreeMap<String, Tensor>>,
    /// What a network may ask for before it is there.
    expected: ShapesOnly,
    begin: Option<(u64, Begin)>,
    device: Device,
}

impl Store {
    /// A store of these tensors; what is missing is made by `begin` from its seed. Names `expected` are said to be there before
    /// they are made: of layers that some networks have and others have not.
    pub fn new(
        tensors: BTreeMap<String, Tensor>,
        begin: Option<(u64, Begin)>,
        expected: &[&str],
        device: &Device,
    ) -> Self {
        let given = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.dims().to_vec()));
        let all = given.chain(expected.iter().map(|name| ((*name).to_owned(), Vec::new())));
        let expected = ShapesOnly::new("weights in training", all);
        Self(Arc::new(Inner { tensors: Mutex::new(tensors), expected, begin, device: device.clone() }))
    }

    fn tensors(&self) -> MutexGuard<'_, BTreeMap<String, Tensor>> {
        self.0.tensors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where networks are loaded from. Each load needs a scope of its own.
    pub fn scope(&self) -> Scope {
        Weights::new(self.clone(), DType::F32, &self.0.device).root()
    }

    /// All tensors there are, by name.
    pub fn all(&self) -> BTreeMap<String, Tensor> {
        self.tensors().clone()
    }

    /// Puts a tensor in place of the one before.
    pub fn put(&self, name: &str, tensor: Tensor) {
        self.tensors().insert(name.to_owned(), tensor);
    }

    /// Tensors whose names begin with `prefix`, without it.
    pub fn below(&self, prefix: &str) -> BTreeMap<String, Tensor> {
        let all = self.tensors();
        let named =
            all.iter().filter_map(|(name, t)| Some((name.strip_prefix(prefix)?.to_owned(), t.clone())));
        named.collect()
    }
}

impl TensorSource for Store {
    fn origin(&self) -> String {
        self.0.expected.origin()
    }

    fn names(&self) -> Vec<&str> {
        self.0.expected.names()
    }

    fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.0.expected.info(name)
    }

    fn read_into(&self, name: &str, offset: usize, out: &mut [u8]) -> weights::Result<()> {
        self.0.expected.read_into(name, offset, out)
    }

    fn ready(&self, name: &str, shape: &[usize]) -> Option<Tensor> {
        let mut tensors = self.tensors();
        if let Some(tensor) = tensors.get(name) {
            return Some(tensor.clone());
        }
        let (seed, begin) = self.0.begin?;
        let values = begin::values(seed, begin, name, shape, &tensors);
        let tensor =
            Tensor::from_vec(values, shape, &Device::Cpu).and_then(|t| t.to_device(&self.0.device)).ok()?;
        tensors.insert(name.to_owned(), tensor.clone());
        Some(tensor)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({} tensors)", self.tensors().len())
    }
}

/// The numbers of a tensor.
pub fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}
