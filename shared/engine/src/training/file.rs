//! The LoRA as a file: in PEFT's names, which diffusers reads, or in kohya's, which most other programs read.
//!
//! Metadata: `lora_adapter_metadata` (rank, alpha and layers, as diffusers saves them), the `ss_*` keys of kohya's trainer and
//! `modelspec.*` as far as the engine knows them; what it does not know (titles, triggers, names of models) is the caller's.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{Device, Tensor};
use serde_json::{Map, Value, json};

use super::config::LrScheduler;
use super::example::Role;
use super::trainer::Trainer;
use crate::Result;
use crate::lora::Component;
use crate::schedulers::PredictionType;
use crate::weights::write_safetensors;

/// How the tensors are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// `unet.path.lora_A.weight`; alpha stands in the metadata.
    Peft,
    /// `lora_unet_path.lora_down.weight` with the original code's paths, and `.alpha`.
    Kohya,
}

/// Ends of names here and there.
const KOHYA: [(&str, &str); 4] = [
    (".lora_A.weight", ".lora_down.weight"),
    (".lora_B.weight", ".lora_up.weight"),
    (".lora_magnitude_vector.weight", ".dora_scale"),
    (".lora_magnitude_vector", ".dora_scale"),
];

impl Trainer<'_> {
    /// The bytes of the file; `described` is metadata of the caller's, which wins over ours.
    ///
    /// # Errors
    /// When a tensor cannot be written.
    pub fn file(&self, format: FileFormat, described: &BTreeMap<String, String>) -> Result<Vec<u8>> {
        let mut metadata = self.metadata();
        if format == FileFormat::Peft {
            let text = Value::Object(self.adapter_metadata()).to_string();
            metadata.insert("lora_adapter_metadata".to_owned(), text);
        }
        metadata.extend(described.iter().map(|(key, value)| (key.clone(), value.clone())));
        let kohya_names = self.kohya_names();
        let mut tensors = Vec::new();
        for parameter in self.result() {
            let tensor = Tensor::from_vec(parameter.values, parameter.shape.as_slice(), &Device::Cpu)?;
            if format == FileFormat::Peft {
                tensors.push((parameter.name, tensor));
                continue;
            }
            let known = KOHYA.iter().find_map(|(ours, theirs)| {
                let path = parameter.name.strip_suffix(ours)?;
                Some((kohya_names.get(path)?, theirs))
            });
            let Some((layer, end)) = known else { continue };
            let is_scale = *end == ".dora_scale";
            let tensor = if is_scale { tensor.reshape(((), 1))? } else { tensor };
            tensors.push((format!("{layer}{end}"), tensor));
            if *end == ".lora_down.weight" {
                let alpha = Tensor::new(self.config().alpha as f32, &Device::Cpu)?;
                tensors.push((format!("{layer}.alpha"), alpha));
            }
        }
        Ok(write_safetensors(tensors, &metadata)?)
    }

    /// Kohya's name of each layer, by the path in our file.
    fn kohya_names(&self) -> BTreeMap<String, String> {
        self.pipeline.layers.kohya_names()
    }

    /// `{component}.r` and so on, as diffusers saves and reads them.
    fn adapter_metadata(&self) -> Map<String, Value> {
        let mut metadata = Map::new();
        for component in [Component::Unet, Component::TextEncoder, Component::TextEncoder2] {
            let prefix = format!("{}.", component.folder());
            let layers: BTreeSet<&str> = (self.parameters().iter())
                .filter_map(|parameter| parameter.name.strip_suffix(".lora_A.weight")?.strip_prefix(&prefix))
                // Whether `text_model.encoder` belongs to the path differs between versions of transformers.
                .map(|path| path.strip_prefix("text_model.encoder.").unwrap_or(path))
                .collect();
            if layers.is_empty() {
                continue;
            }
            let config = self.config();
            let values = json!({
                "r": config.rank,
                "lora_alpha": config.alpha,
                "target_modules": layers,
                "use_dora": config.use_dora,
                "use_rslora": false,
                "lora_dropout": 0.0,
                "bias": "none",
                "rank_pattern": {},
                "alpha_pattern": {},
            });
            if let Value::Object(values) = values {
                metadata.extend(values.into_iter().map(|(key, value)| (format!("{prefix}{key}"), value)));
            }
        }
        metadata
    }

    /// What can be said without knowing where anything lies.
    fn metadata(&self) -> BTreeMap<String, String> {
        let config = self.config();
        let count = |role: Role| self.examples().iter().filter(|example| example.role == role).count();
        let (references, class) = (count(Role::Reference), count(Role::Class));
        let schedule = match config.lr_scheduler {
            LrScheduler::Constant => "constant",
            LrScheduler::Cosine => "cosine",
        };
        let prediction = match self.prediction_type() {
            PredictionType::Epsilon => "epsilon",
            PredictionType::VPrediction => "v",
            PredictionType::Sample => "sample",
        };
        let optional =
            |value: Option<f64>| value.map_or_else(|| "None".to_owned(), |value| value.to_string());
        let per_round = references.div_ceil(config.train_batch_size * config.gradient_accumulation_steps);
        let rounds = config.max_train_steps.div_ceil(per_round.max(1));
        [
            ("format", "pt".to_owned()),
            ("modelspec.sai_model_spec", "1.0.1".to_owned()),
            ("modelspec.architecture", "stable-diffusion-xl-v1-base/lora".to_owned()),
            ("modelspec.implementation", "diffusers".to_owned()),
            ("modelspec.prediction_type", prediction.to_owned()),
            ("ss_base_model_version", "sdxl_base_v1-0".to_owned()),
            ("ss_network_module", "networks.lora".to_owned()),
            ("ss_network_dim", config.rank.to_string()),
            ("ss_network_alpha", config.alpha.to_string()),
            ("ss_learning_rate", config.learning_rate.to_string()),
            ("ss_unet_lr", config.learning_rate.to_string()),
            ("ss_text_encoder_lr", config.text_encoder_lr.to_string()),
            ("ss_lr_scheduler", schedule.to_owned()),
            ("ss_lr_warmup_steps", config.lr_warmup_steps.to_string()),
            ("ss_optimizer", "AdamW".to_owned()),
            ("ss_steps", self.steps_done().to_string()),
            ("ss_max_train_steps", config.max_train_steps.to_string()),
            ("ss_num_train_images", references.to_string()),
            ("ss_num_reg_images", class.to_string()),
            ("ss_num_epochs", rounds.to_string()),
            ("ss_epoch", self.steps_done().div_ceil(per_round.max(1)).to_string()),
            ("ss_batch_size_per_device", config.train_batch_size.to_string()),
            ("ss_gradient_accumulation_steps", config.gradient_accumulation_steps.to_string()),
            ("ss_gradient_checkpointing", config.gradient_checkpointing.to_string()),
            ("ss_max_grad_norm", config.max_grad_norm.to_string()),
            ("ss_mixed_precision", "no".to_owned()),
            ("ss_seed", config.seed.to_string()),
            ("ss_min_snr_gamma", optional(config.snr_gamma)),
            ("ss_noise_offset", config.noise_offset.to_string()),
            ("ss_caption_dropout_rate", config.caption_dropout.to_string()),
            ("ss_prior_loss_weight", config.prior_loss_weight.to_string()),
            ("ss_clip_skip", "None".to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }
}
