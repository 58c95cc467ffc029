//! Putting LoRAs on a model's layers, and taking them off.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{DType, Tensor};

use super::aliases::{Component, ModelLayer, ModelLayers};
use super::error::{LoraError, LoraFault};
use super::read::Lora;
use super::update::Update;
use crate::nn::Adapter;
use crate::{Error, Result};

/// The largest weight that a user can give, either sign.
const MAX_WEIGHT: f64 = 100.0;

/// A LoRA with its weights. 0 leaves that part of the model alone; negative weights push away.
#[derive(Clone, Debug)]
pub struct AppliedLora {
    /// The LoRA, read for the model that it is applied to.
    pub lora: Arc<Lora>,
    /// How strongly it changes the UNet; 1 is what it was trained with.
    pub unet_weight: f64,
    /// How strongly it changes the text encoders.
    pub text_encoder_weight: f64,
}

impl AppliedLora {
    /// The same weight everywhere.
    pub fn new(lora: Arc<Lora>, weight: f64) -> Self {
        Self { lora, unet_weight: weight, text_encoder_weight: weight }
    }

    fn weight(&self, component: Component) -> f64 {
        if component == Component::Unet { self.unet_weight } else { self.text_encoder_weight }
    }
}

impl PartialEq for AppliedLora {
    /// Equal if they are the same LoRA in memory with the same weights.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.lora, &other.lora)
            && self.unet_weight == other.unet_weight
            && self.text_encoder_weight == other.text_encoder_weight
    }
}

/// Where the changes are computed. Both give the same picture to the noise of floats, and both are taken back exactly:
/// the layers' own weights stay in memory untouched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Application {
    /// Low-rank changes run as branches beside their layers: no memory beyond the file's, a little time in every step.
    /// Other formats are added to a copy of their layer's weight.
    #[default]
    Unmerged,
    /// Every change is added to a copy of its layer's weight: steps take no longer, changed layers take twice the memory.
    Merged,
}

/// Puts exactly these LoRAs on the layers, in place of any that were there; none takes all off.
///
/// Changes of several are summed. If anything is refused the layers stay as they were.
///
/// # Errors
/// When a weight is not a number between -100 and 100, a LoRA was read for another model, or a change is not finite.
pub fn apply(model: &Arc<ModelLayers>, loras: &[AppliedLora], application: Application) -> Result<()> {
    let mut changes: BTreeMap<usize, Vec<(&AppliedLora, &Update, f64)>> = BTreeMap::new();
    for applied in loras {
        if !Arc::ptr_eq(&applied.lora.model, model) {
            return Err(LoraError::new(&applied.lora.origin, LoraFault::OtherModel).into());
        }
        for weight in [applied.unet_weight, applied.text_encoder_weight] {
            if !weight.is_finite() || weight.abs() > MAX_WEIGHT {
                return Err(Error::Parameter {
                    parameter: "lora weight",
                    fault: format!("is `{weight}`"),
                    hint: "choose a number; 0.5 to 1 is usual, and the most is 100".to_owned(),
                });
            }
        }
        for (index, update) in &applied.lora.updates {
            let weight = applied.weight(model.layers()[*index].component);
            if weight != 0.0 {
                changes.entry(*index).or_default().push((applied, update, weight));
            }
        }
    }
    let mut adapters = Vec::with_capacity(changes.len());
    for (index, changes) in changes {
        adapters.push((index, adapter(&model.layers()[index], &changes, application)?));
    }
    let mut adapters = adapters.into_iter().peekable();
    for (index, layer) in model.layers().iter().enumerate() {
        let adapter = adapters.next_if(|(changed, _)| *changed == index).map(|(_, adapter)| adapter);
        layer.layer.put(adapter);
    }
    Ok(())
}

fn adapter(
    layer: &ModelLayer,
    changes: &[(&AppliedLora, &Update, f64)],
    application: Application,
) -> Result<Adapter> {
    let place = &layer.layer;
    let mut adapter = Adapter::new();
    let (mut weight, mut bias): (Option<Tensor>, Option<Tensor>) = (None, None);
    for (applied, update, user_weight) in changes {
        let branch = match application {
            Application::Unmerged => update.branch(place)?,
            Application::Merged => None,
        };
        if let Some(branch) = branch {
            adapter = adapter.with_branch(branch, update.scale * user_weight);
        } else {
            let change = update.dense(place, *user_weight)?;
            if !change.sum_all()?.to_scalar::<f32>()?.is_finite() {
                let fault = LoraFault::NotFinite { layer: layer.full_path() };
                return Err(LoraError::new(&applied.lora.origin, fault).into());
            }
            weight = Some(match weight {
                Some(before) => (before + change)?,
                None => (place.weight().to_dtype(DType::F32)? + change)?,
            });
        }
        if let Some(change) = &update.bias {
            let change = (change * (update.scale * user_weight))?;
            bias = Some(match (bias, place.bias()) {
                (Some(before), _) => (before + change)?,
                (None, Some(own)) => (own.to_dtype(DType::F32)? + change)?,
                (None, None) => change,
            });
        }
    }
    let dtype = place.weight().dtype();
    if let Some(weight) = weight {
        adapter = adapter.with_weight(weight.to_dtype(dtype)?);
    }
    if let Some(bias) = bias {
        adapter = adapter.with_bias(bias.to_dtype(dtype)?);
    }
    Ok(adapter)
}
