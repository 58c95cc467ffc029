//! A folder of pictures with one line of metadata each: the layout that image-folder loaders read.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::record::Record;
use crate::scene::Scene;

/// Name of the metadata file in a folder.
pub const METADATA: &str = "metadata.jsonl";

/// Why a folder could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder holds another data set.
    #[error("`{}` is already there\nhint: choose an empty folder", .0.display())]
    Occupied(PathBuf),
    /// A file could not be written.
    #[error("`{}` could not be written: {source}\nhint: check that the folder may be written to and has room", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A picture could not be put into PNG.
    #[error("a picture could not be encoded: {0}")]
    Png(#[from] png::EncodingError),
    /// A record could not be put into JSON.
    #[error("a record could not be encoded: {0}")]
    Json(#[from] serde_json::Error),
}

/// Writes `00000000.png`, ... and `metadata.jsonl` for `scenes` into `folder`, which is made if it is not there.
/// `written` is told how many pictures are done, after each.
///
/// # Errors
/// When the folder already has metadata, or a file cannot be written.
pub fn write_folder(
    folder: &Path,
    scenes: impl Iterator<Item = Scene>,
    size: usize,
    mut written: impl FnMut(usize),
) -> Result<(), FolderError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| FolderError::Write { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let metadata = folder.join(METADATA);
    if metadata.exists() {
        return Err(FolderError::Occupied(metadata));
    }
    let mut lines = BufWriter::new(File::create_new(&metadata).map_err(failed(&metadata))?);
    for (index, scene) in scenes.enumerate() {
        let (picture, mut record) = Record::of(&scene, size);
        let name = format!("{index:08}.png");
        let path = folder.join(&name);
        fs::write(&path, picture.to_png()?).map_err(failed(&path))?;
        record.file_name = Some(name);
        writeln!(lines, "{}", record.to_json()?).map_err(failed(&metadata))?;
        written(index + 1);
    }
    lines.flush().map_err(failed(&metadata))
}
