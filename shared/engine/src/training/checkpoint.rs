//! All that is needed to go on to the bit: weights, moments, running mean, the number of the step, and what must be the same.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::config::TrainingConfig;
use super::trainer::Trainer;
use crate::weights::{InMemory, TensorSource, read_tensor, write_safetensors};
use crate::{Error, Result};

const KEY: &str = "chapan.training";

#[derive(Serialize, Deserialize)]
struct State {
    version: u32,
    step: usize,
    config: TrainingConfig,
    /// What model and pictures it belongs to.
    belongs_to: String,
}

/// The form of the file.
const VERSION: u32 = 1;

impl Trainer<'_> {
    /// The state as a safetensors file; `belongs_to` names model and pictures, which must be the same to go on.
    ///
    /// # Errors
    /// When a tensor cannot be written.
    pub fn checkpoint(&self, belongs_to: &str) -> Result<Vec<u8>> {
        let state = State {
            version: VERSION,
            step: self.step,
            config: self.config.clone(),
            belongs_to: belongs_to.to_owned(),
        };
        let text = serde_json::to_string(&state).map_err(|error| {
            Error::config("training", format!("cannot be written as JSON: {error}"), "please report this")
        })?;
        let mut tensors = Vec::new();
        for (index, (parameter, moments)) in self.parameters.iter().zip(&self.moments).enumerate() {
            let mut add = |kind: &str, values: &[f32]| -> Result<()> {
                let tensor = Tensor::from_slice(values, parameter.shape.as_slice(), &Device::Cpu)?;
                tensors.push((format!("{kind}.{}", parameter.name), tensor));
                Ok(())
            };
            add("value", &parameter.values)?;
            add("first", &moments.first)?;
            add("second", &moments.second)?;
            if let Some(mean) = &self.mean {
                add("mean", &mean[index])?;
            }
        }
        Ok(write_safetensors(tensors, &BTreeMap::from([(KEY.to_owned(), text)]))?)
    }

    /// Goes on from a checkpoint of the same settings, model and pictures; `origin` names it in messages. Only the number of
    /// steps in all may differ, unless the learning rate depends on it.
    ///
    /// # Errors
    /// When it is damaged or belongs to another training: then nothing is changed.
    pub fn resume(&mut self, origin: &str, bytes: Vec<u8>, belongs_to: &str) -> Result<()> {
        let refuse = |fault: String, hint: &str| Error::Malformed {
            path: origin.into(),
            fault,
            hint: hint.to_owned(),
        };
        let file = InMemory::new(origin, bytes)?;
        let state = file.metadata(KEY).and_then(|text| serde_json::from_str::<State>(text).ok());
        let Some(state) = state.filter(|state| state.version == VERSION) else {
            return Err(refuse(
                "it is no checkpoint of a training".to_owned(),
                "choose another output folder",
            ));
        };
        let mut config = state.config;
        if config.lr_scheduler == super::LrScheduler::Constant {
            config.max_train_steps = self.config.max_train_steps;
        }
        if config != self.config {
            let hint = "give the same settings again, or another output folder to begin anew";
            return Err(refuse("it was made with other settings".to_owned(), hint));
        }
        if state.belongs_to != belongs_to {
            let hint = "give the same model and pictures again, or another output folder to begin anew";
            return Err(refuse("it belongs to another model or other pictures".to_owned(), hint));
        }
        let read = |kind: &str, name: &str, len: usize| -> Result<Vec<f32>> {
            let tensor = read_tensor(&file, &format!("{kind}.{name}"), DType::F32, &Device::Cpu)?;
            let values = tensor.flatten_all()?.to_vec1::<f32>()?;
            if values.len() != len || values.iter().any(|value| !value.is_finite()) {
                return Err(refuse(format!("`{kind}.{name}` is damaged"), "choose another output folder"));
            }
            Ok(values)
        };
        let (mut values, mut moments, mut means) = (Vec::new(), self.moments.clone(), Vec::new());
        for (parameter, moments) in self.parameters.iter().zip(&mut moments) {
            let (name, len) = (&parameter.name, parameter.values.len());
            values.push(read("value", name, len)?);
            moments.first = read("first", name, len)?;
            moments.second = read("second", name, len)?;
            if self.mean.is_some() {
                means.push(read("mean", name, len)?);
            }
        }
        if let Some(mean) = &mut self.mean {
            *mean = means;
        }
        self.moments = moments;
        self.step = state.step;
        self.set_parameters(values)
    }
}
