//! Where tensors come from: the trait, and the sources that need no file.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::element::Element;
use super::error::{Fault, Result, WeightsError};
use super::header::Header;

/// Type, shape and place of one tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Type of one element.
    pub element: Element,
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// First byte, counted from the start of the data of its source.
    pub(super) start: u64,
}

impl TensorInfo {
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Number of bytes.
    pub fn size_bytes(&self) -> usize {
        self.elements() * self.element.size_bytes()
    }
}

/// Named tensors that were checked before they are read.
///
/// Implementations have verified their headers when they exist: shapes do not overflow and every byte range lies in the
/// source. Reading can still fail, because files can change.
pub trait TensorSource: Send + Sync {
    /// What to call this source in messages: a path, or a label for bytes in memory.
    fn origin(&self) -> String;

    /// All names, in order.
    fn names(&self) -> Vec<&str>;

    /// Type and shape of a tensor, if it exists.
    fn info(&self, name: &str) -> Option<&TensorInfo>;

    /// Fills `out` with the bytes of tensor `name` that start `offset` bytes into it.
    fn read_into(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<()>;

    /// Free-form metadata of the source, by its key.
    fn metadata(&self, _key: &str) -> Option<&str> {
        None
    }

    /// Checks that what was read is still what was opened. Called once, when a model is complete.
    fn verify_unchanged(&self) -> Result<()> {
        Ok(())
    }

    /// True if the source knows shapes only and every value is zero without memory behind it.
    fn is_shapes_only(&self) -> bool {
        false
    }

    /// The tensor itself, from a source that holds tensors or makes them when they are first asked for: weights in training
    /// are the same tensors for whoever watches them and for the network. Everybody else reads bytes.
    fn ready(&self, _name: &str, _shape: &[usize]) -> Option<Tensor> {
        None
    }
}

impl TensorSource for Box<dyn TensorSource> {
    fn origin(&self) -> String {
        (**self).origin()
    }
    fn names(&self) -> Vec<&str> {
        (**self).names()
    }
    fn info(&self, name: &str) -> Option<&TensorInfo> {
        (**self).info(name)
    }
    fn read_into(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<()> {
        (**self).read_into(name, offset, out)
    }
    fn metadata(&self, key: &str) -> Option<&str> {
        (**self).metadata(key)
    }
    fn verify_unchanged(&self) -> Result<()> {
        (**self).verify_unchanged()
    }
    fn is_shapes_only(&self) -> bool {
        (**self).is_shapes_only()
    }
    fn ready(&self, name: &str, shape: &[usize]) -> Option<Tensor> {
        (**self).ready(name, shape)
    }
}

/// A whole safetensors file held in memory: how the browser and tests load.
pub struct InMemory {
    label: String,
    header: Header,
    bytes: Vec<u8>,
}

impl InMemory {
    /// Checks the bytes of a safetensors file; `label` names it in messages.
    pub fn new(label: impl Into<String>, bytes: Vec<u8>) -> Result<Self> {
        let label = label.into();
        let size = bytes.len() as u64;
        let header = Header::length(&bytes[..bytes.len().min(64)], size)
            .and_then(|length| Header::parse(&bytes[8..8 + length], size))
            .map_err(|fault| WeightsError::new(&label, fault))?;
        Ok(Self { label, header, bytes })
    }

    /// The checked header.
    pub fn header(&self) -> &Header {
        &self.header
    }
}

impl TensorSource for InMemory {
    fn origin(&self) -> String {
        self.label.clone()
    }

    fn names(&self) -> Vec<&str> {
        self.header.tensors().keys().map(String::as_str).collect()
    }

    fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.header.tensors().get(name)
    }

    fn metadata(&self, key: &str) -> Option<&str> {
        self.header.metadata().get(key).map(String::as_str)
    }

    fn read_into(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<()> {
        let info = find(self, name)?;
        let start = self.header.position(info) as usize + offset;
        let bytes = self.bytes.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or_else(|| self.end_of_bytes())?);
        Ok(())
    }
}

impl InMemory {
    fn end_of_bytes(&self) -> WeightsError {
        let size_bytes = self.bytes.len() as u64;
        WeightsError::new(&self.label, Fault::Truncated { expected_bytes: size_bytes + 1, size_bytes })
    }
}

/// Names and shapes without values, to build a model of any size without its memory: every tensor is zeros broadcast
/// from one element. Shows that a model takes exactly the tensors of a published checkpoint.
pub struct ShapesOnly {
    label: String,
    tensors: BTreeMap<String, TensorInfo>,
}

impl ShapesOnly {
    /// A source of these names and shapes.
    pub fn new(label: impl Into<String>, shapes: impl IntoIterator<Item = (String, Vec<usize>)>) -> Self {
        let info = |shape| TensorInfo { element: Element::F32, shape, start: 0 };
        let tensors = shapes.into_iter().map(|(name, shape)| (name, info(shape))).collect();
        Self { label: label.into(), tensors }
    }
}

impl TensorSource for ShapesOnly {
    fn origin(&self) -> String {
        self.label.clone()
    }

    fn names(&self) -> Vec<&str> {
        self.tensors.keys().map(String::as_str).collect()
    }

    fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    fn read_into(&self, _name: &str, _offset: usize, out: &mut [u8]) -> Result<()> {
        out.fill(0);
        Ok(())
    }

    fn is_shapes_only(&self) -> bool {
        true
    }
}

/// The tensor of that name, or the fault that it is missing, with the name that looks most like it.
pub(super) fn find<'a>(source: &'a (impl TensorSource + ?Sized), name: &str) -> Result<&'a TensorInfo> {
    source.info(name).ok_or_else(|| {
        let nearest = nearest_name(&source.names(), name);
        WeightsError::new(source.origin(), Fault::MissingTensor { name: name.to_owned(), nearest })
    })
}

/// The name that shares most of its dotted parts with `wanted`, if they share at least half.
fn nearest_name(names: &[&str], wanted: &str) -> Option<String> {
    let parts: Vec<&str> = wanted.split('.').collect();
    let shared = |name: &str| {
        let front = name.split('.').zip(&parts).take_while(|(a, b)| a == *b).count();
        let back = name.rsplit('.').zip(parts.iter().rev()).take_while(|(a, b)| a == *b).count();
        front + back
    };
    let best = names.iter().max_by_key(|name| shared(name))?;
    (shared(best) * 2 >= parts.len()).then(|| (*best).to_owned())
}
