//! Names of the UNet's layers in the original code, which kohya's trainer writes for Stable Diffusion XL.
//!
//! The original numbers its blocks in one row: `input_blocks.0` is the first convolution, then for every level its resnets
//! one by one and a downsampler, each with a number of its own; within a number 0 is the resnet, 1 the attention, and the
//! downsampler's layer is `0.op`. `output_blocks` count likewise, with the upsampler last in the number of its level's last
//! resnet. The numbers follow from the paths of the loaded model, so any count of levels and resnets is right.

use std::collections::BTreeSet;

/// The original name of each of these paths of a diffusers UNet that has one.
pub(super) fn names<'a>(paths: &[&'a str]) -> Vec<(&'a str, String)> {
    let numbers = Numbers::of(paths);
    paths.iter().filter_map(|path| Some((*path, numbers.name(path)?))).collect()
}

/// Which resnets and attentions the model has: `(level, index)`.
struct Numbers {
    down: BTreeSet<(usize, usize)>,
    down_ends: BTreeSet<usize>,
    up: BTreeSet<(usize, usize)>,
    up_attentions: BTreeSet<(usize, usize)>,
    mid_attends: bool,
}

impl Numbers {
    fn of(paths: &[&str]) -> Self {
        let places = |way: &str, kind: &str| {
            let place = |path: &&str| placed(path, way, kind).map(|(level, index, _)| (level, index));
            paths.iter().filter_map(place).collect::<BTreeSet<_>>()
        };
        Self {
            down: places("down_blocks.", "resnets."),
            down_ends: places("down_blocks.", "downsamplers.").into_iter().map(|(level, _)| level).collect(),
            up: places("up_blocks.", "resnets."),
            up_attentions: places("up_blocks.", "attentions."),
            mid_attends: paths.iter().any(|path| path.starts_with("mid_block.attentions.")),
        }
    }

    /// The number of resnet `index` of `level` on the way down; one past the level's last is its downsampler.
    fn input(&self, level: usize, index: usize) -> usize {
        let resnets = self.down.iter().filter(|(other, _)| *other < level).count();
        1 + resnets + self.down_ends.iter().filter(|other| **other < level).count() + index
    }

    fn output(&self, level: usize, index: usize) -> usize {
        self.up.iter().filter(|(other, _)| *other < level).count() + index
    }

    fn resnets(of: &BTreeSet<(usize, usize)>, level: usize) -> usize {
        of.iter().filter(|(other, _)| *other == level).count()
    }

    fn name(&self, path: &str) -> Option<String> {
        for (ours, original) in [
            ("time_embedding.linear_1", "time_embed.0"),
            ("time_embedding.linear_2", "time_embed.2"),
            ("add_embedding.linear_1", "label_emb.0.0"),
            ("add_embedding.linear_2", "label_emb.0.2"),
            ("conv_in", "input_blocks.0.0"),
            ("conv_out", "out.2"),
        ] {
            if path == ours {
                return Some(original.to_owned());
            }
        }
        if let Some(rest) = path.strip_prefix("mid_block.resnets.") {
            let (index, rest) = rest.split_once('.')?;
            // The resnets stand around the attention.
            let index = index.parse::<usize>().ok()?;
            let place = if self.mid_attends { index * 2 } else { index };
            return Some(format!("middle_block.{place}.{}", resnet(rest)?));
        }
        if let Some(rest) = path.strip_prefix("mid_block.attentions.0.") {
            return Some(format!("middle_block.1.{rest}"));
        }
        if let Some((level, index, rest)) = placed(path, "down_blocks.", "resnets.") {
            return Some(format!("input_blocks.{}.0.{}", self.input(level, index), resnet(rest)?));
        }
        if let Some((level, index, rest)) = placed(path, "down_blocks.", "attentions.") {
            return Some(format!("input_blocks.{}.1.{rest}", self.input(level, index)));
        }
        if let Some((level, _, "conv")) = placed(path, "down_blocks.", "downsamplers.") {
            let number = self.input(level, Self::resnets(&self.down, level));
            return Some(format!("input_blocks.{number}.0.op"));
        }
        if let Some((level, index, rest)) = placed(path, "up_blocks.", "resnets.") {
            return Some(format!("output_blocks.{}.0.{}", self.output(level, index), resnet(rest)?));
        }
        if let Some((level, index, rest)) = placed(path, "up_blocks.", "attentions.") {
            return Some(format!("output_blocks.{}.1.{rest}", self.output(level, index)));
        }
        let (level, _, rest) = placed(path, "up_blocks.", "upsamplers.")?;
        let last = Self::resnets(&self.up, level).checked_sub(1)?;
        let place = if self.up_attentions.contains(&(level, last)) { 2 } else { 1 };
        Some(format!("output_blocks.{}.{place}.{rest}", self.output(level, last)))
    }
}

/// `down_blocks.1.resnets.0.conv1` as `(1, 0, "conv1")`.
fn placed<'a>(path: &'a str, way: &str, kind: &str) -> Option<(usize, usize, &'a str)> {
    let (level, rest) = path.strip_prefix(way)?.split_once('.')?;
    let (index, rest) = rest.strip_prefix(kind)?.split_once('.')?;
    Some((level.parse().ok()?, index.parse().ok()?, rest))
}

/// The original name of a layer within a resnet.
fn resnet(rest: &str) -> Option<&'static str> {
    Some(match rest {
        "conv1" => "in_layers.2",
        "time_emb_proj" => "emb_layers.1",
        "conv2" => "out_layers.3",
        "conv_shortcut" => "skip_connection",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_from_the_model() {
        let paths = [
            "conv_in",
            "down_blocks.0.resnets.0.conv1",
            "down_blocks.0.resnets.1.conv2",
            "down_blocks.0.downsamplers.0.conv",
            "down_blocks.1.resnets.0.conv_shortcut",
            "down_blocks.1.attentions.0.proj_in",
            "mid_block.resnets.1.time_emb_proj",
            "mid_block.attentions.0.proj_out",
            "up_blocks.0.resnets.0.conv1",
            "up_blocks.0.attentions.0.proj_in",
            "up_blocks.0.upsamplers.0.conv",
            "up_blocks.1.resnets.0.conv1",
            "up_blocks.1.resnets.1.conv1",
            "up_blocks.1.upsamplers.0.conv",
            "conv_out",
        ];
        let named: Vec<String> = names(&paths).into_iter().map(|(_, name)| name).collect();
        assert_eq!(
            named,
            [
                "input_blocks.0.0",
                "input_blocks.1.0.in_layers.2",
                "input_blocks.2.0.out_layers.3",
                "input_blocks.3.0.op",
                "input_blocks.4.0.skip_connection",
                "input_blocks.4.1.proj_in",
                "middle_block.2.emb_layers.1",
                "middle_block.1.proj_out",
                "output_blocks.0.0.in_layers.2",
                "output_blocks.0.1.proj_in",
                "output_blocks.0.2.conv",
                "output_blocks.1.0.in_layers.2",
                "output_blocks.2.0.in_layers.2",
                "output_blocks.2.1.conv",
                "out.2",
            ]
        );
        assert!(names(&["conv_norm_out", "down_blocks.0.resnets.0.norm1"]).is_empty());
    }
}
