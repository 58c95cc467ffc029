//! What a checkpoint says of itself, read from its configuration files.

use std::fs;
use std::path::{Path, PathBuf};

use chapan_api::id::ModelId;
use serde_json::Value;

use super::hashes::WeightFiles;
use super::weight_names::is_weights;

/// Configuration files are small; a larger one is not a configuration.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// A folder that cannot be used as a model.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("`{path}` {fault}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
}

/// An installed text-to-image checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Its identifier: the folder's name.
    pub id: ModelId,
    /// Its folder.
    pub folder: PathBuf,
    /// Architecture: `sdxl`.
    pub family: String,
    /// Size of the weight files.
    pub size_bytes: u64,
    /// Number format of the weight files.
    pub precision: String,
    /// Licence, when a model card says so.
    pub license: Option<String>,
    /// Width and height that it was made for.
    pub default_side: u32,
    /// Its own scheduler, in our spelling.
    pub default_scheduler: String,
    /// Whether its denoiser looks at a mask and a kept part beside the latents: it can do nothing but inpainting.
    pub inpainting: bool,
    /// Width of the text that its denoiser looks at, when its configuration says one.
    pub text_width: Option<usize>,
    /// Pixels along one side of a latent cell.
    pub latent_factor: u32,
    /// Channels of the widest level of the autoencoder: memory of a picture grows with it.
    pub decoder_width: u32,
    /// Channels of the wider of its two levels at the largest sizes.
    pub decoder_level_width: u32,
    /// Side in pixels of the tiles in which it works on large pictures.
    pub decoder_tile: u32,
}

impl Checkpoint {
    /// Reads a folder. `Ok(None)`: the folder is no text-to-image model.
    pub fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let index = folder.join("model_index.json");
        if !index.is_file() {
            return Ok(None);
        }
        let pipeline = json(&index)?;
        let class = pipeline["_class_name"].as_str().unwrap_or_default();
        // All three are the same parts; one for inpainting says so itself when it is asked for anything else.
        let known = [
            "StableDiffusionXLPipeline",
            "StableDiffusionXLImg2ImgPipeline",
            "StableDiffusionXLInpaintPipeline",
        ];
        if !known.contains(&class) {
            return Ok(None);
        }
        let Some(name) = folder.file_name().and_then(|name| name.to_str()) else { return Ok(None) };
        let unet = json(&folder.join("unet/config.json"))?;
        let vae = json(&folder.join("vae/config.json"))?;
        let scheduler = json(&folder.join("scheduler/scheduler_config.json"))?;
        let levels: Vec<u64> =
            vae["block_out_channels"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        if levels.is_empty() || levels.len() > 8 {
            let fault = "has no usable `block_out_channels`".to_owned();
            return Err(Error::Config { path: folder.join("vae/config.json"), fault });
        }
        let latent_factor = 1u32 << (levels.len() - 1);
        let sample = unet["sample_size"].as_u64().filter(|size| (1..=1024).contains(size));
        let weights = weight_files(folder)?;
        Ok(Some(Self {
            id: ModelId::new(name),
            folder: folder.to_owned(),
            family: "sdxl".to_owned(),
            size_bytes: weights.iter().map(|(_, size)| size).sum(),
            precision: precision(&weights),
            license: license(folder),
            default_side: sample.map_or(1024, |size| size as u32 * latent_factor),
            default_scheduler: scheduler_name(&scheduler).to_owned(),
            inpainting: unet["in_channels"].as_u64() != unet["out_channels"].as_u64(),
            text_width: unet["cross_attention_dim"].as_u64().map(|width| width as usize),
            latent_factor,
            decoder_width: levels.iter().copied().max().unwrap_or(1) as u32,
            decoder_level_width: levels.iter().take(2).copied().max().unwrap_or(1) as u32,
            decoder_tile: vae["sample_size"].as_u64().filter(|side| (1..=8192).contains(side)).unwrap_or(1)
                as u32,
        }))
    }

    /// Its weight files, in the order of their names.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn weights(&self) -> Result<WeightFiles, Error> {
        let files = weight_files(&self.folder)?;
        Ok(WeightFiles::new(files.into_iter().map(|(path, _)| path).collect()))
    }
}

pub(super) fn json(path: &Path) -> Result<Value, Error> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    if fs::metadata(path).map_err(read)?.len() > MAX_CONFIG_BYTES {
        let fault = "is too large for a configuration".to_owned();
        return Err(Error::Config { path: path.to_owned(), fault });
    }
    let text = fs::read_to_string(path).map_err(read)?;
    // Python writes numbers that JSON does not have, such as `"lambda_min_clipped": -Infinity`. None is of interest here.
    let text =
        text.replace(": -Infinity", ": null").replace(": Infinity", ": null").replace(": NaN", ": null");
    serde_json::from_str(&text)
        .map_err(|error| Error::Config { path: path.to_owned(), fault: format!("is not JSON: {error}") })
}

/// Weight files of the parts, with their sizes.
fn weight_files(folder: &Path) -> Result<Vec<(PathBuf, u64)>, Error> {
    let mut files = Vec::new();
    for part in ["text_encoder", "text_encoder_2", "unet", "vae"] {
        let path = folder.join(part);
        let read = |source| Error::Read { path: path.clone(), source };
        for entry in fs::read_dir(&path).map_err(read)? {
            let entry = entry.map_err(read)?;
            if is_weights(&entry.path()) {
                files.push((entry.path(), entry.metadata().map_err(read)?.len()));
            }
        }
    }
    if files.is_empty() {
        let fault = "holds no safetensors".to_owned();
        return Err(Error::Config { path: folder.to_owned(), fault });
    }
    files.sort();
    Ok(files)
}

/// The format of the first tensor of every file, from the headers; `mixed` when they differ.
fn precision(files: &[(PathBuf, u64)]) -> String {
    let mut found: Vec<&'static str> = files.iter().map(|(file, _)| first_format(file)).collect();
    found.dedup();
    match found[..] {
        [one] => one.to_owned(),
        _ => "mixed".to_owned(),
    }
}

pub(super) fn first_format(file: &Path) -> &'static str {
    use std::io::Read;
    // The header begins with `{"name":{"dtype":"F16",...`, after eight bytes of length and perhaps some metadata.
    let mut start = Vec::new();
    let read = fs::File::open(file).and_then(|file| file.take(4096).read_to_end(&mut start));
    let text = String::from_utf8_lossy(&start);
    let dtype = text.split_once("\"dtype\":\"").map(|(_, rest)| rest.split('"').next().unwrap_or_default());
    match (read, dtype) {
        (Ok(_), Some("F16")) => "f16",
        (Ok(_), Some("BF16")) => "bf16",
        (Ok(_), Some("F32")) => "f32",
        _ => "mixed",
    }
}

/// `license: ...` in the front matter of the model card.
fn license(folder: &Path) -> Option<String> {
    let card = fs::read_to_string(folder.join("README.md")).ok()?;
    let front = card.strip_prefix("---")?.split("\n---").next()?.to_owned();
    let line = front.lines().find_map(|line| line.strip_prefix("license:"))?.trim().to_owned();
    (!line.is_empty()).then_some(line)
}

/// diffusers' class and options in our spelling.
fn scheduler_name(config: &Value) -> &'static str {
    let karras = config["use_karras_sigmas"].as_bool().unwrap_or(false);
    match (config["_class_name"].as_str().unwrap_or_default(), karras) {
        ("EulerDiscreteScheduler", true) => "euler_k",
        ("EulerAncestralDiscreteScheduler", _) => "euler_a",
        ("HeunDiscreteScheduler", false) => "heun",
        ("HeunDiscreteScheduler", true) => "heun_k",
        ("DPMSolverMultistepScheduler", false) => "dpmpp_2m",
        ("DPMSolverMultistepScheduler", true) => "dpmpp_2m_k",
        ("UniPCMultistepScheduler", false) => "unipc",
        ("UniPCMultistepScheduler", true) => "unipc_k",
        ("DDIMScheduler", _) => "ddim",
        ("LCMScheduler", _) => "lcm",
        // What diffusers' own pipeline falls back to as well.
        _ => "euler",
    }
}
