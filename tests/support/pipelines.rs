//! Tiny whole pipelines: one committed with its weights, the others made again from the names of their tensors.

use std::collections::BTreeMap;
use std::path::Path;

use chapan_engine::noise::TorchRng;
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde::Deserialize;

use crate::fixture::fixture_path;

/// `shapes.json` of a variant: its tensors as `component/name`, and factors by which ends of names.
#[derive(Deserialize)]
struct Shapes {
    gains: BTreeMap<String, BTreeMap<String, f32>>,
    shapes: BTreeMap<String, Vec<usize>>,
}

/// All files of pipeline `name` of `tests/fixtures/pipelines`, by their paths in its folder, weights included.
///
/// # Panics
/// If the fixture is damaged.
pub fn pipeline_files(name: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = fixture_path("pipelines").join(name);
    let mut files = BTreeMap::new();
    collect(&folder, "", &mut files);
    if let Some(json) = files.remove("shapes.json") {
        let Shapes { gains, shapes } =
            serde_json::from_slice(&json).expect("fixture has the generator's form");
        for component in ["text_encoder", "text_encoder_2", "unet", "vae"] {
            let prefix = format!("{component}/");
            let gains = gains.get(component).cloned().unwrap_or_default();
            let tensors: Vec<(&str, &Vec<usize>, Vec<u8>)> = shapes
                .iter()
                .filter_map(|(full, shape)| {
                    let name = full.strip_prefix(&prefix)?;
                    let gain = gains
                        .iter()
                        .find(|(end, _)| name.ends_with(end.as_str()))
                        .map_or(1.0, |(_, gain)| *gain);
                    let bytes = fill(full, shape, gain).into_iter().flat_map(f32::to_le_bytes).collect();
                    Some((name, shape, bytes))
                })
                .collect();
            let views = tensors.iter().map(|(name, shape, bytes)| {
                (*name, TensorView::new(Dtype::F32, (*shape).clone(), bytes).expect("shape and bytes agree"))
            });
            let bytes = serialize(views, None).expect("serialises");
            files.insert(format!("{component}/model.safetensors"), bytes);
        }
    }
    files
}

fn collect(folder: &Path, inside: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).expect("fixture is committed") {
        let entry = entry.expect("readable");
        let name = format!("{inside}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read(entry.path()).expect("readable"));
        }
    }
}

/// The values of one tensor: the same rule and the same rounding as `refill` in the generator.
fn fill(full_name: &str, shape: &[usize], gain: f32) -> Vec<f32> {
    let mut values =
        TorchRng::new(u64::from(crc32fast::hash(full_name.as_bytes()))).randn(shape.iter().product());
    let fan_in: usize = shape.iter().skip(1).product();
    let scale = (fan_in.max(1) as f64).sqrt() as f32;
    for value in &mut values {
        *value = match shape.len() {
            0 | 1 if full_name.ends_with("weight") => 1.0 + 0.1 * *value,
            0 | 1 => 0.1 * *value,
            _ => *value * gain / scale,
        };
    }
    values
}
