//! The files of a tokenizer folder and what they say together.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::tokenizer::special::SpecialToken;
use crate::{Error, Result};

/// The bytes of the files of one tokenizer folder, as far as they exist.
#[derive(Clone, Debug, Default)]
pub struct TokenizerFiles {
    /// `tokenizer.json`: vocabulary and merges in one; goes before the next two.
    pub tokenizer: Option<Vec<u8>>,
    /// `vocab.json`.
    pub vocab: Option<Vec<u8>>,
    /// `merges.txt`.
    pub merges: Option<Vec<u8>>,
    /// `tokenizer_config.json`.
    pub config: Option<Vec<u8>>,
    /// `special_tokens_map.json`.
    pub special_tokens_map: Option<Vec<u8>>,
    /// `added_tokens.json`.
    pub added_tokens: Option<Vec<u8>>,
}

impl TokenizerFiles {
    /// Takes each file by its name in the folder from `read`, which answers `None` for a file that does not exist.
    pub fn read(mut read: impl FnMut(&str) -> Result<Option<Vec<u8>>>) -> Result<Self> {
        Ok(Self {
            tokenizer: read("tokenizer.json")?,
            vocab: read("vocab.json")?,
            merges: read("merges.txt")?,
            config: read("tokenizer_config.json")?,
            special_tokens_map: read("special_tokens_map.json")?,
            added_tokens: read("added_tokens.json")?,
        })
    }
}

/// What the files say.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) vocabulary: HashMap<String, u32>,
    pub(super) merges: Vec<(String, String)>,
    /// Tokens to cut out of text, in the order in which they are added; the number is used if the vocabulary lacks them.
    pub(super) special: Vec<SpecialToken>,
    pub(super) bos: String,
    pub(super) eos: String,
    pub(super) unk: String,
    pub(super) pad: String,
    pub(super) model_max_length: Option<usize>,
}

#[derive(Deserialize)]
struct TokenizerJson {
    #[serde(default)]
    added_tokens: Vec<NumberedToken>,
    model: Model,
}

#[derive(Deserialize)]
struct Model {
    vocab: HashMap<String, u32>,
    merges: Vec<Merge>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair(String, String),
    Line(String),
}

#[derive(Deserialize)]
struct NumberedToken {
    id: u32,
    #[serde(flatten)]
    token: SpecialToken,
}

pub(super) fn refusal(fault: impl Into<String>) -> Error {
    Error::config("tokenizer", fault, "take the tokenizer's files from the checkpoint again, unchanged")
}

fn json<'a, T: Deserialize<'a>>(name: &str, bytes: &'a [u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| refusal(format!("`{name}` is not understood: {error}")))
}

impl Parsed {
    pub(super) fn new(files: &TokenizerFiles) -> Result<Self> {
        let whole: Option<TokenizerJson> =
            files.tokenizer.as_deref().map(|bytes| json("tokenizer.json", bytes)).transpose()?;
        let mut settings: Map<String, Value> = files
            .config
            .as_deref()
            .map(|bytes| json("tokenizer_config.json", bytes))
            .transpose()?
            .unwrap_or_default();

        // Tokens by number. A configuration that lists them is complete; otherwise the older files are read.
        let mut numbered: BTreeMap<u32, SpecialToken> = BTreeMap::new();
        if let Some(listed) = settings.remove("added_tokens_decoder") {
            let listed: BTreeMap<u32, SpecialToken> = serde_json::from_value(listed)
                .map_err(|error| refusal(format!("`added_tokens_decoder` is not understood: {error}")))?;
            numbered = listed;
        } else {
            if let Some(bytes) = &files.special_tokens_map {
                settings.extend(json::<Map<String, Value>>("special_tokens_map.json", bytes)?);
            }
            if let Some(bytes) = &files.added_tokens {
                let added: HashMap<String, u32> = json("added_tokens.json", bytes)?;
                for (content, id) in added {
                    let named = settings.values().any(|value| value.as_str() == Some(&content));
                    let token = SpecialToken { normalized: !named, ..SpecialToken::plain(&content) };
                    numbered.insert(id, token);
                }
            }
            for NumberedToken { id, token } in whole.iter().flat_map(|whole| &whole.added_tokens) {
                numbered.insert(*id, token.clone());
            }
        }
        let mut special: Vec<SpecialToken> = numbered.into_values().collect();
        let listed = special.len();

        let mut named = |key: &str, default: &str| -> Result<String> {
            let token = match settings.get(key) {
                None | Some(Value::Null) => SpecialToken::plain(default),
                Some(Value::String(text)) => SpecialToken::plain(text),
                Some(value) => serde_json::from_value(value.clone())
                    .map_err(|error| refusal(format!("`{key}` is not understood: {error}")))?,
            };
            let content = token.content.clone();
            // A token that was listed keeps its rules. One that is named twice, as the end token is that also pads, has the
            // rules of the last naming: a bare string there means that it is searched in the raw text.
            match special.iter().position(|known| known.content == content) {
                Some(place) if place < listed => {}
                Some(place) => special[place] = token,
                None => special.push(token),
            }
            Ok(content)
        };
        let end = "<|endoftext|>";
        let (bos, eos) = (named("bos_token", "<|startoftext|>")?, named("eos_token", end)?);
        let (unk, pad) = (named("unk_token", end)?, named("pad_token", end)?);

        let (vocabulary, merges): (_, Vec<Merge>) = if let Some(TokenizerJson { model, .. }) = whole {
            (model.vocab, model.merges)
        } else {
            let (Some(vocab), Some(merges)) = (&files.vocab, &files.merges) else {
                return Err(refusal("neither `tokenizer.json` nor `vocab.json` with `merges.txt` exists"));
            };
            let text = std::str::from_utf8(merges)
                .map_err(|error| refusal(format!("`merges.txt` is not UTF-8: {error}")))?;
            let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("#version"));
            (json("vocab.json", vocab)?, lines.map(|line| Merge::Line(line.to_owned())).collect())
        };
        let merges: Option<Vec<(String, String)>> = merges.into_iter().map(Merge::pair).collect();
        Ok(Self {
            vocabulary,
            merges: merges.ok_or_else(|| refusal("a merge is not two pieces with a space between"))?,
            special,
            bos,
            eos,
            unk,
            pad,
            model_max_length: settings
                .get("model_max_length")
                .and_then(Value::as_u64)
                .map(|length| length as usize),
        })
    }
}

impl Merge {
    fn pair(self) -> Option<(String, String)> {
        match self {
            Self::Pair(left, right) => Some((left, right)),
            Self::Line(line) => {
                let (left, right) = line.split_once(' ')?;
                (!right.contains(' ')).then(|| (left.to_owned(), right.to_owned()))
            }
        }
    }
}
