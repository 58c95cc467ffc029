//! The renderer is frozen: these scenes have these bytes, on every platform.
//!
//! A change here means a new [`chapan_world::RENDERER_VERSION`] and models trained anew.

use std::fmt::Write;

use chapan_world::{HELD_OUT_SEED, RENDERER_VERSION, Record, Scene};
use sha2::{Digest, Sha256};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const GOLDEN: &[(&str, &str)] = &[
    ("sample 0 at 128", "bd013d6a71a26676ca07394f11b2aa3816c69e372fd7949dd91c91e2616d5e06"),
    ("sample 1 at 128", "f8a47fef780373f3bfaa055c7fa95f45dcf32894f30f31bf31f9b61d2a03667a"),
    ("sample 2 at 128", "310d6e73fac4a5c1c7fd05fcd016d98eaed18190bd8b5305f0e3fe7c37bce791"),
    ("sample 3 at 128", "816ee60fe771d7247a3cb795041324c1578ed46560d463f9e72ec94f40e32b6d"),
    ("sample 5 at 128", "acca3c6ca958737816f97a50c4b414ec2947d9274af02f34c877514c3deb2a1d"),
    ("sample 8 at 128", "00de4a0688c2459fd0f3add101c67734e60fd2cd45be5cb75664bb673cce0099"),
    ("sample 13 at 128", "406f28b17c46f08026b67c1354457980ce07a9924cdbe613f493b3b31e1e7bdf"),
    ("sample 1099511627776 at 128", "39e81d252d724e9f8d5363b17ae1a9d56e6fc6d6b478c9cd93dca861c81064f4"),
    ("hero 0 at 128", "74d2ec56914ce8d7848685f80c0e1650a5449413d8c03e6f3e91fe308eff7a5d"),
    ("hero 1 at 128", "05a4a35520e24815b62dcca4c6538a5cb4ae0fe6f24891eb7ffb54fdb0322572"),
    ("sample 21 at 192", "f56262a69dc80b55f8d5321fb14fcb8b4231e6d9c3ffa91ff4baaca12ec243b9"),
    ("samples 1000 to 1199 at 64", "64c5fe49eec66c02220ac8cff045c063d66e78a98f8b27d60f2cea03ad1a4472"),
    ("full captions 0 to 999", "eb1a5aebfef21b95dd704d6f9d3e3dded9fef63d7fd8472c18f51f40f7eea962"),
    ("captions by chance 0 to 999", "3b4e7eef959697133039f3fe81c7ed0b9860650d56be799cda82eca04df0d044"),
];

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn drawn() -> Vec<(String, String)> {
    let mut hashes = Vec::new();
    for seed in [0, 1, 2, 3, 5, 8, 13, HELD_OUT_SEED] {
        hashes.push((format!("sample {seed} at 128"), sha256(&Scene::sample(seed).draw(128).rgb)));
    }
    for seed in [0, 1] {
        hashes.push((format!("hero {seed} at 128"), sha256(&Scene::hero(seed).draw(128).rgb)));
    }
    hashes.push(("sample 21 at 192".to_owned(), sha256(&Scene::sample(21).draw(192).rgb)));
    let many: Vec<u8> = (1000..1200).flat_map(|seed| Scene::sample(seed).draw(64).rgb).collect();
    hashes.push(("samples 1000 to 1199 at 64".to_owned(), sha256(&many)));
    let captions: String = (0..1000).map(|seed| Scene::sample(seed).full_caption() + "\n").collect();
    hashes.push(("full captions 0 to 999".to_owned(), sha256(captions.as_bytes())));
    let varied: String = (0..1000).flat_map(|seed| Record::of(&Scene::sample(seed), 1).1.captions).collect();
    hashes.push(("captions by chance 0 to 999".to_owned(), sha256(varied.as_bytes())));
    hashes
}

#[test]
fn pictures_are_the_same_bytes_for_ever() {
    assert_eq!(RENDERER_VERSION, 1);
    let drawn = drawn();
    let expected: Vec<(String, String)> =
        GOLDEN.iter().map(|&(name, hash)| (name.to_owned(), hash.to_owned())).collect();
    assert_eq!(drawn, expected);
}
