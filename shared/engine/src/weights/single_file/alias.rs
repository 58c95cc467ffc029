//! A tensor under another name: the same bytes, some rows of them, another shape, or transposed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::error::{Fault, Result, WeightsError};
use super::super::source::{TensorInfo, TensorSource, find};

/// How the tensor of one name is made of a source tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alias {
    /// The name that layers ask for.
    pub name: String,
    /// The name in the source, without the part's prefix.
    pub source: String,
    /// What happens on the way.
    pub change: Change,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// Equal slices of rows: the `index`-th of `count`.
    Rows { index: usize, count: usize },
    /// A 1x1 convolution read as a linear layer: its trailing dimensions of 1 are dropped.
    Squeeze,
    /// Rows become columns.
    Transpose,
}

impl Alias {
    pub fn same(name: &str, source: &str) -> Self {
        Self { name: name.to_owned(), source: source.to_owned(), change: Change::None }
    }

    pub fn with(name: String, source: &str, change: Change) -> Self {
        Self { name, source: source.to_owned(), change }
    }
}

/// A source whose tensors are aliases of another source's.
pub(super) struct Aliased {
    source: Arc<dyn TensorSource>,
    tensors: BTreeMap<String, Target>,
}

struct Target {
    source: String,
    info: TensorInfo,
    /// Bytes of the source tensor before the first of ours.
    skip: usize,
    transposed: bool,
}

impl Aliased {
    /// Aliases of tensors of `source` whose names start with `prefix`.
    pub fn new(source: Arc<dyn TensorSource>, prefix: &str, aliases: Vec<Alias>) -> Result<Self> {
        let mut tensors = BTreeMap::new();
        for Alias { name, source: local, change } in aliases {
            let full = format!("{prefix}{local}");
            let mut info = find(source.as_ref(), &full)?.clone();
            let refuse = |expected: &[usize]| {
                let fault = Fault::WrongShape {
                    name: full.clone(),
                    expected: expected.to_vec(),
                    got: info.shape.clone(),
                };
                WeightsError::new(source.origin(), fault)
            };
            let mut skip = 0;
            match change {
                Change::None => {}
                Change::Rows { index, count } => match info.shape.first() {
                    Some(rows) if rows % count == 0 => {
                        let rows = rows / count;
                        info.shape[0] = rows;
                        skip = index * info.size_bytes();
                    }
                    rows => return Err(refuse(&[rows.map_or(count, |rows| rows.next_multiple_of(count))])),
                },
                Change::Squeeze => {
                    while info.shape.len() > 2 && info.shape.last() == Some(&1) {
                        info.shape.pop();
                    }
                }
                Change::Transpose if info.shape.len() == 2 => info.shape.reverse(),
                Change::Transpose => return Err(refuse(&[0, 0])),
            }
            let target = Target { source: full.clone(), info, skip, transposed: change == Change::Transpose };
            if tensors.insert(name.clone(), target).is_some() {
                return Err(WeightsError::new(source.origin(), Fault::DuplicateTensor(name)));
            }
        }
        Ok(Self { source, tensors })
    }
}

impl TensorSource for Aliased {
    fn origin(&self) -> String {
        self.source.origin()
    }

    fn names(&self) -> Vec<&str> {
        self.tensors.keys().map(String::as_str).collect()
    }

    fn info(&self, name: &str) -> Option<&TensorInfo> {
        Some(&self.tensors.get(name)?.info)
    }

    fn read_into(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<()> {
        let Some(target) = self.tensors.get(name) else { return find(self, name).map(|_| ()) };
        if !target.transposed {
            return self.source.read_into(&target.source, target.skip + offset, out);
        }
        let mut bytes = vec![0; target.info.size_bytes()];
        self.source.read_into(&target.source, 0, &mut bytes)?;
        // Our shape is (rows, columns), the source's (columns, rows).
        let (rows, columns) = (target.info.shape[0], target.info.shape[1]);
        let size = target.info.element.size_bytes();
        let turned: Vec<u8> = (0..rows * columns)
            .flat_map(|place| {
                let (row, column) = (place / columns, place % columns);
                let start = (column * rows + row) * size;
                bytes[start..start + size].iter().copied()
            })
            .collect();
        out.copy_from_slice(&turned[offset..offset + out.len()]);
        Ok(())
    }

    fn verify_unchanged(&self) -> Result<()> {
        self.source.verify_unchanged()
    }

    fn is_shapes_only(&self) -> bool {
        self.source.is_shapes_only()
    }
}
