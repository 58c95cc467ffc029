//! Measures on pictures and embeddings: pure maths on slices.
//!
//! The browser and the server run the same code, so a student's page and the server's report agree to the last digit.
//! Nothing here reads files, knows models or keeps state. Pictures are 8-bit or floating-point rows from the top with
//! interleaved channels; sums are kept in `f64`. One measure a file, each with its formula and where it comes from.

pub mod blur;
pub mod contest;
pub mod difference;
pub mod error;
pub mod histogram;
pub mod luma;
pub mod quality;
pub mod resize;
pub mod score_ssim;
pub mod similarity;
pub mod ssim;
pub mod statistics;
pub mod zero_shot;

pub use blur::gaussian_blur;
pub use contest::{CopyRisk, Fold, Lead, Place, folds, rank};
pub use difference::{mse, psnr, psnr8};
pub use error::MetricError;
pub use histogram::{colour_histogram, hellinger, histogram_distance};
pub use luma::luma;
pub use quality::{Band, Quality, QualityWeights};
pub use resize::{Filter, resize};
pub use score_ssim::{SCORE_SIDE, ScorePicture};
pub use similarity::cosine;
pub use ssim::{Size, SsimMap, Window, ssim, ssim_map, ssim_map8, ssim_rgb8};
pub use statistics::{Summary, vote_lower_bound, wilson_interval};
pub use zero_shot::{Verdict, zero_shot};

#[cfg(test)]
mod reference_tests;
