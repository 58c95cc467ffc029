//! Brightness of colours: ITU-R BT.601 luma, with Pillow's rounding.

/// Grey levels of interleaved 8-bit RGB, as Pillow's `convert("L")` makes them:
/// `L = 0.299 R + 0.587 G + 0.114 B` in 16-bit fixed point, rounded half up.
pub fn luma(rgb: &[u8]) -> Vec<u8> {
    let level = |r: u8, g: u8, b: u8| {
        let sum = u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471 + 0x8000;
        (sum >> 16) as u8
    };
    rgb.as_chunks::<3>().0.iter().map(|[r, g, b]| level(*r, *g, *b)).collect()
}

#[cfg(test)]
mod tests {
    use super::luma;

    #[test]
    fn greys_stay_and_green_is_brightest() {
        assert!((0..=255u8).all(|v| luma(&[v, v, v]) == [v]));
        assert_eq!(luma(&[255, 0, 0, 0, 255, 0, 0, 0, 255]), [76, 150, 29]);
    }
}
