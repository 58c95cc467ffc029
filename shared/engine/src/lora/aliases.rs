//! The layers of one loaded model, under every name that LoRA files have for them.
//!
//! The names are made from the model's own paths, so a name is either one of them or unknown: nothing is rewritten by
//! pattern and nothing is guessed. For a UNet layer `a.b` with the original name `x.y`:
//!
//! | written by | name |
//! |---|---|
//! | diffusers, PEFT | `unet.a.b`, `a.b`, `base_model.model.a.b`; in attention also `attn1.processor.to_q`, `attn1.to_out` |
//! | kohya, LyCORIS | `lora_unet_a_b`, `lora_unet_x_y`, `lycoris_a_b` |
//! | ComfyUI | `diffusion_model.x.y` |
//!
//! For a layer of a text encoder: `text_encoder.a.b` or `text_encoder_2.a.b`, `lora_te1_a_b` or `lora_te2_a_b`, each with and
//! without `text_model`, and with the names that old diffusers gave to attention (`to_q` for `q_proj`).

use std::collections::{BTreeMap, HashMap};

use super::original;
use crate::nn::Adaptable;
use crate::{Error, Result};

/// A network that LoRAs change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// The denoising network.
    Unet,
    /// The first text encoder.
    TextEncoder,
    /// The second text encoder.
    TextEncoder2,
}

impl Component {
    /// The component's folder in diffusers layout, which is the prefix of its names.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Unet => "unet",
            Self::TextEncoder => "text_encoder",
            Self::TextEncoder2 => "text_encoder_2",
        }
    }
}

/// One layer.
#[derive(Debug)]
pub(crate) struct ModelLayer {
    pub component: Component,
    /// Path within the component, as in the checkpoint.
    pub path: String,
    pub layer: Adaptable,
}

impl ModelLayer {
    /// The path with its component.
    pub fn full_path(&self) -> String {
        format!("{}.{}", self.component.folder(), self.path)
    }

    /// The path with its component as PEFT and diffusers write it into files.
    pub fn file_path(&self) -> String {
        let bare = self.path.starts_with("text_model.") || self.component == Component::Unet;
        format!("{}.{}{}", self.component.folder(), if bare { "" } else { "text_model." }, self.path)
    }
}

/// All layers of a loaded model that a LoRA can change.
#[derive(Debug)]
pub struct ModelLayers {
    layers: Vec<ModelLayer>,
    aliases: HashMap<String, usize>,
}

impl ModelLayers {
    /// The layers of these components, as [`Weights::layers`](crate::weights::Weights::layers) lists them.
    ///
    /// # Errors
    /// When two layers would have the same name in some format.
    pub fn new(
        components: impl IntoIterator<Item = (Component, BTreeMap<String, Adaptable>)>,
    ) -> Result<Self> {
        let (mut layers, mut aliases) = (Vec::new(), HashMap::new());
        for (component, listed) in components {
            let paths: Vec<&str> = listed.keys().map(String::as_str).collect();
            let originals: HashMap<String, String> = match component {
                Component::Unet => {
                    original::names(&paths).into_iter().map(|(path, name)| (path.to_owned(), name)).collect()
                }
                _ => HashMap::new(),
            };
            for (path, layer) in listed {
                let names = match component {
                    Component::Unet => unet_names(&path, originals.get(&path).map(String::as_str)),
                    Component::TextEncoder => text_encoder_names(&path, "text_encoder", "lora_te1"),
                    Component::TextEncoder2 => text_encoder_names(&path, "text_encoder_2", "lora_te2"),
                };
                for name in names {
                    let before = aliases.insert(name, layers.len());
                    if before.is_some_and(|before| before != layers.len()) {
                        let fault = format!(
                            "layer `{path}` of `{}` shares a LoRA name with another",
                            component.folder()
                        );
                        return Err(Error::config(
                            "lora",
                            fault,
                            "the model's layers are named in an unusual way",
                        ));
                    }
                }
                layers.push(ModelLayer { component, path, layer });
            }
        }
        Ok(Self { layers, aliases })
    }

    /// The layer that a file calls `name`.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.aliases.get(name).copied()
    }

    pub(crate) fn layers(&self) -> &[ModelLayer] {
        &self.layers
    }

    /// The name that kohya's trainer gives each layer, by the path that PEFT and diffusers write.
    pub(crate) fn kohya_names(&self) -> BTreeMap<String, String> {
        let unet = self.layers.iter().filter(|layer| layer.component == Component::Unet);
        let paths: Vec<&str> = unet.map(|layer| layer.path.as_str()).collect();
        let originals: HashMap<&str, String> = original::names(&paths).into_iter().collect();
        let name = |layer: &ModelLayer| {
            let path = layer.file_path();
            let inside = path.split_once('.').map_or("", |(_, inside)| inside).replace('.', "_");
            let name = match layer.component {
                Component::Unet => {
                    let original = originals.get(layer.path.as_str());
                    let inside = original.map_or(inside, |original| original.replace('.', "_"));
                    format!("lora_unet_{inside}")
                }
                Component::TextEncoder => format!("lora_te1_{inside}"),
                Component::TextEncoder2 => format!("lora_te2_{inside}"),
            };
            (path, name)
        };
        self.layers.iter().map(name).collect()
    }

    /// Every known name with the layer's path, for looking at.
    pub fn names(&self) -> impl Iterator<Item = (&str, String)> {
        self.aliases.iter().map(|(name, index)| (name.as_str(), self.layers[*index].full_path()))
    }
}

fn unet_names(path: &str, original: Option<&str>) -> Vec<String> {
    let flat = path.replace('.', "_");
    let mut names = vec![format!("lora_unet_{flat}"), format!("lycoris_{flat}")];
    let mut dotted = vec![path.to_owned()];
    if let Some((attention, projection)) = path.rsplit_once(".to_") {
        let bare = projection.strip_suffix(".0").unwrap_or(projection);
        dotted.push(format!("{attention}.processor.to_{projection}"));
        if bare != projection {
            dotted.push(format!("{attention}.to_{bare}"));
            dotted.push(format!("{attention}.processor.to_{bare}"));
        }
    }
    for path in dotted {
        names.push(format!("unet.{path}"));
        names.push(format!("base_model.model.{path}"));
        names.push(path);
    }
    if let Some(original) = original {
        names.push(format!("lora_unet_{}", original.replace('.', "_")));
        names.push(format!("diffusion_model.{original}"));
    }
    names
}

fn text_encoder_names(path: &str, folder: &str, kohya: &str) -> Vec<String> {
    let bare = path.strip_prefix("text_model.").unwrap_or(path);
    let mut dotted = vec![bare.to_owned()];
    for (ours, old) in [("q_proj", "to_q"), ("k_proj", "to_k"), ("v_proj", "to_v"), ("out_proj", "to_out")] {
        dotted.extend(bare.strip_suffix(ours).map(|attention| format!("{attention}{old}")));
    }
    let with_prefix: Vec<String> = dotted.iter().map(|path| format!("text_model.{path}")).collect();
    let mut names = Vec::new();
    for path in dotted.into_iter().chain(with_prefix) {
        names.push(format!("{kohya}_{}", path.replace('.', "_")));
        names.push(format!("{folder}.{path}"));
    }
    names
}
