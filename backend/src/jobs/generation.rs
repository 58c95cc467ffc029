//! The job `generation`: a prompt and its parameters become pictures with their records.

use std::collections::BTreeMap;
use std::str::FromStr;

use chapan_api::generation::{CreateGeneration, Hires, limits};
use chapan_api::id::ModelId;
use chapan_api::image::{HiresRecord, ImageKind, ImageRecord, Ingredients, Run};
use chapan_api::job::{JobPhase, JobProgress};
use chapan_engine::DType;
use chapan_engine::pipelines::{
    Flow, GenerationParams, Picture, ProgressEvent, StableDiffusionXl, Start, Variation,
};
use chapan_engine::prompt::PromptSyntax;
use chapan_engine::schedulers::SchedulerName;

use super::device::{Bench, Loaded};
use super::enlarging;
use super::error::JobError;
use super::hires::{enlarge_for_hires, second_pass};
use super::keeping::StepKeeper;
use super::loras::put_on;
use super::meter::Meter;
use super::preview;
use super::sources::Sources;
use super::steps::KeptSteps;
use super::task::Made;
use crate::files::png::encode_png;
use crate::hub::{Checkpoint, LoraCandidate, UpscalerFile};

/// All that one request needs, at hand.
#[derive(Debug)]
pub(super) struct Drawing {
    pub checkpoint: Checkpoint,
    pub parameters: CreateGeneration,
    pub materials: Materials,
    /// Whether it is new, or made again.
    pub kind: ImageKind,
}

/// What a request needs besides its model, the same for all its pictures.
#[derive(Debug, Default)]
pub(super) struct Materials {
    pub sources: Sources,
    pub loras: BTreeMap<ModelId, LoraCandidate>,
    /// What enlarges for a second pass.
    pub upscaler: Option<UpscalerFile>,
}

/// A picture before it is written.
pub(super) struct Drawn {
    pub picture: Picture,
    pub record: ImageRecord,
    /// What its steps looked like, if that was asked for.
    pub steps: Option<KeptSteps>,
}

impl Drawing {
    /// Makes all pictures of the request.
    pub fn run(
        &self,
        bench: &mut Bench,
        report: &dyn Fn(JobProgress) -> Flow,
    ) -> Result<Vec<Made>, JobError> {
        let singles = singles(&self.parameters);
        let meter = Meter::new(report, singles.iter().flat_map(passes));
        let mut made = Vec::with_capacity(singles.len());
        for single in singles {
            let drawn = draw(bench, &self.checkpoint, &single, &self.materials, &meter)?;
            made.push(drawn.write(self.kind)?);
            meter.next();
        }
        Ok(made)
    }
}

/// The steps of each pass of one picture.
pub(super) fn passes(request: &CreateGeneration) -> impl Iterator<Item = u32> + use<> {
    let first = request.num_inference_steps;
    std::iter::once(first).chain(request.hires.as_ref().map(|hires| hires.steps_done(first)))
}

/// The request as one for each picture. Seeds count up, as everywhere; with a variation it is the variation's seed that
/// does, so that all turn around the same first noise.
pub(super) fn singles(request: &CreateGeneration) -> Vec<CreateGeneration> {
    let plus = |seed: Option<u64>, index: u32| seed.map(|seed| (seed + u64::from(index)) & limits::MAX_SEED);
    let varied = request.variation_strength.is_some_and(|strength| strength > 0.0);
    let single = |index: u32| CreateGeneration {
        seed: if varied { request.seed } else { plus(request.seed, index) },
        variation_seed: if varied { plus(request.variation_seed, index) } else { request.variation_seed },
        num_images_per_prompt: 1,
        ..request.clone()
    };
    (0..request.num_images_per_prompt).map(single).collect()
}

/// Makes one picture. The meter hears how far it is and answers whether to go on, at least once a step.
pub(super) fn draw(
    bench: &mut Bench,
    checkpoint: &Checkpoint,
    parameters: &CreateGeneration,
    materials: &Materials,
    meter: &Meter<'_>,
) -> Result<Drawn, JobError> {
    let mut keeper = StepKeeper::of(parameters);
    let call = engine_call(parameters, materials.sources.start(parameters))?;
    meter.go_on(JobPhase::LoadingModel)?;
    let dtype = bench.dtype;
    let device = bench.name.clone();
    let model = loaded(bench, checkpoint)?;
    let loras = put_on(model, parameters, &materials.loras)?;
    let sha256 = model.sha256.clone();
    let mut picture = generate(&model.pipeline, &call, meter, keeper.as_mut())?;
    let steps = keeper.and_then(|keeper| keeper.finish(model));
    let mut hires_record = None;
    if let (Some(hires), Some(file)) = (&parameters.hires, &materials.upscaler) {
        meter.next();
        meter.go_on(JobPhase::Upscaling)?;
        let (upscaler_hash, upscaler) = enlarging::loaded(bench, file)?;
        let enlarged =
            enlarge_for_hires(upscaler, &picture, hires, &mut |_| meter.report(JobPhase::Upscaling))?;
        let model = loaded(bench, checkpoint)?;
        let call = second_pass(&call, hires, enlarged, model.pipeline.default_size());
        picture = generate(&model.pipeline, &call, meter, None)?;
        let request = Hires { upscaler: Some(file.id.clone()), ..hires.clone() };
        hires_record = Some(HiresRecord { request, upscaler_hash: Some(upscaler_hash) });
    }
    meter.go_on(JobPhase::Saving)?;
    let ingredients = Ingredients::of(parameters, materials.sources.records(), loras, hires_record);
    let run = run_of(checkpoint.id.clone(), sha256, &checkpoint.default_scheduler, &device, dtype);
    let record = ImageRecord::of(parameters, run, ingredients);
    Ok(Drawn { picture, record, steps })
}

/// What the engine is called with for one picture of a request whose seeds are known.
///
/// # Errors
/// When there is no such scheduler.
pub fn engine_call(
    request: &CreateGeneration,
    start: Start,
) -> Result<GenerationParams, chapan_engine::Error> {
    let variation = request
        .variation_strength
        .map(|strength| Variation { seed: request.variation_seed.unwrap_or_default(), strength });
    Ok(GenerationParams {
        prompt: request.prompt.clone(),
        negative_prompt: request.negative_prompt.clone(),
        width: request.width as usize,
        height: request.height as usize,
        num_inference_steps: request.num_inference_steps as usize,
        guidance_scale: request.guidance_scale,
        seed: request.seed.unwrap_or_default(),
        scheduler: request.scheduler.as_deref().map(SchedulerName::from_str).transpose()?,
        variation,
        start,
        prompt_syntax: if request.prompt_weighting { PromptSyntax::Weighted } else { PromptSyntax::Plain },
        ..GenerationParams::default()
    })
}

/// What records say of a run of this program.
pub fn run_of(model: ModelId, model_hash: String, scheduler: &str, device: &str, dtype: DType) -> Run {
    Run {
        model,
        model_hash,
        scheduler: scheduler.to_owned(),
        device: device.to_owned(),
        dtype: dtype.as_str().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        engine: chapan_engine::NUMBERS.to_owned(),
    }
}

/// One pass, told to the meter and to whoever keeps its steps.
fn generate(
    pipeline: &StableDiffusionXl,
    call: &GenerationParams,
    meter: &Meter<'_>,
    mut keeper: Option<&mut StepKeeper>,
) -> Result<Picture, JobError> {
    let generated = pipeline.generate(call, &mut |event: ProgressEvent<'_>| {
        if let Some(keeper) = &mut keeper {
            keeper.hear(&event);
        }
        match event {
            ProgressEvent::Encoding | ProgressEvent::Encoded => meter.report(JobPhase::Encoding),
            ProgressEvent::Window { .. } => meter.report(JobPhase::Denoising),
            ProgressEvent::Step { index, total, preview, .. } => {
                meter.step(index as u32 + 1, total as u32, preview::data_address(&preview))
            }
            ProgressEvent::Decoding => meter.report(JobPhase::Decoding),
        }
    })?;
    Ok(generated.image)
}

impl Drawn {
    /// The picture as PNG, with its record inside.
    pub fn write(self, kind: ImageKind) -> Result<Made, JobError> {
        let Picture { width, height, rgb } = self.picture;
        let (width, height) = (width as u32, height as u32);
        let png = encode_png(width, height, &rgb, &self.record)
            .map_err(|error| JobError::internal("the picture could not be written", &error))?;
        let (record, steps) = (Some(self.record), self.steps);
        Ok(Made { kind, png, width, height, record, enlargement: None, caption: None, steps })
    }
}

/// The checkpoint's model, from memory if it is there and still the same on disk.
/// The model in memory, or read anew.
pub(super) fn loaded<'a>(bench: &'a mut Bench, checkpoint: &Checkpoint) -> Result<&'a mut Loaded, JobError> {
    let unreadable = |error: crate::hub::Error| JobError::internal("the model cannot be read", &error);
    let sha256 = checkpoint.weights().and_then(|weights| weights.sha256()).map_err(unreadable)?;
    let at_hand = bench.loaded.take().filter(|held| held.id == checkpoint.id && held.sha256 == sha256);
    let held = if let Some(held) = at_hand {
        held
    } else {
        tracing::info!(model = %checkpoint.id, "loading");
        let pipeline = StableDiffusionXl::load(&checkpoint.folder, &bench.device, bench.dtype)?;
        Loaded { id: checkpoint.id.clone(), sha256, pipeline, loras: BTreeMap::new() }
    };
    Ok(bench.loaded.insert(held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_count_up_and_so_do_those_of_variations() {
        let request = CreateGeneration {
            seed: Some(limits::MAX_SEED),
            num_images_per_prompt: 3,
            ..CreateGeneration::default()
        };
        let seeds = |request: &CreateGeneration| -> Vec<_> {
            singles(request).iter().map(|single| (single.seed.unwrap(), single.variation_seed)).collect()
        };
        assert_eq!(seeds(&request), [(limits::MAX_SEED, None), (0, None), (1, None)]);
        let varied = CreateGeneration {
            seed: Some(5),
            variation_seed: Some(8),
            variation_strength: Some(0.1),
            ..request
        };
        assert_eq!(seeds(&varied), [(5, Some(8)), (5, Some(9)), (5, Some(10))]);
        assert!(singles(&varied).iter().all(|single| single.num_images_per_prompt == 1));
    }
}
