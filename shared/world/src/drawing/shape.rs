//! Paths made of straight lines and quadratic curves only: their rasterisation needs no trigonometry, so the
//! bytes are the same on every platform.

use tiny_skia::{Path, PathBuilder, Rect, Transform};

/// A point in picture units.
pub type Point = (f32, f32);

/// An ellipse around `(cx, cy)`.
pub fn ellipse(cx: f32, cy: f32, rx: f32, ry: f32) -> Option<Path> {
    PathBuilder::from_oval(Rect::from_ltrb(cx - rx, cy - ry, cx + rx, cy + ry)?)
}

/// A circle around `(cx, cy)`.
pub fn circle(cx: f32, cy: f32, r: f32) -> Option<Path> {
    ellipse(cx, cy, r, r)
}

/// A rectangle by its corner and size.
pub fn rect(x: f32, y: f32, w: f32, h: f32) -> Option<Path> {
    Some(PathBuilder::from_rect(Rect::from_xywh(x, y, w, h)?))
}

/// A rectangle with round corners.
pub fn round_rect(x: f32, y: f32, w: f32, h: f32, r: f32) -> Option<Path> {
    let r = r.min(w / 2.0).min(h / 2.0);
    let mut p = PathBuilder::new();
    p.move_to(x + r, y);
    p.line_to(x + w - r, y);
    p.quad_to(x + w, y, x + w, y + r);
    p.line_to(x + w, y + h - r);
    p.quad_to(x + w, y + h, x + w - r, y + h);
    p.line_to(x + r, y + h);
    p.quad_to(x, y + h, x, y + h - r);
    p.line_to(x, y + r);
    p.quad_to(x, y, x + r, y);
    p.close();
    p.finish()
}

/// A closed polygon.
pub fn polygon(points: &[Point]) -> Option<Path> {
    let mut p = PathBuilder::new();
    let (&(x, y), rest) = points.split_first()?;
    p.move_to(x, y);
    for &(x, y) in rest {
        p.line_to(x, y);
    }
    p.close();
    p.finish()
}

/// A closed soft shape: a quadratic B-spline by its control points. A point given twice is a sharp corner.
pub fn blob(points: &[Point]) -> Option<Path> {
    let &last = points.last()?;
    let &first = points.first()?;
    let mut p = PathBuilder::new();
    let start = middle(last, first);
    p.move_to(start.0, start.1);
    for (index, &(x, y)) in points.iter().enumerate() {
        let next = points.get(index + 1).copied().unwrap_or(first);
        let end = middle((x, y), next);
        p.quad_to(x, y, end.0, end.1);
    }
    p.close();
    p.finish()
}

/// An open soft line through the first and last point, led by those between.
pub fn curve(points: &[Point]) -> Option<Path> {
    let mut p = PathBuilder::new();
    let &(x, y) = points.first()?;
    p.move_to(x, y);
    match points {
        [_, (x, y)] => p.line_to(*x, *y),
        [_, inner @ .., end] => {
            for (index, &(x, y)) in inner.iter().enumerate() {
                let to = inner.get(index + 1).map_or(*end, |&next| middle((x, y), next));
                p.quad_to(x, y, to.0, to.1);
            }
        }
        _ => return None,
    }
    p.finish()
}

/// The same path moved by `(dx, dy)` and mirrored left to right when `mirrored`.
pub fn placed(path: Option<Path>, dx: f32, dy: f32, mirrored: bool) -> Option<Path> {
    let sx = if mirrored { -1.0 } else { 1.0 };
    path?.transform(Transform::from_row(sx, 0.0, 0.0, 1.0, dx, dy))
}

/// Control points of the right half, top to bottom, completed with their mirror images.
pub fn mirrored(right: &[Point]) -> Vec<Point> {
    let left = right.iter().rev().map(|&(x, y)| (-x, y));
    right.iter().copied().chain(left).collect()
}

fn middle(a: Point, b: Point) -> Point {
    ((a.0 + b.0) * 0.5, (a.1 + b.1) * 0.5)
}
