//! Pretraining against PyTorch: the loss, every gradient and the weights after three steps of every network, on one fixed batch.
//!
//! The fixtures were made by `tests/reference/engine/pretraining.py`.

use std::collections::BTreeMap;

use chapan_engine::evaluate::{JudgeGroup, LayerConfig, Tower};
use chapan_engine::models::vae::AutoencoderKl;
use chapan_engine::noise::TorchRng;
use chapan_engine::training::pretrain::{
    Attributes, Autoencoder, Begin, Beginning, Caption, Denoiser, Drawn, Family, Figure, Kept, Labelled,
    Loss, Moment, Noisy, Pairs, Part, Pictures, Pretrainer, Recipe, Scenes, Stage, Store, TextImage,
};
use chapan_engine::weights::Scope;
use chapan_engine::{Device, Result, Tensor};
use chapan_tests::fixture::{fill_by_name, fixture_path, tensors};

/// The world of the fixtures, of which only the groups are asked for here.
struct Groups(Vec<JudgeGroup>);

impl Groups {
    fn new() -> Self {
        let group = |name: &str, count: usize, offset| JudgeGroup {
            name: name.to_owned(),
            values: (0..count).map(|value| value.to_string()).collect(),
            offset,
        };
        Self(vec![group("colour", 3, 0), group("shape", 3, 3), group("place", 2, 6)])
    }
}

impl Scenes for Groups {
    fn groups(&self) -> &[JudgeGroup] {
        &self.0
    }
    fn draw(&self, scene: u64, side: usize) -> Drawn {
        Drawn { rgb: vec![scene as u8; side * side * 3], boxes: Vec::new() }
    }
    fn values(&self, _: u64) -> Vec<Option<usize>> {
        vec![Some(0); 3]
    }
    fn caption(&self, _: u64, _: Option<usize>, _: u64) -> Caption {
        Caption { text: String::new(), named: vec![false; 3] }
    }
    fn full_caption(&self, _: u64) -> String {
        String::new()
    }
    fn prompts(&self, _: usize, _: usize) -> Vec<String> {
        Vec::new()
    }
    fn held_out(&self, index: u64) -> u64 {
        index
    }
}

pub fn family() -> Family {
    let text = std::fs::read_to_string(fixture_path("pretraining/family.json")).unwrap();
    let configs: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    Family::read(|path| {
        let tokenizer = path.strip_prefix("chapan-mini/tokenizer").map(|rest| {
            std::fs::read(fixture_path("pipelines/tiny-sdxl").join(format!("tokenizer{rest}"))).ok()
        });
        let config = || configs.get(path).map(|value| value.to_string().into_bytes());
        Ok(tokenizer.unwrap_or_else(config))
    })
    .unwrap()
}

/// A stage at one moment with one batch, its weights by their names, moved as in the fixtures.
struct Fixed<'a, S: Stage> {
    stage: S,
    make: &'a (dyn Fn() -> S::Batch + Sync),
    moment: Moment,
    weights: BTreeMap<String, Tensor>,
}

impl<S: Stage> Stage for Fixed<'_, S> {
    type Networks = S::Networks;
    type Batch = S::Batch;

    fn name(&self) -> &'static str {
        self.stage.name()
    }
    fn recipe(&self) -> Recipe {
        let mean_decay = None;
        let (rate, betas, weight_decay, clip) = (5e-4, (0.9, 0.999), 1e-2, Some(1.0));
        Recipe { rate, warmup: 1, tail: 1e-9, floor: 1.0, betas, weight_decay, clip, mean_decay }
    }
    fn begin(&self) -> Begin {
        self.stage.begin()
    }
    fn expected(&self) -> &[&'static str] {
        self.stage.expected()
    }
    fn beginning(&self, _: u64) -> Result<Beginning> {
        Ok(Beginning { weights: self.weights.clone(), kept: Kept::new() })
    }
    fn share(&self, name: &str) -> Option<f64> {
        self.stage.share(name).map(|_| 1.0)
    }
    fn load(&self, scope: &Scope) -> Result<S::Networks> {
        self.stage.load(scope)
    }
    fn batch(&self, _: Moment, _: &Kept) -> Result<S::Batch> {
        Ok((self.make)())
    }
    fn moved(&self, batch: S::Batch, device: &Device) -> Result<S::Batch> {
        self.stage.moved(batch, device)
    }
    fn loss(&self, networks: &S::Networks, batch: &S::Batch, _: Moment, kept: &Kept) -> Result<Loss> {
        self.stage.loss(networks, batch, self.moment, kept)
    }
    fn pictures(&self) -> usize {
        1
    }
    fn figures(&self, _: &S::Networks, _: &Kept, _: Option<usize>) -> Result<Vec<Figure>> {
        Ok(Vec::new())
    }
}

fn draw(name: &str, shape: &[usize]) -> Tensor {
    let values = TorchRng::new(u64::from(crc32fast::hash(name.as_bytes()))).randn(shape.iter().product());
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The numbers of a tensor that the fixture keeps.
fn kept_of(values: &[f32]) -> Vec<f32> {
    const KEPT: usize = 256;
    if values.len() <= KEPT {
        return values.to_vec();
    }
    (0..KEPT).map(|index| values[index * values.len() / KEPT]).collect()
}

fn length(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

fn apart(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    length(a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b)))
}

/// A gradient that is nothing but rounding: a softmax does not see what is added to all of its keys.
fn is_rounding(name: &str) -> bool {
    name.ends_with("k_proj.bias")
}

/// Measured: gradients within 6e-6, weights within 1.1e-5.
const TOLERANCE: f64 = 1e-4;

/// Runs a stage and compares everything.
fn check<S: Stage + Send>(
    name: &str,
    make_stage: impl Fn() -> S,
    begin: impl Fn(&str, &[usize]) -> Vec<f32>,
    moment: Moment,
    make: &(dyn Fn() -> S::Batch + Sync),
) {
    let expected = tensors(&format!("pretraining/{name}.safetensors"));
    // Once to learn names and shapes, once with the fixture's numbers.
    let plain = |weights| Fixed { stage: make_stage(), make, moment, weights };
    let shapes = match make_stage().beginning(0) {
        Ok(beginning) if !beginning.weights.is_empty() && name == "polish" => beginning.weights,
        _ => Pretrainer::begin(plain(BTreeMap::new()), 0, 3, &Device::Cpu).unwrap().result().unwrap(),
    };
    let weights: BTreeMap<String, Tensor> = shapes
        .into_iter()
        .map(|(name, tensor)| {
            let values = begin(&name, tensor.dims());
            (name, Tensor::from_vec(values, tensor.shape(), &Device::Cpu).unwrap())
        })
        .collect();
    let mut trainer = Pretrainer::begin(plain(weights.clone()), 0, 3, &Device::Cpu).unwrap();
    let (_, gradients) = trainer.gradients().unwrap();
    let known = expected.keys().filter(|key| key.starts_with("gradient.")).count();
    assert_eq!(gradients.len(), known, "{name}: other tensors are trained");
    let all = length(gradients.values().flatten().map(|value| f64::from(*value)));
    for (tensor, gradient) in &gradients {
        let (of_part, norm) = (
            numbers(&expected[&format!("gradient.{tensor}")]),
            numbers(&expected[&format!("norm.{tensor}")])[0],
        );
        if is_rounding(tensor) {
            assert!(
                length(gradient.iter().map(|v| f64::from(*v))) < 1e-5 * all,
                "{name}: `{tensor}` has a gradient"
            );
            continue;
        }
        // Where there is next to nothing the whole gradient's rounding is left.
        let size = f64::from(norm).max(1e-5 * all);
        let off = apart(&kept_of(gradient), &of_part) / size;
        let off_norm = (length(gradient.iter().map(|v| f64::from(*v))) - f64::from(norm)).abs() / size;
        assert!(off < TOLERANCE, "{name}: the gradient of `{tensor}` is off by {off:e}");
        assert!(
            off_norm < TOLERANCE,
            "{name}: the length of the gradient of `{tensor}` is off by {off_norm:e}"
        );
    }
    let mut trainer = Pretrainer::begin(plain(weights), 0, 3, &Device::Cpu).unwrap();
    for step in 0..3 {
        let report = trainer.step().unwrap();
        let loss = f64::from(numbers(&expected[&format!("loss.{step}")])[0]);
        assert!(
            (report.loss - loss).abs() / loss < TOLERANCE,
            "{name}: loss {step} is {} not {loss}",
            report.loss
        );
    }
    for (tensor, after) in trainer.result().unwrap() {
        let Some(wanted) = expected.get(&format!("after.{tensor}")) else { continue };
        let wanted = numbers(wanted);
        let off = apart(&kept_of(&numbers(&after)), &wanted) / length(wanted.iter().map(|v| f64::from(*v)));
        if is_rounding(&tensor) {
            continue;
        }
        assert!(off < TOLERANCE, "{name}: after three steps `{tensor}` is off by {off:e}");
    }
    for (key, wanted) in
        expected.iter().filter_map(|(key, tensor)| Some((key.strip_prefix("kept.")?, tensor)))
    {
        let off = apart(&trainer.kept()[key], &numbers(wanted));
        assert!(
            off < 1e-4 * length(numbers(wanted).iter().map(|v| f64::from(*v))),
            "{name}: `{key}` is off by {off:e}"
        );
    }
}

const NOW: Moment = Moment { seed: 0, step: 0, steps: 3 };

fn values() -> Vec<Vec<Option<usize>>> {
    let known = [[0, 1, 9], [2, 0, 9], [1, 9, 1], [0, 1, 9], [1, 9, 0], [2, 2, 9]];
    known.map(|row| row.map(|value| (value < 9).then_some(value)).to_vec()).to_vec()
}

fn said() -> Vec<Vec<Option<usize>>> {
    let said = [[0, 9, 9], [2, 0, 9], [9, 9, 1], [0, 1, 9], [1, 9, 0], [9, 2, 9]];
    said.map(|row| row.map(|value| (value < 9).then_some(value)).to_vec()).to_vec()
}

fn ids(name: &str, rows: usize, length: usize) -> Tensor {
    let mut found = vec![0u32; rows * length];
    for (row, ids) in found.chunks_exact_mut(length).enumerate() {
        let end = 3 + 5 * row % (length - 4);
        (ids[0], ids[end]) = (912, 913);
        for (id, value) in ids[1..end].iter_mut().zip(numbers(&draw(&format!("{name}.{row}"), &[end - 1]))) {
            *id = ((value.abs() * 300.0) as u32).min(911);
        }
    }
    Tensor::from_vec(found, (rows, length), &Device::Cpu).unwrap()
}

#[test]
fn the_judge_learns_as_in_pytorch() {
    let (scenes, family) = (Groups::new(), family());
    let stage = || Attributes::new("judge", &scenes, &family.judge, family.side).unwrap();
    let make = || Labelled::new(draw("pictures", &[6, 3, 32, 32]), values());
    check("judge", stage, fill_by_name, NOW, &make);
}

fn pictures(noise_and_target: bool) -> Pictures {
    let pictures = draw("pictures", &[2, 3, 32, 32]);
    Pictures {
        real: numbers(&pictures),
        pictures,
        target: noise_and_target.then(|| draw("target", &[2, 4, 8, 8])),
        noise: (draw("noise", &[2, 4, 8, 8]) * 0.05).unwrap(),
    }
}

#[test]
fn the_autoencoder_learns_as_in_pytorch() {
    let (scenes, family) = (Groups::new(), family());
    let stage = || Autoencoder::new(&scenes, &family.vae, family.side, Part::Whole);
    // A fifth of the way: the encoder's own latents are decoded.
    check("autoencoder", stage, fill_by_name, Moment { step: 2, steps: 10, seed: 0 }, &|| pictures(true));
}

#[test]
fn the_decoder_is_polished_as_in_pytorch() {
    let (scenes, family) = (Groups::new(), family());
    let whole = Autoencoder::new(&scenes, &family.vae, family.side, Part::Whole);
    let weights = Pretrainer::begin(whole, 0, 1, &Device::Cpu).unwrap().result().unwrap();
    let stage = || Autoencoder::new(&scenes, &family.vae, family.side, Part::Decoder(weights.clone()));
    check("polish", stage, fill_by_name, Moment { step: 6, steps: 10, seed: 0 }, &|| pictures(false));
}

fn tower(layers: &[LayerConfig]) -> Tower {
    let store = Store::new(BTreeMap::new(), Some((0, Begin::Layers)), &[], &Device::Cpu);
    Tower::load(&store.scope(), layers).unwrap()
}

#[test]
fn text_and_pictures_meet_as_in_pytorch() {
    let (scenes, family) = (Groups::new(), family());
    let stage = || TextImage::new(&scenes, &family, tower(&family.tower));
    let make = || Pairs {
        ids: [ids("first", 6, 12), ids("second", 6, 12)],
        features: draw("features", &[6, 392]),
        values: values(),
        said: said(),
        asked: vec![(0, ids("ask.0", 5, 9), vec![2, 1, 2]), (1, ids("ask.1", 3, 9), vec![1, 1, 1])],
    };
    let begin = |name: &str, shape: &[usize]| {
        if name == "scale" { vec![2.7; 3] } else { fill_by_name(name, shape) }
    };
    check("text-image", stage, begin, NOW, &make);
}

#[test]
fn the_unet_and_its_text_encoders_learn_as_in_pytorch() {
    let (scenes, family) = (Groups::new(), family());
    let store = Store::new(BTreeMap::new(), Some((0, Begin::Layers)), &[], &Device::Cpu);
    let vae = || AutoencoderKl::load(&store.scope(), &family.vae).unwrap();
    let stage = || Denoiser::new(&scenes, &family, vae(), &BTreeMap::new()).unwrap();
    let shape = [6, 4, 8, 8];
    let make = || Noisy {
        ids: [ids("first", 3, 12), ids("second", 3, 12)],
        keep: Tensor::new(&[1f32, 0.0, 1.0], &Device::Cpu).unwrap(),
        noisy: draw("noisy", &shape),
        velocity: numbers(&draw("velocity", &shape)),
        weights: numbers(&draw("weights", &shape)).iter().map(|value| 1.0 + value.abs()).collect(),
        timesteps: vec![5.0, 200.0, 401.0, 555.0, 800.0, 999.0],
        time_ids: vec![vec![32.0, 32.0, 0.0, 0.0, 32.0, 32.0]; 6],
    };
    check("unet", stage, fill_by_name, NOW, &make);
}
