//! One drawing with all its steps, as the worker or the server tells them.

use std::collections::BTreeMap;
use std::sync::Arc;

use chapan_api::{id::JobId, steps::PartsView};
use leptos::{prelude::*, task::spawn_local};

use crate::{
    api::Failure,
    worker::{
        self, Given, Rgba,
        messages::{Answer, Drawing, StepReport, Task},
    },
};

/// Where a drawing stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Stand {
    /// Nothing was asked for.
    #[default]
    Idle,
    /// Another drawing is before it, or the worker starts.
    Waiting,
    /// The model is being fetched: bytes here, bytes in all.
    Fetching(u64, u64),
    /// Prompts, steps, picture.
    Drawing,
    /// The picture is there.
    Done,
    /// It came to nothing.
    Failed(Failure),
}

/// A step that can be looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its numbers.
    pub report: StepReport,
    /// The latents as a small picture.
    pub latents: Option<Rgba>,
    /// The expected clean latents as a small picture.
    pub clean: Option<Rgba>,
    /// All channels side by side.
    pub channels: Option<Rgba>,
    /// The expected clean latents, to be decoded; empty where the server decodes.
    pub(super) numbers: Arc<Vec<u8>>,
}

/// When the parts were done, in milliseconds since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    /// The text encoders.
    pub encoded: f64,
    /// The loop.
    pub looped: f64,
    /// The autoencoder: everything.
    pub decoded: f64,
}

/// A drawing and its steps.
#[derive(Clone, Copy)]
pub struct Run {
    /// What is drawn.
    pub drawing: RwSignal<Option<Drawing>>,
    /// Where it stands.
    pub stand: RwSignal<Stand>,
    /// The steps so far.
    pub steps: RwSignal<Vec<Step>>,
    /// Times of the parts.
    pub times: RwSignal<Times>,
    /// The server's job, when it is drawn there.
    pub job: RwSignal<Option<JobId>>,
    /// What the server's model is made of.
    pub parts: RwSignal<Option<PartsView>>,
    /// Expected clean pictures at full size, by step, as far as they are decoded.
    pub(super) decoded: RwSignal<BTreeMap<usize, Rgba>>,
    /// Grows with every start, so that no answer to an earlier one is taken.
    pub(super) number: StoredValue<u32>,
}

impl Run {
    /// A run that was not started.
    pub fn new() -> Self {
        Self {
            drawing: RwSignal::new(None),
            stand: RwSignal::default(),
            steps: RwSignal::default(),
            times: RwSignal::default(),
            job: RwSignal::default(),
            parts: RwSignal::default(),
            decoded: RwSignal::default(),
            number: StoredValue::new(0),
        }
    }

    /// Forgets everything.
    pub fn clear(self) {
        self.number.update_value(|number| *number += 1);
        self.drawing.set(None);
        self.stand.set(Stand::Idle);
        self.steps.set(Vec::new());
        self.times.set(Times::default());
        self.job.set(None);
        self.parts.set(None);
        self.decoded.set(BTreeMap::new());
    }

    /// Says what will be drawn once it is its turn.
    pub fn announce(self, drawing: &Drawing) {
        self.clear();
        self.drawing.set(Some(drawing.clone()));
        self.stand.set(Stand::Waiting);
    }

    /// Draws what was announced in the browser's worker; `then` is called when the picture is there.
    pub fn draw(self, then: impl Fn() + 'static) {
        let Some(drawing) = self.drawing.get_untracked() else { return };
        let (number, size) = (self.number.get_value(), (drawing.width, drawing.height));
        worker::easel().ask(Task::Draw(Box::new(drawing)), &[], move |told| {
            // The page may be gone by now, or the run started anew.
            if self.number.try_get_value() != Some(number) {
                return;
            }
            match told {
                Ok(given) => self.hear(&given, size, &then),
                Err(failure) => self.stand.set(Stand::Failed(failure)),
            }
        });
    }

    fn hear(self, given: &Given, (width, height): (u32, u32), then: &impl Fn()) {
        match given.answer {
            Answer::Fetching { done, total } => self.stand.set(Stand::Fetching(done, total)),
            Answer::Encoded { at_ms } => {
                self.stand.set(Stand::Drawing);
                self.times.update(|times| times.encoded = at_ms);
            }
            Answer::Stepped(report) => {
                let small = |index| Rgba::new(report.width as u32, report.height as u32, given.bytes(index));
                let (sheet_width, sheet_height) = report.channels_size;
                let step = Step {
                    report,
                    latents: small(0),
                    clean: small(1),
                    channels: Rgba::new(sheet_width as u32, sheet_height as u32, given.bytes(2)),
                    numbers: Arc::new(given.bytes(3)),
                };
                self.steps.update(|steps| steps.push(step));
            }
            Answer::Decoding { at_ms } => self.times.update(|times| times.looped = at_ms),
            Answer::Drawn { at_ms } => {
                self.times.update(|times| times.decoded = at_ms);
                if let (Some(picture), Some(last)) = (
                    Rgba::new(width, height, given.bytes(0)),
                    self.steps.with_untracked(Vec::len).checked_sub(1),
                ) {
                    self.decoded.update(|decoded| drop(decoded.insert(last, picture)));
                }
                self.stand.set(Stand::Done);
                then();
            }
            _ => {}
        }
    }

    /// Decodes the expected picture of every step, the looked-at one first, while nothing else is to be done.
    pub fn decode_steps(self, looked_at: Signal<usize>) {
        let number = self.number.get_value();
        spawn_local(async move {
            while self.number.try_get_value() == Some(number) {
                let Some((index, task, numbers)) = untrack(|| self.next_to_decode(looked_at.get())) else {
                    return;
                };
                let buffer = js_sys::Uint8Array::from(numbers.as_slice()).buffer();
                let Ok(given) = worker::easel().answer(task, &[buffer]).await else { return };
                let size =
                    self.drawing.with_untracked(|drawing| drawing.as_ref().map(|d| (d.width, d.height)));
                let picture = size.and_then(|(width, height)| Rgba::new(width, height, given.bytes(0)));
                let (Some(picture), Some(true)) =
                    (picture, self.number.try_get_value().map(|now| now == number))
                else {
                    return;
                };
                self.decoded.update(|decoded| drop(decoded.insert(index, picture)));
            }
        });
    }

    fn next_to_decode(self, looked_at: usize) -> Option<(usize, Task, Arc<Vec<u8>>)> {
        let (width, height) = self.drawing.with(|drawing| drawing.as_ref().map(|d| (d.width, d.height)))?;
        let known = self.decoded.get();
        let steps = self.steps.get();
        let order = std::iter::once(looked_at).chain(0..steps.len());
        let missing = |index: &usize| {
            steps.get(*index).is_some_and(|step| !step.numbers.is_empty()) && !known.contains_key(index)
        };
        let index = order.into_iter().find(missing)?;
        Some((index, Task::Decode { width, height }, steps[index].numbers.clone()))
    }

    /// The step at a place, or the last one before it.
    pub fn step(self, at: usize) -> Option<Step> {
        self.steps.with(|steps| steps.get(at).or(steps.last()).cloned())
    }

    /// What the network expected at a step: decoded if that is done, else as a small picture.
    pub fn expected(self, at: usize) -> Option<Rgba> {
        let at = at.min(self.steps.with(Vec::len).checked_sub(1)?);
        let decoded = self.decoded.with(|decoded| decoded.get(&at).cloned());
        decoded.or_else(|| self.steps.with(|steps| steps.get(at)?.clean.clone()))
    }

    /// Whether it is under way.
    pub fn is_active(self) -> bool {
        matches!(self.stand.get(), Stand::Waiting | Stand::Fetching(..) | Stand::Drawing)
    }
}
