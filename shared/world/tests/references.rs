//! The committed references are what the world draws, and are apart from each other.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use chapan_world::Scene;

fn pictures(part: &str) -> Vec<(u64, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/references/aldar").join(part);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the references are committed") {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_some_and(|extension| extension == "png") {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let seed = stem.and_then(|stem| stem.strip_prefix("hero-")?.parse().ok());
            found.push((seed.expect("a name like hero-1114.png"), path));
        }
    }
    found.sort();
    found
}

#[test]
fn references_are_the_hero_of_their_seeds() {
    for (seed, path) in pictures("training").into_iter().chain(pictures("held-out")) {
        let scene = Scene::hero(seed);
        let mut reader = png::Decoder::new(BufReader::new(File::open(&path).unwrap())).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        assert_eq!((info.width, info.height), (512, 512));
        assert!(rgb == scene.draw(512).rgb, "{} is not what seed {seed} draws", path.display());
        let caption = fs::read_to_string(path.with_extension("txt")).unwrap();
        assert_eq!(caption.trim_end(), scene.named_caption("aldar kose"));
    }
}

#[test]
fn held_out_references_are_new_compositions() {
    let compositions = |part: &str| -> BTreeSet<String> {
        pictures(part).iter().map(|&(seed, _)| Scene::hero(seed).full_caption()).collect()
    };
    let (training, held_out) = (compositions("training"), compositions("held-out"));
    assert_eq!((training.len(), held_out.len()), (5, 8));
    assert!(training.is_disjoint(&held_out));
}
