//! What is told about pictures that were made.

use std::path::Path;
use std::time::Instant;

use chapan_api::image::{ImageRecord, LoraRecord};
use chapan_engine::pipelines::Picture;
use serde::Serialize;

use super::again::{Comparison, Original};
use crate::cli::{Failure, output};
use crate::files::png::encode_png;

/// One picture of the report.
#[derive(Serialize)]
pub struct Report {
    output: String,
    duration_ms: u64,
    /// Size of the picture, which a second pass or a kept frame make another than that of the record.
    result_width: u32,
    result_height: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Comparison>,
    #[serde(flatten)]
    record: ImageRecord,
}

/// The report of several pictures.
#[derive(Serialize)]
struct Reports {
    images: Vec<Report>,
}

impl Report {
    /// Writes one picture with its record. `started` is when it was begun, and then when the next is.
    pub fn write(
        path: &Path,
        picture: &Picture,
        record: ImageRecord,
        original: Option<&Original>,
        started: &mut Instant,
    ) -> Result<Self, Failure> {
        let (width, height) = (picture.width as u32, picture.height as u32);
        let png = encode_png(width, height, &picture.rgb, &record)
            .map_err(|error| Failure::from_text(&error.to_string()))?;
        output::write_file(path, &png)?;
        let comparison = original.map(|original| original.compare(&png, &record)).transpose()?;
        let duration_ms = started.elapsed().as_millis() as u64;
        *started = Instant::now();
        Ok(Self {
            output: path.display().to_string(),
            duration_ms,
            result_width: width,
            result_height: height,
            comparison,
            record,
        })
    }

    fn say(&self) -> Result<(), Failure> {
        let Self { output, duration_ms, result_width, result_height, record, .. } = self;
        let towards = record.ingredients.variation_seed;
        let towards = towards.map_or_else(String::new, |seed| format!(" towards {seed}"));
        output::say(&format!(
            "{output}: {result_width}x{result_height}, seed {}{towards}, {} steps of {} in {:.1} s ({}, {})",
            record.seed,
            record.num_inference_steps,
            record.scheduler,
            *duration_ms as f64 / 1000.0,
            record.device,
            record.dtype
        ))?;
        for lora in record.ingredients.loras.iter().filter(|lora| lora.unmatched > 0) {
            let LoraRecord { model, unmatched, .. } = lora;
            output::say(&format!(
                "  `{model}`: {unmatched} of its tensors fit nothing in this model and did nothing"
            ))?;
        }
        Ok(())
    }
}

/// Tells what was made.
pub fn say(mut reports: Vec<Report>, original: Option<&Original>, json: bool) -> Result<(), Failure> {
    if json {
        return match reports.pop() {
            Some(report) if reports.is_empty() => output::say_json(&report),
            last => output::say_json(&Reports { images: reports.into_iter().chain(last).collect() }),
        };
    }
    for report in reports {
        report.say()?;
        if let (Some(original), Some(comparison)) = (original, &report.comparison) {
            original.say(comparison)?;
        }
    }
    Ok(())
}
