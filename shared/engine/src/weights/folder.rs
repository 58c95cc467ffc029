//! One component of a model in diffusers layout: a folder with one weights file, or shards and their index.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path};

use serde::Deserialize;

use super::error::{Fault, Result, WeightsError};
use super::file::SafetensorsFile;
use super::source::{TensorInfo, TensorSource};

/// File names without extension: diffusers models, then transformers models.
const STEMS: [&str; 2] = ["diffusion_pytorch_model", "model"];
/// The precision variants, plain first, as diffusers prefers it.
const VARIANTS: [&str; 3] = ["", ".fp16", ".bf16"];
/// The longest index accepted.
const MAX_INDEX_BYTES: u64 = 32_000_000;

/// Opens the weights of one component folder (`unet`, `vae`, `text_encoder`...): a single file, an fp16 variant, or shards.
///
/// # Errors
/// Names the fault, or that there are no weights and which names were looked for.
pub fn open_component(folder: &Path) -> Result<Box<dyn TensorSource>> {
    let mut looked_for = Vec::new();
    for stem in STEMS {
        for variant in VARIANTS {
            let single = format!("{stem}{variant}.safetensors");
            if folder.join(&single).is_file() {
                return Ok(Box::new(SafetensorsFile::open(&folder.join(single))?));
            }
            // Both orders of the variant occur in published folders.
            for index in [
                format!("{stem}{variant}.safetensors.index.json"),
                format!("{stem}.safetensors.index{variant}.json"),
            ] {
                if folder.join(&index).is_file() {
                    return Ok(Box::new(ShardedFiles::open(&folder.join(index))?));
                }
            }
            looked_for.push(single);
        }
    }
    let pickle = STEMS.iter().map(|stem| format!("{stem}.bin")).chain(["pytorch_model.bin".into()]);
    for name in pickle {
        if folder.join(&name).is_file() {
            return Err(WeightsError::new(
                folder.join(name).display(),
                Fault::OtherFormat("a PyTorch pickle"),
            ));
        }
    }
    let fault = Fault::NoWeights { looked_for: looked_for.join(", ") };
    Err(WeightsError::new(folder.display(), fault))
}

/// A checkpoint cut into several files, with the index that says where each tensor is.
#[derive(Debug)]
pub struct ShardedFiles {
    origin: String,
    shards: Vec<SafetensorsFile>,
    /// Tensor name to the number of its shard.
    places: HashMap<String, usize>,
}

/// The index file: `{"metadata": {...}, "weight_map": {"tensor": "file.safetensors"}}`.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl ShardedFiles {
    /// Opens an index and all its shards, and checks that they agree.
    ///
    /// # Errors
    /// A shard name must be a plain file name of the same folder; every tensor must be in the shard that the index says.
    pub fn open(index_path: &Path) -> Result<Self> {
        let fail = |fault| WeightsError::new(index_path.display(), fault);
        let unreadable = |error| fail(Fault::Unreadable(error));
        let size = std::fs::metadata(index_path).map_err(unreadable)?.len();
        if size > MAX_INDEX_BYTES {
            return Err(fail(Fault::HeaderTooLarge { header_bytes: size, limit_bytes: MAX_INDEX_BYTES }));
        }
        let text = std::fs::read(index_path).map_err(unreadable)?;
        let index: Index =
            serde_json::from_slice(&text).map_err(|error| fail(Fault::IndexNotJson(error.to_string())))?;
        let folder = index_path.parent().unwrap_or(Path::new("."));

        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        let mut shards = Vec::new();
        for shard in index.weight_map.values() {
            if !numbers.contains_key(shard.as_str()) {
                if !is_plain_file_name(shard) {
                    return Err(fail(Fault::ShardOutside(shard.chars().take(120).collect())));
                }
                numbers.insert(shard, shards.len());
                shards.push(SafetensorsFile::open(&folder.join(shard))?);
            }
        }
        let mut places = HashMap::with_capacity(index.weight_map.len());
        for (name, shard) in &index.weight_map {
            let number = numbers[shard.as_str()];
            if shards[number].info(name).is_none() {
                return Err(fail(Fault::ShardDisagrees { name: name.clone(), shard: shard.clone() }));
            }
            places.insert(name.clone(), number);
        }
        for (shard, number) in &numbers {
            let extra = shards[*number].names().into_iter().find(|name| places.get(*name) != Some(number));
            if let Some(name) = extra {
                return Err(fail(Fault::ShardExtra { name: name.to_owned(), shard: (*shard).to_owned() }));
            }
        }
        Ok(Self { origin: index_path.display().to_string(), shards, places })
    }
}

/// True for a name that stays in its folder whatever the platform makes of it.
fn is_plain_file_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
        && name.ends_with(".safetensors")
        && !name.contains(['/', '\\', ':', '\0'])
}

impl TensorSource for ShardedFiles {
    fn origin(&self) -> String {
        self.origin.clone()
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.places.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.shards[*self.places.get(name)?].info(name)
    }

    fn read_into(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<()> {
        match self.places.get(name) {
            Some(number) => self.shards[*number].read_into(name, offset, out),
            None => super::source::find(self, name).map(|_| ()),
        }
    }

    fn verify_unchanged(&self) -> Result<()> {
        self.shards.iter().try_for_each(TensorSource::verify_unchanged)
    }
}
