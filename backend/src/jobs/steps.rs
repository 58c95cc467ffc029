//! The room of kept steps: in memory, bounded over everybody, the oldest leave first, and gone with the process.
//!
//! What a network expected at a step is decoded later, one picture at a time, while no job waits: nobody's picture comes
//! later because of it. That needs the model; when it has left the device's memory, the rest stays undecoded.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chapan_api::id::{JobId, ModelId};
use chapan_api::steps::{PartsView, StepPicture, StepView, StepsView};

/// Bytes of pixels and latents that are kept for all people together.
pub(super) const ROOM_BYTES: usize = 64 << 20;

/// Clean latents that wait to be decoded.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expectation {
    /// The step, from 0.
    pub index: usize,
    /// The latents.
    pub latents: Vec<f32>,
}

/// The steps of one job.
#[derive(Clone, Debug)]
pub(super) struct KeptSteps {
    /// Width and height of what was drawn.
    pub size: (u32, u32),
    pub encoded_ms: u64,
    pub looped_ms: u64,
    pub decoded_ms: u64,
    pub parts: PartsView,
    /// The model that drew, and the SHA-256 of its weights.
    pub model: (ModelId, String),
    pub steps: Vec<Arc<StepView>>,
    /// How many steps will still get their picture.
    pub pending: usize,
    /// What is to be decoded and not on its way yet.
    pub waiting: VecDeque<Expectation>,
    /// Bytes of everything, with all pictures that are still to come.
    pub size_bytes: usize,
}

/// One picture to decode.
#[derive(Debug)]
pub(super) struct ToDecode {
    pub job: JobId,
    pub model: (ModelId, String),
    pub size: (u32, u32),
    pub expectation: Expectation,
}

/// Steps of the newest drawings.
#[derive(Debug)]
pub(super) struct StepsRoom {
    most_bytes: usize,
    /// Oldest first.
    kept: Mutex<VecDeque<(JobId, KeptSteps)>>,
}

impl Default for StepsRoom {
    fn default() -> Self {
        Self::of_bytes(ROOM_BYTES)
    }
}

impl StepsRoom {
    fn of_bytes(most_bytes: usize) -> Self {
        Self { most_bytes, kept: Mutex::default() }
    }

    /// Keeps the steps of a job; older ones make room.
    pub fn put(&self, job: &JobId, steps: KeptSteps) {
        let mut kept = self.kept();
        kept.retain(|(known, _)| known != job);
        if steps.size_bytes > self.most_bytes {
            tracing::info!(%job, size_bytes = steps.size_bytes, "the steps are too large to be kept");
            return;
        }
        let mut total: usize = kept.iter().map(|(_, steps)| steps.size_bytes).sum();
        while total + steps.size_bytes > self.most_bytes {
            let Some((_, oldest)) = kept.pop_front() else { break };
            total -= oldest.size_bytes;
        }
        kept.push_back((job.clone(), steps));
    }

    /// The steps of a job as they are now, apart from the rest of the view, where their list is empty: they are shared, for
    /// they are large.
    pub fn view(&self, job: &JobId) -> Option<(StepsView, Vec<Arc<StepView>>)> {
        let kept = self.kept();
        let (_, steps) = kept.iter().find(|(known, _)| known == job)?;
        let view = StepsView {
            job: job.clone(),
            width: steps.size.0,
            height: steps.size.1,
            encoded_ms: steps.encoded_ms,
            looped_ms: steps.looped_ms,
            decoded_ms: steps.decoded_ms,
            parts: steps.parts.clone(),
            pending: steps.pending as u32,
            steps: Vec::new(),
        };
        Some((view, steps.steps.clone()))
    }

    /// The next picture to decode, which is from now on the caller's to answer for.
    pub fn next_to_decode(&self) -> Option<ToDecode> {
        self.kept().iter_mut().find_map(|(job, steps)| {
            let expectation = steps.waiting.pop_front()?;
            Some(ToDecode { job: job.clone(), model: steps.model.clone(), size: steps.size, expectation })
        })
    }

    /// A picture was decoded, or (`None`) could not be. The job may be gone by now.
    pub fn decoded(&self, job: &JobId, index: usize, expected: Option<StepPicture>) {
        let mut kept = self.kept();
        let Some((_, steps)) = kept.iter_mut().find(|(known, _)| known == job) else { return };
        steps.pending = steps.pending.saturating_sub(1);
        if let Some(step) = steps.steps.get_mut(index).filter(|_| expected.is_some()) {
            *step = Arc::new(StepView { expected, ..StepView::clone(step) });
        }
    }

    /// Nothing more of a job can be decoded.
    pub fn give_up(&self, job: &JobId) {
        if let Some((_, steps)) = self.kept().iter_mut().find(|(known, _)| known == job) {
            steps.waiting.clear();
            steps.pending = 0;
        }
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<(JobId, KeptSteps)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chapan_api::steps::PixelFormat;

    fn picture() -> StepPicture {
        StepPicture { width: 1, height: 1, format: PixelFormat::Rgb, pixels: vec![1, 2, 3] }
    }

    fn steps(count: usize, size_bytes: usize) -> KeptSteps {
        let step = |index: usize| {
            Arc::new(StepView {
                index: index as u32,
                total: count as u32,
                timestep: 1.0,
                sigma: None,
                guidance: None,
                at_ms: 1,
                latent_channels: 4,
                latents: picture(),
                clean: picture(),
                channels: picture(),
                expected: None,
            })
        };
        KeptSteps {
            size: (8, 8),
            encoded_ms: 1,
            looped_ms: 2,
            decoded_ms: 3,
            parts: PartsView::default(),
            model: (ModelId::new("m"), "hash".to_owned()),
            steps: (0..count).map(step).collect(),
            pending: count,
            waiting: (0..count).map(|index| Expectation { index, latents: vec![index as f32] }).collect(),
            size_bytes,
        }
    }

    #[test]
    fn the_room_is_bounded_and_the_oldest_leave_first() {
        let room = StepsRoom::of_bytes(100);
        let jobs = ["a", "b", "c", "d", "e"].map(JobId::new);
        let there = || jobs.iter().map(|job| room.view(job).is_some()).collect::<Vec<_>>();
        for (job, size_bytes) in jobs.iter().zip([40, 40, 20, 30, 101]) {
            room.put(job, steps(1, size_bytes));
            let total: usize = room.kept().iter().map(|(_, kept)| kept.size_bytes).sum();
            assert!(total <= 100, "{total}");
        }
        assert_eq!(there(), [false, true, true, true, false], "`d` took the place of `a`, `e` is too large");
        room.put(&jobs[1], steps(2, 100));
        assert_eq!(there(), [false, true, false, false, false], "the newest may have all of it");
        assert_eq!(room.view(&jobs[1]).unwrap().1.len(), 2, "a job is kept once, as it was last");
    }

    #[test]
    fn expectations_are_decoded_one_by_one_until_none_is_pending() {
        let room = StepsRoom::default();
        let (first, second) = (JobId::new("a"), JobId::new("b"));
        room.put(&first, steps(2, 10));
        room.put(&second, steps(2, 10));
        let next = room.next_to_decode().unwrap();
        assert_eq!((&next.job, next.size, next.expectation.index), (&first, (8, 8), 0));
        assert_eq!(next.expectation.latents, [0.0]);
        assert_eq!(room.view(&first).unwrap().0.pending, 2, "on its way is not there");
        room.decoded(&first, 0, Some(picture()));
        room.decoded(&first, room.next_to_decode().unwrap().expectation.index, None);
        let (view, kept) = room.view(&first).unwrap();
        assert_eq!((view.pending, view.steps.len()), (0, 0));
        assert_eq!((kept[0].expected.clone(), kept[1].expected.clone()), (Some(picture()), None));

        assert_eq!(room.next_to_decode().unwrap().job, second);
        room.give_up(&second);
        assert_eq!(room.view(&second).unwrap().0.pending, 0);
        room.decoded(&second, 0, Some(picture()));
        assert_eq!(room.view(&second).unwrap().0.pending, 0, "late is no less than none");
        assert!(room.next_to_decode().is_none());
        room.decoded(&JobId::new("gone"), 0, Some(picture()));
    }
}
