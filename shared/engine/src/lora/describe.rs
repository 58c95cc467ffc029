//! What a LoRA file says about itself, without a model.

use std::collections::BTreeMap;

use serde_json::Value;

use super::family::{BaseModel, text_width};
use super::file::LoraFile;
use super::keys::{Factor, Key};
use crate::weights::TensorSource;

/// The longest JSON in metadata that is parsed; tag lists of large data sets have a few megabytes.
const MAX_JSON_BYTES: usize = 16_000_000;
/// The most tags that are listed.
const MAX_TAGS: usize = 50;
/// The longest text that is repeated.
const MAX_TEXT_CHARS: usize = 2_000;

/// Metadata and shapes of a LoRA file, in words. Fields that the file does not state are empty rather than guessed.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraDescription {
    /// `modelspec.title`, else `ss_output_name`.
    pub title: Option<String>,
    /// `modelspec.author`.
    pub author: Option<String>,
    /// `modelspec.description`, else `ss_training_comment`.
    pub description: Option<String>,
    /// `modelspec.license`.
    pub license: Option<String>,
    /// Words that call up what it was trained on: `modelspec.trigger_phrase` at its commas, else tags that stood in the
    /// caption of every training picture.
    pub trigger_words: Vec<String>,
    /// Tags of the training captions with how often they occurred, most frequent first: `ss_tag_frequency` over all folders.
    pub tags: Vec<(String, u64)>,
    /// What it was made for.
    pub base: Option<BaseModel>,
    /// The very model, in the file's own words: the file that it was trained on (`ss_sd_model_name`), else
    /// `ss_base_model_version`, else `modelspec.architecture`.
    pub base_version: Option<String>,
    /// Formats of its factors, such as `LoRA`, `LoHa`, `DoRA`.
    pub formats: Vec<&'static str>,
    /// The smallest and the largest rank of its layers.
    pub ranks: Option<(usize, usize)>,
    /// `ss_network_alpha`.
    pub alpha: Option<f64>,
    /// How many layers of the UNet and of the text encoders it changes, by the starts of their names.
    pub layers: (usize, usize),
    /// The width of the text that its layers look at, `cross_attention_dim` of the model that it fits; unknown when it changes no
    /// such layer.
    pub text_width: Option<usize>,
    /// How many tensors it has.
    pub tensors: usize,
}

/// Describes a file by its header alone.
pub fn describe(file: &LoraFile) -> LoraDescription {
    let source = file.source();
    let text = |key: &str| source.metadata(key).map(shortened).filter(|text| !text.is_empty());
    let folders = tag_folders(source);
    let mut tags: BTreeMap<&str, u64> = BTreeMap::new();
    for (tag, count) in folders.iter().flat_map(|(_, tags)| tags) {
        *tags.entry(tag.as_str()).or_default() += count;
    }
    let mut tags: Vec<(String, u64)> = tags
        .into_iter()
        .map(|(tag, count)| (shortened(tag), count))
        .filter(|(tag, _)| !tag.is_empty())
        .collect();
    tags.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let phrase = text("modelspec.trigger_phrase");
    let trigger_words = match &phrase {
        Some(phrase) => {
            phrase.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        }
        None => in_every_caption(source, &tags),
    };
    tags.truncate(MAX_TAGS);

    let mut shapes = Shapes::default();
    for name in source.names() {
        if let (Key::Factor { layer, factor }, Some(info)) = (Key::of(name), source.info(name)) {
            shapes.add(layer, factor, &info.shape);
        }
    }
    LoraDescription {
        title: text("modelspec.title").or_else(|| text("ss_output_name")),
        author: text("modelspec.author"),
        description: text("modelspec.description").or_else(|| text("ss_training_comment")),
        license: text("modelspec.license"),
        trigger_words,
        tags,
        base: BaseModel::of(source),
        base_version: text("ss_sd_model_name")
            .map(|name| name.strip_suffix(".safetensors").unwrap_or(&name).to_owned())
            .or_else(|| text("ss_base_model_version"))
            .or_else(|| text("modelspec.architecture")),
        formats: shapes.formats,
        ranks: shapes.ranks,
        alpha: source
            .metadata("ss_network_alpha")
            .and_then(|text| text.trim().parse().ok())
            .filter(|alpha: &f64| alpha.is_finite()),
        layers: shapes.layers,
        text_width: text_width(source),
        tensors: source.names().len(),
    }
}

/// Text of a file without control characters but line ends, not too long. Trainers write `None` for what they do not know.
fn shortened(text: &str) -> String {
    let clean: String =
        text.trim().chars().filter(|c| !c.is_control() || *c == '\n').take(MAX_TEXT_CHARS).collect();
    if clean == "None" { String::new() } else { clean }
}

/// `ss_tag_frequency`: folder to tags with their counts. What is not of that form counts as nothing.
fn tag_folders(source: &dyn TensorSource) -> Vec<(String, Vec<(String, u64)>)> {
    let json = source.metadata("ss_tag_frequency").filter(|text| text.len() <= MAX_JSON_BYTES);
    let Some(Value::Object(folders)) = json.and_then(|text| serde_json::from_str(text).ok()) else {
        return Vec::new();
    };
    let counted = |tags: Value| match tags {
        Value::Object(tags) => tags
            .into_iter()
            .filter_map(|(tag, count)| Some((tag.trim().to_owned(), count.as_u64()?)))
            .collect(),
        _ => Vec::new(),
    };
    folders.into_iter().map(|(folder, tags)| (folder, counted(tags))).collect()
}

/// Tags that occur as often as there are training pictures (`ss_num_train_images` counts repeats, the folders' names say
/// how many, so the count of a tag in every caption is that of the most frequent one, and at least two).
fn in_every_caption(source: &dyn TensorSource, tags: &[(String, u64)]) -> Vec<String> {
    let most = tags.first().map_or(0, |(_, count)| *count);
    let pictures: Option<u64> =
        source.metadata("ss_num_train_images").and_then(|text| text.trim().parse().ok());
    if most < 2 || pictures.is_some_and(|pictures| most > pictures) {
        return Vec::new();
    }
    tags.iter().take_while(|(_, count)| *count == most).take(8).map(|(tag, _)| tag.clone()).collect()
}

#[derive(Default)]
struct Shapes {
    formats: Vec<&'static str>,
    ranks: Option<(usize, usize)>,
    layers: (usize, usize),
}

impl Shapes {
    fn add(&mut self, layer: &str, factor: Factor, shape: &[usize]) {
        let (format, rank, first) = match factor {
            Factor::Down if shape.len() == 4 && shape[2..] != [1, 1] => ("LoCon", shape.first(), true),
            Factor::Down => ("LoRA", shape.first(), true),
            Factor::Mid => ("LoCon", None, false),
            Factor::Magnitude | Factor::DoraScale => ("DoRA", None, false),
            Factor::Hada1B => ("LoHa", shape.first(), true),
            Factor::Kron1 | Factor::Kron1A => ("LoKr", None, true),
            Factor::Kron1B | Factor::Kron2B => ("LoKr", shape.first(), false),
            _ => return,
        };
        if !self.formats.contains(&format) {
            self.formats.push(format);
        }
        if let Some(&rank) = rank {
            let (least, most) = self.ranks.unwrap_or((rank, rank));
            self.ranks = Some((least.min(rank), most.max(rank)));
        }
        if first {
            let of_text = ["lora_te", "text_encoder"].iter().any(|start| layer.starts_with(start));
            let count = if of_text { &mut self.layers.1 } else { &mut self.layers.0 };
            *count += 1;
        }
    }
}
