//! The family's files, in the layout of `assets/models`: weights as 16-bit floats beside the configurations that they were
//! made for.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};

use super::attributes::planes;
use super::checkpoint::Finished;
use super::family::{CLIP, Family, JUDGE, PIPELINE};
use super::scenes::Scenes;
use super::stage::Kept;
use super::store::{Store, numbers};
use super::tower::TrainedTower;
use crate::evaluate::{JudgeGroup, LayerConfig};
use crate::models::vae::AutoencoderKl;
use crate::weights::write_safetensors;
use crate::{Error, Result};

/// Bytes by their paths below the folder of models.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Metadata of every file of weights, as other libraries want it.
fn metadata() -> BTreeMap<String, String> {
    BTreeMap::from([("format".to_owned(), "pt".to_owned())])
}

/// The bytes of a file of weights.
fn halves(tensors: BTreeMap<String, Tensor>) -> Result<Vec<u8>> {
    let half =
        |(name, tensor): (String, Tensor)| Ok((name, tensor.to_device(&Device::Cpu)?.to_dtype(DType::F16)?));
    Ok(write_safetensors(tensors.into_iter().map(half).collect::<Result<Vec<_>>>()?, &metadata())?)
}

/// A configuration as it lies in the family's folder.
fn json_of(family: &Family, path: &str) -> Result<Value> {
    let missing = || Error::config("pretraining", format!("`{path}` is missing"), "name a complete folder");
    let bytes = family.files.get(path).ok_or_else(missing)?;
    serde_json::from_slice(bytes).map_err(|_| missing())
}

fn text_of(value: &Value) -> Vec<u8> {
    // JSON values always become text.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text.into_bytes()
}

/// A trained tower's tensors, its normalisations folded.
///
/// # Errors
/// When the weights are of other layers.
pub fn tower(
    weights: &BTreeMap<String, Tensor>,
    kept: &Kept,
    layers: &[LayerConfig],
) -> Result<BTreeMap<String, Tensor>> {
    let store = Store::new(weights.clone(), None, &[], &Device::Cpu);
    TrainedTower::load(&store.scope(), layers)?.folded(kept)
}

/// The judge's folder.
///
/// # Errors
/// When the stage's weights are not those of the family's judge.
pub fn judge(family: &Family, groups: &[JudgeGroup], finished: &Finished) -> Result<Files> {
    let mut config = json_of(family, "chapan-mini-judge/config.json")?;
    config["groups"] = json!(groups);
    let weights = halves(tower(&finished.weights, &finished.kept, &family.judge)?)?;
    Ok(Files::from([
        (format!("{JUDGE}/config.json"), text_of(&config)),
        (format!("{JUDGE}/model.safetensors"), weights),
    ]))
}

/// Tensors below `prefix`, named below `other`.
fn renamed<'a>(
    weights: &'a BTreeMap<String, Tensor>,
    prefix: &'a str,
    other: &'a str,
) -> impl Iterator<Item = (String, Tensor)> + 'a {
    weights.iter().filter_map(move |(name, tensor)| {
        let rest = name.strip_prefix(prefix)?;
        // The projection stands beside the transformer.
        let other = if rest.starts_with("text_projection") { "" } else { other };
        Some((format!("{other}{rest}"), tensor.clone()))
    })
}

/// The folder of the scoring CLIP: the tower's stage, and the text-image stage.
///
/// # Errors
/// When the weights are not those of the family's networks.
pub fn clip(family: &Family, tower_stage: &Finished, texts: &Finished) -> Result<Files> {
    let missing =
        |what: &str| Error::config("text-image", format!("`{what}` is missing"), "begin the stage anew");
    let weight = |name: &str| texts.weights.get(name).cloned().ok_or_else(|| missing(name));
    let kept = |name: &str| texts.kept.get(name).ok_or_else(|| missing(name));
    let width = family.projection[0][0];
    let (centre, spread) = (
        Tensor::from_slice(kept("centre")?, (width, 1), &Device::Cpu)?,
        Tensor::from_slice(kept("spread")?, (1, width), &Device::Cpu)?,
    );
    // The normalisation of features goes into the first layer after them.
    let hidden = weight("head.hidden.weight")?.broadcast_div(&spread)?;
    let bias = (weight("head.hidden.bias")? - hidden.matmul(&centre)?.flatten_all()?)?;
    let scale = weight("scale")?.get(0)?.to_scalar::<f32>()?.min(super::text_image::MOST_SCALE);
    let mut tensors: BTreeMap<String, Tensor> =
        tower(&tower_stage.weights, &tower_stage.kept, &family.tower)?
            .into_iter()
            .map(|(name, tensor)| (format!("vision_model.{name}"), tensor))
            .collect();
    tensors.extend(renamed(&texts.weights, "score.", "text_model."));
    tensors.extend([
        ("visual_projection.0.weight".to_owned(), hidden),
        ("visual_projection.0.bias".to_owned(), bias),
        ("visual_projection.1.weight".to_owned(), weight("head.projection.weight")?),
        ("visual_projection.1.bias".to_owned(), weight("head.projection.bias")?),
        ("logit_scale".to_owned(), Tensor::new(scale, &Device::Cpu)?),
    ]);
    let mut files = as_they_are(family, CLIP);
    files.insert(format!("{CLIP}/model.safetensors"), halves(tensors)?);
    Ok(files)
}

/// A family's files of one folder.
fn as_they_are(family: &Family, folder: &str) -> Files {
    let inside = |path: &String| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    family
        .files
        .iter()
        .filter(|(path, _)| inside(path))
        .map(|(path, bytes)| (path.clone(), bytes.clone()))
        .collect()
}

/// The pipeline's folder, of the stage that trained the denoiser and of the autoencoder whose latents it learnt.
///
/// # Errors
/// When the weights are not those of the family's networks.
pub fn pipeline(
    family: &Family,
    scenes: &dyn Scenes,
    denoiser: &Finished,
    vae: &BTreeMap<String, Tensor>,
) -> Result<Files> {
    let missing = || Error::config("unet", "the scale of its latents is missing", "begin the stage anew");
    let scale = denoiser.kept.get("scale").and_then(|values| values.first()).ok_or_else(missing)?;
    let scale = (f64::from(*scale) * 1e6).round() / 1e6;
    let mut files = as_they_are(family, PIPELINE);
    let mut config = json_of(family, "chapan-mini/vae/config.json")?;
    config["scaling_factor"] = json!(scale);
    files.insert(format!("{PIPELINE}/vae/config.json"), text_of(&config));
    let preview = preview(family, scenes, vae, scale)?;
    files.insert(format!("{PIPELINE}/preview.json"), text_of(&preview));
    let weights = &denoiser.weights;
    let parts = [
        ("unet/diffusion_pytorch_model", renamed(weights, "unet.", "").collect()),
        ("text_encoder/model", renamed(weights, "first.", "").collect()),
        ("text_encoder_2/model", renamed(weights, "second.", "text_model.").collect()),
        ("vae/diffusion_pytorch_model", vae.clone()),
    ];
    for (path, tensors) in parts {
        files.insert(format!("{PIPELINE}/{path}.safetensors"), halves(tensors)?);
    }
    Ok(files)
}

/// Pictures that previews are fitted to.
const PREVIEW_PICTURES: u64 = 100;

/// Least squares from a latent cell, as the pipeline scales it, to the mean colour of its pixels in -1..1.
fn preview(
    family: &Family,
    scenes: &dyn Scenes,
    vae: &BTreeMap<String, Tensor>,
    scale: f64,
) -> Result<Value> {
    let store = Store::new(vae.clone(), None, &[], &Device::Cpu);
    let vae = AutoencoderKl::load(&store.scope(), &family.vae)?;
    let (side, cell, channels) = (family.side, family.vae.downscale(), family.vae.latent_channels);
    let (cells, size) = (side / cell, channels + 1);
    let (mut products, mut targets) = (vec![0f64; size * size], vec![[0f64; 3]; size]);
    for scene in 0..PREVIEW_PICTURES {
        let picture = planes(&scenes.draw(scene, side).rgb);
        let tensor = Tensor::from_slice(&picture, (1, 3, side, side), &Device::Cpu)?;
        let latents = numbers(&vae.encode(&tensor)?.mean)?;
        for place in 0..cells * cells {
            let (top, left) = (place / cells * cell, place % cells * cell);
            let colour: [f64; 3] = std::array::from_fn(|c| {
                let row = |y: usize| &picture[(c * side + top + y) * side + left..][..cell];
                let sum: f64 = (0..cell).flat_map(row).map(|value| f64::from(*value)).sum();
                sum / (cell * cell) as f64
            });
            let mut row: Vec<f64> =
                (0..channels).map(|c| f64::from(latents[c * cells * cells + place]) * scale).collect();
            row.push(1.0);
            for (i, a) in row.iter().enumerate() {
                for (j, b) in row.iter().enumerate() {
                    products[i * size + j] += a * b;
                }
                for (target, colour) in targets[i].iter_mut().zip(colour) {
                    *target += a * colour;
                }
            }
        }
    }
    let mut rows = solve(products, targets);
    let round = |row: [f64; 3]| row.map(|value| (value * 1e6).round() / 1e6);
    let bias = rows.pop().map(round);
    Ok(
        json!({ "latent_rgb_factors": rows.into_iter().map(round).collect::<Vec<_>>(), "latent_rgb_bias": bias }),
    )
}

/// Solves a symmetric positive system by elimination with pivots.
fn solve(mut matrix: Vec<f64>, mut right: Vec<[f64; 3]>) -> Vec<[f64; 3]> {
    let size = right.len();
    for column in 0..size {
        let best = (column..size)
            .max_by(|a, b| matrix[a * size + column].abs().total_cmp(&matrix[b * size + column].abs()));
        let best = best.unwrap_or(column);
        right.swap(column, best);
        (0..size).for_each(|k| matrix.swap(column * size + k, best * size + k));
        // A channel that never says anything gets no colour.
        let pivot = matrix[column * size + column];
        let inverse = if pivot.abs() < 1e-12 { 0.0 } else { 1.0 / pivot };
        for row in (0..size).filter(|row| *row != column) {
            let factor = matrix[row * size + column] * inverse;
            for k in column..size {
                matrix[row * size + k] -= factor * matrix[column * size + k];
            }
            let above = right[column];
            for (value, above) in right[row].iter_mut().zip(above) {
                *value -= factor * above;
            }
        }
    }
    let scaled = |index: usize| {
        let pivot = matrix[index * size + index];
        right[index].map(|value| if pivot.abs() < 1e-12 { 0.0 } else { value / pivot })
    };
    (0..size).map(scaled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_are_solved() {
        let matrix = vec![0.0, 2.0, 1.0, 2.0, 1.0, 0.0, 1.0, 0.0, 3.0];
        let wanted = [[1.0, -1.0, 0.5], [2.0, 0.0, 1.0], [-3.0, 4.0, 0.0]];
        let right =
            (0..3).map(|i| std::array::from_fn(|c| (0..3).map(|k| matrix[i * 3 + k] * wanted[k][c]).sum()));
        let found = solve(matrix.clone(), right.collect());
        for (found, wanted) in found.iter().flatten().zip(wanted.iter().flatten()) {
            assert!((found - wanted).abs() < 1e-12);
        }
    }
}
