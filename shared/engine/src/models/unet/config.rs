//! `unet/config.json`, with diffusers' defaults, and what it implies for every block.

use serde::Deserialize;

use crate::models::config::{PerBlock, require};
use crate::{Error, Result};

const WHAT: &str = "unet";

/// Configuration of a `UNet2DConditionModel`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the checkpoint's own")]
#[expect(clippy::struct_excessive_bools, reason = "so does the file")]
pub struct UnetConfig {
    pub sample_size: Option<PerBlock<usize>>,
    pub in_channels: usize,
    pub out_channels: usize,
    pub center_input_sample: bool,
    pub flip_sin_to_cos: bool,
    pub freq_shift: f64,
    pub down_block_types: Vec<String>,
    pub mid_block_type: Option<String>,
    pub up_block_types: Vec<String>,
    pub only_cross_attention: PerBlock<bool>,
    pub block_out_channels: Vec<usize>,
    pub layers_per_block: PerBlock<usize>,
    pub downsample_padding: usize,
    pub mid_block_scale_factor: f64,
    pub act_fn: String,
    pub norm_num_groups: Option<usize>,
    pub norm_eps: f64,
    pub cross_attention_dim: PerBlock<usize>,
    pub transformer_layers_per_block: PerBlock<usize>,
    pub reverse_transformer_layers_per_block: Option<Vec<usize>>,
    pub encoder_hid_dim: Option<usize>,
    pub encoder_hid_dim_type: Option<String>,
    pub attention_head_dim: PerBlock<usize>,
    pub num_attention_heads: Option<PerBlock<usize>>,
    pub dual_cross_attention: bool,
    pub use_linear_projection: bool,
    pub class_embed_type: Option<String>,
    pub addition_embed_type: Option<String>,
    pub addition_time_embed_dim: Option<usize>,
    pub num_class_embeds: Option<usize>,
    pub resnet_time_scale_shift: String,
    pub resnet_skip_time_act: bool,
    pub resnet_out_scale_factor: f64,
    pub time_embedding_type: String,
    pub time_embedding_dim: Option<usize>,
    pub time_embedding_act_fn: Option<String>,
    pub timestep_post_act: Option<String>,
    pub time_cond_proj_dim: Option<usize>,
    pub conv_in_kernel: usize,
    pub conv_out_kernel: usize,
    pub projection_class_embeddings_input_dim: Option<usize>,
    pub attention_type: String,
    pub class_embeddings_concat: bool,
    pub mid_block_only_cross_attention: Option<bool>,
    pub cross_attention_norm: Option<String>,
}

impl Default for UnetConfig {
    fn default() -> Self {
        let names = |names: [&str; 4]| names.map(String::from).to_vec();
        let (attention, plain) = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D");
        Self {
            sample_size: None,
            in_channels: 4,
            out_channels: 4,
            center_input_sample: false,
            flip_sin_to_cos: true,
            freq_shift: 0.0,
            down_block_types: names([attention, attention, attention, "DownBlock2D"]),
            mid_block_type: Some("UNetMidBlock2DCrossAttn".into()),
            up_block_types: names(["UpBlock2D", plain, plain, plain]),
            only_cross_attention: PerBlock::All(false),
            block_out_channels: vec![320, 640, 1280, 1280],
            layers_per_block: PerBlock::All(2),
            downsample_padding: 1,
            mid_block_scale_factor: 1.0,
            act_fn: "silu".into(),
            norm_num_groups: Some(32),
            norm_eps: 1e-5,
            cross_attention_dim: PerBlock::All(1280),
            transformer_layers_per_block: PerBlock::All(1),
            reverse_transformer_layers_per_block: None,
            encoder_hid_dim: None,
            encoder_hid_dim_type: None,
            attention_head_dim: PerBlock::All(8),
            num_attention_heads: None,
            dual_cross_attention: false,
            use_linear_projection: false,
            class_embed_type: None,
            addition_embed_type: None,
            addition_time_embed_dim: None,
            num_class_embeds: None,
            resnet_time_scale_shift: "default".into(),
            resnet_skip_time_act: false,
            resnet_out_scale_factor: 1.0,
            time_embedding_type: "positional".into(),
            time_embedding_dim: None,
            time_embedding_act_fn: None,
            timestep_post_act: None,
            time_cond_proj_dim: None,
            conv_in_kernel: 3,
            conv_out_kernel: 3,
            projection_class_embeddings_input_dim: None,
            attention_type: "default".into(),
            class_embeddings_concat: false,
            mid_block_only_cross_attention: None,
            cross_attention_norm: None,
        }
    }
}

/// The transformers of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attending {
    pub heads: usize,
    pub depth: usize,
    pub context: usize,
}

/// One block of the way down or up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlockPlan {
    /// Input and output channels of every residual block.
    pub resnets: Vec<(usize, usize)>,
    pub attending: Option<Attending>,
    /// Whether the resolution changes at the end of the block.
    pub resamples: bool,
}

impl BlockPlan {
    pub fn channels(&self) -> usize {
        self.resnets.last().map_or(0, |(_, outputs)| *outputs)
    }
}

/// The middle block: residual blocks are one more than transformers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MidPlan {
    pub channels: usize,
    pub attending: Option<Attending>,
}

/// All blocks that a configuration implies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnetPlan {
    pub groups: usize,
    pub time_size: usize,
    pub down: Vec<BlockPlan>,
    pub mid: Option<MidPlan>,
    pub up: Vec<BlockPlan>,
}

impl UnetConfig {
    /// Width and height of the latents that the checkpoint was made for, if it says so.
    pub fn sample_size(&self) -> Option<(usize, usize)> {
        match self.sample_size.as_ref()? {
            PerBlock::All(side) => Some((*side, *side)),
            PerBlock::Each(sides) => Some((*sides.first()?, *sides.last()?)),
        }
    }

    /// Refuses what is not implemented.
    fn check(&self) -> Result<()> {
        require(WHAT, "center_input_sample", &self.center_input_sample, &false)?;
        require(WHAT, "only_cross_attention", &self.only_cross_attention.clone().any(), &false)?;
        require(
            WHAT,
            "mid_block_only_cross_attention",
            &self.mid_block_only_cross_attention.unwrap_or(false),
            &false,
        )?;
        require(WHAT, "downsample_padding", &self.downsample_padding, &1)?;
        require(WHAT, "mid_block_scale_factor", &self.mid_block_scale_factor, &1.0)?;
        require(WHAT, "encoder_hid_dim_type", &self.encoder_hid_dim_type, &None)?;
        require(WHAT, "encoder_hid_dim", &self.encoder_hid_dim, &None)?;
        require(WHAT, "dual_cross_attention", &self.dual_cross_attention, &false)?;
        require(WHAT, "class_embed_type", &self.class_embed_type, &None)?;
        require(WHAT, "num_class_embeds", &self.num_class_embeds, &None)?;
        require(WHAT, "resnet_time_scale_shift", &self.resnet_time_scale_shift.as_str(), &"default")?;
        require(WHAT, "resnet_skip_time_act", &self.resnet_skip_time_act, &false)?;
        require(WHAT, "resnet_out_scale_factor", &self.resnet_out_scale_factor, &1.0)?;
        require(WHAT, "time_embedding_type", &self.time_embedding_type.as_str(), &"positional")?;
        require(WHAT, "time_embedding_act_fn", &self.time_embedding_act_fn, &None)?;
        require(WHAT, "timestep_post_act", &self.timestep_post_act, &None)?;
        require(WHAT, "time_cond_proj_dim", &self.time_cond_proj_dim, &None)?;
        require(WHAT, "attention_type", &self.attention_type.as_str(), &"default")?;
        require(WHAT, "class_embeddings_concat", &self.class_embeddings_concat, &false)?;
        require(WHAT, "cross_attention_norm", &self.cross_attention_norm, &None)?;
        if !matches!(self.addition_embed_type.as_deref(), None | Some("text_time")) {
            require(WHAT, "addition_embed_type", &self.addition_embed_type.as_deref(), &Some("text_time"))?;
        }
        if !["silu", "swish"].contains(&self.act_fn.as_str()) {
            require(WHAT, "act_fn", &self.act_fn.as_str(), &"silu")?;
        }
        Ok(())
    }

    /// Works out every block, refusing what does not fit together.
    pub(super) fn plan(&self) -> Result<UnetPlan> {
        self.check()?;
        let widths = &self.block_out_channels;
        let count = widths.len();
        let refuse = |fault: String| {
            Error::config(
                WHAT,
                fault,
                "the configuration is damaged, or of a variant that is not implemented",
            )
        };
        if count == 0 || self.down_block_types.len() != count || self.up_block_types.len() != count {
            return Err(refuse(format!(
                "{count} `block_out_channels`, {} `down_block_types`, {} `up_block_types`",
                self.down_block_types.len(),
                self.up_block_types.len()
            )));
        }
        let groups = self.norm_num_groups.ok_or_else(|| refuse("`norm_num_groups` is `None`".into()))?;
        let layers = self.layers_per_block.expand(WHAT, "layers_per_block", count)?;
        let depths = self.transformer_layers_per_block.expand(WHAT, "transformer_layers_per_block", count)?;
        // A historical misnomer: `attention_head_dim` counts heads unless `num_attention_heads` is given.
        let heads = self.num_attention_heads.as_ref().unwrap_or(&self.attention_head_dim);
        let heads = heads.expand(WHAT, "attention_head_dim", count)?;
        let context = self.cross_attention_dim.expand(WHAT, "cross_attention_dim", count)?;
        let attending = |index: usize, depth: usize| {
            let (heads, width) = (heads[index], widths[index]);
            if heads == 0 || width % heads != 0 {
                return Err(refuse(format!("{width} channels do not divide into {heads} attention heads")));
            }
            Ok(Attending { heads, depth, context: context[index] })
        };

        let mut down = Vec::with_capacity(count);
        for (index, kind) in self.down_block_types.iter().enumerate() {
            let attends = match kind.as_str() {
                "DownBlock2D" => false,
                "CrossAttnDownBlock2D" => true,
                other => return Err(unknown_block("down_block_types", other)),
            };
            let (first, width) = (widths[index.saturating_sub(1)], widths[index]);
            down.push(BlockPlan {
                resnets: (0..layers[index]).map(|j| (if j == 0 { first } else { width }, width)).collect(),
                attending: attends.then(|| attending(index, depths[index])).transpose()?,
                resamples: index + 1 < count,
            });
        }

        let last = count - 1;
        let mid = match self.mid_block_type.as_deref() {
            None => None,
            Some("UNetMidBlock2D") => Some(MidPlan { channels: widths[last], attending: None }),
            Some("UNetMidBlock2DCrossAttn") => {
                Some(MidPlan { channels: widths[last], attending: Some(attending(last, depths[last])?) })
            }
            Some(other) => return Err(unknown_block("mid_block_type", other)),
        };

        let mut up_depths: Vec<usize> = depths.iter().rev().copied().collect();
        if let Some(reversed) = &self.reverse_transformer_layers_per_block {
            up_depths = PerBlock::Each(reversed.clone()).expand(
                WHAT,
                "reverse_transformer_layers_per_block",
                count,
            )?;
        }
        let mut up = Vec::with_capacity(count);
        for (step, kind) in self.up_block_types.iter().enumerate() {
            let attends = match kind.as_str() {
                "UpBlock2D" => false,
                "CrossAttnUpBlock2D" => true,
                other => return Err(unknown_block("up_block_types", other)),
            };
            // Upwards the widths run backwards; skips come from this block's level and, last, from the one above.
            let index = last - step;
            let (width, above, below) =
                (widths[index], widths[index.saturating_sub(1)], widths[(index + 1).min(last)]);
            let resnet_count = layers[index] + 1;
            let resnets = (0..resnet_count).map(|j| {
                let skip = if j + 1 == resnet_count { above } else { width };
                ((if j == 0 { below } else { width }) + skip, width)
            });
            up.push(BlockPlan {
                resnets: resnets.collect(),
                attending: attends.then(|| attending(index, up_depths[step])).transpose()?,
                resamples: step + 1 < count,
            });
        }
        let time_size = self.time_embedding_dim.unwrap_or(widths[0] * 4);
        Ok(UnetPlan { groups, time_size, down, mid, up })
    }
}

impl PerBlock<bool> {
    fn any(self) -> bool {
        match self {
            Self::All(value) => value,
            Self::Each(values) => values.contains(&true),
        }
    }
}

fn unknown_block(field: &str, name: &str) -> Error {
    Error::config(
        WHAT,
        format!("`{field}` names the block `{name}`, which is not implemented"),
        "known are `DownBlock2D`, `CrossAttnDownBlock2D`, `UNetMidBlock2D`, `UNetMidBlock2DCrossAttn`, `UpBlock2D`, \
         `CrossAttnUpBlock2D`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::parse_config;

    #[test]
    fn sdxl_blocks_follow_from_its_configuration() {
        let json = r#"{"block_out_channels": [320, 640, 1280],
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
            "attention_head_dim": [5, 10, 20], "cross_attention_dim": 2048, "use_linear_projection": true,
            "transformer_layers_per_block": [1, 2, 10], "addition_embed_type": "text_time"}"#;
        let plan = parse_config::<UnetConfig>("unet", json).unwrap().plan().unwrap();
        assert_eq!(plan.time_size, 1280);
        assert_eq!(plan.down[1].resnets, [(320, 640), (640, 640)]);
        assert_eq!(plan.up[0].resnets, [(2560, 1280), (2560, 1280), (1920, 1280)]);
        assert_eq!(plan.up[1].resnets, [(1920, 640), (1280, 640), (960, 640)]);
        assert_eq!(plan.up[2].resnets, [(960, 320), (640, 320), (640, 320)]);
        assert_eq!(plan.up[0].attending, Some(Attending { heads: 20, depth: 10, context: 2048 }));
        assert_eq!(plan.up[2].attending, None);
    }

    #[test]
    fn unknown_blocks_and_variants_are_refused_by_name() {
        for (json, fault) in [
            (r#"{"mid_block_type": "UNetMidBlock2DSimpleCrossAttn"}"#, "UNetMidBlock2DSimpleCrossAttn"),
            (r#"{"class_embed_type": "timestep"}"#, "class_embed_type"),
            (r#"{"addition_embed_type": "image"}"#, "addition_embed_type"),
            (r#"{"layers_per_block": [1, 2]}"#, "layers_per_block"),
            (r#"{"attention_head_dim": 7}"#, "attention heads"),
        ] {
            let error = parse_config::<UnetConfig>("unet", json).unwrap().plan().unwrap_err().to_string();
            assert!(error.contains(fault) && error.contains("hint: "), "{error}");
        }
    }
}
