//! The tokenizer against transformers' `CLIPTokenizer`, on a thousand strings and several layouts of files.
//!
//! The ids were made by `tests/reference/engine/tokenizer.py`.

use std::collections::BTreeMap;

use chapan_engine::tokenizer::{ClipTokenizer, TokenizerFiles};
use chapan_tests::fixture::fixture_path;
use serde::Deserialize;

#[derive(Deserialize)]
struct Layout {
    /// How many merges of the whole file the vocabulary has.
    merges: usize,
    files: BTreeMap<String, Option<String>>,
    length: usize,
    stated_length: Option<usize>,
    every: usize,
    ids: Vec<Vec<u32>>,
    padded: BTreeMap<String, Vec<u32>>,
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(fixture_path("tokenizer").join(name)).expect("fixture is committed")
}

/// `vocab.json` and `merges.txt` of CLIP cut to `count` merges: bytes, bytes that end a word, joined pairs, two tokens.
fn vocabulary(count: usize) -> (Vec<u8>, Vec<u8>) {
    let text = String::from_utf8(read("merges.txt")).expect("text");
    let lines: Vec<&str> = text.lines().skip(1).take(count).collect();
    // The order of CLIP's vocabulary: printable bytes first, then the others.
    let printable = (0x21..=0x7e).chain(0xa1..=0xac).chain(0xae..=0xff);
    let bytes: Vec<char> = printable.chain(0x100..0x144).filter_map(char::from_u32).collect();
    let mut pieces: Vec<String> = bytes.iter().copied().map(String::from).collect();
    pieces.extend(bytes.iter().map(|c| format!("{c}</w>")));
    pieces.extend(lines.iter().map(|line| line.replace(' ', "")));
    pieces.extend(["<|startoftext|>", "<|endoftext|>"].map(str::to_owned));
    let numbered: BTreeMap<String, usize> =
        pieces.into_iter().enumerate().map(|(i, piece)| (piece, i)).collect();
    (serde_json::to_vec(&numbered).expect("serialises"), lines.join("\n").into_bytes())
}

fn check(name: &str) {
    let texts: Vec<String> = serde_json::from_slice(&read("strings.json")).expect("parses");
    let layout: Layout = serde_json::from_slice(&read(&format!("{name}.json"))).expect("parses");
    let (vocab, merges) = vocabulary(layout.merges);
    let file = |key: &str| layout.files[key].clone().map(String::into_bytes);
    let whole = file("tokenizer.json");
    let files = TokenizerFiles {
        vocab: whole.is_none().then_some(vocab),
        merges: whole.is_none().then_some(merges),
        tokenizer: whole,
        config: file("tokenizer_config.json"),
        special_tokens_map: file("special_tokens_map.json"),
        added_tokens: None,
    };
    let tokenizer = ClipTokenizer::new(&files).expect("the files are those of transformers");
    assert_eq!(tokenizer.model_max_length(), layout.stated_length, "{name}");
    assert!(layout.ids.len() * layout.every >= 1000 && layout.padded.len() >= 20);
    for (text, expected) in texts.iter().step_by(layout.every).zip(&layout.ids) {
        assert_eq!(&tokenizer.pieces(text), expected, "{name}: {text:?}");
    }
    for (index, expected) in &layout.padded {
        let text = &texts[index.parse::<usize>().expect("an index")];
        assert_eq!(&tokenizer.encode(text, layout.length), expected, "{name}: {text:?}");
    }
}

#[test]
fn all_of_clip() {
    check("full");
}

#[test]
fn second_tokenizer_of_sdxl_pads_with_an_exclamation_mark() {
    check("small_sdxl_2");
}

#[test]
fn vocabulary_and_merges_alone() {
    check("small_bare");
}

#[test]
fn listed_added_tokens_with_all_their_rules() {
    check("small_listed");
}

#[test]
fn a_pad_token_outside_the_vocabulary() {
    check("small_new_pad");
}

#[test]
fn a_single_tokenizer_json() {
    check("small_json");
}

#[test]
fn damaged_files_are_refused_with_a_hint() {
    let (vocab, merges) = vocabulary(20);
    let whole = TokenizerFiles { vocab: Some(vocab), merges: Some(merges), ..TokenizerFiles::default() };
    assert!(ClipTokenizer::new(&whole).is_ok());
    for (files, fault) in [
        (TokenizerFiles { merges: None, ..whole.clone() }, "merges.txt"),
        (TokenizerFiles { merges: Some(b"a b c".to_vec()), ..whole.clone() }, "two pieces"),
        (TokenizerFiles { merges: Some(b"qq zz".to_vec()), ..whole.clone() }, "`qqzz`"),
        (TokenizerFiles { vocab: Some(b"[1]".to_vec()), ..whole.clone() }, "vocab.json"),
        (TokenizerFiles { tokenizer: Some(b"{}".to_vec()), ..whole.clone() }, "tokenizer.json"),
        (TokenizerFiles { config: Some(b"{\"pad_token\": 3}".to_vec()), ..whole }, "pad_token"),
    ] {
        let refusal = ClipTokenizer::new(&files).expect_err("damaged").to_string();
        assert!(refusal.contains(fault) && refusal.contains("hint: "), "{refusal}");
    }
}
