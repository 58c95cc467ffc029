//! A LoRA file read for one loaded model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use candle_core::{DType, Tensor};

use super::aliases::{Component, ModelLayer, ModelLayers};
use super::error::{LoraError, LoraFault};
use super::factors::{Checked, Factors, Format, Listed};
use super::family::BaseModel;
use super::file::LoraFile;
use super::keys::{Factor, Key};
use super::metadata::AdapterMetadata;
use super::update::{Change, Magnitude, Matrix, Update};
use crate::Result;
use crate::weights::{Element, TensorSource, read_tensor};

/// The share of a file's tensors that must fit the model.
const MIN_MATCHED: f64 = 0.9;
/// The largest quotient of alpha and rank.
const MAX_SCALE: f64 = 1024.0;

/// What of a file fits the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Tensors that are applied.
    pub matched: usize,
    /// Names of those that are not, in order.
    pub unmatched: Vec<String>,
    /// Changed layers of each component.
    pub layers: BTreeMap<Component, usize>,
}

/// A LoRA in memory, matched to the layers of one loaded model.
#[derive(Debug)]
pub struct Lora {
    pub(super) origin: String,
    pub(super) model: Arc<ModelLayers>,
    /// Numbers of layers with what happens to them.
    pub(super) updates: Vec<(usize, Update)>,
    report: Report,
}

impl Lora {
    /// Reads a file for the model of these layers. Shapes, ranks and matches are checked before any tensor is read.
    ///
    /// # Errors
    /// When less than 90 % of its tensors fit the model, when one that has a layer's name does not fit it, or when anything
    /// in it is damaged, hostile or not implemented.
    pub fn read(file: &LoraFile, model: &Arc<ModelLayers>) -> Result<Self> {
        let source = file.source();
        let fail = |fault| LoraError::new(source.origin(), fault);
        let metadata = AdapterMetadata::of(source).map_err(fail)?;
        let (grouped, mut unmatched) = group(source, model).map_err(fail)?;
        let total = source.names().len();

        let mut fitting = Vec::new();
        let mut misfit = None;
        for (index, listed) in grouped {
            let layer = &model.layers()[index];
            let path = layer.full_path();
            let factors = Factors { layer: &path, sizes: layer.layer.sizes(), listed };
            match factors.check() {
                Ok(checked) => fitting.push((index, checked, factors.listed)),
                Err(fault @ LoraFault::WrongShape { .. }) => {
                    // A file for another model has names in common with this one, but not shapes.
                    unmatched.extend(factors.listed.values().map(|listed| listed.name.to_owned()));
                    misfit = misfit.or(Some(fault));
                }
                Err(fault) => return Err(fail(fault).into()),
            }
        }
        let matched: usize = fitting.iter().map(|(_, _, listed)| listed.len()).sum();
        if (matched as f64) < MIN_MATCHED * total as f64 || matched == 0 {
            return Err(fail(refusal(source, matched, &unmatched)).into());
        }
        if let Some(fault) = misfit {
            return Err(fail(fault).into());
        }

        let mut layers = BTreeMap::new();
        let mut updates = Vec::with_capacity(fitting.len());
        for (index, checked, listed) in fitting {
            let layer = &model.layers()[index];
            *layers.entry(layer.component).or_insert(0) += 1;
            updates.push((index, update(source, &metadata, layer, checked, &listed)?));
        }
        source.verify_unchanged()?;
        unmatched.sort();
        let report = Report { matched, unmatched, layers };
        Ok(Self { origin: source.origin(), model: model.clone(), updates, report })
    }

    /// The file, or the label of the bytes, that it was read from.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What of the file fitted the model.
    pub fn report(&self) -> &Report {
        &self.report
    }
}

type Grouped<'a> = BTreeMap<usize, BTreeMap<Factor, Listed<'a>>>;

/// Tensors by the layer and factor that their names mean, and the names that mean nothing here.
fn group<'a>(
    source: &'a dyn TensorSource,
    model: &ModelLayers,
) -> std::result::Result<(Grouped<'a>, Vec<String>), LoraFault> {
    let (mut grouped, mut unmatched): (Grouped<'a>, _) = (BTreeMap::new(), Vec::new());
    for name in source.names() {
        let (layer, factor) = match Key::of(name) {
            Key::Factor { layer, factor } => (model.find(layer), factor),
            Key::NotImplemented(kind) => {
                return Err(LoraFault::NotImplemented { kind, tensor: name.to_owned() });
            }
            Key::Unknown => (None, Factor::Alpha),
        };
        let (Some(layer), Some(info)) = (layer, source.info(name)) else {
            unmatched.push(name.to_owned());
            continue;
        };
        let listed = Listed { name, shape: &info.shape };
        if let Some(before) = grouped.entry(layer).or_default().insert(factor, listed) {
            return Err(LoraFault::Twice { first: before.name.to_owned(), second: name.to_owned() });
        }
    }
    Ok((grouped, unmatched))
}

/// Why a file of which little fits is refused.
fn refusal(source: &dyn TensorSource, matched: usize, unmatched: &[String]) -> LoraFault {
    let names = source.names();
    let factors = names.iter().filter(|name| matches!(Key::of(name), Key::Factor { .. })).count();
    if factors == 0 {
        return LoraFault::NotALora {
            first: names.first().map_or_else(String::new, |name| (*name).to_owned()),
        };
    }
    let sorted: BTreeSet<&String> = unmatched.iter().collect();
    let mut shown: Vec<String> = sorted.iter().take(5).map(|name| format!("`{name}`")).collect();
    if sorted.len() > shown.len() {
        shown.push("...".to_owned());
    }
    LoraFault::OtherBase { matched, total: names.len(), base: BaseModel::of(source), unmatched: shown }
}

/// Reads the factors of one layer.
fn update(
    source: &dyn TensorSource,
    metadata: &AdapterMetadata,
    layer: &ModelLayer,
    checked: Checked,
    listed: &BTreeMap<Factor, Listed<'_>>,
) -> Result<Update> {
    let fail = |fault| LoraError::new(source.origin(), fault);
    let scale = scale(source, metadata, layer, checked, listed)?;
    let device = layer.layer.weight().device();
    let read = |factor: Factor| -> Result<Option<Tensor>> {
        let Some(listed) = listed.get(&factor) else { return Ok(None) };
        Ok(Some(read_tensor(source, listed.name, DType::F32, device)?))
    };
    let need = |factor: Factor| -> Result<Tensor> {
        let missing = || LoraFault::Incomplete {
            layer: layer.full_path(),
            found: "a part".to_owned(),
            missing: "one of its factors",
        };
        Ok(read(factor)?.ok_or_else(|| fail(missing()))?)
    };
    let product = |a: Factor, b: Factor| -> Result<Matrix> {
        Ok(Matrix::Product(need(a)?.flatten_from(1)?, need(b)?.flatten_from(1)?))
    };
    // With a core the first factor is stored the other way round.
    let around = |core: Tensor, a: Factor, b: Factor| -> Result<Matrix> {
        Ok(Matrix::Core(need(a)?.t()?.contiguous()?, core, need(b)?))
    };
    let change = match checked.format {
        Format::LowRank => Change::LowRank(match read(Factor::Mid)? {
            None => product(Factor::Up, Factor::Down)?,
            Some(mid) => {
                Matrix::Core(need(Factor::Up)?.flatten_from(1)?, mid, need(Factor::Down)?.flatten_from(1)?)
            }
        }),
        Format::Hadamard => match (read(Factor::HadaT1)?, read(Factor::HadaT2)?) {
            (Some(one), Some(two)) => Change::Hadamard(
                around(one, Factor::Hada1A, Factor::Hada1B)?,
                around(two, Factor::Hada2A, Factor::Hada2B)?,
            ),
            _ => Change::Hadamard(
                product(Factor::Hada1A, Factor::Hada1B)?,
                product(Factor::Hada2A, Factor::Hada2B)?,
            ),
        },
        Format::Kronecker => {
            let first = match read(Factor::Kron1)? {
                Some(whole) => Matrix::Whole(whole),
                None => product(Factor::Kron1A, Factor::Kron1B)?,
            };
            let second = match (read(Factor::Kron2)?, read(Factor::KronT2)?) {
                (Some(whole), _) => Matrix::Whole(whole),
                (None, Some(core)) => around(core, Factor::Kron2A, Factor::Kron2B)?,
                (None, None) => product(Factor::Kron2A, Factor::Kron2B)?,
            };
            Change::Kronecker(first, second)
        }
    };
    let magnitude = match (read(Factor::Magnitude)?, read(Factor::DoraScale)?) {
        (Some(lengths), _) => Some(Magnitude { lengths: lengths.flatten_all()?, of_inputs: false }),
        (None, Some(lengths)) => {
            Some(Magnitude { lengths: lengths.flatten_all()?, of_inputs: checked.magnitude_of_inputs })
        }
        (None, None) => None,
    };
    Ok(Update { change, scale, magnitude, bias: read(Factor::UpBias)?, branch: OnceLock::new() })
}

/// What the factors are multiplied with: the file's own alpha, else that of its metadata, else 1.
fn scale(
    source: &dyn TensorSource,
    metadata: &AdapterMetadata,
    layer: &ModelLayer,
    checked: Checked,
    listed: &BTreeMap<Factor, Listed<'_>>,
) -> Result<f64> {
    let fail = |fault| LoraError::new(source.origin(), fault);
    // Two whole matrices have no rank, and no scale.
    let Some(rank) = checked.rank else { return Ok(1.0) };
    let alpha = match listed.get(&Factor::Alpha) {
        Some(alpha) => Some(read_number(source, alpha.name)?),
        None => None,
    };
    let scale = match alpha {
        // The trainer that writes alphas takes none for the rank.
        Some(alpha) if alpha != 0.0 => alpha / rank as f64,
        Some(_) => 1.0,
        None => metadata.scale(layer.component, &layer.path, rank).map_err(fail)?.unwrap_or(1.0),
    };
    if !scale.is_finite() || scale.abs() > MAX_SCALE {
        let alpha = alpha.unwrap_or(scale * rank as f64);
        let fault = LoraFault::AlphaTooLarge { layer: layer.full_path(), alpha, rank, limit: MAX_SCALE };
        return Err(fail(fault).into());
    }
    Ok(scale)
}

/// A tensor of one number, which may be an integer.
fn read_number(source: &dyn TensorSource, name: &str) -> Result<f64> {
    let element = source.info(name).map(|info| info.element);
    let mut bytes = [0; 8];
    Ok(match element {
        Some(Element::I64) => {
            source.read_into(name, 0, &mut bytes)?;
            i64::from_le_bytes(bytes) as f64
        }
        Some(Element::I32) => {
            source.read_into(name, 0, &mut bytes[..4])?;
            i64::from_le_bytes(bytes) as i32 as f64
        }
        _ => {
            let tensor = read_tensor(source, name, DType::F64, &candle_core::Device::Cpu)?;
            tensor.flatten_all()?.get(0)?.to_scalar::<f64>()?
        }
    })
}
