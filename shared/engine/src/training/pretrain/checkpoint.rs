//! All that is needed to go on to the bit.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::stage::{Kept, Stage};
use super::store::Store;
use super::trainer::{Memory, Pretrainer};
use crate::training::optimizer::Moments;
use crate::weights::{InMemory, TensorSource, read_tensor, write_safetensors};
use crate::{Error, Result};

/// Key of the file's metadata.
const KEY: &str = "chapan.pretraining";
/// The form of the file.
const VERSION: u32 = 1;

/// Where a stage stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The stage's name.
    pub stage: String,
    /// All chance follows from it.
    pub seed: u64,
    /// Steps that are done.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
}

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    /// What configurations and world it belongs to.
    belongs_to: String,
    progress: Progress,
}

/// A checkpoint that was read: what later stages take from it.
#[derive(Debug)]
pub struct Finished {
    /// Where the stage stood.
    pub progress: Progress,
    /// Its weights, by name: the running mean where there is one.
    pub weights: BTreeMap<String, Tensor>,
    /// Numbers that are not trained.
    pub kept: Kept,
}

impl<S: Stage> Pretrainer<S> {
    /// The state as a safetensors file; `belongs_to` names what must be the same to go on.
    ///
    /// # Errors
    /// When a tensor cannot be written.
    pub fn checkpoint(&self, belongs_to: &str) -> Result<Vec<u8>> {
        let header =
            Header { version: VERSION, belongs_to: belongs_to.to_owned(), progress: self.progress.clone() };
        let text = serde_json::to_string(&header).map_err(|error| {
            Error::config("pretraining", format!("cannot be written as JSON: {error}"), "please report this")
        })?;
        let mut tensors = Vec::new();
        for (name, tensor) in self.store.all() {
            if let Some(Memory { moments, mean }) = self.memory.get(&name) {
                let mut add = |kind: &str, values: &[f32]| -> Result<()> {
                    let tensor = Tensor::from_slice(values, tensor.shape(), &Device::Cpu)?;
                    tensors.push((format!("{kind}.{name}"), tensor));
                    Ok(())
                };
                add("first", &moments.first)?;
                add("second", &moments.second)?;
                if let Some(mean) = mean {
                    add("mean", mean)?;
                }
            }
            tensors.push((format!("value.{name}"), tensor.to_device(&Device::Cpu)?));
        }
        for (name, values) in &self.kept {
            let tensor = Tensor::from_slice(values, values.len(), &Device::Cpu)?;
            tensors.push((format!("kept.{name}"), tensor));
        }
        Ok(write_safetensors(tensors, &BTreeMap::from([(KEY.to_owned(), text)]))?)
    }

    /// Goes on from a checkpoint; `origin` names it in messages.
    ///
    /// # Errors
    /// When it is damaged, or belongs to another stage, family or world.
    pub fn resume(stage: S, origin: &str, bytes: Vec<u8>, belongs_to: &str, device: &Device) -> Result<Self> {
        let file = read(origin, bytes, belongs_to)?;
        if file.progress.stage != stage.name() {
            let fault = format!("it is of the stage `{}`", file.progress.stage);
            return Err(refuse(origin, fault));
        }
        let values = on_device(file.below("value.")?, device)?;
        let store = Store::new(values, None, stage.expected(), device);
        let mut trainer = Self {
            stage,
            store,
            memory: BTreeMap::new(),
            kept: file.kept()?,
            progress: file.progress.clone(),
            device: device.clone(),
        };
        trainer.stage.load(&trainer.store.scope())?;
        let averaged = trainer.stage.recipe().mean_decay.is_some();
        for (name, tensor) in trainer.store.all() {
            if trainer.stage.share(&name).is_none() {
                continue;
            }
            let numbers = |kind: &str| file.numbers(&format!("{kind}.{name}"), tensor.elem_count());
            let moments = Moments { first: numbers("first")?, second: numbers("second")? };
            let mean = averaged.then(|| numbers("mean")).transpose()?;
            trainer.memory.insert(name, Memory { moments, mean });
        }
        Ok(trainer)
    }
}

impl Finished {
    /// Reads what a stage has reached; `origin` names the file in messages.
    ///
    /// # Errors
    /// When it is damaged or belongs to another family or world.
    pub fn read(origin: &str, bytes: Vec<u8>, belongs_to: &str) -> Result<Self> {
        let file = read(origin, bytes, belongs_to)?;
        let mut weights = file.below("value.")?;
        weights.extend(file.below("mean.")?);
        Ok(Self { weights, kept: file.kept()?, progress: file.progress })
    }
}

struct File {
    source: InMemory,
    progress: Progress,
}

fn read(origin: &str, bytes: Vec<u8>, belongs_to: &str) -> Result<File> {
    let source = InMemory::new(origin, bytes)?;
    let header = source.metadata(KEY).and_then(|text| serde_json::from_str::<Header>(text).ok());
    let Some(header) = header.filter(|header| header.version == VERSION) else {
        return Err(refuse(origin, "it is no checkpoint of a pretraining".to_owned()));
    };
    if header.belongs_to != belongs_to {
        return Err(refuse(origin, "it belongs to another family or another world".to_owned()));
    }
    Ok(File { source, progress: header.progress })
}

impl File {
    fn below(&self, prefix: &str) -> Result<BTreeMap<String, Tensor>> {
        let named =
            self.source.names().into_iter().filter_map(|full| Some((full, full.strip_prefix(prefix)?)));
        let tensor = |(full, name): (&str, &str)| {
            Ok((name.to_owned(), read_tensor(&self.source, full, DType::F32, &Device::Cpu)?))
        };
        named.map(tensor).collect()
    }

    fn kept(&self) -> Result<Kept> {
        let of = |(name, tensor): (String, Tensor)| Ok((name, tensor.flatten_all()?.to_vec1()?));
        self.below("kept.")?.into_iter().map(of).collect()
    }

    fn numbers(&self, name: &str, len: usize) -> Result<Vec<f32>> {
        let values =
            read_tensor(&self.source, name, DType::F32, &Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?;
        if values.len() == len {
            return Ok(values);
        }
        Err(refuse(&self.source.origin(), format!("`{name}` is damaged")))
    }
}

fn on_device(tensors: BTreeMap<String, Tensor>, device: &Device) -> Result<BTreeMap<String, Tensor>> {
    tensors.into_iter().map(|(name, tensor)| Ok((name, tensor.to_device(device)?))).collect()
}

fn refuse(origin: &str, fault: String) -> Error {
    Error::Malformed {
        path: origin.into(),
        fault,
        hint: "choose another output folder, or remove this file to begin the stage anew".to_owned(),
    }
}
