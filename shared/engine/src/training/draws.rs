//! What a step sees: which pictures, with which noise, at which time, with or without their captions. All of it follows from
//! the seed and the number of the step, so a training can be begun anywhere.

use super::config::TrainingConfig;
use super::example::{Example, Role};
use crate::noise::TorchRng;

/// One picture of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Draw {
    /// Which of the examples.
    pub example: usize,
    /// Its latents, `(channels, height, width)`, as the network works on them.
    pub latents: Vec<f32>,
    /// The noise, likewise.
    pub noise: Vec<f32>,
    /// The time, 0 to one below the schedule's length.
    pub timestep: usize,
    /// Whether the caption is left out.
    pub without_caption: bool,
}

/// Streams of chance that must not repeat one another.
#[derive(Clone, Copy)]
enum Stream {
    Order = 1,
    Timestep,
    Noise,
    Offset,
    Latents,
    Caption,
    Factors,
    Validation,
}

/// One number for a place in a stream (`splitmix64`).
fn mixed(seed: u64, stream: Stream, place: u64) -> u64 {
    let mut x = seed;
    for part in [stream as u64, place] {
        x = x.wrapping_add(part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
    }
    x
}

/// From 0 to below 1.
fn uniform(seed: u64, stream: Stream, place: u64) -> f64 {
    (mixed(seed, stream, place) >> 11) as f64 / (1u64 << 53) as f64
}

fn normal(seed: u64, stream: Stream, place: u64, len: usize) -> Vec<f32> {
    TorchRng::new(mixed(seed, stream, place)).randn(len)
}

/// Normal numbers that tensor `index` of the factors begins with.
pub fn beginning(seed: u64, index: usize, len: usize) -> Vec<f32> {
    normal(seed, Stream::Factors, index as u64, len)
}

/// The `count`-th of the examples `of`, which come in a new order every round.
fn chosen(seed: u64, of: &[usize], count: usize) -> usize {
    let (round, place) = (count / of.len(), count % of.len());
    let mut order = of.to_vec();
    // Fisher and Yates.
    for last in (1..order.len()).rev() {
        let place = ((round as u64) << 32) | last as u64;
        order.swap(last, (mixed(seed, Stream::Order, place) % (last as u64 + 1)) as usize);
    }
    order[place]
}

/// All pictures of one step of gradients: `micro` counts them through the whole training. References come first, then as many
/// class pictures if there are any. Times are spread: each picture of a step has a part of the schedule to itself.
pub fn draws(
    config: &TrainingConfig,
    examples: &[Example],
    sample: impl Fn(&Example, &[f32]) -> crate::Result<Vec<f32>>,
    timesteps: usize,
    micro: usize,
) -> crate::Result<Vec<Draw>> {
    let of = |role: Role| -> Vec<usize> {
        (0..examples.len()).filter(|index| examples[*index].role == role).collect()
    };
    let (references, class) = (of(Role::Reference), of(Role::Class));
    let size = config.train_batch_size;
    let mut chosen_ones = Vec::with_capacity(2 * size);
    for (group, of) in [references, class].into_iter().enumerate().filter(|(_, of)| !of.is_empty()) {
        let seed = config.seed.wrapping_add(group as u64);
        chosen_ones.extend((0..size).map(|place| (chosen(seed, &of, micro * size + place), group, place)));
    }
    (chosen_ones.into_iter())
        .map(|(index, group, part)| {
            let (seed, place) = (config.seed, ((micro * 2 + group) * size + part) as u64);
            let example = &examples[index];
            let len = example.len();
            let channel = len / example.channels();
            let mut noise = normal(seed, Stream::Noise, place, len);
            if config.noise_offset > 0.0 {
                let levels = normal(seed, Stream::Offset, place, example.channels());
                for (plane, level) in noise.chunks_exact_mut(channel).zip(levels) {
                    for value in plane {
                        *value += config.noise_offset as f32 * level;
                    }
                }
            }
            let share = (part as f64 + uniform(seed, Stream::Timestep, place)) / size as f64;
            Ok(Draw {
                example: index,
                latents: sample(example, &normal(seed, Stream::Latents, place, len))?,
                noise,
                timestep: ((share * timesteps as f64) as usize).min(timesteps - 1),
                without_caption: uniform(seed, Stream::Caption, place) < config.caption_dropout,
            })
        })
        .collect()
}

/// How often each picture is looked at in a validation.
const LOOKS: usize = 4;

/// The same pictures, noise and times whenever they are asked for: only the weights differ between two validations.
pub fn validation_draws(
    seed: u64,
    examples: &[Example],
    sample: impl Fn(&Example, &[f32]) -> crate::Result<Vec<f32>>,
    timesteps: usize,
) -> crate::Result<Vec<Draw>> {
    let held_out = (0..examples.len()).filter(|index| examples[*index].role == Role::HeldOut);
    // Numbered among themselves: other pictures beside them change nothing.
    let looks = held_out.zip(0..).flat_map(|(index, place)| (0..LOOKS).map(move |look| (index, place, look)));
    looks
        .map(|(example, place, look): (usize, usize, usize)| {
            let len = examples[example].len();
            Ok(Draw {
                example,
                // The middle of the encoder's distribution.
                latents: sample(&examples[example], &vec![0.0; len])?,
                noise: normal(seed, Stream::Validation, (place * LOOKS + look) as u64, len),
                timestep: (2 * look + 1) * timesteps / (2 * LOOKS),
                without_caption: false,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_comes_once_a_round_and_rounds_differ() {
        let of = [3, 5, 8, 13, 21, 34];
        let round =
            |round: usize| -> Vec<usize> { (0..6).map(|place| chosen(9, &of, round * 6 + place)).collect() };
        for number in 0..5 {
            let mut sorted = round(number);
            sorted.sort_unstable();
            assert_eq!(sorted, of);
        }
        assert!((1..5).any(|number| round(number) != round(0)));
    }

    #[test]
    fn streams_do_not_repeat_one_another() {
        assert_ne!(mixed(1, Stream::Noise, 7), mixed(1, Stream::Latents, 7));
        assert_ne!(mixed(1, Stream::Noise, 7), mixed(2, Stream::Noise, 7));
        let mean = (0..4000).map(|place| uniform(5, Stream::Timestep, place)).sum::<f64>() / 4000.0;
        assert!((mean - 0.5).abs() < 0.02);
    }
}
