//! Every gate of the mini family on held-out scenes.
//!
//! | measure | what is asked |
//! |---|---|
//! | judge, real | the judge on pictures of the renderer: is the judge itself good enough? |
//! | judge, reconstructed | the same after the autoencoder: what does it lose? |
//! | vae | PSNR of the reconstructions in decibels, mean over pictures |
//! | clip, zero-shot | the nearest of each group's phrases |
//! | clip, retrieval | the right caption of 1,000 for a picture, and back; scenes that say the same count as right |
//! | prompts | the judge on pictures generated from full captions |

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use chapan_engine::evaluate::{AttributeJudge, ConvClip, pictures_to_tensor};
use chapan_engine::models::parse_config;
use chapan_engine::models::vae::{AutoencoderKl, VaeConfig};
use chapan_engine::pipelines::{GenerationParams, Silent, StableDiffusionXl};
use chapan_engine::weights::{Weights, open_component};
use chapan_engine::{DType, Device, Tensor};
use chapan_metrics::{cosine, psnr};
use chapan_world::{Group, HELD_OUT_SEED, Scene, groups};

use super::Arguments;
use super::gates::{Figure, Tally, prompt_gate, report};
use crate::cli::{Failure, output};
use crate::config::assets_folders;

/// Captions that a picture is looked for among.
const RETRIEVAL: usize = 1_000;
/// Pictures that go through a network at once.
const BATCH: usize = 25;
/// Seed of the first generated picture.
const FIRST_SEED: u64 = 1_000;

/// A held-out scene, drawn.
struct Sample {
    attributes: Vec<(Group, &'static str)>,
    caption: String,
    rgb: Vec<u8>,
}

/// Measures everything and reports.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = models_folder(arguments.models.as_deref())?;
    let judge = AttributeJudge::open(&folder.join("chapan-mini-judge"), &Device::Cpu)?;
    let size = judge.image_size();
    let scenes = arguments.scenes as usize;
    let held = samples(RETRIEVAL.max(scenes), size);
    let seen: Vec<&Sample> = held[..scenes].iter().collect();

    let mut figures = Vec::new();
    let real = judged(&judge, &seen, |batch| tensor(batch, size))?;
    figures.extend(real.figures("judge, real", Some(0.97), |_| None));

    let vae = autoencoder(&folder.join("chapan-mini/vae"))?;
    let mut decibels = Vec::new();
    let reconstructed = judged(&judge, &seen, |batch| {
        let pictures = tensor(batch, size)?;
        let made = vae
            .decode(&vae.encode(&pictures)?.mean)?
            .clamp(-1f32, 1f32)
            .map_err(chapan_engine::Error::from)?;
        decibels.extend(psnr_of_each(&pictures, &made)?);
        Ok(made)
    })?;
    let mean = decibels.iter().sum::<f64>() / decibels.len() as f64;
    figures.push(Figure {
        measure: "vae, decibels",
        group: None,
        value: mean,
        gate: Some(30.0),
        count: scenes,
    });
    figures.extend(reconstructed.figures("judge, reconstructed", Some(0.95), |_| None));

    let clip = ConvClip::open(&folder.join("chapan-mini-clip"), &Device::Cpu)?;
    let mut embeddings = Vec::new();
    for batch in held.chunks(BATCH) {
        let batch: Vec<&Sample> = batch.iter().collect();
        embeddings.extend(clip.embed_pictures(&tensor(&batch, size)?)?);
    }
    figures.extend(zero_shot(&clip, &held, &embeddings)?.figures("clip, zero-shot", None, |_| Some(0.90)));
    figures.extend(retrieval(&clip, &held[..RETRIEVAL], &embeddings[..RETRIEVAL])?);

    let prompts = arguments.prompts.unwrap_or(arguments.scenes).min(arguments.scenes) as usize;
    if prompts > 0 {
        let pictures = generated(arguments, &folder.join("chapan-mini"), &seen[..prompts], size)?;
        let samples: Vec<Sample> = seen
            .iter()
            .zip(pictures)
            .map(|(sample, rgb)| Sample {
                attributes: sample.attributes.clone(),
                caption: String::new(),
                rgb,
            })
            .collect();
        let tally = judged(&judge, &samples.iter().collect::<Vec<_>>(), |batch| tensor(batch, size))?;
        figures.extend(tally.figures("prompts", None, prompt_gate));
    }
    report(&figures, arguments.json)
}

/// The folder of the mini family.
pub fn models_folder(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let found = match named {
        Some(folder) => Some(folder.to_owned()),
        None => assets_folders("assets/models").into_iter().next(),
    };
    let hint = "name the folder that holds chapan-mini, chapan-mini-clip and chapan-mini-judge with --models";
    found.filter(|folder| folder.is_dir()).ok_or_else(|| Failure::new("there is no folder of models", hint))
}

fn samples(count: usize, size: usize) -> Vec<Sample> {
    let bar = output::progress_bar(count as u64, "drawing scenes");
    let draw = |index: usize| {
        bar.inc(1);
        let scene = Scene::sample(HELD_OUT_SEED + index as u64);
        Sample { attributes: scene.attributes(), caption: scene.full_caption(), rgb: scene.draw(size).rgb }
    };
    let samples = (0..count).map(draw).collect();
    bar.finish_and_clear();
    samples
}

fn tensor(samples: &[&Sample], size: usize) -> Result<Tensor, Failure> {
    let pictures: Vec<&[u8]> = samples.iter().map(|sample| sample.rgb.as_slice()).collect();
    Ok(pictures_to_tensor(&pictures, size, &Device::Cpu)?)
}

fn autoencoder(folder: &Path) -> Result<AutoencoderKl, Failure> {
    let path = folder.join("config.json");
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Failure::new(
            format!("cannot read `{}`: {error}", path.display()),
            "the model's folder is not complete",
        )
    })?;
    let config: VaeConfig = parse_config("vae", &text)?;
    let weights = Weights::new(open_component(folder)?, DType::F32, &Device::Cpu);
    let vae = AutoencoderKl::load(&weights.root(), &config)?;
    weights.finish()?;
    Ok(vae)
}

/// The judge's answers on pictures that `show` makes of batches of samples.
fn judged(
    judge: &AttributeJudge,
    samples: &[&Sample],
    mut show: impl FnMut(&[&Sample]) -> Result<Tensor, Failure>,
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    for batch in samples.chunks(BATCH) {
        let answers = judge.judge(&show(batch)?)?;
        for (sample, answers) in batch.iter().zip(answers) {
            for (group, value) in &sample.attributes {
                let known = judge.groups().iter().zip(&answers).find(|(known, _)| known.name == group.name());
                if let Some((known, answer)) = known {
                    tally.count(*group, known.values[*answer] == *value);
                }
            }
        }
    }
    Ok(tally)
}

fn psnr_of_each(real: &Tensor, made: &Tensor) -> Result<Vec<f64>, Failure> {
    let rows = |tensor: &Tensor| tensor.flatten_from(1).and_then(|rows| rows.to_vec2::<f32>());
    let (real, made) =
        (rows(real).map_err(chapan_engine::Error::from)?, rows(made).map_err(chapan_engine::Error::from)?);
    let wide = |row: &[f32]| row.iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
    let each = real.iter().zip(&made).map(|(real, made)| psnr(&wide(real), &wide(made), 2.0));
    each.collect::<Result<_, _>>().map_err(|error| Failure::from_text(&error.to_string()))
}

/// The phrases of a value as the world's captions would say it.
pub fn phrases(group: Group, value: &str) -> Vec<String> {
    let Some(words) = group.words(value) else { return Vec::new() };
    let said = || std::iter::once(words.clip).chain(words.tags.iter().copied());
    let subject = if group.is_of_rooms() { "a hotel room" } else { "a man" };
    let mut phrases: Vec<String> = said().map(|phrase| format!("{subject}, {phrase}")).collect();
    if group == Group::Style {
        phrases.extend(said().map(|phrase| format!("a hotel room, {phrase}")));
    }
    phrases
}

fn zero_shot(clip: &ConvClip, held: &[Sample], embeddings: &[Vec<f32>]) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    for &group in groups() {
        // A value's embedding is the mean of its phrases'.
        let mut table = Vec::new();
        for words in group.values() {
            let phrases = phrases(group, words.value);
            let rows = clip.embed_texts(&phrases.iter().map(String::as_str).collect::<Vec<_>>())?;
            let mean: Vec<f32> =
                (0..rows[0].len()).map(|column| rows.iter().map(|row| row[column]).sum::<f32>()).collect();
            table.push((words.value, mean));
        }
        for (sample, embedding) in held.iter().zip(embeddings) {
            let Some((_, value)) = sample.attributes.iter().find(|(known, _)| *known == group) else {
                continue;
            };
            let nearest = nearest(embedding, table.iter().map(|(_, row)| row.as_slice()))?;
            tally.count(group, table[nearest].0 == *value);
        }
    }
    Ok(tally)
}

fn retrieval(clip: &ConvClip, held: &[Sample], pictures: &[Vec<f32>]) -> Result<[Figure; 2], Failure> {
    let mut texts = Vec::new();
    for batch in held.chunks(BATCH) {
        texts.extend(
            clip.embed_texts(&batch.iter().map(|sample| sample.caption.as_str()).collect::<Vec<_>>())?,
        );
    }
    let mut numbers = HashMap::new();
    let same: Vec<usize> = held
        .iter()
        .map(|sample| {
            let next = numbers.len();
            *numbers.entry(sample.caption.as_str()).or_insert(next)
        })
        .collect();
    let share = |from: &[Vec<f32>], to: &[Vec<f32>]| -> Result<f64, Failure> {
        let mut right = 0;
        for (index, row) in from.iter().enumerate() {
            right += usize::from(same[nearest(row, to.iter().map(Vec::as_slice))?] == same[index]);
        }
        Ok(right as f64 / from.len() as f64)
    };
    let figure = |measure, value| Figure { measure, group: None, value, gate: Some(0.90), count: held.len() };
    Ok([
        figure("clip, R@1 picture to text", share(pictures, &texts)?),
        figure("clip, R@1 text to picture", share(&texts, pictures)?),
    ])
}

/// The row with the greatest cosine; the first of equals.
fn nearest<'a>(to: &[f32], rows: impl Iterator<Item = &'a [f32]>) -> Result<usize, Failure> {
    let mut best = (0, f64::NEG_INFINITY);
    for (index, row) in rows.enumerate() {
        let similar = cosine(to, row).map_err(|error| Failure::from_text(&error.to_string()))?;
        if similar > best.1 {
            best = (index, similar);
        }
    }
    Ok(best.0)
}

/// Pictures of full captions, one seed each.
fn generated(
    arguments: &Arguments,
    folder: &Path,
    samples: &[&Sample],
    size: usize,
) -> Result<Vec<Vec<u8>>, Failure> {
    let pipeline = StableDiffusionXl::load(folder, &Device::Cpu, DType::F32)?;
    let bar = output::progress_bar(samples.len() as u64, "generating");
    let mut pictures = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        let params = GenerationParams {
            prompt: sample.caption.clone(),
            width: size,
            height: size,
            num_inference_steps: arguments.num_inference_steps as usize,
            guidance_scale: arguments.guidance_scale,
            seed: FIRST_SEED + index as u64,
            ..GenerationParams::default()
        };
        pictures.push(pipeline.generate(&params, &mut Silent)?.image.rgb);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(pictures)
}
