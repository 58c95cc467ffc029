//! A few sizes of about the same area, so that pictures of any shape are cut by little.

/// A size in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket {
    /// Width.
    pub width: usize,
    /// Height.
    pub height: usize,
}

/// All sizes for a resolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets(Vec<Bucket>);

impl Buckets {
    /// Sizes of at most `resolution` squared pixels with sides from half to twice the resolution, which step by 64 pixels at
    /// 512 and above as in kohya's trainer, else by an eighth of the resolution; always multiples of `cell`.
    pub fn new(resolution: usize, cell: usize) -> Self {
        let cell = cell.max(1);
        let step = (resolution / 8).clamp(1, 64).next_multiple_of(cell);
        let area = resolution * resolution;
        let mut sizes = vec![Bucket { width: resolution, height: resolution }];
        let mut side = (resolution / 2).next_multiple_of(step);
        while side <= resolution * 2 {
            let other = (area / side / step * step).min(resolution * 2);
            if other >= resolution / 2 && other > 0 {
                sizes.push(Bucket { width: side, height: other });
                sizes.push(Bucket { width: other, height: side });
            }
            side += step;
        }
        sizes.sort();
        sizes.dedup();
        Self(sizes)
    }

    /// Only the square.
    pub fn square(resolution: usize) -> Self {
        Self(vec![Bucket { width: resolution, height: resolution }])
    }

    /// The size whose shape is nearest; the larger of two alike.
    pub fn nearest(&self, width: u32, height: u32) -> Bucket {
        let shape = (f64::from(width) / f64::from(height)).ln();
        let off = |bucket: &Bucket| ((bucket.width as f64 / bucket.height as f64).ln() - shape).abs();
        let better = |a: &&Bucket, b: &&Bucket| {
            let by_area = (b.width * b.height).cmp(&(a.width * a.height));
            off(a).total_cmp(&off(b)).then(by_area)
        };
        self.0.iter().min_by(better).copied().unwrap_or(Bucket { width: 1, height: 1 })
    }

    /// All of them.
    pub fn all(&self) -> &[Bucket] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_about_one_area_and_fit_cells() {
        for (resolution, cell) in [(1024, 8), (512, 8), (128, 8), (64, 8), (96, 8)] {
            let buckets = Buckets::new(resolution, cell);
            assert!(buckets.all().len() >= 5, "{resolution}");
            for Bucket { width, height } in buckets.all() {
                assert!(width * height <= resolution * resolution, "{width}x{height}");
                assert!(
                    width * height * 3 >= resolution * resolution * 2,
                    "{width}x{height} of {resolution}"
                );
                assert!(width % cell == 0 && height % cell == 0);
            }
        }
    }

    #[test]
    fn the_nearest_shape_is_chosen() {
        let buckets = Buckets::new(1024, 8);
        assert_eq!(buckets.nearest(500, 500), Bucket { width: 1024, height: 1024 });
        let wide = buckets.nearest(1920, 1080);
        assert_eq!((wide.width, wide.height), (1344, 768));
        let high = buckets.nearest(1080, 1920);
        assert_eq!((high.width, high.height), (768, 1344));
        assert_eq!(Buckets::square(64).nearest(10, 1000), Bucket { width: 64, height: 64 });
    }
}
