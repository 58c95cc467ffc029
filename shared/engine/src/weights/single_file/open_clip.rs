//! Names of the OpenCLIP text tower.
//!
//! Query, key and value are one matrix `in_proj`: its rows are cut in three. `text_projection` is a bare matrix that is
//! multiplied from the right, so it is the transpose of the linear layer's weight. `logit_scale` belongs to the
//! contrastive loss and is left out.

use super::alias::{Alias, Change};

/// The transformers name of every tensor of the tower; unknown ones keep theirs.
pub(super) fn aliases(names: &[&str]) -> Vec<Alias> {
    names.iter().filter(|name| **name != "logit_scale").flat_map(|source| of_one(source)).collect()
}

fn of_one(source: &str) -> Vec<Alias> {
    let same = |name: &str| vec![Alias::same(name, source)];
    match source {
        "token_embedding.weight" => return same("text_model.embeddings.token_embedding.weight"),
        "positional_embedding" => return same("text_model.embeddings.position_embedding.weight"),
        "ln_final.weight" => return same("text_model.final_layer_norm.weight"),
        "ln_final.bias" => return same("text_model.final_layer_norm.bias"),
        "text_projection" => {
            return vec![Alias::with("text_projection.weight".to_owned(), source, Change::Transpose)];
        }
        _ => {}
    }
    let block = source.strip_prefix("transformer.resblocks.").and_then(|rest| rest.split_once('.'));
    let Some((number, rest)) = block else { return same(source) };
    let layer = format!("text_model.encoder.layers.{number}");
    if let Some(kind) = rest.strip_prefix("attn.in_proj_") {
        let part = |(index, part): (usize, &str)| {
            let name = format!("{layer}.self_attn.{part}_proj.{kind}");
            Alias::with(name, source, Change::Rows { index, count: 3 })
        };
        return ["q", "k", "v"].into_iter().enumerate().map(part).collect();
    }
    for (original, ours) in [
        ("ln_1.", "layer_norm1."),
        ("ln_2.", "layer_norm2."),
        ("attn.out_proj.", "self_attn.out_proj."),
        ("mlp.c_fc.", "mlp.fc1."),
        ("mlp.c_proj.", "mlp.fc2."),
    ] {
        if let Some(rest) = rest.strip_prefix(original) {
            return same(&format!("{layer}.{ours}{rest}"));
        }
    }
    same(source)
}
