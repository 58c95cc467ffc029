//! Checkpoints in the original single-file layout, read under the names of the diffusers layout.
//!
//! A single file holds all parts of Stable Diffusion XL under prefixes, with the names of the original code: numbered
//! `input_blocks`, a decoder counted from its end, a text encoder with fused projections. For every part one map says which
//! source tensor, and which rows of it, each diffusers name is; nothing is copied or converted ahead. Tensors under a
//! part's prefix that the map does not know keep their source name, so that they show up as left over.
//!
//! What each map does is described where it is made: [`unet`], [`vae`], [`open_clip`].

mod alias;
mod open_clip;
mod unet;
mod vae;

use std::sync::Arc;

use super::error::{Fault, Result, WeightsError};
use super::source::TensorSource;
use alias::{Alias, Aliased};

/// The parts of an SDXL pipeline, named as the folders of the diffusers layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The denoising network.
    Unet,
    /// The autoencoder.
    Vae,
    /// CLIP ViT-L's text tower.
    TextEncoder,
    /// OpenCLIP ViT-bigG's text tower with its projection.
    TextEncoder2,
}

impl Part {
    /// Where the part's tensors are in the file.
    fn prefix(self) -> &'static str {
        match self {
            Self::Unet => "model.diffusion_model.",
            Self::Vae => "first_stage_model.",
            Self::TextEncoder => "conditioner.embedders.0.transformer.",
            Self::TextEncoder2 => "conditioner.embedders.1.model.",
        }
    }
}

/// An open single file of the SDXL base architecture.
#[derive(Clone)]
pub struct SingleFile {
    source: Arc<dyn TensorSource>,
}

impl std::fmt::Debug for SingleFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SingleFile({})", self.source.origin())
    }
}

impl SingleFile {
    /// Recognises the layout of `source`.
    ///
    /// # Errors
    /// [`Fault::UnknownLayout`] says which other layout it is, where that can be told.
    pub fn new(source: impl TensorSource + 'static) -> Result<Self> {
        let names = source.names();
        let any = |prefix: &str| names.iter().any(|name| name.starts_with(prefix));
        let fault = if [Part::Unet, Part::Vae, Part::TextEncoder, Part::TextEncoder2]
            .iter()
            .all(|part| any(part.prefix()))
        {
            None
        } else if any("conditioner.embedders.0.model.") {
            Some("it is an SDXL refiner")
        } else if any("cond_stage_model.") {
            Some("it is a Stable Diffusion 1 or 2 checkpoint")
        } else if any("double_blocks.") || any("model.diffusion_model.double_blocks.") {
            Some("it is a FLUX checkpoint")
        } else if any("lora_unet_")
            || names.iter().any(|name| name.contains("lora_A") || name.contains("lora_down"))
        {
            Some("it is a LoRA, which is added to a model, not a model")
        } else if any(Part::Unet.prefix()) {
            Some("it holds a UNet without its text encoders or autoencoder")
        } else {
            Some("it has none of the prefixes of an SDXL checkpoint")
        };
        match fault {
            None => Ok(Self { source: Arc::new(source) }),
            Some(fault) => Err(WeightsError::new(source.origin(), Fault::UnknownLayout(fault))),
        }
    }

    /// One part, under the names of the diffusers layout.
    pub fn part(&self, part: Part) -> Result<impl TensorSource + use<>> {
        let prefix = part.prefix();
        let names = self.source.names();
        let local: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix(prefix)).collect();
        let aliases = match part {
            Part::Unet => unet::aliases(&local),
            Part::Vae => vae::aliases(&local),
            Part::TextEncoder => local.iter().map(|name| Alias::same(name, name)).collect(),
            Part::TextEncoder2 => open_clip::aliases(&local),
        };
        Aliased::new(self.source.clone(), prefix, aliases)
    }
}
