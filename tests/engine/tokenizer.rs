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

/// The tokenizer of a fixture and what the fixture says about it.
fn tokenizer(name: &str) -> (ClipTokenizer, Layout) {
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
    (ClipTokenizer::new(&files).expect("the files are those of transformers"), layout)
}

fn check(name: &str) {
    let texts: Vec<String> = serde_json::from_slice(&read("strings.json")).expect("parses");
    let (tokenizer, layout) = tokenizer(name);
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

#[test]
fn a_report_counts_tokens_and_points_at_what_is_cut() {
    let tokenizer = tokenizer("full").0;
    let fits = tokenizer.report("a photo of an orange hat", 77);
    assert_eq!((fits.tokens, fits.limit, fits.beyond), (8, 77, None));
    assert_eq!(tokenizer.report("", 77).tokens, 2);
    // 75 words fit exactly; one more does not, nor does the white space after it count.
    let words = |count| "hat ".repeat(count);
    assert_eq!(tokenizer.report(&words(75), 77).beyond, None);
    let over = tokenizer.report(&words(76), 77);
    assert_eq!((over.tokens, over.beyond), (78, Some(300..303)));
    // Characters, not bytes: every Cyrillic letter has two bytes.
    let text = format!("қалпақ {}hat", "hat ".repeat(74));
    let cut = tokenizer.report(&text, 77);
    let kazakh = cut.tokens - 2 - 75;
    assert!(kazakh > 1);
    assert_eq!(cut.beyond, Some(text.chars().count() - 3 - 4 * (kazakh - 1)..text.chars().count()));
    // A special token inside the text is one token.
    assert_eq!(tokenizer.report("a <|endoftext|> b", 77).tokens, 5);
}

#[test]
fn every_token_knows_where_it_comes_from() {
    let texts: Vec<String> = serde_json::from_slice(&read("strings.json")).expect("parses");
    let tokenizer = tokenizer("full").0;
    for text in texts {
        let pieces = tokenizer.located_pieces(&text);
        assert!(pieces.is_sorted_by_key(|piece| piece.start), "{text:?}");
        for (index, piece) in pieces.iter().enumerate() {
            assert!(text.is_char_boundary(piece.start), "{text:?}");
            if index > 0 && pieces[index - 1].start == piece.start {
                // Another token of the same character.
                continue;
            }
            // What comes before a token that begins a word gives the tokens before it: the place is right.
            let before = &text[..piece.start];
            if before.ends_with(' ') && text[piece.start..].starts_with(|c: char| c.is_ascii_alphanumeric()) {
                let ids: Vec<u32> = pieces[..index].iter().map(|piece| piece.id).collect();
                assert_eq!(tokenizer.pieces(before), ids, "{text:?} before byte {}", piece.start);
            }
        }
    }
}
