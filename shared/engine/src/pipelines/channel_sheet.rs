//! All channels of latents side by side, as one grey picture.

use crate::pipelines::LatentPreview;

/// A latent this far from zero is drawn as black or white; latents of the clean picture have a spread near 1.
const CHANNEL_RANGE: f32 = 3.0;

/// Latent channels as grey pictures in rows of `ceil(sqrt(channels))`, one clear pixel between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelSheet {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `width * height * 4` bytes: red, green, blue, alpha; alpha is 0 between the channels and 255 in them.
    pub rgba: Vec<u8>,
}

impl LatentPreview<'_> {
    /// How many channels the latents have.
    pub fn channels(&self) -> usize {
        self.latents.len() / (self.width * self.height).max(1)
    }

    /// Draws every channel: -3 and below is black, 0 is the grey in the middle, 3 and above is white.
    pub fn channel_sheet(&self) -> ChannelSheet {
        let (channels, cells) = (self.channels(), (self.width * self.height).max(1));
        let columns = (channels as f64).sqrt().ceil().max(1.0) as usize;
        let rows = channels.div_ceil(columns);
        let width = columns * (self.width + 1) - 1;
        let height = (rows * (self.height + 1)).saturating_sub(1);
        let mut rgba = vec![0; width * height * 4];
        for (channel, plane) in self.latents.chunks_exact(cells).enumerate() {
            let (left, top) = (channel % columns * (self.width + 1), channel / columns * (self.height + 1));
            for (y, row) in plane.chunks_exact(self.width).enumerate() {
                for (x, value) in row.iter().enumerate() {
                    let grey = ((value / CHANNEL_RANGE * 0.5 + 0.5).clamp(0.0, 1.0) * 255.0).round() as u8;
                    let at = ((top + y) * width + left + x) * 4;
                    rgba[at..at + 4].copy_from_slice(&[grey, grey, grey, 255]);
                }
            }
        }
        ChannelSheet { width, height, rgba }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_lie_side_by_side_with_a_clear_line_between() {
        let latents = [-3.0, 0.0, 3.0, 9.0, 0.0, 0.0, 0.0, 0.0, 3.0, 3.0, 3.0, 3.0];
        let sheet = LatentPreview { latents: &latents, width: 2, height: 2, factors: None }.channel_sheet();
        assert_eq!((sheet.width, sheet.height), (5, 5));
        let pixel = |x: usize, y: usize| &sheet.rgba[(y * 5 + x) * 4..][..4];
        assert_eq!(pixel(0, 0), [0, 0, 0, 255]);
        assert_eq!(pixel(1, 0), [128, 128, 128, 255]);
        assert_eq!(pixel(1, 1), [255, 255, 255, 255]);
        assert_eq!(pixel(2, 0), [0, 0, 0, 0]);
        assert_eq!(pixel(0, 3), [255, 255, 255, 255]);
        assert_eq!(pixel(4, 4), [0, 0, 0, 0]);
    }

    #[test]
    fn sixteen_channels_are_four_rows_of_four_and_none_is_nothing() {
        let sheet = |latents: &[f32], width, height| {
            let sheet = LatentPreview { latents, width, height, factors: None }.channel_sheet();
            assert_eq!(sheet.rgba.len(), sheet.width * sheet.height * 4);
            (sheet.width, sheet.height)
        };
        assert_eq!(sheet(&[0.0; 16 * 6], 3, 2), (15, 11));
        assert_eq!(sheet(&[], 3, 2), (3, 0));
    }
}
