//! Random numbers by name and place, so that a step can be begun anywhere.

use crate::noise::TorchRng;

/// A stream of random numbers that follows from a seed, a name and a place alone (`splitmix64`).
#[derive(Clone, Debug)]
pub struct Chance(u64);

fn mixed(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Chance {
    /// The stream `name` of `seed` at `place`.
    pub fn new(seed: u64, name: &str, place: u64) -> Self {
        // FNV-1a.
        let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let named = name.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
        Self(mixed(mixed(seed ^ named).wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// From 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From `low` to below `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number below `count`, which must not be 0.
    pub fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.bits()) * count as u128) >> 64) as usize
    }

    /// Normal numbers.
    pub fn normal(&mut self, len: usize) -> Vec<f32> {
        TorchRng::new(self.bits()).randn(len)
    }

    /// `0..count` in a random order.
    pub fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

/// The places `first..first + len` of an endless row in which each of `count` numbers comes once a round, in a new order every
/// round.
pub fn rounds(seed: u64, name: &str, count: usize, first: u64, len: usize) -> Vec<usize> {
    let mut found = Vec::with_capacity(len);
    let mut order: Option<(u64, Vec<usize>)> = None;
    for place in first..first + len as u64 {
        let (round, index) = (place / count as u64, (place % count as u64) as usize);
        let known = order.as_ref().is_some_and(|(known, _)| *known == round);
        if !known {
            order = Some((round, Chance::new(seed, name, round).order(count)));
        }
        found.extend(order.as_ref().map(|(_, order)| order[index]));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_once_a_round_wherever_one_begins() {
        let whole = rounds(3, "order", 7, 0, 21);
        for round in whole.chunks(7) {
            let mut sorted = round.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4, 5, 6]);
        }
        assert_eq!(rounds(3, "order", 7, 5, 6), whole[5..11]);
        assert_ne!(whole[..7], whole[7..14]);
    }

    #[test]
    fn streams_differ_by_seed_name_and_place() {
        let first = |seed, name, place| Chance::new(seed, name, place).bits();
        let all = [first(1, "a", 0), first(2, "a", 0), first(1, "b", 0), first(1, "a", 1)];
        assert!((0..4).all(|i| (0..i).all(|j| all[i] != all[j])));
        let mean = (0..4000).map(|place| Chance::new(5, "mean", place).unit()).sum::<f64>() / 4000.0;
        assert!((mean - 0.5).abs() < 0.02);
    }
}
