//! Which LoRAs a command means, and how strongly: options on the command line and tags in the prompt.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chapan_api::generation::UseLora;
use chapan_api::id::ModelId;
use chapan_api::image::LoraRecord;
use chapan_engine::lora::{Application, AppliedLora, LoraFile};
use chapan_engine::pipelines::StableDiffusionXl;
use chapan_engine::prompt::take_lora_tags;
use clap::Args;

use super::Failure;
use crate::hub::{WeightFiles, is_weights};

/// LoRAs, and how the prompt is read.
#[derive(Debug, Args)]
pub struct LoraOptions {
    /// A LoRA to apply, 1 if no weight follows; a second weight is for the text encoders. Repeats. FILE is a path, or the
    /// name of a file beside the models
    #[arg(long = "lora", value_name = "FILE[:WEIGHT[:WEIGHT]]")]
    loras: Vec<String>,
    /// Read `(word:1.2)`, `[word]` and `BREAK` in prompts as emphasis, and prompts beyond 77 tokens to their end
    #[arg(long)]
    prompt_weighting: bool,
}

/// A LoRA that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct ChosenLora {
    /// Its file.
    pub path: PathBuf,
    /// Weight in the UNet.
    pub unet_weight: f64,
    /// Weight in the text encoders.
    pub text_encoder_weight: f64,
}

impl LoraOptions {
    /// Whether brackets in prompts are weights.
    pub fn prompt_weighting(&self) -> bool {
        self.prompt_weighting
    }

    /// The prompt without its `<lora:..>` tags, and all LoRAs: those of options first. Names are looked for in `folders`.
    pub fn choose(&self, prompt: &str, folders: &[PathBuf]) -> Result<(String, Vec<ChosenLora>), Failure> {
        let mut chosen = Vec::new();
        for option in &self.loras {
            chosen.push(parse(option, folders).ok_or_else(|| unknown("--lora", option, folders))?);
        }
        let (text, tags) = take_lora_tags(prompt)?;
        for tag in tags {
            let path = find(&tag.name, folders).ok_or_else(|| unknown("<lora:..>", &tag.name, folders))?;
            let (unet_weight, text_encoder_weight) = (tag.unet_weight, tag.text_encoder_weight);
            chosen.push(ChosenLora { path, unet_weight, text_encoder_weight });
        }
        Ok((text, chosen))
    }
}

impl ChosenLora {
    /// What a request says of it.
    pub fn wanted(&self) -> UseLora {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text_encoder_weight = Some(self.text_encoder_weight).filter(|text| *text != self.unet_weight);
        UseLora { model: ModelId::new(stem), weight: self.unet_weight, text_encoder_weight }
    }

    /// What records say of it, its hash included; `unmatched` tensors of it did nothing.
    pub fn record(&self, unmatched: usize) -> Result<LoraRecord, Failure> {
        let UseLora { model, weight, text_encoder_weight } = self.wanted();
        let hash = WeightFiles::new(vec![self.path.clone()]).sha256();
        let sha256 = Some(hash.map_err(|error| Failure::new(error, "can the LoRA's file be read?"))?);
        Ok(LoraRecord { model, sha256, weight, text_encoder_weight, unmatched: unmatched as u32 })
    }
}

/// The LoRAs that a record names, looked for in `folders`.
pub fn recorded(records: &[LoraRecord], folders: &[PathBuf]) -> Result<Vec<ChosenLora>, Failure> {
    let found = |record: &LoraRecord| {
        let name = record.model.as_str();
        let path = find(name, folders).ok_or_else(|| unknown("--again", name, folders))?;
        let text_encoder_weight = record.text_encoder_weight.unwrap_or(record.weight);
        Ok(ChosenLora { path, unet_weight: record.weight, text_encoder_weight })
    };
    records.iter().map(found).collect()
}

/// Reads the files and puts them on the model. Answers how many tensors of each fitted nothing there.
pub fn put_on(pipeline: &mut StableDiffusionXl, chosen: &[ChosenLora]) -> Result<Vec<usize>, Failure> {
    let applied = read(pipeline, chosen)?;
    pipeline.set_loras(&applied, Application::Unmerged)?;
    Ok(applied.iter().map(|applied| applied.lora.report().unmatched.len()).collect())
}

/// Reads the files for this model.
pub fn read(pipeline: &StableDiffusionXl, chosen: &[ChosenLora]) -> Result<Vec<AppliedLora>, Failure> {
    let mut applied = Vec::with_capacity(chosen.len());
    for ChosenLora { path, unet_weight, text_encoder_weight } in chosen {
        let lora = Arc::new(pipeline.read_lora(&LoraFile::open(path)?)?);
        let (unet_weight, text_encoder_weight) = (*unet_weight, *text_encoder_weight);
        applied.push(AppliedLora { lora, unet_weight, text_encoder_weight });
    }
    Ok(applied)
}

/// `FILE`, `FILE:WEIGHT` or `FILE:WEIGHT:WEIGHT`, whichever names a file first: a name may hold colons of its own.
fn parse(option: &str, folders: &[PathBuf]) -> Option<ChosenLora> {
    let (mut name, mut weights) = (option, Vec::new());
    loop {
        if let Some(path) = find(name, folders) {
            let unet_weight = weights.last().copied().unwrap_or(1.0);
            let text_encoder_weight = weights.first().copied().unwrap_or(unet_weight);
            return Some(ChosenLora { path, unet_weight, text_encoder_weight });
        }
        let (before, weight) = name.rsplit_once(':').filter(|_| weights.len() < 2)?;
        weights.push(weight.trim().parse::<f64>().ok().filter(|weight| weight.is_finite())?);
        name = before;
    }
}

/// A file by its path, or by its name, with or without ending, in one of the folders or their `loras`.
fn find(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    if Path::new(name).is_file() {
        return Some(name.into());
    }
    if name.is_empty() || name.contains(['/', '\\']) || name.contains("..") {
        return None;
    }
    let places = folders.iter().flat_map(|folder| [folder.clone(), folder.join("loras")]);
    places
        .flat_map(|folder| [folder.join(name), folder.join(format!("{name}.safetensors"))])
        .find(|path| is_weights(path) && path.is_file())
}

fn unknown(what: &str, name: &str, folders: &[PathBuf]) -> Failure {
    let places: Vec<String> = folders.iter().map(|folder| format!("`{}`", folder.display())).collect();
    Failure::usage(
        format!("`{what}`: there is no LoRA `{name}`"),
        format!(
            "give the path of a .safetensors file with its weight, as `ink.safetensors:0.8`; names are looked for in {}",
            places.join(", ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_follow_the_name_and_names_may_hold_colons() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["ink.safetensors", "a:0.5.safetensors", "b:2"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let folders = [folder.path().to_owned()];
        let parsed = |option: &str| {
            let lora = parse(option, &folders)?;
            let name = lora.path.file_name()?.to_string_lossy().into_owned();
            Some((name, lora.unet_weight, lora.text_encoder_weight))
        };
        let is = |name: &str, unet, text| Some((name.to_owned(), unet, text));
        assert_eq!(parsed("ink"), is("ink.safetensors", 1.0, 1.0));
        assert_eq!(parsed("ink.safetensors:0.8"), is("ink.safetensors", 0.8, 0.8));
        assert_eq!(parsed("ink:-0.8:0.25"), is("ink.safetensors", -0.8, 0.25));
        assert_eq!(parsed("a:0.5"), is("a:0.5.safetensors", 1.0, 1.0));
        assert_eq!(parsed("a:0.5:0.7"), is("a:0.5.safetensors", 0.7, 0.7));
        let whole = folder.path().join("b:2").display().to_string();
        assert_eq!(parsed(&whole), is("b:2", 1.0, 1.0));
        assert_eq!(parsed(&format!("{whole}:3")), is("b:2", 3.0, 3.0));
        for wrong in ["", "none", "ink:x", "ink:1:2:3", "../ink", "ink:inf"] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn tags_are_found_by_name_and_leave_the_prompt() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("loras")).unwrap();
        std::fs::write(folder.path().join("loras/ou.safetensors"), b"").unwrap();
        let options = LoraOptions { loras: Vec::new(), prompt_weighting: false };
        let folders = [folder.path().to_owned()];
        let (text, chosen) = options.choose("a hat <lora:ou:0.5:0.1>", &folders).unwrap();
        assert_eq!((text.as_str(), chosen.len()), ("a hat ", 1));
        assert_eq!((chosen[0].unet_weight, chosen[0].text_encoder_weight), (0.5, 0.1));
        let wanted = chosen[0].wanted();
        assert_eq!((wanted.model.as_str(), wanted.weight), ("ou", 0.5));
        assert_eq!(wanted.text_encoder_weight, Some(0.1));
        let refusal = options.choose("<lora:nobody>", &folders).unwrap_err().to_string();
        assert!(refusal.contains("`nobody`") && refusal.contains("hint: "), "{refusal}");
    }
}
