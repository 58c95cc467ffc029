//! A pixel board with a style: every shape goes through it, so that no shape needs to know the style.

use tiny_skia::{Color, FillRule, LineCap, LineJoin, Mask, Paint, Path, Pixmap, Stroke, Transform};

use super::palette::{self, Rgb};
use crate::picture::{Picture, Region};
use crate::words::Style;

/// Whether a shape belongs to the scenery or to what the picture is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Scenery: paler, with thinner lines.
    Back,
    /// The person or the furniture.
    Figure,
}

/// The drawing board. Its unit is 1/128 of the picture's side.
pub struct Canvas {
    pixmap: Pixmap,
    style: Style,
    layer: Layer,
    pixels_per_unit: f32,
    place: Transform,
    tint: [f32; 3],
    clip: Option<Mask>,
    naming: Option<usize>,
    named: Vec<Region>,
}

impl Canvas {
    /// An empty board of `size` by `size` pixels (at least 1).
    pub fn new(size: usize, style: Style) -> Self {
        let side = size.clamp(1, 8192) as u32;
        Self {
            pixmap: Pixmap::new(side, side).expect("a side of 1 to 8192 pixels is a valid size"),
            style,
            layer: Layer::Back,
            pixels_per_unit: side as f32 / 128.0,
            place: Transform::identity(),
            tint: [0.0; 3],
            clip: None,
            naming: None,
            named: Vec::new(),
        }
    }

    /// The style everything is drawn in.
    pub fn style(&self) -> Style {
        self.style
    }

    /// What follows belongs to `layer` and has its colours offset by `tint`.
    pub fn begin(&mut self, layer: Layer, tint: [f32; 3]) {
        self.layer = layer;
        self.tint = tint;
    }

    /// Puts the origin at `(x, y)` of the picture and draws `scale` times as large.
    pub fn place(&mut self, x: f32, y: f32, scale: f32) {
        self.place = Transform::from_row(scale, 0.0, 0.0, scale, x, y);
    }

    /// What follows, until [`Canvas::unname`], extends the region called `name`.
    pub fn name(&mut self, name: &'static str) {
        let known = self.named.iter().position(|region| region.name == name);
        self.naming = Some(known.unwrap_or_else(|| {
            self.named.push(Region {
                name,
                left: f32::MAX,
                top: f32::MAX,
                right: f32::MIN,
                bottom: f32::MIN,
            });
            self.named.len() - 1
        }));
    }

    /// What follows belongs to no region.
    pub fn unname(&mut self) {
        self.naming = None;
    }

    /// Fills a shape and draws the style's line around it.
    pub fn fill(&mut self, path: Option<Path>, colour: Rgb) {
        let Some(path) = path else { return };
        self.paint(Some(path.clone()), colour);
        if let Some((line, width)) = palette::contour(self.style, self.layer) {
            self.stroke_path(&path, line, width);
        }
    }

    /// Fills a shape without a line around it.
    pub fn paint(&mut self, path: Option<Path>, colour: Rgb) {
        let Some(path) = path else { return };
        let colour = palette::field(colour.shifted(self.tint), self.style, self.layer);
        self.fill_path(&path, colour);
    }

    /// Fills a small telling shape, which keeps its contrast in every style.
    pub fn mark(&mut self, path: Option<Path>, colour: Rgb) {
        let Some(path) = path else { return };
        let colour = palette::mark(colour, self.style);
        self.fill_path(&path, colour);
    }

    /// Fills a shape that gives light: the moon, a lit window.
    pub fn glow(&mut self, path: Option<Path>, colour: Rgb) {
        let Some(path) = path else { return };
        let colour = if self.style == Style::Night { colour } else { palette::mark(colour, self.style) };
        self.fill_path(&path, colour);
    }

    /// Draws a telling line, `width` units wide, with round ends.
    pub fn line(&mut self, path: Option<Path>, width: f32, colour: Rgb) {
        let Some(path) = path else { return };
        let colour = palette::mark(colour, self.style);
        self.stroke_path(&path, colour, width);
    }

    /// Draws a line in a field's colour: a rein, a fold, a strap.
    pub fn seam(&mut self, path: Option<Path>, width: f32, colour: Rgb) {
        let Some(path) = path else { return };
        let colour = palette::field(colour.shifted(self.tint), self.style, self.layer);
        self.stroke_path(&path, colour, width);
    }

    /// Draws `inside` only where `shape` is.
    pub fn clipped(&mut self, shape: Option<&Path>, inside: impl FnOnce(&mut Self)) {
        let Some(shape) = shape else { return };
        if let Some(mut mask) = Mask::new(self.pixmap.width(), self.pixmap.height()) {
            mask.fill_path(shape, FillRule::Winding, true, self.transform());
            self.clip = Some(mask);
            inside(self);
            self.clip = None;
        }
    }

    /// The finished picture and its named regions.
    pub fn finish(self) -> (Picture, Vec<Region>) {
        let (width, height) = (self.pixmap.width() as usize, self.pixmap.height() as usize);
        let rgb = self.pixmap.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]).collect();
        let (right, bottom) = (width as f32, height as f32);
        let named = self.named.into_iter().map(|r| Region {
            name: r.name,
            left: r.left.clamp(0.0, right),
            top: r.top.clamp(0.0, bottom),
            right: r.right.clamp(0.0, right),
            bottom: r.bottom.clamp(0.0, bottom),
        });
        (Picture { width, height, rgb }, named.filter(|r| r.right > r.left && r.bottom > r.top).collect())
    }

    fn transform(&self) -> Transform {
        self.place.post_scale(self.pixels_per_unit, self.pixels_per_unit)
    }

    fn fill_path(&mut self, path: &Path, colour: Rgb) {
        self.note(path, 0.0);
        let transform = self.transform();
        self.pixmap.fill_path(path, &paint_of(colour), FillRule::Winding, transform, self.clip.as_ref());
    }

    fn stroke_path(&mut self, path: &Path, colour: Rgb, width: f32) {
        self.note(path, width / 2.0);
        let transform = self.transform();
        let stroke =
            Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
        self.pixmap.stroke_path(path, &paint_of(colour), &stroke, transform, self.clip.as_ref());
    }

    fn note(&mut self, path: &Path, margin: f32) {
        let Some(region) = self.naming.and_then(|index| self.named.get_mut(index)) else { return };
        let bounds = path.bounds();
        let scale = self.place.sx * self.pixels_per_unit;
        let (tx, ty) = (self.place.tx * self.pixels_per_unit, self.place.ty * self.pixels_per_unit);
        region.left = region.left.min((bounds.left() - margin) * scale + tx);
        region.top = region.top.min((bounds.top() - margin) * scale + ty);
        region.right = region.right.max((bounds.right() + margin) * scale + tx);
        region.bottom = region.bottom.max((bounds.bottom() + margin) * scale + ty);
    }
}

fn paint_of(colour: Rgb) -> Paint<'static> {
    let mut paint = Paint::default();
    // Whole levels, so that no rounding of the rasteriser can differ.
    let level = |channel: f32| (channel.clamp(0.0, 255.0) + 0.5) as u8;
    paint.set_color(Color::from_rgba8(level(colour.0), level(colour.1), level(colour.2), 255));
    paint.anti_alias = true;
    paint
}
