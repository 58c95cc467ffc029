//! Text and pictures together. The picture tower is there; the text side learns to meet it.
//!
//! Three text encoders learn at once: the scoring CLIP's, and the two of the pipeline. Each meets the tower's embedding and says
//! which values its caption names, so the denoiser starts from encoders that already know every word of the world. At last the
//! scoring encoder is asked as it will be: which of a value's prompts is nearest?

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Device, IndexOp, Tensor};

use super::attributes::pictures;
use super::begin::Begin;
use super::chance::{Chance, rounds};
use super::family::Family;
use super::losses::{self, Weighing};
use super::meeting;
use super::scenes::{Scenes, outputs};
use super::stage::{Beginning, Figure, Kept, Loss, Moment, Recipe, Stage};
use crate::evaluate::Tower;
use crate::models::clip_text::{ClipTextConfig, ClipTextModel};
use crate::nn::{Linear, add, scale, traced};
use crate::tokenizer::ClipTokenizer;
use crate::weights::Scope;
use crate::{Error, Result};

/// Pairs in a step.
const BATCH: usize = 128;
/// Pictures that the pairs are of; what the tower sees in them is computed once.
const POOL: usize = 16_000;
/// Pictures whose features say how features are normalised.
const SAMPLE: usize = 1_000;
/// Share of captions that name three things at most: zero-shot prompts are as short as that.
const SHORT: f64 = 0.35;
/// From here on the zero-shot prompts are asked for, six groups in a step.
const ASKED_FROM: f64 = 0.7;
const ASKED_GROUPS: usize = 6;
/// The scale of logits grows to `exp` of this at most.
pub(super) const MOST_SCALE: f32 = 4.6;
/// Pictures that the tower looks at together.
const LOOK: usize = 32;

/// Trains text encoders against a tower.
pub struct TextImage<'a> {
    scenes: &'a dyn Scenes,
    family: &'a Family,
    tower: Tower,
    /// What the tower saw in a scene, before it is normalised.
    seen: Mutex<HashMap<u64, Arc<[f32]>>>,
    batch: usize,
    pool: usize,
}

impl<'a> TextImage<'a> {
    /// For a trained tower.
    pub fn new(scenes: &'a dyn Scenes, family: &'a Family, tower: Tower) -> Self {
        Self { scenes, family, tower, seen: Mutex::default(), batch: BATCH, pool: POOL }
    }

    /// With another number of pairs in a step, of this many pictures.
    #[must_use]
    pub fn with_batch(self, batch: usize, pool: usize) -> Self {
        Self { batch, pool, ..self }
    }

    fn width(&self) -> usize {
        self.family.projection[0][0]
    }

    /// Features and outputs of the tower for scenes, side by side, as they are.
    pub(super) fn features(&self, scenes: &[u64]) -> Result<Vec<Arc<[f32]>>> {
        let known = |seen: &HashMap<u64, Arc<[f32]>>, scene: &u64| seen.get(scene).cloned();
        let lock = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<u64> = {
            let seen = lock();
            scenes.iter().filter(|scene| known(&seen, scene).is_none()).copied().collect()
        };
        let side = self.family.side;
        for part in missing.chunks(LOOK) {
            let draw = |index: usize| self.scenes.draw(part[index], side).rgb;
            let pictures = pictures(part.len(), side, draw, |_, _| {})?;
            let (features, outputs) = self.tower.forward(&pictures)?;
            let rows = Tensor::cat(&[features, outputs], 1)?.to_vec2::<f32>()?;
            lock().extend(part.iter().copied().zip(rows.into_iter().map(Arc::from)));
        }
        let seen = lock();
        let lost = || Error::shape("features", "one row for each scene", &[scenes.len()]);
        scenes.iter().map(|scene| known(&seen, scene).ok_or_else(lost)).collect()
    }

    /// The same normalised, `(scenes, width)`.
    pub(super) fn normalised(&self, scenes: &[u64], kept: &Kept) -> Result<Tensor> {
        let missing = || Error::config("text-image", "its normalisation is missing", "begin the stage anew");
        let centre = kept.get("centre").ok_or_else(missing)?;
        let spread = kept.get("spread").ok_or_else(missing)?;
        let mut values = Vec::with_capacity(scenes.len() * self.width());
        for row in self.features(scenes)? {
            values.extend(row.iter().zip(centre.iter().zip(spread)).map(|(x, (c, s))| (x - c) / s));
        }
        Ok(Tensor::from_vec(values, (scenes.len(), self.width()), &Device::Cpu)?)
    }

    /// Ids of texts, padding after the longest cut off: what comes after the end of a text cannot change it.
    pub(super) fn ids(&self, texts: &[String], second: bool) -> Result<Tensor> {
        let config = if second { &self.family.text_2 } else { &self.family.text };
        let tokenizer = &self.family.tokenizers[usize::from(second)];
        let most = config.max_position_embeddings.min(self.family.score_text.max_position_embeddings);
        cut_ids(tokenizer, texts, most)
    }
}

/// Ids `(texts, longest)` of texts, each of `most` ids at most.
pub(super) fn cut_ids(tokenizer: &ClipTokenizer, texts: &[String], most: usize) -> Result<Tensor> {
    let (_, end) = tokenizer.start_and_end();
    let rows: Vec<Vec<u32>> = texts.iter().map(|text| tokenizer.encode(text, most)).collect();
    let length = |row: &Vec<u32>| row.iter().position(|id| *id == end).map_or(most, |place| place + 1);
    let longest = rows.iter().map(length).max().unwrap_or(most);
    let ids: Vec<u32> = rows.iter().flat_map(|row| &row[..longest]).copied().collect();
    Ok(Tensor::from_vec(ids, (texts.len(), longest), &Device::Cpu)?)
}

/// The encoders with the heads that only training needs.
#[derive(Debug)]
pub struct Texts {
    pub(super) score: ClipTextModel,
    first: ClipTextModel,
    second: ClipTextModel,
    first_projection: Linear,
    words: Vec<Linear>,
    states: Vec<Linear>,
    scale: Tensor,
    head: [Linear; 2],
    /// Ids that end a text.
    end: u32,
}

/// What a step sees.
#[derive(Debug)]
pub struct Pairs {
    /// Captions for the scoring and the first encoder, and for the second.
    pub ids: [Tensor; 2],
    /// What the tower saw, normalised.
    pub features: Tensor,
    /// What is so.
    pub values: Vec<Vec<Option<usize>>>,
    /// What the captions say.
    pub said: Vec<Vec<Option<usize>>>,
    /// Groups whose prompts are asked for, with the prompts' ids and how many each value has.
    pub asked: Vec<(usize, Tensor, Vec<usize>)>,
}

impl Pairs {
    /// For each caption and picture whether the caption says nothing untrue of a picture that it was not made for.
    fn otherwise(&self) -> Vec<Vec<bool>> {
        let rows = self.values.len();
        let kind = |row: usize| self.values[row].iter().map(Option::is_some);
        let is_true = |caption: usize, picture: usize| {
            let said = self.said[caption].iter().zip(&self.values[picture]);
            caption != picture
                && kind(caption).eq(kind(picture))
                && said.clone().all(|(said, value)| said.is_none() || said == value)
        };
        (0..rows).map(|caption| (0..rows).map(|picture| is_true(caption, picture)).collect()).collect()
    }
}

impl Texts {
    /// Embeddings of features `(rows, width)`, of length 1.
    pub(super) fn pictures(&self, features: &Tensor) -> Result<Tensor> {
        let hidden = self.head[0].forward(features)?;
        let hidden = traced(&[&hidden], |t| Ok(t[0].relu()?))?;
        let embedded = self.head[1].forward(&hidden)?;
        traced(&[&embedded], |t| unit(t[0]))
    }

    /// Embeddings of the scoring encoder.
    pub(super) fn scored(&self, ids: &Tensor) -> Result<Tensor> {
        let missing =
            || Error::config("text-image", "the scoring encoder has no projection", "see its config.json");
        self.score.forward(ids)?.text_embeds.ok_or_else(missing)
    }

    /// Logits of texts against pictures; `encoder` says whose scale.
    fn logits(&self, encoder: usize, texts: &Tensor, pictures: &Tensor) -> Result<Tensor> {
        traced(&[texts, pictures, &self.scale], move |t| {
            let own = t[2].i(encoder)?;
            let factor = if own.to_scalar::<f32>()? > MOST_SCALE {
                Tensor::new(MOST_SCALE.exp(), own.device())?
            } else {
                own.exp()?
            };
            Ok(unit(t[0])?.matmul(&t[1].t()?)?.broadcast_mul(&factor)?)
        })
    }

    fn asked(&self, batch: &Pairs, pictures: &Tensor) -> Result<Option<Tensor>> {
        let mut total: Option<Tensor> = None;
        for (group, ids, counts) in &batch.asked {
            let known: Vec<u32> = (0..batch.values.len() as u32)
                .filter(|row| batch.values[*row as usize][*group].is_some())
                .collect();
            if known.is_empty() {
                continue;
            }
            let classes: Vec<Vec<Option<usize>>> =
                known.iter().map(|row| vec![batch.values[*row as usize][*group]]).collect();
            let (rows, counts) = (Tensor::new(known, pictures.device())?, counts.clone());
            let values = counts.len();
            let table = self.scored(ids)?;
            let table = traced(&[&table], move |t| means(&unit(t[0])?, &counts))?;
            let of_known = traced(&[pictures], move |t| Ok(t[0].index_select(&rows, 0)?))?;
            // Pictures take the place of texts: logits of each against the values.
            let logits = self.logits(0, &of_known, &table)?;
            let group = meeting::single_group(values);
            let loss = losses::attributes(&logits, &group, &classes, 0.0, Weighing::ByValue)?;
            total = Some(match total {
                Some(total) => add(&total, &loss)?,
                None => loss,
            });
        }
        total.map(|total| scale(&total, 2.0 / batch.asked.len() as f64)).transpose()
    }
}

/// Rows divided by their length.
pub(super) fn unit(rows: &Tensor) -> Result<Tensor> {
    let length = rows.sqr()?.sum_keepdim(1)?.sqrt()?;
    Ok(rows.broadcast_div(&(length + 1e-12)?)?)
}

/// Means of runs of rows, each divided by its length.
fn means(rows: &Tensor, counts: &[usize]) -> Result<Tensor> {
    let mut first = 0;
    let mut found = Vec::with_capacity(counts.len());
    for count in counts {
        found.push(rows.narrow(0, first, *count)?.mean(0)?);
        first += count;
    }
    unit(&Tensor::stack(&found, 0)?)
}

/// The state at the end of each text.
fn at_end(states: &Tensor, ids: &Tensor, end: u32) -> Result<Tensor> {
    let ends: Vec<usize> =
        (ids.to_vec2::<u32>()?.iter()).map(|row| row.iter().position(|id| *id == end).unwrap_or(0)).collect();
    traced(&[states], move |t| {
        let found = ends.iter().enumerate().map(|(item, end)| t[0].i((item, *end)));
        Ok(Tensor::stack(&found.collect::<candle_core::Result<Vec<_>>>()?, 0)?)
    })
}

impl Stage for TextImage<'_> {
    type Networks = Texts;
    type Batch = Pairs;

    fn name(&self) -> &'static str {
        "text-image"
    }

    fn recipe(&self) -> Recipe {
        Recipe {
            rate: 1.5e-3,
            warmup: 100,
            tail: 0.6,
            floor: 0.02,
            betas: (0.9, 0.98),
            weight_decay: 0.02,
            clip: Some(1.0),
            mean_decay: None,
        }
    }

    fn begin(&self) -> Begin {
        let depth = |config: &ClipTextConfig| config.num_hidden_layers;
        Begin::Texts {
            depths: [depth(&self.family.score_text), depth(&self.family.text), depth(&self.family.text_2)],
        }
    }

    fn expected(&self) -> &[&'static str] {
        &["score.text_projection.weight", "second.text_projection.weight"]
    }

    fn beginning(&self, _seed: u64) -> Result<Beginning> {
        let scenes: Vec<u64> = (0..SAMPLE.min(self.pool) as u64).collect();
        let rows = self.features(&scenes)?;
        let count = rows.len() as f64;
        let (mut centre, mut spread) = (Vec::new(), Vec::new());
        for column in 0..self.width() {
            let values = || rows.iter().map(|row| f64::from(row[column]));
            let mean = values().sum::<f64>() / count;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
            centre.push(mean as f32);
            spread.push(variance.sqrt().max(1e-3) as f32);
        }
        let kept = [("centre".to_owned(), centre), ("spread".to_owned(), spread)];
        Ok(Beginning { kept: kept.into(), ..Beginning::default() })
    }

    fn load(&self, scope: &Scope) -> Result<Texts> {
        let (family, labels) = (self.family, outputs(self.scenes.groups()));
        let shared = family.projection[1][1];
        let linear =
            |name: &str, index: usize, inputs: usize| Linear::load(&scope.pp(name).pp(index), inputs, labels);
        let [hidden, projection] = family.projection;
        let head = scope.pp("head");
        Ok(Texts {
            score: ClipTextModel::load(&scope.pp("score"), &family.score_text)?,
            first: ClipTextModel::load(&scope.pp("first"), &family.text)?,
            second: ClipTextModel::load(&scope.pp("second"), &family.text_2)?,
            first_projection: Linear::load_without_bias(
                &scope.pp("first_projection"),
                family.text.hidden_size,
                shared,
            )?,
            words: (0..3).map(|index| linear("words", index, shared)).collect::<Result<_>>()?,
            states: [family.text.hidden_size, family.text_2.hidden_size]
                .iter()
                .enumerate()
                .map(|(index, width)| linear("states", index, *width))
                .collect::<Result<_>>()?,
            scale: scope.get(&[3], "scale")?,
            head: [
                Linear::load(&head.pp("hidden"), hidden[0], hidden[1])?,
                Linear::load(&head.pp("projection"), projection[0], projection[1])?,
            ],
            end: family.tokenizers[1].start_and_end().1,
        })
    }

    fn batch(&self, moment: Moment, kept: &Kept) -> Result<Pairs> {
        let picked = rounds(moment.seed, "pairs", self.pool, moment.place(self.batch), self.batch);
        let scenes: Vec<u64> = picked.into_iter().map(|scene| scene as u64).collect();
        let captions: Vec<_> = (scenes.iter().enumerate())
            .map(|(index, scene)| {
                let mut chance =
                    Chance::new(moment.seed, "captions", moment.place(self.batch) + index as u64);
                let most = (chance.unit() < SHORT).then(|| 1 + chance.below(3));
                self.scenes.caption(*scene, most, chance.bits())
            })
            .collect();
        let texts: Vec<String> = captions.iter().map(|caption| caption.text.clone()).collect();
        let values: Vec<Vec<Option<usize>>> = scenes.iter().map(|scene| self.scenes.values(*scene)).collect();
        let said = values.iter().zip(&captions).map(|(values, caption)| {
            values.iter().zip(&caption.named).map(|(value, named)| value.filter(|_| *named)).collect()
        });
        let mut asked = Vec::new();
        if moment.done() >= ASKED_FROM {
            let groups = self.scenes.groups();
            let mut order = Chance::new(moment.seed, "asked", moment.step as u64).order(groups.len());
            order.truncate(ASKED_GROUPS);
            for group in order {
                let (texts, counts) = meeting::prompts(self.scenes, group);
                asked.push((group, self.ids(&texts, false)?, counts));
            }
        }
        Ok(Pairs {
            ids: [self.ids(&texts, false)?, self.ids(&texts, true)?],
            features: self.normalised(&scenes, kept)?,
            said: said.collect(),
            values,
            asked,
        })
    }

    fn moved(&self, batch: Pairs, device: &Device) -> Result<Pairs> {
        let [ids_1, ids_2] = &batch.ids;
        let asked = batch.asked.into_iter();
        Ok(Pairs {
            ids: [ids_1.to_device(device)?, ids_2.to_device(device)?],
            features: batch.features.to_device(device)?,
            asked: asked
                .map(|(group, ids, counts)| Ok((group, ids.to_device(device)?, counts)))
                .collect::<Result<_>>()?,
            ..batch
        })
    }

    fn loss(&self, texts: &Texts, batch: &Pairs, _: Moment, _: &Kept) -> Result<Loss> {
        let missing =
            || Error::config("text-image", "the second encoder has no projection", "see its config.json");
        let [ids_1, ids_2] = &batch.ids;
        let (first, second) = (texts.first.forward(ids_1)?, texts.second.forward(ids_2)?);
        let embeddings = [
            texts.scored(ids_1)?,
            texts.first_projection.forward(&first.pooled)?,
            second.text_embeds.clone().ok_or_else(missing)?,
        ];
        let pictures = texts.pictures(&batch.features)?;
        let otherwise = batch.otherwise();
        let groups = self.scenes.groups();
        let name = |head: &Linear, x: &Tensor| {
            losses::attributes(&head.forward(x)?, groups, &batch.said, 0.0, Weighing::ByValue)
        };
        let mut parts = Vec::new();
        for (index, embedding) in embeddings.iter().enumerate() {
            parts.push(losses::contrast(&texts.logits(index, embedding, &pictures)?, &otherwise)?);
            parts.push(name(&texts.words[index], embedding)?);
        }
        for (head, (output, ids)) in texts.states.iter().zip([(&first, ids_1), (&second, ids_2)]) {
            parts.push(name(head, &at_end(output.penultimate(0)?, ids, texts.end)?)?);
        }
        parts.extend(texts.asked(batch, &pictures)?);
        let mut parts = parts.into_iter();
        let first = parts.next().ok_or_else(missing)?;
        let value = parts.try_fold(first, |sum, part| add(&sum, &part))?;
        Ok(Loss { value, kept: Kept::new() })
    }

    fn pictures(&self) -> usize {
        self.batch
    }

    fn figures(&self, texts: &Texts, kept: &Kept, scenes: Option<usize>) -> Result<Vec<Figure>> {
        meeting::figures(self, texts, (self.scenes, kept), scenes)
    }
}
