//! A picture as the score sees it: what it is called, its embedding, and its brightness at 256x256. Its pixels are dropped at
//! once, so that many large pictures fit.

use std::path::{Path, PathBuf};

use chapan_engine::evaluate::{Clip, RgbPicture};
use chapan_metrics::ScorePicture;

use super::ComparisonError;
use crate::datasets;
use crate::files::picture::{DecodedPicture, decode_picture};

/// The most pictures of a folder that are looked at.
const MAX_PICTURES: usize = 1_000;

/// A picture that was looked at.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The file.
    pub path: PathBuf,
    /// Its name, for reports.
    pub file: String,
    /// Its unit vector.
    pub embedding: Vec<f32>,
    /// For structural similarity.
    pub picture: ScorePicture,
}

/// Reads a file, turned as its camera noted, and looks at it.
///
/// # Errors
/// A file that is no sound picture, or one that the model cannot look at.
pub fn look(clip: &Clip, path: &Path) -> Result<Seen, ComparisonError> {
    look_at(clip, path, datasets::read(path)?)
}

/// The same for the bytes of a file, which is called `name`.
///
/// # Errors
/// Bytes that are no sound picture, or one that the model cannot look at.
pub fn look_at_bytes(clip: &Clip, name: &str, bytes: &[u8]) -> Result<Seen, ComparisonError> {
    let path = PathBuf::from(name);
    let decoded = decode_picture(bytes)
        .map_err(|source| datasets::DatasetError::Picture { path: path.clone(), source })?;
    look_at(clip, &path, decoded)
}

fn look_at(clip: &Clip, path: &Path, decoded: DecodedPicture) -> Result<Seen, ComparisonError> {
    let (width, height) = (decoded.width as usize, decoded.height as usize);
    let rgb = decoded.into_rgb();
    let refused = |source| ComparisonError::Picture { path: path.to_owned(), source };
    let embedding = clip
        .embed_pictures(&[RgbPicture { rgb: &rgb, width, height }])
        .map_err(refused)?
        .pop()
        .unwrap_or_default();
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Seen { path: path.to_owned(), file, embedding, picture: ScorePicture::new(&rgb, width, height)? })
}

/// Looks at every picture of a folder, in order of names; the layouts of training are known.
///
/// # Errors
/// A folder without pictures or with too many, and the first picture that cannot be looked at.
pub fn look_at_folder(
    clip: &Clip,
    folder: &Path,
    mut progress: impl FnMut(usize, usize),
) -> Result<Vec<Seen>, ComparisonError> {
    let entries = datasets::list(folder)?.entries;
    let path = folder.to_owned();
    if entries.is_empty() {
        return Err(ComparisonError::NoPictures { path });
    }
    if entries.len() > MAX_PICTURES {
        return Err(ComparisonError::TooMany { path, got: entries.len(), limit: MAX_PICTURES });
    }
    let of = entries.len();
    let mut seen = Vec::with_capacity(of);
    for (done, entry) in entries.iter().enumerate() {
        progress(done, of);
        seen.push(look(clip, &entry.path)?);
    }
    progress(of, of);
    Ok(seen)
}
