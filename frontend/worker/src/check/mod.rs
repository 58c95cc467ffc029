//! Reading a prompt as the text encoders will: how much of it they see, and what they make of it.

mod negation;
mod phrases;
mod tags;

use std::collections::BTreeMap;

use chapan_engine::evaluate::ConvClip;
use chapan_engine::prompt::{Part, parse_emphasis};
use chapan_engine::tokenizer::{ClipTokenizer, TokenReport, TokenizerFiles};
use chapan_engine::weights::InMemory;
use chapan_engine::{Device, Result};
use chapan_metrics::{cosine, zero_shot};
use chapan_world::{Group, groups};

use crate::messages::{Feature, PromptReport, Said};

/// Files of a model by their paths.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Where the encoders' positions end when no file says so.
const USUAL_LIMIT: usize = 77;
/// Files that hold a vocabulary; either is enough.
const VOCABULARIES: [&str; 2] = ["tokenizer.json", "vocab.json"];
/// An attribute is clearly said from this probability within its group on, and from this cosine on: a prompt that says nothing
/// of a group still has a nearest phrase there.
const CLEAR: f64 = 0.95;
const NEAR: f64 = 0.3;
/// What a value is called that says that something is not there. Captions leave it out, and so does a prompt.
const ABSENT: &str = "none";

/// The tokenizers of a checkpoint's text encoders.
pub struct Counter {
    tokenizers: Vec<ClipTokenizer>,
    limit: usize,
}

impl Counter {
    /// Reads `tokenizer/` and `tokenizer_2/`, or a single tokenizer at the top, as far as they exist.
    pub fn new(files: &Files) -> Result<Self> {
        let mut tokenizers = Vec::new();
        for folder in ["tokenizer/", "tokenizer_2/", ""] {
            if VOCABULARIES.iter().any(|name| files.contains_key(&format!("{folder}{name}"))) {
                let read = |name: &str| Ok(files.get(&format!("{folder}{name}")).cloned());
                tokenizers.push(ClipTokenizer::new(&TokenizerFiles::read(read)?)?);
            }
        }
        let limits = tokenizers.iter().filter_map(ClipTokenizer::model_max_length);
        Ok(Self { limit: limits.min().unwrap_or(USUAL_LIMIT), tokenizers })
    }

    /// Tokens for each encoder, start and end included; and the byte from which on one of them reads nothing. Weights are no
    /// words, and with them every word is read.
    fn count(&self, prompt: &str, weighting: bool) -> (Vec<usize>, Option<usize>) {
        if weighting && let Ok(parts) = parse_emphasis(prompt) {
            let tokens = |tokenizer: &ClipTokenizer| {
                let in_part = |part: &Part| match part {
                    Part::Text { text, .. } => tokenizer.pieces(text).len(),
                    Part::Break => 0,
                };
                parts.iter().map(in_part).sum::<usize>() + 2
            };
            return (self.tokenizers.iter().map(tokens).collect(), None);
        }
        let reports: Vec<TokenReport> =
            self.tokenizers.iter().map(|tokenizer| tokenizer.report(prompt, self.limit)).collect();
        let cut = reports.iter().filter_map(|report| Some(report.beyond.as_ref()?.start)).min();
        let byte = |place: usize| prompt.char_indices().nth(place).map_or(prompt.len(), |(at, _)| at);
        (reports.iter().map(|report| report.tokens).collect(), cut.map(byte))
    }
}

/// The small CLIP with the phrases of the drawing world.
pub struct Reader {
    clip: ConvClip,
    phrases: Vec<GroupOfPhrases>,
}

struct GroupOfPhrases {
    group: Group,
    embeddings: Vec<Vec<f32>>,
}

impl Reader {
    /// Loads the model and embeds every phrase once.
    pub fn new(mut files: Files) -> Result<Self> {
        let tokenizer = TokenizerFiles::read(|name| Ok(files.get(name).cloned()))?;
        let config = files.remove("config.json").unwrap_or_default();
        let weights = files.keys().find(|name| name.ends_with(".safetensors")).cloned().unwrap_or_default();
        let bytes = files.remove(&weights).unwrap_or_default();
        let source = InMemory::new(weights, bytes)?;
        let clip = ConvClip::load(&String::from_utf8_lossy(&config), source, &tokenizer, &Device::Cpu)?;
        let embed = |group: &Group| {
            let texts: Vec<&str> = group.values().iter().map(|words| words.clip).collect();
            Ok(GroupOfPhrases { group: *group, embeddings: clip.embed_texts(&texts)? })
        };
        let phrases = groups().iter().map(embed).collect::<Result<_>>()?;
        Ok(Self { clip, phrases })
    }

    /// What a prompt says: of what is wanted, and of everything that the world knows.
    fn read(&self, prompt: &str, wanted: &[Feature]) -> Result<(Vec<Said>, Vec<Said>)> {
        let [embedding] = self.clip.embed_texts(&[prompt])?.try_into().unwrap_or_default();
        // Portraits and rooms have groups of their own; which of both a prompt is about shows in one group of each.
        let nearest = |wanted: Group| {
            let phrases = self.phrases.iter().filter(|phrases| phrases.group == wanted);
            let rows = phrases.flat_map(|phrases| &phrases.embeddings);
            rows.filter_map(|row| cosine(&embedding, row).ok()).fold(-1.0, f64::max)
        };
        let is_room = nearest(Group::Guests) > nearest(Group::Age);
        let mut all: Vec<Said> = Vec::new();
        let mut said: Vec<Said> = Vec::new();
        for GroupOfPhrases { group, embeddings } in &self.phrases {
            let rows: Vec<&[f32]> = embeddings.iter().map(Vec::as_slice).collect();
            let Ok(verdict) = zero_shot(&embedding, &rows, self.clip.logit_scale()) else { continue };
            for (index, words) in group.values().iter().enumerate() {
                let one = Said {
                    feature: Feature { group: group.name().to_owned(), value: words.value.to_owned() },
                    phrase: words.clip.to_owned(),
                    similarity: cosine(&embedding, &embeddings[index]).unwrap_or(0.0),
                    share: verdict.probabilities[index],
                };
                let clear = one.share >= CLEAR && one.similarity >= NEAR && words.value != ABSENT;
                if index == verdict.top_match && clear && group.is_of_rooms() == is_room {
                    said.push(one.clone());
                }
                all.push(one);
            }
        }
        said.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
        let wanted =
            wanted.iter().filter_map(|feature| all.iter().find(|one| one.feature == *feature).cloned());
        Ok((wanted.collect(), said))
    }
}

/// The words of a prompt without the brackets that weigh them; as it is where these are refused.
fn without_weights(prompt: &str) -> String {
    let Ok(parts) = parse_emphasis(prompt) else { return prompt.to_owned() };
    let word = |part: &Part| match part {
        Part::Text { text, .. } => text.clone(),
        Part::Break => " ".to_owned(),
    };
    parts.iter().map(word).collect()
}

/// Reads a prompt.
///
/// # Errors
/// When the model refuses, which it does for no text.
pub fn check(
    counter: &Counter,
    reader: &Reader,
    prompt: &str,
    weighting: bool,
    wanted: &[Feature],
) -> Result<PromptReport> {
    let words = tags::blank(prompt);
    let (tokens, cut) = counter.count(&words, weighting);
    let read = if weighting { without_weights(&words) } else { words.clone() };
    let (wanted, said) =
        if read.trim().is_empty() { (Vec::new(), Vec::new()) } else { reader.read(&read, wanted)? };
    let (empty, repeated) = phrases::faults(prompt);
    Ok(PromptReport {
        exact: true,
        tokens,
        limit: counter.limit,
        all_read: weighting,
        cut,
        empty,
        repeated,
        negations: negation::find(&words),
        wanted,
        said,
        took_ms: 0.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokenizers that ship, as files of a model.
    fn files(only_json: bool) -> Files {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/models/chapan-mini");
        let mut files = Files::new();
        for part in ["tokenizer", "tokenizer_2"] {
            for entry in std::fs::read_dir(format!("{folder}/{part}")).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                files.insert(format!("{part}/{name}"), std::fs::read(&path).unwrap());
            }
        }
        if !only_json {
            return files;
        }
        // The same vocabulary and merges in one file, as newer checkpoints have them.
        let vocab: serde_json::Value = serde_json::from_slice(&files["tokenizer/vocab.json"]).unwrap();
        let merges = String::from_utf8(files["tokenizer/merges.txt"].clone()).unwrap();
        let merges: Vec<&str> = merges.lines().filter(|line| !line.starts_with("#version")).collect();
        let whole = serde_json::json!({"added_tokens": [], "model": {"vocab": vocab, "merges": merges}});
        let mut files: Files = files
            .into_iter()
            .filter(|(path, _)| path.ends_with("config.json") || path.ends_with("map.json"))
            .collect();
        files.insert("tokenizer/tokenizer.json".to_owned(), serde_json::to_vec(&whole).unwrap());
        files
    }

    #[test]
    fn either_form_of_a_vocabulary_counts() {
        let (both, json) = (Counter::new(&files(false)).unwrap(), Counter::new(&files(true)).unwrap());
        assert_eq!(both.count("a man", false), (vec![4, 4], None));
        assert_eq!(json.count("a man", false), (vec![4], None));
    }

    #[test]
    fn tags_and_weights_are_no_words() {
        let counter = Counter::new(&files(false)).unwrap();
        let count = |prompt: &str, weighting| counter.count(&tags::blank(prompt), weighting);
        assert_eq!(count("a man <lora:ink:0.8>", false), counter.count("a man", false));
        assert_eq!(count("(a:1.3) man <lora:ink>", true), counter.count("a man", false));
        assert!(count("(a:1.3) man", false).0[0] > 4);
    }

    #[test]
    fn with_weights_nothing_is_cut() {
        let counter = Counter::new(&files(false)).unwrap();
        let long = vec!["man"; 100].join(" ");
        assert!(counter.count(&long, false).1.is_some());
        let (tokens, cut) = counter.count(&long, true);
        assert_eq!((tokens[0], cut), (102, None));
    }
}
