//! Outpainting: a larger picture whose new margins are repainted.

use crate::pipelines::{Mask, Picture};

/// How far a picture grows to each side, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Margins {
    /// To the left.
    pub left: usize,
    /// Upwards.
    pub top: usize,
    /// To the right.
    pub right: usize,
    /// Downwards.
    pub bottom: usize,
}

/// The picture with `margins` around it, and the mask that repaints them: what [`Inpainting`](crate::pipelines::Inpainting)
/// needs to paint beyond the frame.
///
/// The margins continue the outermost pixels, so that colours match before anything is drawn. `overlap` pixels of the picture
/// next to a margin are repainted too, so that the seam is drawn and not only met; 0 keeps every pixel. Choose margins that
/// make both sides multiples of 8, and give the new size as the call's: then nothing is resized.
pub fn outpaint(image: &Picture, margins: Margins, overlap: usize) -> (Picture, Mask) {
    let Margins { left, top, right, bottom } = margins;
    let (width, height) = (image.width + left + right, image.height + top + bottom);
    let mut rgb = Vec::with_capacity(width * height * 3);
    let mut levels = Vec::with_capacity(width * height);
    // The part that is kept begins later and ends earlier on sides that grow.
    let kept = |before: usize, length: usize, after: usize| {
        let inset = |margin: usize| if margin > 0 { overlap } else { 0 };
        before + inset(before)..(before + length).saturating_sub(inset(after))
    };
    let (columns, rows) = (kept(left, image.width, right), kept(top, image.height, bottom));
    for y in 0..height {
        let from_y = y.saturating_sub(top).min(image.height.saturating_sub(1));
        for x in 0..width {
            let from_x = x.saturating_sub(left).min(image.width.saturating_sub(1));
            let at = (from_y * image.width + from_x) * 3;
            rgb.extend_from_slice(image.rgb.get(at..at + 3).unwrap_or(&[0; 3]));
            levels.push(if columns.contains(&x) && rows.contains(&y) { 0 } else { 255 });
        }
    }
    (Picture { width, height, rgb }, Mask { width, height, levels })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        Picture { width: 2, height: 2, rgb: [[1; 3], [2; 3], [3; 3], [4; 3]].concat() }
    }

    fn reds(picture: &Picture) -> Vec<u8> {
        picture.rgb.iter().step_by(3).copied().collect()
    }

    #[test]
    fn margins_continue_the_edge_and_are_repainted() {
        let margins = Margins { left: 1, top: 0, right: 2, bottom: 1 };
        let (larger, mask) = outpaint(&picture(), margins, 0);
        assert_eq!((larger.width, larger.height), (5, 3));
        assert_eq!(reds(&larger), [1, 1, 2, 2, 2, 3, 3, 4, 4, 4, 3, 3, 4, 4, 4]);
        let (w, b) = (255, 0);
        assert_eq!(mask.levels, [w, b, b, w, w, w, b, b, w, w, w, w, w, w, w]);
    }

    #[test]
    fn overlap_repaints_the_seam_only() {
        let (larger, mask) = outpaint(&picture(), Margins { right: 1, ..Margins::default() }, 1);
        assert_eq!(reds(&larger), [1, 2, 2, 3, 4, 4]);
        assert_eq!(mask.levels, [0, 255, 255, 0, 255, 255]);
    }

    #[test]
    fn no_margins_change_nothing() {
        let (same, mask) = outpaint(&picture(), Margins::default(), 8);
        assert_eq!(same, picture());
        assert_eq!(mask.levels, [0; 4]);
    }
}
