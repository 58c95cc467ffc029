//! Which files of a repository make a model here.

use std::collections::BTreeSet;

use super::client::Repository;
use super::error::HubError;
use super::listing::RemoteFile;

/// Folders of a Stable Diffusion XL pipeline that hold weights.
const WITH_WEIGHTS: [&str; 4] = ["text_encoder", "text_encoder_2", "unet", "vae"];
/// Names that weights have before a variant and the ending.
const STEMS: [&str; 2] = ["diffusion_pytorch_model", "model"];
/// Small files, by folder. `README.md` carries the licence.
const SMALL: [(&str, &[&str]); 9] = [
    ("", &["model_index.json", "README.md", "LICENSE", "LICENSE.md", "LICENSE.txt"]),
    ("scheduler", &["scheduler_config.json"]),
    ("text_encoder", &["config.json"]),
    ("text_encoder_2", &["config.json"]),
    ("tokenizer", TOKENIZER),
    ("tokenizer_2", TOKENIZER),
    ("unet", &["config.json"]),
    ("vae", &["config.json"]),
    ("feature_extractor", &["preprocessor_config.json"]),
];
const TOKENIZER: &[&str] = &[
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.json",
];
/// Endings of formats that run code when they are read.
const PICKLES: [&str; 5] = ["bin", "ckpt", "pt", "pth", "pkl"];
/// Largest configuration or tokenizer file.
const LARGEST_SMALL: u64 = 32 << 20;

/// Number format of weights to prefer, where a repository has several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Half precision: half the download, and the same pictures to the eye.
    #[default]
    Half,
    /// Full precision.
    Full,
}

impl Precision {
    /// The variants in order of preference.
    fn variants(self) -> [&'static str; 3] {
        match self {
            Self::Half => [".fp16", "", ".bf16"],
            Self::Full => ["", ".fp16", ".bf16"],
        }
    }
}

/// What to fetch.
#[derive(Debug, PartialEq)]
pub(super) enum Selection {
    /// A folder in diffusers layout; small files first, so that an unsuitable model is known before its weights come.
    Folder(Vec<RemoteFile>),
    /// One file of weights: a LoRA, or a model in one file.
    Single(RemoteFile),
}

impl Selection {
    pub fn files(&self) -> &[RemoteFile] {
        match self {
            Self::Folder(files) => files,
            Self::Single(file) => std::slice::from_ref(file),
        }
    }
}

/// Chooses the files; `named` asks for one of them.
pub(super) fn select(
    repository: &Repository,
    named: Option<&str>,
    precision: Precision,
) -> Result<Selection, HubError> {
    let repo = || repository.repo.clone();
    if let Some(named) = named {
        let Some(file) = repository.files.iter().find(|file| file.path == named) else {
            let known = list(weights(repository));
            let hint = if known.is_empty() {
                "it has no .safetensors".to_owned()
            } else {
                format!("it has {known}")
            };
            return Err(HubError::NoFile { repo: repo(), file: named.chars().take(200).collect(), hint });
        };
        return if is_weights(file) {
            Ok(Selection::Single(file.clone()))
        } else {
            Err(HubError::Pickle { repo: repo(), file: file.path.clone() })
        };
    }
    if repository.files.iter().any(|file| file.path == "model_index.json") {
        return folder(repository, precision).map(Selection::Folder);
    }
    let single: Vec<&RemoteFile> = weights(repository).filter(|file| file.folder().is_empty()).collect();
    match single[..] {
        [file] => Ok(Selection::Single(file.clone())),
        [] => Err(match pickle(repository.files.iter()) {
            Some(file) => HubError::Pickle { repo: repo(), file },
            None => HubError::NothingUseful(repo()),
        }),
        _ => Err(HubError::Ambiguous { repo: repo(), files: list(single.into_iter()) }),
    }
}

fn folder(repository: &Repository, precision: Precision) -> Result<Vec<RemoteFile>, HubError> {
    let of = |folder: &'static str| repository.files.iter().filter(move |file| file.folder() == folder);
    let mut chosen: Vec<RemoteFile> = Vec::new();
    for (folder, names) in SMALL {
        let small = of(folder).filter(|file| names.contains(&file.name()) && file.size <= LARGEST_SMALL);
        chosen.extend(small.cloned());
    }
    for folder in WITH_WEIGHTS {
        let here: Vec<&RemoteFile> = of(folder).collect();
        if here.is_empty() {
            continue;
        }
        let found = precision
            .variants()
            .into_iter()
            .find_map(|variant| STEMS.into_iter().find_map(|stem| weights_named(&here, stem, variant)));
        let Some(found) = found else {
            return Err(match pickle(here.into_iter()) {
                Some(file) => HubError::Pickle { repo: repository.repo.clone(), file },
                None => HubError::NothingUseful(repository.repo.clone()),
            });
        };
        chosen.extend(found);
    }
    Ok(chosen)
}

/// One file, or an index with its shards.
fn weights_named(here: &[&RemoteFile], stem: &str, variant: &str) -> Option<Vec<RemoteFile>> {
    let find = |name: String| here.iter().find(|file| file.name() == name);
    if let Some(single) = find(format!("{stem}{variant}.safetensors")) {
        return Some(vec![(*single).clone()]);
    }
    let index = find(format!("{stem}.safetensors.index{variant}.json"))
        .or_else(|| find(format!("{stem}{variant}.safetensors.index.json")))?;
    // Both `model.fp16-00001-of-00002` and `model-00001-of-00002.fp16` occur.
    let shards: Vec<RemoteFile> =
        here.iter().filter(|file| is_shard(file.name(), stem, variant)).map(|file| (*file).clone()).collect();
    (!shards.is_empty()).then(|| [vec![(*index).clone()], shards].concat())
}

fn is_shard(name: &str, stem: &str, variant: &str) -> bool {
    let Some(rest) = name.strip_prefix(stem).and_then(|rest| rest.strip_suffix(".safetensors")) else {
        return false;
    };
    let numbers = rest.strip_prefix(variant).or_else(|| rest.strip_suffix(variant)).unwrap_or_default();
    let Some((number, count)) = numbers.strip_prefix('-').and_then(|text| text.split_once("-of-")) else {
        return false;
    };
    [number, count].iter().all(|text| text.len() == 5 && text.chars().all(|c| c.is_ascii_digit()))
}

fn weights(repository: &Repository) -> impl Iterator<Item = &RemoteFile> {
    repository.files.iter().filter(|file| is_weights(file))
}

fn is_weights(file: &RemoteFile) -> bool {
    file.name().ends_with(".safetensors")
}

fn pickle<'a>(files: impl Iterator<Item = &'a RemoteFile>) -> Option<String> {
    files
        .filter(|file| file.name().rsplit_once('.').is_some_and(|(_, ending)| PICKLES.contains(&ending)))
        .map(|file| file.path.clone())
        .next()
}

/// Some names, for a sentence.
fn list<'a>(files: impl Iterator<Item = &'a RemoteFile>) -> String {
    let names: BTreeSet<&str> = files.map(|file| file.path.as_str()).collect();
    names.into_iter().take(8).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::listing::Hash;
    use super::*;

    fn repository(paths: &[&str]) -> Repository {
        let file = |path: &&str| RemoteFile {
            path: (*path).to_owned(),
            size: 10,
            hash: Hash::Sha256("0".repeat(64)),
        };
        Repository {
            repo: "a/b".parse().unwrap(),
            commit: "0".repeat(40).parse().unwrap(),
            files: paths.iter().map(file).collect(),
        }
    }

    fn paths(selection: &Selection) -> Vec<&str> {
        selection.files().iter().map(|file| file.path.as_str()).collect()
    }

    #[test]
    fn a_pipeline_comes_once_in_the_wanted_precision() {
        let repository = repository(&[
            "README.md",
            "model_index.json",
            "sd_xl_base_1.0.safetensors",
            "scheduler/scheduler_config.json",
            "tokenizer/vocab.json",
            "tokenizer/merges.txt",
            "text_encoder/config.json",
            "text_encoder/model.safetensors",
            "text_encoder/model.fp16.safetensors",
            "text_encoder/flax_model.msgpack",
            "text_encoder/pytorch_model.bin",
            "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors.index.json",
            "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
            "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
            "unet/diffusion_pytorch_model.fp16.safetensors",
            "vae/config.json",
            "vae/diffusion_pytorch_model.safetensors",
            "vae_decoder/model.onnx",
        ]);
        let half = select(&repository, None, Precision::Half).unwrap();
        let half = paths(&half);
        assert_eq!(half[0], "README.md");
        assert!(half.contains(&"text_encoder/model.fp16.safetensors"));
        assert!(half.contains(&"unet/diffusion_pytorch_model.fp16.safetensors"));
        assert!(half.contains(&"vae/diffusion_pytorch_model.safetensors"));
        assert_eq!(half.iter().filter(|path| path.ends_with(".safetensors")).count(), 3);
        let full = select(&repository, None, Precision::Full).unwrap();
        let full = paths(&full);
        assert!(full.contains(&"unet/diffusion_pytorch_model.safetensors.index.json"));
        assert_eq!(
            full.iter().filter(|path| path.starts_with("unet/") && path.ends_with("safetensors")).count(),
            2
        );
        assert!(full.iter().all(|path| !path.contains("fp16") && !path.contains(".bin")));
    }

    #[test]
    fn pickles_are_refused_by_name() {
        for files in [
            &["model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.bin"][..],
            &["sd-v1-4.ckpt"][..],
        ] {
            let error = select(&repository(files), None, Precision::Half).unwrap_err();
            assert!(matches!(error, HubError::Pickle { .. }), "{error}");
        }
        let error = select(&repository(&["x.pt"]), Some("x.pt"), Precision::Half).unwrap_err();
        assert!(matches!(error, HubError::Pickle { .. }), "{error}");
    }

    #[test]
    fn one_file_is_enough_several_must_be_named() {
        let lora = repository(&["README.md", "pytorch_lora_weights.safetensors"]);
        let one = select(&lora, None, Precision::Half).unwrap();
        assert_eq!(paths(&one), ["pytorch_lora_weights.safetensors"]);
        let several = repository(&["a.safetensors", "b.safetensors"]);
        let error = select(&several, None, Precision::Half).unwrap_err().to_string();
        assert!(error.contains("a.safetensors, b.safetensors"), "{error}");
        assert_eq!(
            paths(&select(&several, Some("b.safetensors"), Precision::Half).unwrap()),
            ["b.safetensors"]
        );
        assert!(select(&several, Some("c.safetensors"), Precision::Half).is_err());
        assert!(matches!(
            select(&repository(&["README.md"]), None, Precision::Half),
            Err(HubError::NothingUseful(_))
        ));
    }

    #[test]
    fn shards_are_told_from_other_files() {
        assert!(is_shard("model-00001-of-00002.safetensors", "model", ""));
        assert!(is_shard("model.fp16-00001-of-00002.safetensors", "model", ".fp16"));
        assert!(is_shard("model-00001-of-00002.fp16.safetensors", "model", ".fp16"));
        assert!(!is_shard("model.fp16-00001-of-00002.safetensors", "model", ""));
        assert!(!is_shard("model.safetensors", "model", ""));
        assert!(!is_shard("model-1-of-2.safetensors", "model", ""));
    }
}
