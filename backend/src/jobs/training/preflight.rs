//! What is known before the first step: sizes, memory, space, time.

use std::path::Path;

use chapan_api::training::{Finding, FindingCode, Preflight, Severity};
use chapan_engine::tokenizer::TokenReport;
use chapan_engine::training::{Role, Trainer};

use super::{PictureSet, RunFolder};
use crate::jobs::available_memory_bytes;

/// What the machine has, and what a tried step took.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    /// Pictures of samples in all.
    pub samples: u64,
    /// Pixels of a sample.
    pub sample_pixels: u64,
    /// How long one step took, if one was tried.
    pub step_ms: Option<f64>,
}

/// Sizes of a training, loaded or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Trained numbers.
    pub parameters: u64,
    /// Memory that it will take.
    pub memory_planned: u64,
    /// Memory that is free.
    pub memory_free: u64,
    /// Space that is free.
    pub disk_free: Option<u64>,
    /// Steps to be done.
    pub steps_left: u64,
    /// Whether a running mean of the weights is kept.
    pub has_mean: bool,
}

/// What is known of a training whose model is loaded. What is planned is an estimate; what is free is asked of the system.
pub fn plan(trainer: &Trainer<'_>, set: &PictureSet, folder: &RunFolder, planned: Planned) -> Preflight {
    let config = trainer.config();
    let sizes = Sizes {
        parameters: trainer.parameters().iter().map(|parameter| parameter.values.len() as u64).sum(),
        memory_planned: trainer.working_bytes(set.most_pixels()),
        memory_free: available_memory_bytes(),
        disk_free: folder.available_space(),
        steps_left: config.max_train_steps.saturating_sub(trainer.steps_done()) as u64,
        has_mean: config.ema_decay.is_some(),
    };
    let mut findings = Vec::new();
    for (file, caption) in set.described() {
        let reports = trainer.pipeline().token_reports(caption);
        findings.extend(long_caption(file, &reports));
    }
    put_together(set, &sizes, planned, findings)
}

/// What is to be said about a caption that is longer than one of the text encoders reads.
pub(super) fn long_caption(file: &Path, reports: &[TokenReport]) -> Option<Finding> {
    let TokenReport { tokens, limit, .. } = reports.iter().find(|report| report.beyond.is_some())?;
    Some(Finding {
        severity: Severity::Warning,
        code: FindingCode::LongCaption,
        file: Some(file.display().to_string()),
        message: format!("its caption has {tokens} tokens and {limit} are read; put what matters first"),
    })
}

/// Puts everything together; `findings` are those that only a loaded model knows.
pub(super) fn put_together(
    set: &PictureSet,
    sizes: &Sizes,
    planned: Planned,
    findings: Vec<Finding>,
) -> Preflight {
    let file_bytes = sizes.parameters * 4;
    let means = if sizes.has_mean { 4 } else { 3 };
    // The checkpoint, the next one beside it, the file in two forms, and samples, which rarely exceed a byte a pixel.
    let disk_planned_bytes =
        file_bytes * (2 * means + 3) + planned.samples * planned.sample_pixels * 3 / 2 + (1 << 20);
    let (disk_free_bytes, memory_free_bytes) = (sizes.disk_free, sizes.memory_free);
    let memory_planned_bytes = sizes.memory_planned;
    // In the order of one severity: what was found in the pictures, then in their words, then in the machine.
    let mut findings: Vec<Finding> = set.findings.iter().cloned().chain(findings).collect();
    let mut tell =
        |code, message| findings.push(Finding { severity: Severity::Error, code, file: None, message });
    if disk_free_bytes.is_some_and(|free| free < disk_planned_bytes) {
        let free = disk_free_bytes.unwrap_or(0) >> 20;
        let needed = disk_planned_bytes >> 20;
        tell(
            FindingCode::Disk,
            format!(
                "{needed} MiB are needed on the disk and {free} are free; make space, or choose another folder"
            ),
        );
    }
    if memory_planned_bytes > memory_free_bytes {
        let (needed, free) = (memory_planned_bytes >> 20, memory_free_bytes >> 20);
        tell(
            FindingCode::Memory,
            format!(
                "about {needed} MiB of memory are needed and {free} are free; use gradient checkpointing, a smaller batch or a lower resolution"
            ),
        );
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Preflight {
        findings,
        references: set.count(Role::Reference) as u64,
        class_pictures: set.count(Role::Class) as u64,
        held_out: set.count(Role::HeldOut) as u64,
        buckets: set.sizes.iter().map(|(b, count)| (format!("{}x{}", b.width, b.height), *count)).collect(),
        parameters: sizes.parameters,
        file_bytes,
        disk_planned_bytes,
        disk_free_bytes,
        memory_planned_bytes,
        memory_free_bytes,
        estimated_ms: planned.step_ms.map(|ms| (ms * sizes.steps_left as f64) as u64),
    }
}
