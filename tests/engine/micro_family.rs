//! A family too small to be of use, through all stages: losses fall, a training that was stopped goes on to the bit, the same
//! seed gives the same bytes on any number of threads, and what comes out is opened like the mini family.

use std::collections::BTreeMap;

use chapan_engine::evaluate::{AttributeJudge, ConvClip, JudgeGroup, Tower};
use chapan_engine::models::vae::AutoencoderKl;
use chapan_engine::pipelines::{GenerationParams, Silent, StableDiffusionXl};
use chapan_engine::training::pretrain::{
    Attributes, Autoencoder, Caption, Chance, Denoiser, Drawn, Family, Finished, Part, Pretrainer, Scenes,
    Stage, Store, TextImage, export,
};
use chapan_engine::{DType, Device, Error};

use crate::pretraining::family;

const COLOURS: [(&str, [u8; 3]); 3] =
    [("red", [220, 40, 40]), ("green", [40, 180, 60]), ("blue", [40, 60, 220])];
const SHAPES: [&str; 3] = ["square", "ball", "cross"];
const PLACES: [(&str, [u8; 3]); 2] = [("day", [235, 235, 220]), ("night", [20, 20, 40])];

/// Coloured shapes by day or night; every fourth scene has a shape but no colour to name.
struct Shapes(Vec<JudgeGroup>);

impl Shapes {
    fn new() -> Self {
        let group = |name: &str, values: Vec<&str>, offset| JudgeGroup {
            name: name.to_owned(),
            values: values.into_iter().map(str::to_owned).collect(),
            offset,
        };
        Self(vec![
            group("colour", COLOURS.map(|(name, _)| name).to_vec(), 0),
            group("shape", SHAPES.to_vec(), 3),
            group("place", PLACES.map(|(name, _)| name).to_vec(), 6),
        ])
    }

    fn picked(scene: u64) -> [usize; 3] {
        let mut chance = Chance::new(scene, "scene", 0);
        [chance.below(3), chance.below(3), chance.below(2)]
    }
}

impl Scenes for Shapes {
    fn groups(&self) -> &[JudgeGroup] {
        &self.0
    }

    fn draw(&self, scene: u64, side: usize) -> Drawn {
        let [colour, shape, place] = Self::picked(scene);
        let grey = scene % 4 == 3;
        let middle = side as f32 / 2.0;
        let pixel = |index: usize| {
            let (y, x) = ((index / side) as f32 - middle, (index % side) as f32 - middle);
            let reach = middle * 0.55;
            let inside = match shape {
                0 => x.abs().max(y.abs()) < reach,
                1 => x.hypot(y) < reach,
                _ => x.abs().min(y.abs()) < reach / 3.0,
            };
            if inside { if grey { [128; 3] } else { COLOURS[colour].1 } } else { PLACES[place].1 }
        };
        let quarter = middle / 2.0;
        Drawn {
            rgb: (0..side * side).flat_map(pixel).collect(),
            boxes: vec![[quarter, quarter, middle + quarter, middle + quarter]],
        }
    }

    fn values(&self, scene: u64) -> Vec<Option<usize>> {
        let [colour, shape, place] = Self::picked(scene);
        vec![(scene % 4 != 3).then_some(colour), Some(shape), Some(place)]
    }

    fn caption(&self, scene: u64, groups: Option<usize>, chance: u64) -> Caption {
        let mut order = Chance::new(chance, "caption", 0).order(3);
        order.truncate(groups.unwrap_or(3));
        let values = self.values(scene);
        let named: Vec<bool> =
            (0..3).map(|group| order.contains(&group) && values[group].is_some()).collect();
        let words = (0..3)
            .filter(|group| named[*group])
            .filter_map(|group| Some(self.0[group].values[values[group]?].as_str()));
        Caption { text: words.collect::<Vec<_>>().join(", "), named }
    }

    fn full_caption(&self, scene: u64) -> String {
        self.caption(scene, None, 0).text
    }

    fn prompts(&self, group: usize, value: usize) -> Vec<String> {
        vec![format!("a {}", self.0[group].values[value])]
    }

    fn held_out(&self, index: u64) -> u64 {
        (1 << 40) + index
    }
}

const HOME: &str = "micro";

/// Trains to the end; the mean loss of the first and of the last quarter.
fn train<S: Stage + Send>(stage: S, steps: usize) -> (Finished, f64, f64) {
    let mut trainer = Pretrainer::begin(stage, 7, steps, &Device::Cpu).unwrap();
    let mut losses = Vec::new();
    while !trainer.is_done() {
        losses.push(trainer.step().unwrap().loss);
    }
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..steps / 4]), mean(&losses[steps - steps / 4..]));
    let figures = trainer.figures(Some(12)).unwrap();
    assert!(figures.iter().all(|figure| figure.value.is_finite()), "{figures:?}");
    let bytes = trainer.checkpoint(HOME).unwrap();
    (Finished::read("micro", bytes, HOME).unwrap(), first, last)
}

/// The state after `steps` steps of which `before` were done before the training was stopped.
fn stopped<S: Stage + Send>(make: impl Fn() -> S, steps: usize, before: Option<usize>) -> Vec<u8> {
    let mut trainer = Pretrainer::begin(make(), 3, steps, &Device::Cpu).unwrap();
    for _ in 0..before.unwrap_or(steps) {
        trainer.step().unwrap();
    }
    if before.is_some() {
        let bytes = trainer.checkpoint(HOME).unwrap();
        trainer = Pretrainer::resume(make(), "checkpoint", bytes, HOME, &Device::Cpu).unwrap();
        while !trainer.is_done() {
            trainer.step().unwrap();
        }
    }
    trainer.checkpoint(HOME).unwrap()
}

fn goes_on_to_the_bit<S: Stage + Send>(make: impl Fn() -> S + Sync) {
    let name = make().name();
    let whole = stopped(&make, 5, None);
    assert!(whole == stopped(&make, 5, Some(2)), "{name}: a stopped training came to other bytes");
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let again = pool.install(|| stopped(&make, 5, None));
        assert!(whole == again, "{name}: other bytes on {threads} threads");
    }
}

fn tower(family: &Family, finished: &Finished) -> Tower {
    let tensors = export::tower(&finished.weights, &finished.kept, &family.tower).unwrap();
    Tower::load(&Store::new(tensors, None, &[], &Device::Cpu).scope(), &family.tower).unwrap()
}

fn autoencoder(family: &Family, finished: &Finished) -> AutoencoderKl {
    let store = Store::new(finished.weights.clone(), None, &[], &Device::Cpu);
    AutoencoderKl::load(&store.scope(), &family.vae).unwrap()
}

#[test]
fn a_family_is_trained_and_opened() {
    let (scenes, family) = (Shapes::new(), family());
    let falls = |name: &str, (finished, first, last): (Finished, f64, f64), share: f64| {
        assert!(last < share * first, "{name}: the loss went from {first} to {last}");
        finished
    };
    let judge = || Attributes::new("judge", &scenes, &family.judge, family.side).unwrap().with_batch(12);
    let judged = falls("judge", train(judge(), 60), 0.7);
    let towered = falls(
        "tower",
        train(Attributes::new("tower", &scenes, &family.tower, family.side).unwrap().with_batch(12), 40),
        0.8,
    );
    let coded = falls(
        "autoencoder",
        train(Autoencoder::new(&scenes, &family.vae, family.side, Part::Whole), 120),
        0.7,
    );
    let polish = || Autoencoder::new(&scenes, &family.vae, family.side, Part::Decoder(coded.weights.clone()));
    // The second half has another loss: what is compared is what it is for.
    let polished = train(polish(), 40).0;
    let texts = || TextImage::new(&scenes, &family, tower(&family, &towered)).with_batch(16, 64);
    let met = falls("text-image", train(texts(), 60), 0.9);
    let denoiser = || {
        Denoiser::new(&scenes, &family, autoencoder(&family, &coded), &met.weights).unwrap().with_batch(4, 32)
    };
    let drawn = falls("unet", train(denoiser(), 60), 0.95);

    let mut files = export::judge(&family, scenes.groups(), &judged).unwrap();
    files.extend(export::clip(&family, &towered, &met).unwrap());
    files.extend(export::pipeline(&family, &scenes, &drawn, &polished.weights).unwrap());
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in &files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let judge = AttributeJudge::open(&folder.path().join("chapan-mini-judge"), &Device::Cpu).unwrap();
    assert_eq!(judge.groups(), scenes.groups());
    let clip = ConvClip::open(&folder.path().join("chapan-mini-clip"), &Device::Cpu).unwrap();
    let rows = clip.embed_texts(&["a red ball", "night"]).unwrap();
    assert!(rows.iter().all(|row| (row.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-4));
    let pipeline =
        StableDiffusionXl::load(&folder.path().join("chapan-mini"), &Device::Cpu, DType::F32).unwrap();
    let params = GenerationParams {
        prompt: "red, ball, night".to_owned(),
        width: family.side,
        height: family.side,
        num_inference_steps: 4,
        ..GenerationParams::default()
    };
    let picture = pipeline.generate(&params, &mut Silent).unwrap().image;
    assert_eq!(picture.rgb.len(), family.side * family.side * 3);
}

#[test]
fn every_stage_goes_on_to_the_bit() {
    let (scenes, family) = (Shapes::new(), family());
    goes_on_to_the_bit(|| {
        Attributes::new("judge", &scenes, &family.judge, family.side).unwrap().with_batch(4)
    });
    goes_on_to_the_bit(|| Autoencoder::new(&scenes, &family.vae, family.side, Part::Whole));
    let coded = train(Autoencoder::new(&scenes, &family.vae, family.side, Part::Whole), 4).0;
    goes_on_to_the_bit(|| {
        Autoencoder::new(&scenes, &family.vae, family.side, Part::Decoder(coded.weights.clone()))
    });
    let towered =
        train(Attributes::new("tower", &scenes, &family.tower, family.side).unwrap().with_batch(4), 4).0;
    goes_on_to_the_bit(|| TextImage::new(&scenes, &family, tower(&family, &towered)).with_batch(8, 16));
    let none = BTreeMap::new();
    goes_on_to_the_bit(|| {
        Denoiser::new(&scenes, &family, autoencoder(&family, &coded), &none).unwrap().with_batch(2, 8)
    });
}

#[test]
fn a_checkpoint_of_something_else_is_refused() {
    let (scenes, family) = (Shapes::new(), family());
    let judge = |name| Attributes::new(name, &scenes, &family.judge, family.side).unwrap().with_batch(4);
    let bytes = Pretrainer::begin(judge("judge"), 3, 5, &Device::Cpu).unwrap().checkpoint(HOME).unwrap();
    let fault = |name, bytes: Vec<u8>, home| {
        let refused = Pretrainer::resume(judge(name), "checkpoint", bytes, home, &Device::Cpu).err().unwrap();
        assert!(matches!(refused, Error::Malformed { .. } | Error::Weights(_)), "{refused}");
        refused.to_string()
    };
    assert!(fault("tower", bytes.clone(), HOME).contains("`judge`"));
    assert!(fault("judge", bytes.clone(), "another world").contains("another world"));
    let half = bytes[..bytes.len() / 2].to_vec();
    assert!(fault("judge", half, HOME).contains("hint:"));
}
