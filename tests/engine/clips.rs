//! The scoring CLIP from a folder of transformers: preprocessing, both towers and logits as its own
//! (`tests/reference/engine/clip.py`), and what a folder may not be.

use std::path::{Path, PathBuf};

use chapan_engine::evaluate::{Clip, Preprocessor, RgbPicture};
use chapan_engine::{DType, Device, Tensor};
use chapan_tests::fixture::fixture_path;
use safetensors::SafeTensors;
use serde_json::Value;

/// Server and browser may be 1e-4 apart, so each may be half of that from the reference.
const TOLERANCE: f32 = 5e-5;

fn mini() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/models/chapan-mini-clip")
}

/// The fixture's model with the mini family's tokenizer, in a folder of its own.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let copy = |from: PathBuf| std::fs::copy(&from, folder.path().join(from.file_name().unwrap())).unwrap();
    for name in ["config.json", "model.safetensors", "preprocessor_config.json"] {
        copy(fixture_path("engine/clip").join(name));
    }
    for name in ["vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"] {
        copy(mini().join(name));
    }
    folder
}

struct Expected {
    pictures: Vec<(Vec<u8>, usize, usize)>,
    texts: Vec<String>,
    io: Vec<u8>,
}

impl Expected {
    fn read() -> Self {
        Self::of("engine/clip/expected")
    }

    fn of(name: &str) -> Self {
        let bytes = |ending: &str| std::fs::read(fixture_path(&format!("{name}.{ending}"))).unwrap();
        let cases: Value = serde_json::from_slice(&bytes("json")).unwrap();
        let pictures = cases["pictures"].as_array().unwrap().iter().map(|case| {
            let [seed, width, height] = [0, 1, 2].map(|index| case[index].as_u64().unwrap() as usize);
            (picture(seed as u32, width, height), width, height)
        });
        let texts = cases["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned());
        Self { pictures: pictures.collect(), texts: texts.collect(), io: bytes("safetensors") }
    }

    fn rows(&self, name: &str, count: usize) -> Vec<Vec<f32>> {
        let io = SafeTensors::deserialize(&self.io).unwrap();
        let data = io.tensor(name).unwrap();
        let tensor = Tensor::from_raw_buffer(data.data(), DType::F32, data.shape(), &Device::Cpu).unwrap();
        assert_eq!(tensor.dim(0).unwrap(), count);
        tensor.flatten_from(1).unwrap().to_vec2::<f32>().unwrap()
    }

    fn views(&self) -> Vec<RgbPicture<'_>> {
        self.pictures
            .iter()
            .map(|(rgb, width, height)| RgbPicture { rgb, width: *width, height: *height })
            .collect()
    }
}

/// The pictures of the generator script, repeated.
fn picture(seed: u32, width: usize, height: usize) -> Vec<u8> {
    let mut state = seed;
    let level = |i: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (x, y) = ((i / 3) % width, (i / 3) / width);
        (((state >> 24) as usize / 8 + x * 5 + y * 3 + (i % 3) * 20) % 256) as u8
    };
    (0..width * height * 3).map(level).collect()
}

fn assert_near(what: &str, got: &[Vec<f32>], expected: &[Vec<f32>]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert_eq!(got.len(), expected.len(), "{what} {index}");
        let far = got.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        eprintln!("{what} {index}: {far:.1e}");
        assert!(far <= TOLERANCE, "{what} {index} is {far:.2e} away");
    }
}

#[test]
fn pictures_are_prepared_as_transformers_and_pillow_do() {
    let expected = Expected::read();
    let json = std::fs::read_to_string(fixture_path("engine/clip/preprocessor_config.json")).unwrap();
    let preprocessor = Preprocessor::parse(Some(&json), 32).unwrap();
    let pixels: Vec<Vec<f32>> =
        expected.views().iter().map(|picture| preprocessor.pixels(*picture).unwrap()).collect();
    assert_near("pixels", &pixels, &expected.rows("pixels", pixels.len()));
    // Files of 2021 say the same in fewer words, and without a file it is the first CLIP's.
    let old = Preprocessor::parse(Some(r#"{"size": 32, "crop_size": 32, "resample": 3}"#), 32).unwrap();
    assert_eq!(old, Preprocessor::parse(None, 32).unwrap());
    assert_eq!(old.pixels(expected.views()[1]).unwrap(), pixels[1]);
}

#[test]
fn towers_and_logits_equal_transformers() {
    let expected = Expected::read();
    let folder = folder();
    let clip = Clip::open(folder.path(), &Device::Cpu).unwrap();
    assert_eq!((clip.image_size(), clip.cells()), (32, 4));
    let pictures = clip.embed_pictures(&expected.views()).unwrap();
    assert_near("image_embeds", &pictures, &expected.rows("image_embeds", pictures.len()));
    let texts: Vec<&str> = expected.texts.iter().map(String::as_str).collect();
    let texts = clip.embed_texts(&texts).unwrap();
    assert_near("text_embeds", &texts, &expected.rows("text_embeds", texts.len()));
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let logits: Vec<Vec<f32>> = pictures
        .iter()
        .map(|picture| texts.iter().map(|text| dot(picture, text) * clip.logit_scale() as f32).collect())
        .collect();
    assert_near("logits", &logits, &expected.rows("logits_per_image", pictures.len()));
}

/// By `tests/reference/engine/mini_clip.py`; the same numbers are compared in the browser.
#[test]
fn the_mini_clip_equals_pytorch() {
    let expected = Expected::of("mini/clip");
    let clip = Clip::open(&mini(), &Device::Cpu).unwrap();
    let texts: Vec<&str> = expected.texts.iter().map(String::as_str).collect();
    let texts = clip.embed_texts(&texts).unwrap();
    assert_near("text_embeds", &texts, &expected.rows("text_embeds", texts.len()));
    let pictures = clip.embed_pictures(&expected.views()).unwrap();
    assert_near("image_embeds", &pictures, &expected.rows("image_embeds", pictures.len()));
}

#[test]
fn covering_a_part_changes_what_is_seen_there_only() {
    let clip = Clip::open(&mini(), &Device::Cpu).unwrap();
    let cells = clip.cells();
    // Grey but for one bright cell: covering a grey cell with the mean colour does next to nothing beside covering it.
    let side = clip.image_size();
    let cell = side / cells;
    let mut rgb = vec![120_u8; side * side * 3];
    for y in cell..2 * cell {
        rgb[(y * side + cell) * 3..][..cell * 3].fill(255);
    }
    let picture = RgbPicture { rgb: &rgb, width: side, height: side };
    let whole = clip.embed_pictures(&[picture]).unwrap().remove(0);
    let covered = clip.embed_covered(picture).unwrap();
    assert_eq!(covered.len(), cells * cells);
    let lost = |row: &Vec<f32>| 1.0 - row.iter().zip(&whole).map(|(a, b)| a * b).sum::<f32>();
    let most = (0..covered.len()).max_by(|a, b| lost(&covered[*a]).total_cmp(&lost(&covered[*b])));
    assert_eq!(most, Some(cells + 1));
}

#[test]
fn folders_that_are_no_clip_are_refused_with_a_reason() {
    let open = |change: &dyn Fn(&Path)| {
        let folder = folder();
        change(folder.path());
        let error = Clip::open(folder.path(), &Device::Cpu).unwrap_err().to_string();
        assert!(error.contains("hint: "), "{error}");
        error
    };
    let write = |path: &Path, name: &str, text: &str| std::fs::write(path.join(name), text).unwrap();
    let edit = |path: &Path, from: &str, to: &str| {
        let text = std::fs::read_to_string(path.join("config.json")).unwrap();
        assert!(text.contains(from));
        write(path, "config.json", &text.replace(from, to));
    };
    assert!(open(&|path| write(path, "config.json", r#"{"model_type": "siglip"}"#)).contains("siglip"));
    assert!(open(&|path| write(path, "config.json", "{")).contains("JSON"));
    assert!(open(&|path| write(path, "preprocessor_config.json", r#"{"size": 16}"#)).contains("16"));
    assert!(open(&|path| write(path, "preprocessor_config.json", r#"{"crop_size": 64}"#)).contains("64"));
    assert!(open(&|path| edit(path, "\"patch_size\": 8", "\"patch_size\": 0")).contains("patch_size"));
    assert!(open(&|path| edit(path, "\"image_size\": 32", "\"image_size\": 4294967296")).contains("pixels"));
    assert!(open(&|path| edit(path, "\"num_channels\": 3", "\"num_channels\": 4")).contains("num_channels"));
    assert!(open(&|path| edit(path, "\"projection_dim\": 12", "\"projection_dim\": 13")).contains("13"));
    assert!(open(&|path| edit(path, "quick_gelu", "tanh")).contains("tanh"));
    open(&|path| write(path, "model.safetensors", "no weights"));
    open(&|path| std::fs::remove_file(path.join("merges.txt")).unwrap());
    open(&|path| std::fs::remove_file(path.join("config.json")).unwrap());
}
