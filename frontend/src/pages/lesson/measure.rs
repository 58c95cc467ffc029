//! What the checks measure beyond likeness: what changed under a mask and outside it, and whether a large picture is still
//! the small one. Pixels are red, green, blue, opacity.

/// What a repainted picture did to the one before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Repaint {
    /// Pixels outside the mask that differ.
    pub outside: usize,
    /// Share of the masked pixels that differ, 0 to 1.
    pub inside: f64,
}

/// Compares two pictures under a mask and outside it. Nothing comes back when the sizes differ.
pub fn repaint(before: &[u8], after: &[u8], mask: &[u8]) -> Option<Repaint> {
    if before.len() != after.len() || before.len() != mask.len() * 4 {
        return None;
    }
    let (mut outside, mut changed, mut masked) = (0, 0, 0_usize);
    for ((a, b), level) in before.chunks_exact(4).zip(after.chunks_exact(4)).zip(mask) {
        let differs = a != b;
        if *level == 0 {
            outside += usize::from(differs);
        } else {
            masked += 1;
            changed += usize::from(differs);
        }
    }
    Some(Repaint { outside, inside: changed as f64 / masked.max(1) as f64 })
}

/// Mean difference of the colour values, 0 to 255, between a picture of `width` and a larger copy made small again by
/// averaging squares of `scale` pixels. Nothing comes back when the sizes do not fit.
pub fn shrunk_difference(small: &[u8], large: &[u8], width: usize, scale: usize) -> Option<f64> {
    if width == 0 || !small.len().is_multiple_of(width * 4) || large.len() != small.len() * scale * scale {
        return None;
    }
    let wide = width * scale;
    let mut sum = 0.0;
    for (place, pixel) in small.chunks_exact(4).enumerate() {
        let (x, y) = (place % width * scale, place / width * scale);
        for (channel, value) in pixel.iter().take(3).enumerate() {
            let square = (0..scale * scale).map(|part| {
                let place = (y + part / scale) * wide + x + part % scale;
                f64::from(large[place * 4 + channel])
            });
            let mean = square.sum::<f64>() / (scale * scale) as f64;
            sum += (mean - f64::from(*value)).abs();
        }
    }
    Some(sum / (small.len() / 4 * 3).max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(levels: &[u8]) -> Vec<u8> {
        levels.iter().flat_map(|level| [*level, *level, *level, 255]).collect()
    }

    #[test]
    fn only_what_is_outside_the_mask_must_stay() {
        let (before, mask) = (grey(&[1, 2, 3, 4]), [0, 0, 255, 1]);
        let inside = repaint(&before, &grey(&[1, 2, 9, 4]), &mask);
        assert_eq!(inside, Some(Repaint { outside: 0, inside: 0.5 }));
        let outside = repaint(&before, &grey(&[1, 3, 3, 4]), &mask);
        assert_eq!(outside, Some(Repaint { outside: 1, inside: 0.0 }));
        assert_eq!(repaint(&before, &grey(&[1]), &mask), None);
        assert_eq!(repaint(&before, &before, &[0]), None);
    }

    #[test]
    fn an_enlarged_picture_comes_back() {
        let small = grey(&[10, 20, 30, 40]);
        let large = grey(&[10, 10, 20, 20, 10, 10, 20, 20, 30, 30, 40, 40, 30, 30, 40, 40]);
        assert_eq!(shrunk_difference(&small, &large, 2, 2), Some(0.0));
        let darker: Vec<u8> = large.iter().map(|value| value.saturating_sub(4)).collect();
        assert_eq!(shrunk_difference(&small, &darker, 2, 2), Some(4.0));
        assert_eq!(shrunk_difference(&small, &large, 2, 4), None);
        assert_eq!(shrunk_difference(&small, &large, 0, 2), None);
    }
}
