//! How far a job of several passes is: the steps of all of them, in one count.

use chapan_api::job::{JobPhase, JobProgress};
use chapan_engine::pipelines::Flow;
use std::cell::Cell;

use super::error::JobError;

/// Counts the steps of the passes of one job and passes them on. A picture is one pass, or two where it is drawn over at a
/// larger size.
pub(super) struct Meter<'a> {
    report: &'a dyn Fn(JobProgress) -> Flow,
    /// Steps that each pass was planned with.
    planned: Vec<u32>,
    /// The pass that is being done.
    pass: Cell<usize>,
    /// Steps done and steps in all, as last reported.
    at: Cell<(u32, u32)>,
}

impl<'a> Meter<'a> {
    /// A meter for passes that take `planned` steps each.
    pub fn new(report: &'a dyn Fn(JobProgress) -> Flow, planned: impl Iterator<Item = u32>) -> Self {
        let planned: Vec<u32> = planned.collect();
        let total = planned.iter().sum();
        Self { report, planned, pass: Cell::new(0), at: Cell::new((0, total)) }
    }

    /// The next pass begins.
    pub fn next(&self) {
        self.pass.set(self.pass.get() + 1);
        self.at.set((self.planned.iter().take(self.pass.get()).sum(), self.at.get().1));
    }

    /// Reports what is being done now.
    pub fn report(&self, phase: JobPhase) -> Flow {
        let (step, total_steps) = self.at.get();
        (self.report)(JobProgress { phase, step, total_steps, preview: None })
    }

    /// The same, where no pipeline listens to the answer.
    pub fn go_on(&self, phase: JobPhase) -> Result<(), JobError> {
        match self.report(phase) {
            Flow::Continue => Ok(()),
            Flow::Cancel => Err(JobError::Cancelled),
        }
    }

    /// Reports a step of this pass. A scheduler may take fewer or more steps than were planned.
    pub fn step(&self, done: u32, total: u32, preview: Option<String>) -> Flow {
        self.part(JobPhase::Denoising, done, total, preview)
    }

    /// Reports a part of this pass in some phase.
    pub fn part(&self, phase: JobPhase, done: u32, total: u32, preview: Option<String>) -> Flow {
        let at = if let [_] = self.planned[..] {
            (done, total)
        } else {
            let before: u32 = self.planned.iter().take(self.pass.get()).sum();
            let planned = u64::from(self.planned.get(self.pass.get()).copied().unwrap_or_default());
            let share = planned * u64::from(done) / u64::from(total.max(1));
            (before + share as u32, self.planned.iter().sum())
        };
        self.at.set(at);
        (self.report)(JobProgress { phase, step: at.0, total_steps: at.1, preview })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn several_passes_are_one_count() {
        let told = RefCell::new(Vec::new());
        let report = |progress: JobProgress| {
            told.borrow_mut().push((progress.step, progress.total_steps));
            Flow::Continue
        };
        let meter = Meter::new(&report, [4, 6].into_iter());
        meter.report(JobPhase::Encoding);
        meter.step(1, 2, None);
        meter.step(2, 2, None);
        meter.next();
        meter.report(JobPhase::Encoding);
        meter.step(6, 6, None);
        assert_eq!(*told.borrow(), [(0, 10), (2, 10), (4, 10), (4, 10), (10, 10)]);
        told.borrow_mut().clear();
        let meter = Meter::new(&report, [20].into_iter());
        meter.step(39, 39, None);
        meter.report(JobPhase::Decoding);
        assert_eq!(*told.borrow(), [(39, 39), (39, 39)], "one pass counts as its scheduler does");
    }
}
