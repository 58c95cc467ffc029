//! Which model a LoRA was made for, as far as its file tells.

use std::fmt;

use crate::weights::TensorSource;

/// A family of models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseModel {
    /// Stable Diffusion 1.x.
    StableDiffusion1,
    /// Stable Diffusion 2.x.
    StableDiffusion2,
    /// Stable Diffusion XL.
    StableDiffusionXl,
    /// The refiner of Stable Diffusion XL.
    StableDiffusionXlRefiner,
    /// Stable Diffusion 3 and 3.5.
    StableDiffusion3,
    /// FLUX.
    Flux,
    /// What the file itself says.
    Named(String),
}

impl fmt::Display for BaseModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StableDiffusion1 => "Stable Diffusion 1",
            Self::StableDiffusion2 => "Stable Diffusion 2",
            Self::StableDiffusionXl => "Stable Diffusion XL",
            Self::StableDiffusionXlRefiner => "the Stable Diffusion XL refiner",
            Self::StableDiffusion3 => "Stable Diffusion 3",
            Self::Flux => "FLUX",
            Self::Named(name) => return write!(f, "`{name}`"),
        })
    }
}

/// Starts of what `ss_base_model_version` and `modelspec.architecture` say, the longer of two alike first.
const NAMES: [(&str, BaseModel); 14] = [
    ("sdxl_refiner", BaseModel::StableDiffusionXlRefiner),
    ("sdxl", BaseModel::StableDiffusionXl),
    ("stable-diffusion-xl-v1-refiner", BaseModel::StableDiffusionXlRefiner),
    ("stable-diffusion-xl", BaseModel::StableDiffusionXl),
    ("sd_v1", BaseModel::StableDiffusion1),
    ("sd_1", BaseModel::StableDiffusion1),
    ("stable-diffusion-v1", BaseModel::StableDiffusion1),
    ("sd_v2", BaseModel::StableDiffusion2),
    ("sd_2", BaseModel::StableDiffusion2),
    ("stable-diffusion-v2", BaseModel::StableDiffusion2),
    ("sd3", BaseModel::StableDiffusion3),
    ("stable-diffusion-3", BaseModel::StableDiffusion3),
    ("stable-diffusion-v3", BaseModel::StableDiffusion3),
    ("flux", BaseModel::Flux),
];

/// The longest name of a base that is repeated in a message.
const MAX_NAME_CHARS: usize = 80;

impl BaseModel {
    /// What the metadata says, else what names and shapes of the tensors say.
    pub(super) fn of(source: &dyn TensorSource) -> Option<Self> {
        let stated = ["ss_base_model_version", "modelspec.architecture"].map(|key| source.metadata(key));
        let stated = stated.into_iter().flatten().find(|text| !text.trim().is_empty());
        stated.map(Self::named).or_else(|| Self::by_shapes(source))
    }

    fn named(text: &str) -> Self {
        let lower = text.trim().to_lowercase();
        let known = NAMES.iter().find(|(start, _)| lower.starts_with(start)).map(|(_, base)| base.clone());
        known.unwrap_or_else(|| {
            Self::Named(text.trim().chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect())
        })
    }

    /// Transformers are told by the names of their blocks, a UNet by the width of the text that they look at.
    fn by_shapes(source: &dyn TensorSource) -> Option<Self> {
        let names = source.names();
        let any = |parts: &[&str]| names.iter().any(|name| parts.iter().any(|part| name.contains(part)));
        if any(&["double_blocks", "single_transformer_blocks", "single_blocks"]) {
            return Some(Self::Flux);
        }
        if any(&["joint_blocks", "add_q_proj"]) {
            return Some(Self::StableDiffusion3);
        }
        match text_width(source)? {
            768 => Some(Self::StableDiffusion1),
            1024 => Some(Self::StableDiffusion2),
            1280 => Some(Self::StableDiffusionXlRefiner),
            2048 => Some(Self::StableDiffusionXl),
            _ => None,
        }
    }
}

/// The width of the text that the changed layers of a UNet look at: its `cross_attention_dim`.
pub(super) fn text_width(source: &dyn TensorSource) -> Option<usize> {
    source.names().iter().find_map(|name| {
        let reads_text = name.contains("attn2") && (name.contains("to_k") || name.contains("to_v"));
        let is_down = ["down.weight", "lora_A.weight", "hada_w1_b"].iter().any(|end| name.ends_with(end));
        source.info(name).filter(|_| reads_text && is_down)?.shape.get(1).copied()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::ShapesOnly;

    #[test]
    fn names_and_shapes_tell_the_base() {
        for (text, base) in [
            ("sdxl_base_v1-0", BaseModel::StableDiffusionXl),
            ("stable-diffusion-xl-v1-base/lora", BaseModel::StableDiffusionXl),
            ("sd_v1", BaseModel::StableDiffusion1),
            ("SD_1.5", BaseModel::StableDiffusion1),
            ("flux-1-dev/lora", BaseModel::Flux),
            ("something\nnew", BaseModel::Named("somethingnew".into())),
        ] {
            assert_eq!(BaseModel::named(text), base);
        }
        let by_shape =
            |name: &str, width| BaseModel::of(&ShapesOnly::new("test", [(name.to_owned(), vec![4, width])]));
        let kohya = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_down.weight";
        assert_eq!(by_shape(kohya, 2048), Some(BaseModel::StableDiffusionXl));
        assert_eq!(by_shape(kohya, 768), Some(BaseModel::StableDiffusion1));
        assert_eq!(
            by_shape("unet.mid_block.attentions.0.attn2.to_v.lora_A.weight", 1024),
            Some(BaseModel::StableDiffusion2)
        );
        assert_eq!(by_shape(kohya, 7), None);
        assert_eq!(
            by_shape("transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight", 3072),
            Some(BaseModel::Flux)
        );
    }
}
