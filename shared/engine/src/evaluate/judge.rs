//! The attribute judge: which value of each group does a picture show?

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

use super::tower::{LayerConfig, Tower};
use crate::models::parse_config;
use crate::weights::{TensorSource, Weights};
use crate::{Device, Error, Result};

/// A group of attributes and where its values stand among the judge's outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgeGroup {
    /// The group's name, such as `hair`.
    pub name: String,
    /// The names of its values.
    pub values: Vec<String>,
    /// The output of the first value.
    pub offset: usize,
}

#[derive(Deserialize)]
struct Config {
    image_size: usize,
    layers: Vec<LayerConfig>,
    groups: Vec<JudgeGroup>,
}

/// A classifier of every attribute at once. For evaluation only: it must not be what a model was trained against.
#[derive(Debug)]
pub struct AttributeJudge {
    tower: Tower,
    groups: Vec<JudgeGroup>,
    image_size: usize,
    device: Device,
}

impl AttributeJudge {
    /// Loads the judge of a folder with `config.json` and weights.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(folder: &std::path::Path, device: &Device) -> Result<Self> {
        let config = super::read_text(&folder.join("config.json"))?;
        Self::load(&config, crate::weights::open_component(folder)?, device)
    }

    /// Loads the judge from its configuration and weights.
    pub fn load(config: &str, source: impl TensorSource + 'static, device: &Device) -> Result<Self> {
        let config: Config = parse_config("judge", config)?;
        let weights = Weights::new(source, DType::F32, device);
        let tower = Tower::load(&weights.root(), &config.layers)?;
        weights.finish()?;
        let outputs = match config.layers.last() {
            Some(LayerConfig::Linear { out, .. }) => *out,
            _ => 0,
        };
        let fits = |group: &JudgeGroup| {
            !group.values.is_empty()
                && group.offset.checked_add(group.values.len()).is_some_and(|end| end <= outputs)
        };
        if let Some(group) = config.groups.iter().find(|group| !fits(group)) {
            let fault = format!("the group `{}` does not fit into `{outputs}` outputs", group.name);
            return Err(Error::config("judge", fault, "the configuration is damaged"));
        }
        Ok(Self { tower, groups: config.groups, image_size: config.image_size, device: device.clone() })
    }

    /// The groups that it knows.
    pub fn groups(&self) -> &[JudgeGroup] {
        &self.groups
    }

    /// The side of the pictures that it takes.
    pub fn image_size(&self) -> usize {
        self.image_size
    }

    /// The device that it computes on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// For each picture of `(batch, 3, size, size)` in -1..1, the index of the likeliest value of each group.
    pub fn judge(&self, pictures: &Tensor) -> Result<Vec<Vec<usize>>> {
        let (_, logits) = self.tower.forward(pictures)?;
        let greatest = |row: &[f32]| {
            let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            best.map_or(0, |(index, _)| index)
        };
        let of_row = |row: &Vec<f32>| {
            let values = |group: &JudgeGroup| greatest(&row[group.offset..group.offset + group.values.len()]);
            self.groups.iter().map(values).collect()
        };
        Ok(logits.to_vec2::<f32>()?.iter().map(of_row).collect())
    }
}
