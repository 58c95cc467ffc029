//! The job `generation`: a prompt and its parameters become a picture with its record.

use std::str::FromStr;

use chapan_api::generation::CreateGeneration;
use chapan_api::image::ImageRecord;
use chapan_api::job::{JobPhase, JobProgress};
use chapan_engine::DType;
use chapan_engine::pipelines::{Flow, GenerationParams, Picture, ProgressEvent, StableDiffusionXl};
use chapan_engine::schedulers::SchedulerName;

use super::device::{Bench, Loaded};
use super::error::JobError;
use super::preview;
use crate::files::png::encode_png;
use crate::hub::Checkpoint;

/// What a generation comes to.
#[derive(Clone, Debug)]
pub struct Made {
    /// The PNG, with its record inside.
    pub png: Vec<u8>,
    /// How it was made.
    pub record: ImageRecord,
}

/// Makes one picture. `report` hears how far it is and answers whether to go on; it is called at least once a step.
pub fn generate(
    bench: &mut Bench,
    checkpoint: &Checkpoint,
    parameters: &CreateGeneration,
    report: &dyn Fn(JobProgress) -> Flow,
) -> Result<Made, JobError> {
    let steps = parameters.num_inference_steps;
    let at = |phase| JobProgress { phase, step: 0, total_steps: steps, preview: None };
    let scheduler = parameters.scheduler.as_deref().map(SchedulerName::from_str).transpose()?;
    let call = GenerationParams {
        prompt: parameters.prompt.clone(),
        negative_prompt: parameters.negative_prompt.clone(),
        width: parameters.width as usize,
        height: parameters.height as usize,
        num_inference_steps: steps as usize,
        guidance_scale: parameters.guidance_scale,
        seed: parameters.seed.unwrap_or_default(),
        scheduler,
        ..GenerationParams::default()
    };
    go_on(report(at(JobPhase::LoadingModel)))?;
    let dtype = bench.dtype;
    let device = bench.name.clone();
    let model = loaded(bench, checkpoint)?;
    let mut done = 0;
    let mut total = steps;
    let generated = model.pipeline.generate(&call, &mut |event: ProgressEvent<'_>| {
        let progress = match event {
            ProgressEvent::Encoding | ProgressEvent::Encoded => at(JobPhase::Encoding),
            ProgressEvent::Step { index, total: calls, preview, .. } => {
                (done, total) = (index as u32 + 1, calls as u32);
                let preview = preview::data_address(&preview);
                JobProgress { phase: JobPhase::Denoising, step: done, total_steps: total, preview }
            }
            ProgressEvent::Decoding => {
                JobProgress { phase: JobPhase::Decoding, step: done, total_steps: total, preview: None }
            }
        };
        report(progress)
    })?;
    go_on(report(JobProgress { phase: JobPhase::Saving, step: done, total_steps: total, preview: None }))?;
    let record = record(checkpoint, parameters, model.sha256.clone(), device, dtype);
    let png = png(&generated.image, &record)?;
    Ok(Made { png, record })
}

fn go_on(flow: Flow) -> Result<(), JobError> {
    match flow {
        Flow::Continue => Ok(()),
        Flow::Cancel => Err(JobError::Cancelled),
    }
}

/// The checkpoint's model, from memory if it is there and still the same on disk.
fn loaded<'a>(bench: &'a mut Bench, checkpoint: &Checkpoint) -> Result<&'a Loaded, JobError> {
    let unreadable = |error: crate::hub::Error| JobError::internal("the model cannot be read", &error);
    let sha256 = checkpoint.sha256().map_err(unreadable)?;
    let at_hand = bench.loaded.take().filter(|held| held.id == checkpoint.id && held.sha256 == sha256);
    let held = if let Some(held) = at_hand {
        held
    } else {
        tracing::info!(model = %checkpoint.id, "loading");
        let pipeline = StableDiffusionXl::load(&checkpoint.folder, &bench.device, bench.dtype)?;
        Loaded { id: checkpoint.id.clone(), sha256, pipeline }
    };
    Ok(bench.loaded.insert(held))
}

fn record(
    checkpoint: &Checkpoint,
    parameters: &CreateGeneration,
    model_hash: String,
    device: String,
    dtype: DType,
) -> ImageRecord {
    ImageRecord {
        prompt: parameters.prompt.clone(),
        negative_prompt: parameters.negative_prompt.clone(),
        model: checkpoint.id.clone(),
        model_hash: Some(model_hash),
        seed: parameters.seed.unwrap_or_default(),
        num_inference_steps: parameters.num_inference_steps,
        guidance_scale: parameters.guidance_scale,
        width: parameters.width,
        height: parameters.height,
        scheduler: parameters.scheduler.clone().unwrap_or_else(|| checkpoint.default_scheduler.clone()),
        device,
        dtype: dtype.as_str().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn png(picture: &Picture, record: &ImageRecord) -> Result<Vec<u8>, JobError> {
    encode_png(picture.width as u32, picture.height as u32, &picture.rgb, record)
        .map_err(|error| JobError::internal("the picture could not be written", &error))
}
