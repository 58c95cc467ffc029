//! The job `upscale`: a picture of the store becomes a larger copy.

use chapan_api::image::ImageKind;
use chapan_api::job::{JobPhase, JobProgress};
use chapan_api::upscale::{CreateUpscale, UpscaleRecord};
use chapan_engine::models::Upscaler;
use chapan_engine::pipelines::upscale::DEFAULT_TILE;
use chapan_engine::pipelines::{Flow, Picture};
use chapan_engine::weights::SafetensorsFile;

use super::device::Bench;
use super::error::JobError;
use super::meter::Meter;
use super::sources::Source;
use super::task::Made;
use super::upscale::{Enlargement, enlarge, enlarge_alpha};
use crate::files::png::{Pixels, encode_with_records};
use crate::hub::UpscalerFile;

/// All that a larger copy needs, at hand.
#[derive(Debug)]
pub(super) struct Enlarging {
    pub parameters: CreateUpscale,
    pub source: Source,
    pub upscaler: UpscalerFile,
    /// Whether it is new, or made again.
    pub kind: ImageKind,
}

impl Enlarging {
    /// Makes the copy.
    pub fn run(self, bench: &mut Bench, report: &dyn Fn(JobProgress) -> Flow) -> Result<Vec<Made>, JobError> {
        let meter = Meter::new(report, [1].into_iter());
        meter.go_on(JobPhase::LoadingModel)?;
        let (device, dtype) = (bench.name.clone(), bench.dtype.as_str().to_owned());
        let (model_hash, upscaler) = loaded(bench, &self.upscaler)?;
        let Source { record: image, picture, made } = self.source;
        let size = (picture.width as usize, picture.height as usize);
        let (rgb, alpha) = picture.into_rgb_and_alpha();
        let picture = Picture { width: size.0, height: size.1, rgb };
        let how = Enlargement { scale: self.parameters.scale, tile: DEFAULT_TILE };
        let larger = enlarge(upscaler, &picture, how, &mut |tiles| {
            meter.part(JobPhase::Upscaling, tiles.done as u32, tiles.total as u32, None)
        })?;
        let target = (larger.width, larger.height);
        let alpha = alpha.map(|alpha| enlarge_alpha(&alpha, size, target)).transpose()?;
        meter.go_on(JobPhase::Saving)?;
        let enlargement = UpscaleRecord {
            image,
            scale: self.parameters.scale,
            model: self.upscaler.id,
            model_hash: Some(model_hash),
            device,
            dtype,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            engine: Some(chapan_engine::NUMBERS.to_owned()),
        };
        let (width, height) = (target.0 as u32, target.1 as u32);
        let pixels = Pixels { width, height, rgb: &larger.rgb, alpha: alpha.as_deref() };
        let png = encode_with_records(pixels, made.as_ref(), Some(&enlargement))
            .map_err(|error| JobError::internal("the larger copy could not be written", &error))?;
        let (record, enlargement) = (made, Some(enlargement));
        Ok(vec![Made {
            kind: self.kind,
            png,
            width,
            height,
            record,
            enlargement,
            caption: None,
            steps: None,
        }])
    }
}

/// The upscaler of this file and the hash of its weights, from memory if it is there and still the same on disk.
pub(super) fn loaded<'a>(
    bench: &'a mut Bench,
    file: &UpscalerFile,
) -> Result<(String, &'a Upscaler), JobError> {
    let sha256 =
        file.weights().sha256().map_err(|error| JobError::internal("the upscaler cannot be read", &error))?;
    let at_hand = bench.upscaler.take().filter(|(held, _)| *held == sha256);
    let held = if let Some(held) = at_hand {
        held
    } else {
        tracing::info!(upscaler = %file.id, "loading");
        let weights = SafetensorsFile::open(&file.path).map_err(chapan_engine::Error::from)?;
        (sha256, Upscaler::load(weights, &bench.device, bench.dtype)?)
    };
    let (sha256, upscaler) = bench.upscaler.insert(held);
    Ok((sha256.clone(), upscaler))
}
