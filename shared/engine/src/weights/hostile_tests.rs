//! Every way in which a weights file can be broken or hostile, each refused by the name of its fault.
//!
//! Where a length is absurd (2^63), a loader that allocated before it checked would abort this test program.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use candle_core::{DType, Device};

use super::*;

/// A file with this header text and `data_bytes` zeros.
fn file(header: &str, data_bytes: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(vec![0; data_bytes]);
    bytes
}

/// A file with one tensor `w` of these bytes.
fn one(dtype: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let header =
        format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[0,{}]}}}}"#, data.len());
    let mut bytes = file(&header, 0);
    bytes.extend(data);
    bytes
}

fn fault(bytes: Vec<u8>) -> Fault {
    match InMemory::new("hostile", bytes) {
        Ok(_) => panic!("a hostile file was accepted"),
        Err(error) => *error.fault,
    }
}

fn read(bytes: Vec<u8>, shape: &[usize], wanted: DType) -> Result<candle_core::Tensor> {
    let weights = Weights::new(InMemory::new("hostile", bytes)?, wanted, &Device::Cpu);
    let tensor = weights.root().get(shape, "w")?;
    weights.finish()?;
    Ok(tensor)
}

fn read_fault(bytes: Vec<u8>, shape: &[usize], wanted: DType) -> Fault {
    *read(bytes, shape, wanted).unwrap_err().fault
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn absurd_header_lengths_are_refused_before_allocation() {
    for claimed in [1 << 63, u64::MAX, 1_000] {
        let mut bytes = file("{}", 100);
        bytes[..8].copy_from_slice(&u64::to_le_bytes(claimed));
        assert!(
            matches!(fault(bytes), Fault::HeaderBeyondFile { header_bytes, .. } if header_bytes == claimed)
        );
    }
    // The file is sparse: large enough for its header's claim, without using the disk.
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "large.safetensors", &101_000_000u64.to_le_bytes());
    File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    let error = SafetensorsFile::open(&path).unwrap_err();
    assert!(matches!(*error.fault, Fault::HeaderTooLarge { header_bytes: 101_000_000, .. }));
}

#[test]
fn files_too_short_for_a_header_are_refused() {
    for length in 0..8 {
        assert!(matches!(fault(vec![3; length]), Fault::TooShort { .. }));
    }
}

#[test]
fn headers_that_are_not_json_objects_of_tensors_are_refused() {
    for header in [
        "[]",
        "tensor",
        "{",
        r#"{"w":1}"#,
        r#"{"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#,
        r#"{"w":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#,
        r#"{"w":{"dtype":"F32","shape":[1]}}"#,
        r#"{"w":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
        r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} x"#,
        r#"{"__metadata__":{"a":1}}"#,
        "{\"w\":\u{0}}",
    ] {
        assert!(matches!(fault(file(header, 4)), Fault::HeaderNotJson(_)), "{header}");
    }
    let mut bytes = file("{}", 0);
    bytes[9] = 0xff;
    assert!(matches!(fault(bytes), Fault::HeaderNotJson(_)));
    let deep = format!(r#"{{"w":{}"#, "[".repeat(100_000));
    assert!(matches!(fault(file(&deep, 0)), Fault::HeaderNotJson(_)));
}

#[test]
fn tensors_that_overlap_leave_holes_or_run_backwards_are_refused() {
    let two = |a: [u64; 2], b: [u64; 2], data| {
        let entry = |name, [start, end]: [u64; 2]| {
            let bytes = end.saturating_sub(start) / 4;
            format!(r#""{name}":{{"dtype":"F32","shape":[{bytes}],"data_offsets":[{start},{end}]}}"#)
        };
        fault(file(&format!("{{{},{}}}", entry("a", a), entry("b", b)), data))
    };
    assert!(
        matches!(two([0, 8], [4, 12], 12), Fault::Overlap { first, second } if first == "a" && second == "b")
    );
    assert!(matches!(two([0, 8], [0, 8], 8), Fault::Overlap { .. }));
    assert!(matches!(two([0, 4], [8, 12], 12), Fault::Hole { name, gap_bytes: 4 } if name == "b"));
    assert!(matches!(two([4, 8], [8, 12], 12), Fault::Hole { gap_bytes: 4, .. }));
    assert!(matches!(two([8, 4], [0, 4], 8), Fault::OffsetsDoNotFitShape { .. }));
    assert!(matches!(two([0, 4], [4, 8], 12), Fault::TrailingBytes { extra_bytes: 4 }));
    assert!(matches!(two([0, 4], [4, 8], 7), Fault::Truncated { .. }));
    assert!(matches!(two([0, 4], [u64::MAX - 3, 4], 8), Fault::OffsetsDoNotFitShape { .. }));
    let fits_not = r#"{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#;
    assert!(matches!(fault(file(fits_not, 8)), Fault::OffsetsDoNotFitShape { expected_bytes: 12, .. }));
}

#[test]
fn names_listed_twice_are_refused() {
    let entry = |range| format!(r#""w":{{"dtype":"F32","shape":[1],"data_offsets":{range}}}"#);
    let header = format!("{{{},{}}}", entry("[0,4]"), entry("[4,8]"));
    assert!(matches!(fault(file(&header, 8)), Fault::DuplicateTensor(name) if name == "w"));
    let metadata = r#"{"__metadata__":{},"__metadata__":{}}"#;
    assert!(matches!(fault(file(metadata, 0)), Fault::DuplicateTensor(_)));
}

#[test]
fn dimensions_that_overflow_are_refused() {
    for shape in [
        "[4294967296,4294967296]",
        "[18446744073709551615,2]",
        "[9223372036854775808]",
        "[1,1,1,1,1,1,1,1,1]",
    ] {
        let header = format!(r#"{{"w":{{"dtype":"F64","shape":{shape},"data_offsets":[0,8]}}}}"#);
        assert!(matches!(fault(file(&header, 8)), Fault::DimensionsOverflow { .. }), "{shape}");
    }
    let header = r#"{"w":{"dtype":"F64","shape":[99999999999999999999],"data_offsets":[0,8]}}"#;
    assert!(matches!(fault(file(header, 8)), Fault::HeaderNotJson(_)));
}

#[test]
fn a_million_tensors_are_refused() {
    let mut header = String::from("{");
    for index in 0..1_000_000 {
        write!(header, r#""{index}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}},"#).unwrap();
    }
    header.pop();
    header.push('}');
    assert!(matches!(fault(file(&header, 0)), Fault::TooManyTensors { limit: MAX_TENSORS }));
}

#[test]
fn names_that_are_paths_or_endless_are_refused() {
    let named = |name: &str| {
        let name = serde_json::Value::from(name);
        fault(file(&format!(r#"{{{name}:{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}"#), 4))
    };
    for name in ["../../x", "/etc/passwd", "a/b", "..\\x", "C:\\x", "a..b", "a\0b", "a\nb", ""] {
        assert!(matches!(named(name), Fault::NameIsPath(_)), "{name:?}");
    }
    let message = named(&"x".repeat(1 << 20));
    assert!(matches!(message, Fault::NameTooLong { length: 1_048_576, .. }));
    assert!(message.to_string().len() < 200);
}

#[test]
fn other_formats_are_named() {
    let cases: [(&[u8], &str); 6] = [
        (b"PK\x03\x04 archive/data.pkl and more", "pickle"),
        (b"\x80\x02}q\x00(X\x05\x00\x00\x00statet", "pickle"),
        (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}", "pickle"),
        (b"GGUF\x03\x00\x00\x00 tensors", "GGUF"),
        (b"version https://git-lfs.github.com/spec/v1", "git-lfs"),
        (b"<!DOCTYPE html><html>sign in", "web page"),
    ];
    for (bytes, name) in cases {
        let fault = fault(bytes.to_vec());
        assert!(matches!(fault, Fault::OtherFormat(format) if format.contains(name)), "{fault}");
    }
    // Header lengths whose first bytes look like the magic of a pickle are still honest.
    for length in [0x0280usize, 0x0380, 0x0480, 0x0580] {
        let header = format!("{{{}}}", " ".repeat(length - 2));
        assert!(InMemory::new("padded", file(&header, 0)).is_ok());
    }
}

#[test]
fn a_folder_of_pickles_is_told_apart_from_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let error = |path: &Path| *open_component(path).err().unwrap().fault;
    assert!(matches!(error(folder.path()), Fault::NoWeights { .. }));
    write(folder.path(), "diffusion_pytorch_model.bin", b"PK");
    assert!(matches!(error(folder.path()), Fault::OtherFormat(_)));
    assert!(SafetensorsFile::open(folder.path()).is_err(), "a folder is not a file");
    assert!(matches!(
        *SafetensorsFile::open(&folder.path().join("none")).unwrap_err().fault,
        Fault::Unreadable(_)
    ));
}

#[test]
fn types_that_are_not_weights_are_refused() {
    let unknown = r#"{"w":{"dtype":"F7","shape":[1],"data_offsets":[0,4]}}"#;
    assert!(matches!(fault(file(unknown, 4)), Fault::UnknownElement { element, .. } if element == "F7"));
    assert!(matches!(
        read_fault(one("I64", &[1], &[0; 8]), &[1], DType::F32),
        Fault::WrongElement { element: "I64", .. }
    ));
    assert!(matches!(read_fault(one("BOOL", &[1], &[0]), &[1], DType::F32), Fault::WrongElement { .. }));
}

#[test]
fn wrong_missing_extra_and_doubly_used_tensors_are_refused() {
    let good = || one("F32", &[2, 3], &[0; 24]);
    assert!(
        matches!(read_fault(good(), &[3, 2], DType::F32), Fault::WrongShape { got, .. } if got == [2, 3])
    );

    let weights = Weights::new(InMemory::new("hostile", good()).unwrap(), DType::F32, &Device::Cpu);
    let missing = weights.root().pp("deep").get(&[1], "bias").unwrap_err();
    assert!(matches!(*missing.fault, Fault::MissingTensor { ref name, .. } if name == "deep.bias"));
    let extra = weights.finish().unwrap_err();
    assert!(matches!(*extra.fault, Fault::Leftovers { count: 1, ref names } if names == &["`w`"]));

    weights.root().get(&[2, 3], "w").unwrap();
    let twice = weights.root().get(&[2, 3], "w").unwrap_err();
    assert!(matches!(*twice.fault, Fault::ConsumedTwice(_)));
    weights.finish().unwrap();
}

#[test]
fn old_buffers_are_ignored_and_nothing_else() {
    let with = |name: &str| {
        let header = format!(r#"{{"{name}":{{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}}}"#);
        Weights::new(InMemory::new("extra", file(&header, 8)).unwrap(), DType::F32, &Device::Cpu).finish()
    };
    assert!(with("text_model.embeddings.position_ids").is_ok());
    assert!(with("bn.num_batches_tracked").is_ok());
    assert!(with("text_model.embeddings.position_ids.weight").is_err());
    assert!(with("position_id").is_err());
}

#[test]
fn values_that_are_not_finite_are_refused_in_every_type() {
    let bad16 = |bits: u16| [0, 0, bits.to_le_bytes()[0], bits.to_le_bytes()[1]];
    for (dtype, bits, what) in [
        ("F16", 0x7c00, "infinity"),
        ("F16", 0xfe00, "NaN"),
        ("BF16", 0xff80, "infinity"),
        ("BF16", 0x7fc0, "NaN"),
    ] {
        for wanted in [DType::F32, DType::F16, DType::BF16] {
            let fault = read_fault(one(dtype, &[2], &bad16(bits)), &[2], wanted);
            assert!(matches!(fault, Fault::NotFinite { value, index: 1, .. } if value == what), "{fault}");
        }
    }
    for (value, what) in [(f32::NAN, "NaN"), (f32::INFINITY, "infinity"), (f32::NEG_INFINITY, "infinity")] {
        let fault = read_fault(one("F32", &[1], &value.to_le_bytes()), &[1], DType::F16);
        assert!(matches!(fault, Fault::NotFinite { value, .. } if value == what));
    }
    let fault = read_fault(one("F64", &[1], &f64::NAN.to_le_bytes()), &[1], DType::F32);
    assert!(matches!(fault, Fault::NotFinite { .. }));
}

#[test]
fn values_that_the_wanted_type_cannot_hold_are_refused() {
    let large = one("F32", &[1], &70_000f32.to_le_bytes());
    assert!(matches!(read_fault(large.clone(), &[1], DType::F16), Fault::TooLargeFor { index: 0, .. }));
    assert!(read(large, &[1], DType::BF16).is_ok());
    assert!(matches!(
        read_fault(one("F64", &[1], &1e300f64.to_le_bytes()), &[1], DType::F32),
        Fault::TooLargeFor { .. }
    ));
}

#[test]
fn every_truncation_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = one("F32", &[2, 3], &[1; 24]);
    for length in 0..whole.len() {
        let path = write(folder.path(), "cut.safetensors", &whole[..length]);
        assert!(SafetensorsFile::open(&path).is_err(), "{length} of {} bytes were accepted", whole.len());
        assert!(InMemory::new("cut", whole[..length].to_vec()).is_err());
    }
}

#[test]
fn a_file_cut_or_changed_after_opening_is_an_error_and_the_process_lives() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "w.safetensors", &one("F32", &[1000], &[1; 4000]));
    let open = || Weights::new(SafetensorsFile::open(&path).unwrap(), DType::F32, &Device::Cpu);

    let changed = open();
    changed.root().get(&[1000], "w").unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    assert!(matches!(*changed.finish().unwrap_err().fault, Fault::Changed));

    let cut = open();
    file.set_len(2000).unwrap();
    let error = cut.root().get(&[1000], "w").unwrap_err();
    assert!(matches!(*error.fault, Fault::Truncated { size_bytes: 2000, .. }), "{error}");
}

#[test]
fn an_index_may_only_name_files_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("unet");
    std::fs::create_dir(&inner).unwrap();
    write(folder.path(), "secret.safetensors", &one("F32", &[1], &[0; 4]));
    let absolute = folder.path().join("secret.safetensors").display().to_string();
    for shard in [
        "../secret.safetensors",
        &absolute,
        "..\\secret.safetensors",
        "C:secret.safetensors",
        "",
        ".",
        "..",
        "a.bin",
    ] {
        let index = serde_json::json!({"metadata": {}, "weight_map": {"w": shard}}).to_string();
        write(&inner, "model.safetensors.index.json", index.as_bytes());
        let error = open_component(&inner).err().unwrap();
        assert!(matches!(*error.fault, Fault::ShardOutside(_)), "{shard}: {error}");
    }
    write(&inner, "model.safetensors.index.json", b"{\"weight_map\": 3}");
    assert!(matches!(*open_component(&inner).err().unwrap().fault, Fault::IndexNotJson(_)));
}

#[test]
fn an_index_and_its_shards_must_agree() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.safetensors", &one("F32", &[1], &[0; 4]));
    write(folder.path(), "b.safetensors", &one("F32", &[1], &[0; 4]));
    let open = |map: serde_json::Value| {
        let index = serde_json::json!({ "weight_map": map }).to_string();
        ShardedFiles::open(&write(folder.path(), "model.safetensors.index.json", index.as_bytes()))
    };
    assert!(open(serde_json::json!({"w": "a.safetensors"})).is_ok());
    let fault = |map| *open(map).unwrap_err().fault;
    assert!(matches!(
        fault(serde_json::json!({"w": "a.safetensors", "v": "a.safetensors"})),
        Fault::ShardDisagrees { .. }
    ));
    assert!(matches!(fault(serde_json::json!({"v": "b.safetensors"})), Fault::ShardDisagrees { .. }));
    assert!(matches!(fault(serde_json::json!({"w": "c.safetensors"})), Fault::Unreadable(_)));
    write(
        folder.path(),
        "b.safetensors",
        &write_safetensors(
            [("w", 1), ("v", 2)].map(|(name, n)| {
                (name.to_owned(), candle_core::Tensor::zeros(n, DType::F32, &Device::Cpu).unwrap())
            }),
            &std::collections::BTreeMap::default(),
        )
        .unwrap(),
    );
    let extra = fault(serde_json::json!({"w": "a.safetensors", "v": "b.safetensors"}));
    assert!(matches!(extra, Fault::ShardExtra { name, .. } if name == "w"));
}

#[test]
fn damaged_headers_never_panic() {
    let header = r#"{"__metadata__":{"a":"b"},"w":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},"v":{"dtype":"F32","shape":[],"data_offsets":[12,16]}}"#;
    let whole = file(header, 16);
    // A small linear congruential generator: the same damage on every run.
    let mut state = 12_345u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..=next(3) {
            let place = next(bytes.len());
            bytes[place] = if next(2) == 0 { next(256) as u8 } else { b"0123456789[]{},:\""[next(17)] };
        }
        if let Ok(source) = InMemory::new("damaged", bytes) {
            accepted += 1;
            for name in source.names() {
                let info = source.info(name).unwrap();
                source.read_into(name, 0, &mut vec![0; info.size_bytes()]).unwrap();
            }
        }
    }
    assert!(accepted > 0, "some damage only touches values and names");
}

#[test]
fn messages_name_the_file_and_say_what_to_do() {
    let mut out = Vec::new();
    write!(out, "{}", InMemory::new("model.safetensors", b"PK\x03\x04".to_vec()).err().unwrap()).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(
        text,
        "weights `model.safetensors`: this is a PyTorch pickle (a zip archive), not a safetensors file\n\
         hint: get the .safetensors version of this model; pickles can run code and are never opened"
    );
}
