//! What a training would be, told before anything is loaded: from the sizes and words of its pictures, the shapes of the model's
//! weights, and how long steps of trainings before took.

use std::path::Path;

use chapan_api::training::{CreateTraining, Preflight};
use chapan_engine::tokenizer::{ClipTokenizer, TokenizerFiles};
use chapan_engine::training::{Role, estimate};

use super::preflight::{Sizes, long_caption, put_together};
use super::reading::Known;
use super::{PictureSet, Planned, TrainingError, config_of};
use crate::datasets::{Buckets, CaptionTemplate};
use crate::hub::Checkpoint;
use crate::store::{PictureRole, Recipe};

/// Tokens that CLIP's text encoders read, where a tokenizer does not say it.
const USUAL_TOKENS: usize = 77;

/// A picture that is known by its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// What it is there for.
    pub role: PictureRole,
    /// What people call it.
    pub name: String,
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// What is said about it.
    pub caption: Option<String>,
    /// SHA-256 of its file, hexadecimal.
    pub sha256: String,
}

/// What the machine has.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Memory that is free.
    pub memory_free: u64,
    /// Memory that the model's weights will take besides; 0 when it is in memory.
    pub weights: u64,
    /// Space that is free on the disk.
    pub disk_free: Option<u64>,
    /// Whether it computes on the processor: then several pictures at once.
    pub on_cpu: bool,
}

/// Looks ahead. `times` are steps of earlier trainings of this model, the newest first.
///
/// # Errors
/// When the resolution, the template or another setting cannot be, or the model lacks a part.
pub fn foresee(
    model: &Checkpoint,
    request: &CreateTraining,
    recipe: &Recipe,
    pictures: &[Foreseen],
    room: &Room,
    times: &[(CreateTraining, f64)],
) -> Result<Preflight, TrainingError> {
    let side = request.resolution.unwrap_or(model.default_side) as usize;
    let cell = model.latent_factor as usize;
    if !side.is_multiple_of(cell) {
        return Err(TrainingError::Resolution { side, cell });
    }
    let template = request.caption_template.as_deref();
    let captions = CaptionTemplate::new(template, recipe.trigger_word.as_deref())?;
    let config = config_of(request, model.default_side);
    config.check()?;
    let known: Vec<Known<'_>> = pictures
        .iter()
        .map(|picture| Known {
            role: match picture.role {
                PictureRole::Reference => Role::Reference,
                PictureRole::Class => Role::Class,
                PictureRole::HeldOut => Role::HeldOut,
            },
            name: Path::new(&picture.name),
            size: picture.size,
            caption: picture.caption.as_deref(),
            sha256: &picture.sha256,
        })
        .collect();
    let set = PictureSet::known(&known, &captions, recipe.class_prompt.as_deref(), &Buckets::new(side, cell));
    let cells = (set.most_pixels() / (cell * cell)) as u64;
    let estimated = estimate(&model.folder, &config, cells, room.on_cpu)?;
    let rounds = |every: Option<u32>| {
        let total = request.max_train_steps.unwrap_or_default();
        total.checked_div(every.unwrap_or_default()).map_or(0, |rounds| u64::from(rounds) + 2)
    };
    let planned = Planned {
        samples: rounds(request.sample_every) * request.sample_prompts.len().max(2) as u64,
        sample_pixels: (side * side) as u64,
        step_ms: step_ms(request, times),
    };
    let sizes = Sizes {
        parameters: estimated.parameters,
        memory_planned: estimated.working_bytes + room.weights,
        memory_free: room.memory_free,
        disk_free: room.disk_free,
        steps_left: u64::from(request.max_train_steps.unwrap_or_default()),
        has_mean: config.ema_decay.is_some(),
    };
    let tokenizers = tokenizers(&model.folder)?;
    let long = set.described().filter_map(|(file, caption)| {
        let reports: Vec<_> = tokenizers
            .iter()
            .map(|tokenizer| tokenizer.report(caption, tokenizer.model_max_length().unwrap_or(USUAL_TOKENS)))
            .collect();
        long_caption(file, &reports)
    });
    Ok(put_together(&set, &sizes, planned, long.collect()))
}

/// The tokenizers of a checkpoint; small files beside its weights.
fn tokenizers(model: &Path) -> Result<Vec<ClipTokenizer>, TrainingError> {
    let mut found = Vec::new();
    for folder in
        ["tokenizer", "tokenizer_2"].map(|name| model.join(name)).iter().filter(|path| path.is_dir())
    {
        let mut unreadable = None;
        let files = TokenizerFiles::read(|name| {
            let path = folder.join(name);
            match std::fs::read(&path) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(source) => {
                    unreadable = Some(TrainingError::Read { path, source });
                    Ok(None)
                }
            }
        })?;
        if let Some(error) = unreadable {
            return Err(error);
        }
        found.push(ClipTokenizer::new(&files)?);
    }
    Ok(found)
}

/// How long a step of this request will take, by the newest training at the same resolution: as many times as long as it has
/// pictures a step more.
fn step_ms(request: &CreateTraining, times: &[(CreateTraining, f64)]) -> Option<f64> {
    let pictures = |request: &CreateTraining| {
        let batch = request.train_batch_size.unwrap_or(1) * request.gradient_accumulation_steps.unwrap_or(1);
        f64::from(batch.max(1))
    };
    let alike = |earlier: &&(CreateTraining, f64)| {
        let earlier = &earlier.0;
        earlier.resolution == request.resolution
            && earlier.gradient_checkpointing == request.gradient_checkpointing
            && earlier.text_encoders == request.text_encoders
    };
    let (earlier, ms) = times.iter().find(alike)?;
    Some(ms * pictures(request) / pictures(earlier))
}

#[cfg(test)]
mod tests {
    use chapan_api::id::DatasetId;

    use super::*;

    #[test]
    fn steps_take_as_long_as_they_took() {
        let request = |batch| CreateTraining {
            train_batch_size: Some(batch),
            ..CreateTraining::new(DatasetId::new("d"), "a").filled(128)
        };
        let other = CreateTraining { resolution: Some(64), ..request(1) };
        let times = [(other, 9.0), (request(2), 50.0), (request(2), 70.0)];
        assert_eq!(step_ms(&request(4), &times), Some(100.0));
        assert_eq!(step_ms(&request(4), &times[..1]), None);
    }
}
