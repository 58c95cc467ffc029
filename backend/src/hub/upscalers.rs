//! The upscalers that are installed: small networks that only enlarge.

use std::path::{Path, PathBuf};

use chapan_api::id::ModelId;

use super::checkpoint::{first_format, json};
use super::hashes::WeightFiles;
use super::weight_names::{catalog_id, is_weights};

/// Folder for single files, as they are published.
const FILES_FOLDER: &str = "upscalers";
/// What the configuration of a folder says.
const MODEL_TYPE: &str = "upscaler";

/// An installed upscaler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpscalerFile {
    /// Its identifier: the name of its folder, or of its file without the ending.
    pub id: ModelId,
    /// Its weights.
    pub path: PathBuf,
    /// Size of its weights.
    pub size_bytes: u64,
}

impl UpscalerFile {
    /// A file of weights, or a folder with `model.safetensors` whose `config.json` says that it is an upscaler.
    /// `None`: it is something else.
    pub fn read(path: &Path) -> Option<Self> {
        let file = |name: Option<&std::ffi::OsStr>, path: &Path| {
            let size_bytes = std::fs::metadata(path).ok()?.len();
            Some(Self { id: catalog_id(name?.to_str()?), path: path.to_owned(), size_bytes })
        };
        if path.is_file() && is_weights(path) {
            return file(path.file_name(), path);
        }
        let weights = path.join("model.safetensors");
        let config = json(&path.join("config.json")).ok()?;
        let is_upscaler = config["model_type"] == MODEL_TYPE && weights.is_file();
        if is_upscaler { file(path.file_name(), &weights) } else { None }
    }

    /// All of these folders, nearest folder first, by name: `NAME/model.safetensors` and `upscalers/NAME.safetensors`.
    pub fn installed(folders: &[PathBuf]) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for folder in folders.iter().flat_map(|folder| [folder.clone(), folder.join(FILES_FOLDER)]) {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            let single_files = folder.ends_with(FILES_FOLDER);
            let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            paths.retain(|path| path.is_dir() || single_files);
            paths.sort();
            for upscaler in paths.iter().filter_map(|path| Self::read(path)) {
                if found.iter().all(|known| known.id != upscaler.id) {
                    found.push(upscaler);
                }
            }
        }
        found
    }

    /// How many numbers its weights are, by the format of the first.
    pub fn weight_count(&self) -> u64 {
        self.size_bytes / if first_format(&self.path) == "f32" { 4 } else { 2 }
    }

    /// Its weight file.
    pub fn weights(&self) -> WeightFiles {
        WeightFiles::new(vec![self.path.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_files_are_found_and_other_models_are_not() {
        let root = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("mini/model.safetensors", "weights");
        put("mini/config.json", r#"{"model_type": "upscaler"}"#);
        put("clip/model.safetensors", "weights");
        put("clip/config.json", r#"{"model_type": "clip"}"#);
        put("sdxl/model_index.json", "{}");
        put("lora.safetensors", "not in the folder of upscalers");
        put("upscalers/RealESRGAN_x4plus.safetensors", "weights");
        put("upscalers/README.md", "words");
        let found = UpscalerFile::installed(&[root.path().to_owned(), root.path().join("nowhere")]);
        let names: Vec<&str> = found.iter().map(|file| file.id.as_str()).collect();
        assert_eq!(names, ["mini", "RealESRGAN_x4plus"]);
        // printf weights | sha256sum
        assert_eq!(
            found[0].weights().sha256().unwrap(),
            "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"
        );
    }
}
