//! A mask: one level a pixel. 255 (white) is painted anew, 0 (black) stays as it is.

/// A part of a mask, in whole pixels; right and bottom are outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// The column after the last.
    pub right: usize,
    /// The row after the last.
    pub bottom: usize,
}

impl Rect {
    /// The pixels that a box of real numbers touches, if any lies in a picture of this size.
    pub fn touching(low: (f64, f64), high: (f64, f64), width: usize, height: usize) -> Option<Self> {
        // A cast of a negative or undefined number gives 0, of a large one the largest.
        let rect = Self {
            left: low.0.floor() as usize,
            top: low.1.floor() as usize,
            right: (high.0.ceil() as usize).min(width),
            bottom: (high.1.ceil() as usize).min(height),
        };
        (rect.left < rect.right && rect.top < rect.bottom).then_some(rect)
    }

    /// Columns.
    pub fn width(self) -> usize {
        self.right - self.left
    }

    /// Rows.
    pub fn height(self) -> usize {
        self.bottom - self.top
    }
}

/// A mask of `width` x `height` pixels, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    width: usize,
    height: usize,
    levels: Vec<u8>,
}

impl Mask {
    /// A mask that keeps everything.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, levels: vec![0; width * height] }
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// All levels, row by row.
    pub fn levels(&self) -> &[u8] {
        &self.levels
    }

    /// All of the mask.
    pub fn whole(&self) -> Rect {
        Rect { left: 0, top: 0, right: self.width, bottom: self.height }
    }

    /// Whether nothing would be painted anew.
    pub fn is_blank(&self) -> bool {
        self.levels.iter().all(|level| *level == 0)
    }

    /// The share that would be painted anew, 0 to 1.
    pub fn share(&self) -> f64 {
        let sum: u64 = self.levels.iter().map(|level| u64::from(*level)).sum();
        sum as f64 / (255 * self.levels.len()).max(1) as f64
    }

    /// One row of a part, to be changed.
    pub fn row_mut(&mut self, rect: Rect, row: usize) -> &mut [u8] {
        let start = (rect.top + row) * self.width;
        &mut self.levels[start + rect.left..start + rect.right]
    }

    /// Gives every pixel one level.
    pub fn fill(&mut self, level: u8) -> Rect {
        self.levels.fill(level);
        self.whole()
    }

    /// Swaps what is kept and what is painted anew.
    pub fn invert(&mut self) -> Rect {
        for level in &mut self.levels {
            *level = 255 - *level;
        }
        self.whole()
    }

    /// Takes levels over; those of another size are left out.
    pub fn replace(&mut self, levels: &[u8]) -> Option<Rect> {
        if levels.len() != self.levels.len() {
            return None;
        }
        self.levels.copy_from_slice(levels);
        Some(self.whole())
    }

    /// The levels of a part, row by row.
    pub fn cut(&self, rect: Rect) -> Vec<u8> {
        self.rows(rect).flatten().copied().collect()
    }

    /// Puts the levels of a part back.
    pub fn paste(&mut self, rect: Rect, levels: &[u8]) {
        for (row, line) in levels.chunks_exact(rect.width()).enumerate() {
            self.row_mut(rect, row).copy_from_slice(line);
        }
    }

    /// The smallest part that holds every pixel in which two masks differ.
    pub fn difference(&self, other: &[u8]) -> Option<Rect> {
        let mut found: Option<Rect> = None;
        let rows = self.levels.chunks_exact(self.width.max(1)).zip(other.chunks_exact(self.width.max(1)));
        for (y, (ours, theirs)) in rows.enumerate().filter(|(_, (a, b))| a != b) {
            let differs = |x: &usize| ours[*x] != theirs[*x];
            let left = (0..self.width).find(differs).unwrap_or(0);
            let right = (0..self.width).rev().find(differs).unwrap_or(0) + 1;
            found = Some(match found {
                None => Rect { left, top: y, right, bottom: y + 1 },
                Some(rect) => {
                    Rect { left: rect.left.min(left), right: rect.right.max(right), bottom: y + 1, ..rect }
                }
            });
        }
        found
    }

    fn rows(&self, rect: Rect) -> impl Iterator<Item = &[u8]> {
        self.levels
            .chunks_exact(self.width.max(1))
            .skip(rect.top)
            .take(rect.height())
            .map(move |line| &line[rect.left..rect.right])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverting_twice_is_nothing() {
        let mut mask = Mask::new(3, 2);
        mask.replace(&[0, 10, 255, 1, 2, 3]).unwrap();
        mask.invert();
        assert_eq!(mask.levels(), [255, 245, 0, 254, 253, 252]);
        mask.invert();
        assert_eq!(mask.levels(), [0, 10, 255, 1, 2, 3]);
    }

    #[test]
    fn a_part_is_cut_and_put_back() {
        let mut mask = Mask::new(4, 3);
        mask.replace(&(0..12).collect::<Vec<u8>>()).unwrap();
        let rect = Rect { left: 1, top: 1, right: 3, bottom: 3 };
        let part = mask.cut(rect);
        assert_eq!(part, [5, 6, 9, 10]);
        let before = mask.clone();
        mask.fill(0);
        mask.paste(rect, &part);
        assert_eq!(mask.difference(before.levels()), Some(mask.whole()));
        assert_eq!(mask.cut(rect), part);
        assert_eq!(mask.levels()[0], 0);
    }

    #[test]
    fn the_difference_is_tight() {
        let mut mask = Mask::new(8, 8);
        let before = mask.levels().to_vec();
        assert_eq!(mask.difference(&before), None);
        mask.row_mut(Rect { left: 2, top: 3, right: 3, bottom: 4 }, 0)[0] = 1;
        mask.row_mut(Rect { left: 5, top: 6, right: 6, bottom: 7 }, 0)[0] = 1;
        assert_eq!(mask.difference(&before), Some(Rect { left: 2, top: 3, right: 6, bottom: 7 }));
    }

    #[test]
    fn levels_of_another_size_change_nothing() {
        let mut mask = Mask::new(2, 2);
        assert_eq!(mask.replace(&[255; 3]), None);
        assert!(mask.is_blank());
    }

    #[test]
    fn a_box_outside_touches_nothing() {
        assert_eq!(Rect::touching((-9.0, -9.0), (-1.0, 5.0), 10, 10), None);
        assert_eq!(Rect::touching((10.0, 0.0), (12.0, 5.0), 10, 10), None);
        assert_eq!(Rect::touching((f64::NAN, 0.0), (f64::NAN, 5.0), 10, 10), None);
        let part = Rect::touching((-3.0, 8.2), (1.1, 99.0), 10, 10);
        assert_eq!(part, Some(Rect { left: 0, top: 8, right: 2, bottom: 10 }));
    }
}
