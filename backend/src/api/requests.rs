//! Accepting requests for pictures: everything that can be known to be wrong is refused before anybody waits, and what
//! was left open is filled in.

use chapan_api::error::ErrorCode;
use chapan_api::generation::{CreateGeneration, limits};
use chapan_api::id::{ImageId, JobId, ModelId, UserId};
use chapan_api::job::JobView;
use chapan_api::validation::{FieldError, Rule};

use super::{ApiError, ApiResult, App, models, upscales};
use crate::hub::{Checkpoint, LoraCandidate, UpscalerFile};
use crate::ids;
use crate::jobs::{
    Named, available_memory_bytes, lora_text_width, model_memory, request_memory, with_tagged_loras,
};
use crate::store::{ImageRow, NewJob, NewRequest};

/// How many jobs one person may have in the queue: no limit for a person, one for a program that runs wild.
const MOST_WAITING: u32 = 10_000;

/// Queues a request.
pub(super) async fn enqueue(
    app: &App,
    owner: UserId,
    model: ModelId,
    total_steps: u32,
    request: NewRequest,
) -> ApiResult<JobView> {
    let new = NewJob {
        id: JobId::new(ids::new_id(&*app.clock)),
        owner,
        model,
        request,
        total_steps,
        created_at_ms: app.clock.now_ms(),
        most_waiting: MOST_WAITING,
    };
    Ok(app.queue.enqueue(&new).await?)
}

/// Checks a request against what is there, and fills in what it leaves to the server.
pub(super) async fn complete(
    app: &App,
    owner: &UserId,
    request: CreateGeneration,
) -> ApiResult<(Checkpoint, CreateGeneration)> {
    request.validate().map_err(ApiError::invalid)?;
    let listed = request.loras.len();
    let request = with_tagged_loras(request).map_err(ApiError::from_body)?;
    request.validate().map_err(|faults| ApiError::invalid(blame_tags(faults, listed)))?;
    let model = choose_model(app, request.model.as_ref()).await?;
    let source_pixels = check_sources(app, owner, &request).await?;
    check_loras(app, owner, &model, &request, listed).await?;
    let loras = lora_files(app, owner, &request).await?;
    check_widths(&model, &request, &loras, listed)?;
    check_inpainting(&model, &request)?;
    check_keeping(&request)?;
    let (request, upscaler) = with_upscaler(app, request).await?;
    let named = Named { loras: loras.into_iter().map(|(file, _)| file).collect(), source_pixels, upscaler };
    plan_memory(app, &model, &request, &named)?;
    Ok((model.clone(), filled(request, &model)))
}

/// What a model made for inpainting needs, and what cannot follow inpainting.
fn check_inpainting(model: &Checkpoint, request: &CreateGeneration) -> ApiResult<()> {
    if model.inpainting && request.mask_image.is_none() {
        let other = "mask_image".to_owned();
        return Err(ApiError::invalid(vec![FieldError::new("model", Rule::Needs { other })]));
    }
    if request.hires.is_some() && request.mask_image.is_some() {
        // The second pass would change what the mask keeps.
        let other = "mask_image".to_owned();
        return Err(ApiError::invalid(vec![FieldError::new("hires", Rule::Excludes { other })]));
    }
    Ok(())
}

/// Steps are kept of a drawing in one pass.
fn check_keeping(request: &CreateGeneration) -> ApiResult<()> {
    if request.keep_steps && request.hires.is_some() {
        let other = "hires".to_owned();
        return Err(ApiError::invalid(vec![FieldError::new("keep_steps", Rule::Excludes { other })]));
    }
    Ok(())
}

/// The request with the upscaler of its second pass, which is installed.
async fn with_upscaler(
    app: &App,
    mut request: CreateGeneration,
) -> ApiResult<(CreateGeneration, Option<UpscalerFile>)> {
    let Some(hires) = &mut request.hires else { return Ok((request, None)) };
    let file = upscales::choose(app, hires.upscaler.as_ref(), "hires.upscaler").await?;
    hires.upscaler = Some(file.id.clone());
    hires.steps = Some(hires.steps.unwrap_or(request.num_inference_steps));
    Ok((request, Some(file)))
}

/// The files of the LoRAs that a request names, each with the width of the text that it looks at.
async fn lora_files(
    app: &App,
    owner: &UserId,
    request: &CreateGeneration,
) -> ApiResult<Vec<(LoraCandidate, Option<usize>)>> {
    if request.loras.is_empty() {
        return Ok(Vec::new());
    }
    let catalog = app.catalog.of(owner);
    let wanted: Vec<ModelId> = request.loras.iter().map(|lora| lora.model.clone()).collect();
    let looked = tokio::task::spawn_blocking(move || {
        let named = catalog.lora_candidates().into_iter().filter(|file| wanted.contains(&file.id));
        named
            .map(|file| {
                let width = lora_text_width(&file);
                (file, width)
            })
            .collect()
    });
    looked.await.map_err(ApiError::internal)
}

/// A file that does not say what it was made for still shows it: its layers look at text of one width.
fn check_widths(
    model: &Checkpoint,
    request: &CreateGeneration,
    files: &[(LoraCandidate, Option<usize>)],
    listed: usize,
) -> ApiResult<()> {
    let Some(expected) = model.text_width else { return Ok(()) };
    for (index, wanted) in request.loras.iter().enumerate() {
        let width = files.iter().find(|(file, _)| file.id == wanted.model).and_then(|(_, width)| *width);
        if let Some(width) = width.filter(|width| *width != expected) {
            let rule = Rule::OtherBase {
                got: brief(wanted.model.as_str()).clone(),
                base: format!("text of width {width}"),
                expected: format!("{} ({expected})", model.id),
            };
            return Err(ApiError::invalid(vec![FieldError::new(lora_field(index, listed), rule)]));
        }
    }
    Ok(())
}

/// Where a request names a LoRA: the first `listed` in its list, the others in its prompt.
fn lora_field(index: usize, listed: usize) -> String {
    if index < listed { format!("loras[{index}].model") } else { "prompt".to_owned() }
}

/// Faults of LoRAs behind the first `listed` are faults of the prompt that named them.
fn blame_tags(mut faults: Vec<FieldError>, listed: usize) -> Vec<FieldError> {
    for fault in &mut faults {
        let index = fault.field.strip_prefix("loras[").and_then(|rest| rest.split(']').next()?.parse().ok());
        if index.is_some_and(|index: usize| index >= listed) {
            "prompt".clone_into(&mut fault.field);
        }
    }
    faults
}

/// The LoRAs that a request names, the first `listed` of them in its list, the others in its prompt: installed, and for models of this family where the file says so.
async fn check_loras(
    app: &App,
    owner: &UserId,
    model: &Checkpoint,
    request: &CreateGeneration,
    listed: usize,
) -> ApiResult<()> {
    if request.loras.is_empty() {
        return Ok(());
    }
    let installed = models::installed_loras(app, owner).await?;
    for (index, wanted) in request.loras.iter().enumerate() {
        let field = lora_field(index, listed);
        let name = brief(wanted.model.as_str());
        let Some(lora) = installed.iter().find(|lora| lora.id == wanted.model) else {
            let names: Vec<&str> = installed.iter().map(|lora| lora.id.as_str()).collect();
            let hint = if names.is_empty() {
                "put one into the folder `models` of the data folder".to_owned()
            } else {
                format!("choose one of: {}", names.join(", "))
            };
            let fact = format!("the LoRA `{name}` is not installed");
            return Err(ApiError::new(ErrorCode::UnknownModel, fact, hint).at_field(field));
        };
        if let Some(why) = lora.fault.clone() {
            let rule = Rule::Unusable { got: name, why };
            return Err(ApiError::invalid(vec![FieldError::new(field, rule)]));
        }
        if let Some(base) = lora.family.clone().filter(|family| *family != model.family) {
            let rule = Rule::OtherBase { got: name, base, expected: model.family.clone() };
            return Err(ApiError::invalid(vec![FieldError::new(field, rule)]));
        }
    }
    Ok(())
}

/// The request with all that the server chooses.
fn filled(request: CreateGeneration, model: &Checkpoint) -> CreateGeneration {
    let drawn = || ids::random_u64() & limits::MAX_SEED;
    let varied = request.variation_strength.is_some();
    CreateGeneration {
        model: Some(model.id.clone()),
        seed: Some(request.seed.unwrap_or_else(drawn)),
        variation_seed: varied.then(|| request.variation_seed.unwrap_or_else(drawn)),
        strength: request.image.as_ref().map(|_| request.strength.unwrap_or(limits::DEFAULT_STRENGTH)),
        mask_blur: request
            .mask_image
            .as_ref()
            .map(|_| request.mask_blur.unwrap_or(limits::DEFAULT_MASK_BLUR)),
        masked_content: request.mask_image.as_ref().map(|_| request.masked_content.unwrap_or_default()),
        ..request
    }
}

/// A model by its id, or the first.
pub(super) async fn choose_model(app: &App, wanted: Option<&ModelId>) -> ApiResult<Checkpoint> {
    let mut models = models::installed(app).await?;
    let place = match wanted {
        Some(id) => models.iter().position(|model| model.id == *id),
        None => (!models.is_empty()).then_some(0),
    };
    match (place, wanted) {
        (Some(place), _) => Ok(models.swap_remove(place)),
        (None, Some(id)) => {
            let names: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
            let hint = format!("choose one of: {}", names.join(", "));
            let fact = format!("the model `{}` is not installed", brief(id.as_str()));
            Err(ApiError::new(ErrorCode::UnknownModel, fact, hint).at_field("model"))
        }
        (None, None) => Err(ApiError::new(
            ErrorCode::UnknownModel,
            "no model is installed",
            "put a model in diffusers layout into the folder `models` of the data folder",
        )
        .at_field("model")),
    }
}

/// A value from outside, short enough to repeat.
pub(super) fn brief(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// A picture of one's own that a request names.
pub(super) async fn own_image(app: &App, owner: &UserId, field: &str, id: &ImageId) -> ApiResult<ImageRow> {
    let found = app.store.image(owner, id).await?;
    found.ok_or_else(|| {
        let rule = Rule::Absent { got: brief(id.as_str()) };
        ApiError::invalid(vec![FieldError::new(field, rule)])
    })
}

/// The pictures that a request starts from: its owner's, and of one size. Says how many pixels they have.
async fn check_sources(app: &App, owner: &UserId, request: &CreateGeneration) -> ApiResult<u64> {
    let Some(id) = &request.image else { return Ok(0) };
    let image = own_image(app, owner, "image", id).await?;
    let pixels = u64::from(image.width) * u64::from(image.height);
    let Some(id) = &request.mask_image else { return Ok(pixels) };
    let mask = own_image(app, owner, "mask_image", id).await?;
    if (mask.width, mask.height) == (image.width, image.height) {
        return Ok(pixels * 2);
    }
    let rule = Rule::OtherSize {
        expected: format!("{}x{}", image.width, image.height),
        got: format!("{}x{}", mask.width, mask.height),
    };
    Err(ApiError::invalid(vec![FieldError::new("mask_image", rule)]))
}

/// Refuses a picture that the machine cannot hold, before anybody waits for it.
fn plan_memory(app: &App, model: &Checkpoint, request: &CreateGeneration, named: &Named) -> ApiResult<()> {
    let needed = request_memory(model, request, named);
    // A model that is in memory already is not needed twice.
    let held = app.queue.loaded_models().contains(&model.id);
    let there = if held { model_memory(model) } else { 0 };
    let (width, height) = request.result_size();
    let what = format!("a picture of {width}x{height} with `{}`", model.id);
    let hint = format!("try {side}x{side}, or a smaller model", side = model.default_side);
    let field = if request.hires.is_some() { "hires.scale" } else { "width" };
    plan(app, &what, needed, there, &hint).map_err(|error| error.at_field(field))
}

/// Refuses work that needs more memory than there is; `there` bytes of it are in use for this very work already.
pub(super) fn plan(app: &App, what: &str, needed: u64, there: u64, hint: &str) -> ApiResult<()> {
    let limit = app.config.memory_limit_bytes.unwrap_or_else(|| available_memory_bytes() + there);
    if needed <= limit {
        return Ok(());
    }
    let fact = format!("{what} needs about {} MB of memory, {} MB are free", needed >> 20, limit >> 20);
    Err(ApiError::new(ErrorCode::NotEnoughMemory, fact, hint))
}
