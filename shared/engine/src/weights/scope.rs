//! How layers ask for their tensors: by a path that mirrors the checkpoint, with the shape the configuration demands.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Tensor};

use super::convert::read_tensor;
use super::error::{Fault, Result, WeightsError};
use super::source::{TensorSource, find};
use crate::nn::Adaptable;

/// Tensors that published checkpoints carry and no layer needs: buffers of old library versions. Reviewed by hand;
/// anything else left over is a fault.
const IGNORED_SUFFIXES: [&str; 2] = ["position_ids", "num_batches_tracked"];

/// A checkpoint being loaded: where tensors come from, what they become, and which were taken.
#[derive(Clone)]
pub struct Weights {
    inner: Arc<Inner>,
}

struct Inner {
    source: Box<dyn TensorSource>,
    dtype: DType,
    device: Device,
    taken: Mutex<BTreeSet<String>>,
    layers: Mutex<BTreeMap<String, Adaptable>>,
}

impl Inner {
    fn taken(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Weights {
    /// Tensors of `source` as `dtype` on `device`.
    pub fn new(source: impl TensorSource + 'static, dtype: DType, device: &Device) -> Self {
        let inner = Inner {
            source: Box::new(source),
            dtype,
            device: device.clone(),
            taken: Mutex::default(),
            layers: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The scope of the whole checkpoint.
    pub fn root(&self) -> Scope {
        Scope { inner: self.inner.clone(), path: String::new() }
    }

    /// Ends the loading: everything was taken and the file is still the one that was opened.
    ///
    /// # Errors
    /// [`Fault::Leftovers`] names tensors that no layer asked for; [`Fault::Changed`] says the file was written to.
    pub fn finish(&self) -> Result<()> {
        let source = &self.inner.source;
        let taken = self.inner.taken();
        let ignored = |name: &str| IGNORED_SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
        let mut names: Vec<String> = Vec::new();
        let mut count = 0;
        for name in source.names().into_iter().filter(|name| !taken.contains(*name) && !ignored(name)) {
            count += 1;
            if names.len() < 8 {
                names.push(format!("`{name}`"));
            }
        }
        if count > 0 {
            if count > names.len() {
                names.push("...".into());
            }
            return Err(WeightsError::new(source.origin(), Fault::Leftovers { count, names }));
        }
        source.verify_unchanged()
    }

    /// The layers loaded so far that adapters can be put on, by their path.
    pub fn layers(&self) -> BTreeMap<String, Adaptable> {
        self.inner.layers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many numbers the tensors taken so far have together.
    pub fn parameters(&self) -> u64 {
        let taken = self.inner.taken();
        let sizes = taken.iter().filter_map(|name| self.inner.source.info(name));
        sizes.map(|info| info.shape.iter().map(|side| *side as u64).product::<u64>()).sum()
    }

    /// Names taken so far, in order.
    pub fn taken_names(&self) -> Vec<String> {
        self.inner.taken().iter().cloned().collect()
    }
}

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Weights({}, {:?})", self.inner.source.origin(), self.inner.dtype)
    }
}

/// A place in a checkpoint, such as `down_blocks.0.resnets.1`.
#[derive(Clone)]
pub struct Scope {
    inner: Arc<Inner>,
    path: String,
}

impl Scope {
    /// The place `part` below this one.
    #[must_use]
    pub fn pp(&self, part: impl fmt::Display) -> Self {
        Self { inner: self.inner.clone(), path: self.full_name(part) }
    }

    /// The place `part` below this one if the checkpoint has anything there, else this place itself.
    ///
    /// For prefixes that some library versions write and others do not, such as `text_model`.
    #[must_use]
    pub fn pp_if_present(&self, part: &str) -> Self {
        let prefix = format!("{}.", self.full_name(part));
        let present = self.inner.source.names().iter().any(|name| name.starts_with(&prefix));
        if present { self.pp(part) } else { self.clone() }
    }

    /// The path of this place.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Notes the layer that was loaded from this place, for whoever wants to adapt it later.
    pub fn register(&self, layer: Adaptable) {
        self.inner.layers.lock().unwrap_or_else(PoisonError::into_inner).insert(self.path.clone(), layer);
    }

    /// The element type that tensors are given in.
    pub fn dtype(&self) -> DType {
        self.inner.dtype
    }

    /// The device that tensors are put on.
    pub fn device(&self) -> &Device {
        &self.inner.device
    }

    /// True if a tensor `name` exists here.
    pub fn contains(&self, name: &str) -> bool {
        self.inner.source.info(&self.full_name(name)).is_some()
    }

    /// The shape of tensor `name` here, if it exists.
    pub fn shape_of(&self, name: &str) -> Option<&[usize]> {
        self.inner.source.info(&self.full_name(name)).map(|info| info.shape.as_slice())
    }

    /// True if values are zeros without memory behind them (see [`super::ShapesOnly`]): layers that repack their weights
    /// when they are built should not do it then.
    pub fn is_shapes_only(&self) -> bool {
        self.inner.source.is_shapes_only()
    }

    /// Takes tensor `name`, which must have exactly this shape.
    ///
    /// # Errors
    /// Missing, taken before, of another shape, not a float, not finite, or unreadable: each by its name.
    pub fn get(&self, shape: &[usize], name: &str) -> Result<Tensor> {
        self.get_as(shape, name, self.inner.dtype)
    }

    /// The same in another element type than the checkpoint's, for what must stay precise.
    pub fn get_as(&self, shape: &[usize], name: &str, dtype: DType) -> Result<Tensor> {
        let full = self.full_name(name);
        let source = self.inner.source.as_ref();
        let ready = source.ready(&full, shape);
        let got = match &ready {
            Some(tensor) => tensor.dims(),
            None => find(source, &full)?.shape.as_slice(),
        };
        if got != shape {
            let fault = Fault::WrongShape { name: full, expected: shape.to_vec(), got: got.to_vec() };
            return Err(WeightsError::new(source.origin(), fault));
        }
        if !self.inner.taken().insert(full.clone()) {
            return Err(WeightsError::new(source.origin(), Fault::ConsumedTwice(full)));
        }
        ready.map_or_else(|| read_tensor(source, &full, dtype, &self.inner.device), Ok)
    }

    fn full_name(&self, part: impl fmt::Display) -> String {
        if self.path.is_empty() { part.to_string() } else { format!("{}.{part}", self.path) }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({} in {})", self.path, self.inner.source.origin())
    }
}
