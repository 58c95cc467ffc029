//! Where in a picture a feature was seen: a part is covered, and what the phrases lose by it is what the model saw there.
//!
//! The same for every CLIP, whether it has patches or not; it costs one look for each cell.

use std::path::Path;

use chapan_api::analysis::KeyFeature;
use chapan_api::comparison::HeatMap;
use chapan_engine::evaluate::{Clip, RgbPicture};
use chapan_metrics::cosine;

use super::{ComparisonError, Phrases, Seen};
use crate::datasets;

/// A map for each key feature.
///
/// # Errors
/// A file that is gone, or that the model cannot look at.
pub fn paint(
    clip: &Clip,
    phrases: &Phrases,
    key_features: &[KeyFeature],
    contestant: &str,
    seen: &Seen,
) -> Result<Vec<HeatMap>, ComparisonError> {
    let decoded = datasets::read(&seen.path)?;
    let (width, height) = (decoded.width as usize, decoded.height as usize);
    let rgb = decoded.into_rgb();
    let covered = clip
        .embed_covered(RgbPicture { rgb: &rgb, width, height })
        .map_err(|source| ComparisonError::Picture { path: seen.path.clone(), source })?;
    let map = |key: &KeyFeature| {
        let Some(row) = phrases.row(&key.group, &key.value) else { return Ok(None) };
        let whole = cosine(&seen.embedding, row)?;
        let values = covered
            .iter()
            .map(|covered| Ok(whole - cosine(covered, row)?))
            .collect::<Result<_, ComparisonError>>()?;
        Ok(Some(HeatMap {
            contestant: contestant.to_owned(),
            file: seen.file.clone(),
            group: key.group.clone(),
            value: key.value.clone(),
            cells: u32::try_from(clip.cells()).unwrap_or(u32::MAX),
            values,
        }))
    };
    key_features.iter().filter_map(|key| map(key).transpose()).collect()
}

/// Brightness of what does not speak for the feature: dark enough to stand back, bright enough to be known.
const DARK: f64 = 0.25;

/// The square that the model saw, bright where it saw the feature: its side and rows of RGB.
///
/// # Errors
/// A file that is gone.
pub fn spotlight(path: &Path, map: &HeatMap) -> Result<(u32, Vec<u8>), ComparisonError> {
    let decoded = datasets::read(path)?;
    let (width, height) = (decoded.width as usize, decoded.height as usize);
    let rgb = decoded.into_rgb();
    let side = width.min(height);
    let (left, top) = ((width - side) / 2, (height - side) / 2);
    let most = map.values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    // A power below 1 lets the second and third best cells be seen beside the best.
    let share = |x: usize, y: usize| (between_cells(map, side, x, y) / most).clamp(0.0, 1.0).powf(0.7);
    let light = |x: usize, y: usize| DARK + (1.0 - DARK) * share(x, y);
    let mut out = Vec::with_capacity(side * side * 3);
    for y in 0..side {
        for x in 0..side {
            let pixel = &rgb[((top + y) * width + left + x) * 3..][..3];
            let light = light(x, y);
            out.extend(pixel.iter().map(|level| (f64::from(*level) * light).round() as u8));
        }
    }
    Ok((u32::try_from(side).unwrap_or(u32::MAX), out))
}

/// The map at a pixel, linear between the middles of its cells.
fn between_cells(map: &HeatMap, side: usize, x: usize, y: usize) -> f64 {
    let cells = map.cells as usize;
    let place = |pixel: usize| {
        let at = ((pixel as f64 + 0.5) / side as f64 * cells as f64 - 0.5).clamp(0.0, (cells - 1) as f64);
        let first = at as usize;
        (first, (first + 1).min(cells - 1), at - first as f64)
    };
    let ((x0, x1, fx), (y0, y1, fy)) = (place(x), place(y));
    let value = |x: usize, y: usize| map.values[y * cells + x];
    let row = |y: usize| value(x0, y) * (1.0 - fx) + value(x1, y) * fx;
    row(y0) * (1.0 - fy) + row(y1) * fy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_itself_in_the_middle_of_its_cells() {
        let map = HeatMap {
            contestant: String::new(),
            file: String::new(),
            group: String::new(),
            value: String::new(),
            cells: 2,
            values: vec![0.0, 1.0, 2.0, 3.0],
        };
        // Six pixels: middles of the cells at 1 and 4.
        assert_eq!(between_cells(&map, 6, 1, 1), 0.0);
        assert_eq!(between_cells(&map, 6, 4, 4), 3.0);
        assert!((between_cells(&map, 6, 2, 1) - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(between_cells(&map, 6, 0, 0), 0.0);
    }
}
