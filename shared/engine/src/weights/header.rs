//! The header of a safetensors file, parsed and checked before any tensor is read.
//!
//! Layout of the format: 8 bytes of header length (little-endian), that many bytes of JSON
//! `{"name": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}, ..., "__metadata__": {"key": "text"}}`, then the data.
//! Offsets count from the end of the header, and the tensors must tile the data without overlap or hole.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};

use super::element::Element;
use super::error::Fault;
use super::source::TensorInfo;

/// The longest header accepted, as in the reference implementation.
pub const MAX_HEADER_BYTES: u64 = 100_000_000;
/// The most tensors accepted; the largest published image models have under ten thousand.
pub const MAX_TENSORS: usize = 100_000;
/// The longest tensor name accepted; real ones stay under two hundred bytes.
pub const MAX_NAME_BYTES: usize = 1024;
/// The highest rank accepted.
const MAX_RANK: usize = 8;

/// A checked header: where each tensor lies, of what type and shape.
#[derive(Debug, Clone)]
pub struct Header {
    tensors: BTreeMap<String, TensorInfo>,
    metadata: BTreeMap<String, String>,
    /// Where the data starts in the file.
    data_start: u64,
}

impl Header {
    /// Reads the header length out of the first bytes of a file of `size_bytes`, refusing what is not safetensors.
    ///
    /// `start` holds the first bytes of the file, at most 64 of them. The answer is safe to allocate.
    pub fn length(start: &[u8], size_bytes: u64) -> Result<usize, Fault> {
        if let Some(format) = other_format(start) {
            return Err(Fault::OtherFormat(format));
        }
        let Some(length) = start.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes)) else {
            return Err(Fault::TooShort { size_bytes });
        };
        if length > size_bytes.saturating_sub(8) {
            return Err(Fault::HeaderBeyondFile { header_bytes: length, size_bytes });
        }
        if length > MAX_HEADER_BYTES {
            return Err(Fault::HeaderTooLarge { header_bytes: length, limit_bytes: MAX_HEADER_BYTES });
        }
        Ok(length as usize)
    }

    /// Parses and checks the JSON of a header that belongs to a file of `size_bytes`.
    pub fn parse(json: &[u8], size_bytes: u64) -> Result<Self, Fault> {
        if json.first() != Some(&b'{') {
            return Err(Fault::HeaderNotJson("it does not start with `{`".into()));
        }
        let mut fault = None;
        let mut parser = serde_json::Deserializer::from_slice(json);
        let entries = Entries { fault: &mut fault }
            .deserialize(&mut parser)
            .and_then(|entries| parser.end().map(|()| entries));
        let (entries, metadata) = match (entries, fault) {
            (_, Some(fault)) => return Err(fault),
            (Err(error), None) => return Err(Fault::HeaderNotJson(shorten(&error.to_string()))),
            (Ok(entries), None) => entries,
        };
        let data_start = 8 + json.len() as u64;
        let tensors = check_layout(entries, size_bytes.saturating_sub(data_start))?;
        Ok(Self { tensors, metadata, data_start })
    }

    /// All tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, TensorInfo> {
        &self.tensors
    }

    /// The free-form `__metadata__` of the file.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Where in the file the bytes of a tensor start.
    pub fn position(&self, info: &TensorInfo) -> u64 {
        self.data_start + info.start
    }
}

/// Formats that people rename to `.safetensors`, told by their first bytes.
fn other_format(start: &[u8]) -> Option<&'static str> {
    let magic: [(&[u8], &str); 9] = [
        (b"PK\x03\x04", "a PyTorch pickle (a zip archive)"),
        (b"PK\x05\x06", "an empty zip archive"),
        (b"GGUF", "a GGUF file"),
        (b"\x89HDF", "an HDF5 file"),
        (b"version https://git-lfs", "a git-lfs pointer: the weights themselves were not downloaded"),
        (b"<!DOCTYPE", "a web page (the download asked for a login?)"),
        (b"<!doctype", "a web page (the download asked for a login?)"),
        (b"<html", "a web page (the download asked for a login?)"),
        (b"\x1f\x8b", "a gzip archive"),
    ];
    // A pickle of protocol 2 to 5 starts with PROTO and its number; as a header length that would be an absurd
    // low byte pair followed by text, but a small honest header can have these two bytes: then a `{` stands at byte 8.
    let pickle = matches!(start, [0x80, 2..=5, ..]) && start.get(8) != Some(&b'{');
    if pickle {
        return Some("a PyTorch pickle");
    }
    magic
        .iter()
        .find(|(bytes, _)| start.starts_with(bytes) && start.get(8) != Some(&b'{'))
        .map(|(_, name)| *name)
}

/// One tensor as written in the header.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

type Listed = (Vec<(String, Entry)>, BTreeMap<String, String>);

/// Reads the header's object entry by entry, so that limits and duplicates are noticed while reading, not afterwards.
struct Entries<'a> {
    fault: &'a mut Option<Fault>,
}

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = Listed;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Listed, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = Listed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Listed, A::Error> {
        let mut entries = Vec::new();
        let mut metadata = None;
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                if metadata.replace(map.next_value()?).is_some() {
                    *self.fault = Some(Fault::DuplicateTensor(name));
                    return Err(A::Error::custom("duplicate metadata"));
                }
                continue;
            }
            if let Err(fault) = check_name(&name) {
                *self.fault = Some(fault);
                let _: IgnoredAny = map.next_value()?;
                return Err(A::Error::custom("bad name"));
            }
            if entries.len() == MAX_TENSORS {
                *self.fault = Some(Fault::TooManyTensors { limit: MAX_TENSORS });
                return Err(A::Error::custom("too many tensors"));
            }
            entries.push((name, map.next_value::<Entry>()?));
        }
        Ok((entries, metadata.unwrap_or_default()))
    }
}

/// A tensor name is a dotted path of identifiers, never a file path.
fn check_name(name: &str) -> Result<(), Fault> {
    if name.len() > MAX_NAME_BYTES {
        let start = name.chars().filter(|c| !c.is_control()).take(40).collect();
        return Err(Fault::NameTooLong { length: name.len(), start, limit: MAX_NAME_BYTES });
    }
    if name.is_empty()
        || name.contains(['/', '\\'])
        || name.contains("..")
        || name.chars().any(char::is_control)
    {
        return Err(Fault::NameIsPath(
            name.chars().map(|c| if c.is_control() { '?' } else { c }).take(80).collect(),
        ));
    }
    Ok(())
}

/// Checks types, sizes and that the tensors tile the `data_bytes` that follow the header.
fn check_layout(
    entries: Vec<(String, Entry)>,
    data_bytes: u64,
) -> Result<BTreeMap<String, TensorInfo>, Fault> {
    let mut tensors = BTreeMap::new();
    let mut spans = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        let Some(element) = Element::from_name(&entry.dtype) else {
            return Err(Fault::UnknownElement { name, element: shorten(&entry.dtype) });
        };
        let [start, end] = entry.data_offsets;
        let count = entry.shape.iter().try_fold(1u64, |product, dim| product.checked_mul(*dim));
        let size = count.and_then(|count| count.checked_mul(element.size_bytes() as u64));
        let shape: Option<Vec<usize>> = entry.shape.iter().map(|dim| usize::try_from(*dim).ok()).collect();
        let (Some(expected_bytes), Some(shape), true) = (size, shape, entry.shape.len() <= MAX_RANK) else {
            let shape = entry.shape.into_iter().take(MAX_RANK).collect();
            return Err(Fault::DimensionsOverflow { name, shape });
        };
        if end.checked_sub(start) != Some(expected_bytes) {
            return Err(Fault::OffsetsDoNotFitShape { name, expected_bytes, start, end });
        }
        spans.push((start, end, name.clone()));
        if tensors.insert(name.clone(), TensorInfo { element, shape, start }).is_some() {
            return Err(Fault::DuplicateTensor(name));
        }
    }
    spans.sort();
    let mut covered = 0;
    let mut previous = String::new();
    for (start, end, name) in spans {
        if start < covered {
            return Err(Fault::Overlap { first: previous, second: name });
        }
        if start > covered {
            return Err(Fault::Hole { name, gap_bytes: start - covered });
        }
        covered = end;
        previous = name;
    }
    match covered.cmp(&data_bytes) {
        std::cmp::Ordering::Greater => {
            Err(Fault::Truncated { expected_bytes: covered, size_bytes: data_bytes })
        }
        std::cmp::Ordering::Less => Err(Fault::TrailingBytes { extra_bytes: data_bytes - covered }),
        std::cmp::Ordering::Equal => Ok(tensors),
    }
}

/// At most 120 characters of text that came out of a file, without control characters.
fn shorten(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(120).collect()
}
