//! A picture of a dataset: read, turned as its camera noted, made to cover its bucket, cut in the middle.

use std::io::Read;
use std::path::Path;

use chapan_metrics::{Filter, resize};
use sha2::{Digest, Sha256};

use super::{Bucket, Buckets, DatasetError};
use crate::files::picture::{DecodedPicture, MAX_FILE_BYTES, decode_picture};

/// How a picture of some size becomes one of a bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Width and height that it had.
    pub original: (u32, u32),
    /// Width and height at which it covers its bucket.
    pub covering: (usize, usize),
    /// Its size in the end.
    pub bucket: Bucket,
    /// Pixels that are cut off at the top and at the left, at the new scale.
    pub crop: (usize, usize),
    /// The share of it that is left, 0 to 1.
    pub kept: f64,
    /// Whether it has to be made larger.
    pub enlarged: bool,
}

/// A picture cut to a bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// How.
    pub measured: Measured,
    /// Rows of RGB.
    pub rgb: Vec<u8>,
    /// SHA-256 of what is seen: the same for files that show the same.
    pub digest: [u8; 32],
}

/// Reads a file.
///
/// # Errors
/// When it is no sound picture of a size that is taken.
pub fn read(path: &Path) -> Result<DecodedPicture, DatasetError> {
    let unreadable = |source| DatasetError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    decode_picture(&bytes).map_err(|source| DatasetError::Picture { path: path.to_owned(), source })
}

/// Makes a picture cover the nearest bucket, and cuts what stands over, the same on both sides.
///
/// # Errors
/// When the picture is empty.
pub fn fit(path: &Path, picture: DecodedPicture, buckets: &Buckets) -> Result<Fitted, DatasetError> {
    let fail = |fault: String| DatasetError::Resize { path: path.to_owned(), fault };
    let measured = measure((picture.width, picture.height), buckets);
    let Measured { covering: (wide, high), bucket, crop, .. } = measured;
    let (width, height) = (picture.width as usize, picture.height as usize);
    let rgb = picture.into_rgb();
    let rgb = if (wide, high) == (width, height) {
        rgb
    } else {
        resize(&rgb, (width, height), 3, (wide, high), Filter::Lanczos).map_err(|e| fail(e.to_string()))?
    };
    let rgb: Vec<u8> = (crop.0..crop.0 + bucket.height)
        .flat_map(|row| &rgb[(row * wide + crop.1) * 3..][..bucket.width * 3])
        .copied()
        .collect();
    let digest = Sha256::digest(&rgb).into();
    Ok(Fitted { measured, rgb, digest })
}

/// How a picture of this size covers the nearest bucket, and what is cut off then.
pub fn measure(original: (u32, u32), buckets: &Buckets) -> Measured {
    let bucket = buckets.nearest(original.0, original.1);
    let (width, height) = (original.0.max(1) as usize, original.1.max(1) as usize);
    let factor = (bucket.width as f64 / width as f64).max(bucket.height as f64 / height as f64);
    let cover = |side: usize, least: usize| ((side as f64 * factor).round() as usize).max(least);
    let (wide, high) = (cover(width, bucket.width), cover(height, bucket.height));
    Measured {
        original,
        covering: (wide, high),
        bucket,
        crop: ((high - bucket.height) / 2, (wide - bucket.width) / 2),
        kept: (bucket.width * bucket.height) as f64 / (wide * high) as f64,
        enlarged: factor > 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::png::encode_bare_png;

    fn fitted(width: u32, height: u32, buckets: &Buckets) -> Fitted {
        // Columns can be told apart.
        let rgb: Vec<u8> = (0..width * height).flat_map(|i| [(i % width) as u8; 3]).collect();
        let picture = decode_picture(&encode_bare_png(width, height, &rgb).unwrap()).unwrap();
        fit(Path::new("test.png"), picture, buckets).unwrap()
    }

    #[test]
    fn a_picture_covers_its_bucket_and_is_cut_in_the_middle() {
        let wide = fitted(128, 64, &Buckets::square(64));
        let Measured { crop, original, kept, enlarged, .. } = wide.measured;
        assert_eq!((wide.rgb.len(), crop, original), (64 * 64 * 3, (0, 32), (128, 64)));
        assert!((kept - 0.5).abs() < 1e-9 && !enlarged);
        assert_eq!((wide.rgb[0], wide.rgb[63 * 3]), (32, 95), "as many columns on both sides");
        let shaped = fitted(128, 64, &Buckets::new(64, 8)).measured;
        assert!(shaped.bucket.width > shaped.bucket.height && shaped.kept > 0.8, "{shaped:?}");
        assert!(fitted(20, 20, &Buckets::square(64)).measured.enlarged);
        assert_eq!(fitted(64, 64, &Buckets::square(64)).digest, fitted(64, 64, &Buckets::square(64)).digest);
    }
}
