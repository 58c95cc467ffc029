//! Names of the original UNet.
//!
//! The original code numbers its blocks in one row: `input_blocks.0` is the first convolution, then for every level its
//! resnets one by one and a downsampler, each with a number of its own; within a number, `0` is the resnet (or the
//! downsampler's `op`), `1` the attention. `output_blocks` count likewise, with the upsampler last in its number. So with
//! `n` resnets a level, input number `i` is level `(i - 1) / (n + 1)`, and output number `i` is level `i / (n + 1)`.

use super::alias::Alias;

/// The diffusers name of every tensor of the UNet; unknown ones keep theirs.
pub(super) fn aliases(names: &[&str]) -> Vec<Alias> {
    let per_level = numbers_per_level(names);
    names
        .iter()
        .map(|source| Alias::same(&name(source, per_level).unwrap_or_else(|| (*source).to_owned()), source))
        .collect()
}

/// Numbers that one level takes: its resnets and its downsampler. The first downsampler ends the first level.
fn numbers_per_level(names: &[&str]) -> usize {
    let number = |name: &str| name.strip_prefix("input_blocks.")?.split('.').next()?.parse::<usize>().ok();
    let first =
        names.iter().filter(|name| name.ends_with(".0.op.weight")).filter_map(|name| number(name)).min();
    let last = names.iter().filter_map(|name| number(name)).max();
    first.or(last.map(|last| last + 1)).unwrap_or(1).max(1)
}

fn name(source: &str, per_level: usize) -> Option<String> {
    for (original, ours) in [
        ("time_embed.0.", "time_embedding.linear_1."),
        ("time_embed.2.", "time_embedding.linear_2."),
        ("label_emb.0.0.", "add_embedding.linear_1."),
        ("label_emb.0.2.", "add_embedding.linear_2."),
        ("input_blocks.0.0.", "conv_in."),
        ("out.0.", "conv_norm_out."),
        ("out.2.", "conv_out."),
    ] {
        if let Some(rest) = source.strip_prefix(original) {
            return Some(format!("{ours}{rest}"));
        }
    }
    if let Some(rest) = source.strip_prefix("middle_block.") {
        let (place, rest) = numbered(rest)?;
        return Some(match resnet(rest) {
            // The resnets stand around the attention: 0 and 2, or 0 and 1 where there is none.
            Some(rest) => format!("mid_block.resnets.{}.{rest}", place.min(1)),
            None => format!("mid_block.attentions.{}.{rest}", place.checked_sub(1)?),
        });
    }
    if let Some(rest) = source.strip_prefix("input_blocks.") {
        let (number, rest) = numbered(rest)?;
        let (_, rest) = numbered(rest)?;
        let (level, layer) = (number.checked_sub(1)? / per_level, (number - 1) % per_level);
        return Some(match (rest.strip_prefix("op."), resnet(rest)) {
            (Some(rest), _) => format!("down_blocks.{level}.downsamplers.0.conv.{rest}"),
            (None, Some(rest)) => format!("down_blocks.{level}.resnets.{layer}.{rest}"),
            (None, None) => format!("down_blocks.{level}.attentions.{layer}.{rest}"),
        });
    }
    let (number, rest) = numbered(source.strip_prefix("output_blocks.")?)?;
    let (_, rest) = numbered(rest)?;
    let (level, layer) = (number / per_level, number % per_level);
    Some(match (rest.strip_prefix("conv."), resnet(rest)) {
        (Some(rest), _) => format!("up_blocks.{level}.upsamplers.0.conv.{rest}"),
        (None, Some(rest)) => format!("up_blocks.{level}.resnets.{layer}.{rest}"),
        (None, None) => format!("up_blocks.{level}.attentions.{layer}.{rest}"),
    })
}

/// `"4.1.norm"` as `(4, "1.norm")`.
fn numbered(text: &str) -> Option<(usize, &str)> {
    let (number, rest) = text.split_once('.')?;
    Some((number.parse().ok()?, rest))
}

/// The diffusers name within a resnet, `None` for anything that is not part of one.
fn resnet(rest: &str) -> Option<String> {
    [
        ("in_layers.0.", "norm1."),
        ("in_layers.2.", "conv1."),
        ("emb_layers.1.", "time_emb_proj."),
        ("out_layers.0.", "norm2."),
        ("out_layers.3.", "conv2."),
        ("skip_connection.", "conv_shortcut."),
    ]
    .iter()
    .find_map(|(original, ours)| Some(format!("{ours}{}", rest.strip_prefix(original)?)))
}
