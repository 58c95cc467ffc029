//! Pictures inside the page: small, because they travel with it.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chapan_api::comparison::HeatMap;
use chapan_metrics::{Filter, resize};

use super::super::CompetitionError;
use crate::datasets;
use crate::files::png::encode_bare_png;
use crate::jobs::comparison::spotlight;

/// Longest side of a picture in the page.
const SIDE: usize = 256;

/// A file as a `data:` address.
pub(super) fn address(path: &Path) -> Result<String, CompetitionError> {
    let picture = datasets::read(path)?;
    let (width, height) = (picture.width as usize, picture.height as usize);
    shrunk(path, &picture.into_rgb(), (width, height))
}

/// The square that the CLIP saw, bright where it saw a feature.
pub(super) fn lit(path: &Path, map: &HeatMap) -> Result<String, CompetitionError> {
    let (side, rgb) = spotlight(path, map)?;
    shrunk(path, &rgb, (side as usize, side as usize))
}

fn shrunk(path: &Path, rgb: &[u8], (width, height): (usize, usize)) -> Result<String, CompetitionError> {
    let fault = |error: &dyn std::fmt::Display| CompetitionError::File {
        path: path.to_owned(),
        fault: format!("it cannot be made smaller: {error}"),
    };
    let longest = width.max(height);
    let png = if longest <= SIDE {
        encode_bare_png(width as u32, height as u32, rgb)?
    } else {
        let side = |side: usize| (side * SIDE / longest).max(1);
        let small = (side(width), side(height));
        let rgb = resize(rgb, (width, height), 3, small, Filter::Lanczos).map_err(|error| fault(&error))?;
        encode_bare_png(small.0 as u32, small.1 as u32, &rgb)?
    };
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(png)))
}
