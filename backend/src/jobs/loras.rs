//! LoRAs: which are installed, what their files say, and putting them on a model.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chapan_api::error::{ErrorBody, ErrorCode};
use chapan_api::generation::{CreateGeneration, UseLora};
use chapan_api::id::ModelId;
use chapan_api::image::LoraRecord;
use chapan_api::model::LoraView;
use chapan_engine::lora::{Application, AppliedLora, BaseModel, LoraFile, MAX_RANK, describe};
use chapan_engine::prompt::take_lora_tags;

use super::device::Loaded;
use super::error::JobError;
use crate::hub::{Catalog, LoraCandidate};

/// The family of the models that are drawn with here.
const SDXL: &str = "sdxl";

/// The installed LoRAs, with what their files say. A file that is something else is left out; one that cannot be used says why.
pub fn installed_loras(catalog: &Catalog) -> Vec<LoraView> {
    /// What a file said, by the file, its size and its time of change.
    static KNOWN: Mutex<Vec<(LoraCandidate, Option<LoraView>)>> = Mutex::new(Vec::new());
    let candidates = catalog.lora_candidates();
    let known = std::mem::take(&mut *KNOWN.lock().unwrap_or_else(PoisonError::into_inner));
    let described = candidates.into_iter().map(|candidate| {
        let before = known.iter().find(|(same, _)| *same == candidate).map(|(_, view)| view.clone());
        let view = before.unwrap_or_else(|| view(&candidate));
        (candidate, view)
    });
    let described: Vec<_> = described.collect();
    let hashed = |(candidate, view): &(LoraCandidate, Option<LoraView>)| {
        view.clone().map(|view| LoraView { sha256: candidate.weights().known_sha256(), ..view })
    };
    let views = described.iter().filter_map(hashed).collect();
    *KNOWN.lock().unwrap_or_else(PoisonError::into_inner) = described;
    views
}

fn view(candidate: &LoraCandidate) -> Option<LoraView> {
    let file = match LoraFile::open(&candidate.path) {
        Ok(file) => file,
        Err(error) => {
            tracing::warn!(lora = %candidate.id, %error, "a file cannot be used");
            return Some(LoraView { fault: Some(fault_of(&error, candidate)), ..unknown(candidate) });
        }
    };
    let said = describe(&file);
    let rank = said.ranks.map_or(0, |(_, most)| most);
    let fault = (rank > MAX_RANK).then(|| format!("its rank is {rank}; at most {MAX_RANK} is accepted"));
    // Files of other things, such as whole models, have no layers of this kind.
    (said.layers != (0, 0)).then(|| LoraView {
        title: said.title,
        family: said.base.as_ref().map(family),
        base: said.base_version,
        trigger_words: said.trigger_words,
        license: said.license,
        fault,
        ..unknown(candidate)
    })
}

/// The width of the text that a file's layers look at, by its header; unknown where it changes no such layer or cannot be read.
pub fn lora_text_width(file: &LoraCandidate) -> Option<usize> {
    describe(&LoraFile::open(&file.path).ok()?).text_width
}

/// A file that has said nothing yet.
fn unknown(candidate: &LoraCandidate) -> LoraView {
    LoraView {
        id: candidate.id.clone(),
        title: None,
        family: None,
        base: None,
        fault: None,
        trigger_words: Vec::new(),
        license: None,
        size_bytes: candidate.size_bytes,
        sha256: None,
        own: candidate.own,
    }
}

/// What is wrong with a file, without the place where it lies.
fn fault_of(error: &chapan_engine::Error, candidate: &LoraCandidate) -> String {
    let text = error.to_string();
    let fact = text.split_once('\n').map_or(text.as_str(), |(fact, _)| fact);
    fact.replace(&candidate.path.display().to_string(), candidate.id.as_str())
}

fn family(base: &BaseModel) -> String {
    match base {
        BaseModel::StableDiffusionXl => SDXL.to_owned(),
        other => other.to_string(),
    }
}

/// The request with the LoRAs that tags of its prompt name (`<lora:name:0.8>`) behind those of its list, and a prompt without
/// tags. A LoRA that stands in both acts with both weights. Tags of the negative prompt are text, as everywhere.
///
/// # Errors
/// When a tag has no name, or its weights are no numbers.
pub fn with_tagged_loras(mut request: CreateGeneration) -> Result<CreateGeneration, Box<ErrorBody>> {
    let (prompt, tags) = take_lora_tags(&request.prompt).map_err(|error| {
        let text = error.to_string();
        let (fact, hint) = text.split_once("\nhint: ").unwrap_or((&text, "write `<lora:name:0.8>`"));
        let body = ErrorBody::new(ErrorCode::InvalidField, fact).with_hint(hint);
        Box::new(ErrorBody { field: Some("prompt".to_owned()), ..body })
    })?;
    if tags.is_empty() {
        return Ok(request);
    }
    prompt.trim().clone_into(&mut request.prompt);
    request.loras.extend(tags.into_iter().map(|tag| UseLora {
        model: ModelId::new(tag.name),
        weight: tag.unet_weight,
        text_encoder_weight: Some(tag.text_encoder_weight).filter(|text| *text != tag.unet_weight),
    }));
    Ok(request)
}

/// The files of the LoRAs that requests name, by their identifiers.
pub(super) fn find<'a>(
    catalog: &Catalog,
    requests: impl Iterator<Item = &'a CreateGeneration>,
) -> Result<BTreeMap<ModelId, LoraCandidate>, JobError> {
    let wanted: Vec<&UseLora> = requests.flat_map(|request| &request.loras).collect();
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let all = catalog.lora_candidates();
    let file = |wanted: &UseLora| {
        let found = all.iter().find(|candidate| candidate.id == wanted.model).cloned();
        found.map(|candidate| (wanted.model.clone(), candidate)).ok_or_else(|| {
            let fact = format!("the LoRA `{}` is not installed any more", wanted.model);
            JobError::fail(ErrorCode::UnknownModel, fact, "choose another, or leave it out")
        })
    };
    wanted.into_iter().map(file).collect()
}

/// Puts exactly the LoRAs of a request on a model, and says what was put there.
pub(super) fn put_on(
    model: &mut Loaded,
    request: &CreateGeneration,
    files: &BTreeMap<ModelId, LoraCandidate>,
) -> Result<Vec<LoraRecord>, JobError> {
    let mut records = Vec::with_capacity(request.loras.len());
    let mut applied = Vec::with_capacity(request.loras.len());
    let mut held = BTreeMap::new();
    for wanted in &request.loras {
        let file =
            files.get(&wanted.model).ok_or_else(|| JobError::internal("a LoRA is missing", &wanted.model))?;
        let sha256 =
            file.weights().sha256().map_err(|error| JobError::internal("the LoRA cannot be read", &error))?;
        let lora = match model.loras.get(&sha256) {
            Some(lora) => lora.clone(),
            None => Arc::new(model.pipeline.read_lora(&LoraFile::open(&file.path)?)?),
        };
        held.insert(sha256.clone(), lora.clone());
        let unmatched = lora.report().unmatched.len() as u32;
        applied.push(AppliedLora {
            lora,
            unet_weight: wanted.weight,
            text_encoder_weight: wanted.text_encoder_weight.unwrap_or(wanted.weight),
        });
        records.push(LoraRecord {
            model: wanted.model.clone(),
            sha256: Some(sha256),
            weight: wanted.weight,
            text_encoder_weight: wanted.text_encoder_weight,
            unmatched,
        });
    }
    model.pipeline.set_loras(&applied, Application::Unmerged)?;
    // Those of this request stay at hand for its other pictures; the rest go.
    model.loras = held;
    Ok(records)
}
