//! Colours of the world and what each style makes of them.

use super::Layer;
use crate::words::Style;

/// A colour, each channel 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rgb(pub f32, pub f32, pub f32);

pub(crate) const INK: Rgb = Rgb(28.0, 24.0, 32.0);
pub(crate) const FELT: Rgb = Rgb(250.0, 244.0, 230.0);
pub(crate) const CREAM: Rgb = Rgb(244.0, 228.0, 196.0);
pub(crate) const SAFFRON: Rgb = Rgb(246.0, 178.0, 44.0);
pub(crate) const GOLD: Rgb = Rgb(250.0, 206.0, 72.0);
pub(crate) const TURQUOISE: Rgb = Rgb(32.0, 172.0, 176.0);
pub(crate) const INDIGO: Rgb = Rgb(44.0, 62.0, 132.0);
pub(crate) const RUST: Rgb = Rgb(184.0, 58.0, 40.0);
pub(crate) const WOOD: Rgb = Rgb(136.0, 84.0, 48.0);

/// Colour of lines in the outline style.
const PEN: Rgb = Rgb(34.0, 30.0, 40.0);
const PAPER: Rgb = Rgb(253.0, 248.0, 238.0);
const MOONLIGHT: Rgb = Rgb(150.0, 182.0, 236.0);

/// `a` with `share` of `b` in it.
pub(crate) fn mix(a: Rgb, b: Rgb, share: f32) -> Rgb {
    let keep = 1.0 - share;
    Rgb(a.0 * keep + b.0 * share, a.1 * keep + b.1 * share, a.2 * keep + b.2 * share)
}

impl Rgb {
    fn brightness(self) -> f32 {
        (self.0 * 0.3 + self.1 * 0.59 + self.2 * 0.11) / 255.0
    }

    pub(super) fn shifted(self, by: [f32; 3]) -> Self {
        Self(self.0 + by[0], self.1 + by[1], self.2 + by[2])
    }
}

/// What a field of colour becomes in `style`.
pub(super) fn field(colour: Rgb, style: Style, layer: Layer) -> Rgb {
    match (style, layer) {
        (Style::Flat, _) => colour,
        (Style::Outline, Layer::Back) => mix(colour, PAPER, 0.84),
        (Style::Outline, Layer::Figure) => mix(colour, PAPER, 0.42 + 0.42 * colour.brightness()),
        (Style::Pastel, Layer::Back) => mix(colour, Rgb(255.0, 246.0, 240.0), 0.66),
        (Style::Pastel, Layer::Figure) => {
            let grey = colour.brightness() * 255.0;
            let soft = mix(colour, Rgb(grey, grey, grey), 0.12);
            mix(soft, Rgb(255.0, 240.0, 236.0), 0.46)
        }
        (Style::Night, Layer::Back) => {
            // Felt and snow catch some light; the sky stays deep.
            let lift = 0.2 * colour.brightness() * colour.brightness() * colour.brightness();
            Rgb(
                colour.0 * (0.14 + lift) + 8.0,
                colour.1 * (0.20 + lift) + 12.0,
                colour.2 * (0.36 + lift) + 42.0,
            )
        }
        (Style::Night, Layer::Figure) => {
            Rgb(colour.0 * 0.60 + 6.0, colour.1 * 0.62 + 14.0, colour.2 * 0.74 + 48.0)
        }
    }
}

/// What a small telling mark (an eye, a mouth) becomes: it keeps more of its contrast.
pub(super) fn mark(colour: Rgb, style: Style) -> Rgb {
    match style {
        Style::Flat => colour,
        Style::Outline if colour.brightness() < 0.2 => PEN,
        Style::Outline => mix(colour, PAPER, 0.3),
        Style::Pastel => mix(colour, Rgb(255.0, 240.0, 236.0), 0.26),
        Style::Night => Rgb(colour.0 * 0.72 + 4.0, colour.1 * 0.74 + 8.0, colour.2 * 0.80 + 30.0),
    }
}

/// Colour and width of the line around a shape, if the style has one.
pub(super) fn contour(style: Style, layer: Layer) -> Option<(Rgb, f32)> {
    match (style, layer) {
        (Style::Outline, Layer::Back) => Some((mix(PEN, PAPER, 0.35), 1.5)),
        (Style::Outline, Layer::Figure) => Some((PEN, 2.2)),
        (Style::Night, Layer::Figure) => Some((MOONLIGHT, 1.5)),
        _ => None,
    }
}
