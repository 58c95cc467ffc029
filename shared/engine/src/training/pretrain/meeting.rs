//! How well texts and pictures meet: the figures of the scoring CLIP.

use std::collections::HashMap;

use candle_core::Tensor;

use super::scenes::Scenes;
use super::stage::{Figure, Kept};
use super::text_image::{TextImage, Texts, unit};
use crate::Result;
use crate::evaluate::JudgeGroup;

/// Scenes that figures are measured on.
const SCENES: usize = 1_000;
/// What every group, and retrieval, should reach.
const GATE: f64 = 0.90;
/// Texts that are encoded together.
const TEXTS: usize = 50;

/// One group of `values` values that stand alone.
pub fn single_group(values: usize) -> [JudgeGroup; 1] {
    [JudgeGroup { name: String::new(), values: vec![String::new(); values], offset: 0 }]
}

/// The prompts of all values of a group, one value after the other, and how many each has.
pub fn prompts(scenes: &dyn Scenes, group: usize) -> (Vec<String>, Vec<usize>) {
    let values = scenes.groups()[group].values.len();
    let each: Vec<Vec<String>> = (0..values).map(|value| scenes.prompts(group, value)).collect();
    let counts = each.iter().map(Vec::len).collect();
    (each.concat(), counts)
}

/// Zero-shot accuracy of every group, the mean over all of them, and R@1 both ways; scenes that say the same count as right.
pub fn figures(
    stage: &TextImage<'_>,
    texts: &Texts,
    (scenes, kept): (&dyn Scenes, &Kept),
    count: Option<usize>,
) -> Result<Vec<Figure>> {
    let count = count.unwrap_or(SCENES);
    let held: Vec<u64> = (0..count as u64).map(|index| scenes.held_out(index)).collect();
    let pictures = texts.pictures(&stage.normalised(&held, kept)?)?.to_vec2::<f32>()?;
    let values: Vec<Vec<Option<usize>>> = held.iter().map(|scene| scenes.values(*scene)).collect();
    let mut figures = Vec::new();
    for (index, group) in scenes.groups().iter().enumerate() {
        let (said, counts) = prompts(scenes, index);
        let rows = embedded(stage, texts, &said)?;
        let mut first = 0;
        let table: Vec<Vec<f32>> = (counts.iter())
            .map(|count| {
                let rows = &rows[first..first + count];
                first += count;
                let sum = (0..rows[0].len()).map(|c| rows.iter().map(|row| row[c]).sum::<f32>()).collect();
                length_one(sum)
            })
            .collect();
        let known = values.iter().zip(&pictures).filter_map(|(values, row)| Some((values[index]?, row)));
        let (right, seen) = known.fold((0, 0), |(right, seen), (value, row)| {
            (right + usize::from(nearest(row, &table) == value), seen + 1)
        });
        if seen > 0 {
            let value = right as f64 / f64::from(seen);
            figures.push(Figure {
                name: format!("clip, zero-shot, {}", group.name),
                value,
                gate: Some(GATE),
            });
        }
    }
    let said: Vec<String> = held.iter().map(|scene| scenes.full_caption(*scene)).collect();
    let rows = embedded(stage, texts, &said)?;
    let mut numbers = HashMap::new();
    let same: Vec<usize> = (said.iter())
        .map(|text| {
            let next = numbers.len();
            *numbers.entry(text).or_insert(next)
        })
        .collect();
    let share = |from: &[Vec<f32>], to: &[Vec<f32>]| {
        let right = |index: &usize| same[nearest(&from[*index], to)] == same[*index];
        (0..from.len()).filter(right).count() as f64 / from.len().max(1) as f64
    };
    for (name, value) in
        [("picture to text", share(&pictures, &rows)), ("text to picture", share(&rows, &pictures))]
    {
        figures.push(Figure { name: format!("clip, R@1 {name}"), value, gate: Some(GATE) });
    }
    Ok(figures)
}

fn embedded(stage: &TextImage<'_>, texts: &Texts, said: &[String]) -> Result<Vec<Vec<f32>>> {
    let mut rows = Vec::with_capacity(said.len());
    for part in said.chunks(TEXTS) {
        let part: Tensor = unit(&texts.scored(&stage.ids(part, false)?)?)?;
        rows.extend(part.to_vec2::<f32>()?);
    }
    Ok(rows)
}

fn length_one(row: Vec<f32>) -> Vec<f32> {
    let length = row.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-12);
    row.into_iter().map(|value| value / length).collect()
}

/// The first of the rows with the greatest product.
fn nearest(to: &[f32], rows: &[Vec<f32>]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, row) in rows.iter().enumerate() {
        let similar = to.iter().zip(row).map(|(a, b)| a * b).sum();
        if similar > best.1 {
            best = (index, similar);
        }
    }
    best.0
}
