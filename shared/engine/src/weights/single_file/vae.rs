//! Names of the original autoencoder.
//!
//! `down` and `up` levels are numbered by resolution, so the decoder's run backwards: `up.0` is the last. The attention of
//! the middle is written as 1x1 convolutions; diffusers has linear layers.

use super::alias::{Alias, Change};

/// The diffusers name of every tensor of the autoencoder; unknown ones keep theirs.
pub(super) fn aliases(names: &[&str]) -> Vec<Alias> {
    let level = |name: &&str| name.strip_prefix("decoder.up.")?.split('.').next()?.parse::<usize>().ok();
    let last_up = names.iter().filter_map(level).max().unwrap_or(0);
    names
        .iter()
        .map(|source| {
            let name = name(source, last_up).unwrap_or_else(|| (*source).to_owned());
            let linear =
                name.contains(".attentions.") && name.ends_with(".weight") && !name.contains(".group_norm.");
            Alias::with(name, source, if linear { Change::Squeeze } else { Change::None })
        })
        .collect()
}

fn name(source: &str, last_up: usize) -> Option<String> {
    if source.starts_with("quant_conv.") || source.starts_with("post_quant_conv.") {
        return Some(source.to_owned());
    }
    let (side, rest) = source.split_once('.')?;
    if !matches!(side, "encoder" | "decoder") {
        return None;
    }
    if rest.starts_with("conv_in.") || rest.starts_with("conv_out.") {
        return Some(source.to_owned());
    }
    if let Some(rest) = rest.strip_prefix("norm_out.") {
        return Some(format!("{side}.conv_norm_out.{rest}"));
    }
    if let Some(rest) = rest.strip_prefix("mid.") {
        if let Some(rest) = rest.strip_prefix("attn_1.") {
            return Some(format!("{side}.mid_block.attentions.0.{}", attention(rest)?));
        }
        let (number, rest) = rest.strip_prefix("block_")?.split_once('.')?;
        let number = number.parse::<usize>().ok()?.checked_sub(1)?;
        return Some(format!("{side}.mid_block.resnets.{number}.{}", resnet(rest)));
    }
    let (way, rest) = rest.split_once('.')?;
    let (level, rest) = rest.split_once('.')?;
    let level: usize = level.parse().ok()?;
    let level = match way {
        "down" => level,
        "up" => last_up.checked_sub(level)?,
        _ => return None,
    };
    if let Some(rest) = rest.strip_prefix("block.") {
        let (layer, rest) = rest.split_once('.')?;
        return Some(format!("{side}.{way}_blocks.{level}.resnets.{layer}.{}", resnet(rest)));
    }
    let rest = rest.strip_prefix(way)?.strip_prefix("sample.")?;
    Some(format!("{side}.{way}_blocks.{level}.{way}samplers.0.{rest}"))
}

fn resnet(rest: &str) -> String {
    match rest.strip_prefix("nin_shortcut.") {
        Some(rest) => format!("conv_shortcut.{rest}"),
        None => rest.to_owned(),
    }
}

fn attention(rest: &str) -> Option<String> {
    let (original, rest) = rest.split_once('.')?;
    let ours = match original {
        "norm" => "group_norm",
        "q" => "to_q",
        "k" => "to_k",
        "v" => "to_v",
        "proj_out" => "to_out.0",
        _ => return None,
    };
    Some(format!("{ours}.{rest}"))
}
