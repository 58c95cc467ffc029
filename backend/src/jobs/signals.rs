//! What is wanted of a job while it runs, and what it tells: flags that others raise and the device's thread heeds between two
//! steps, and a line back to whoever listens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chapan_api::job::JobProgress;
use chapan_engine::pipelines::Flow;
use tokio::sync::mpsc;

/// Flags of one job. Wishes outlast an attempt: a job that has given its device back hears of them when it goes on.
#[derive(Debug, Default)]
pub struct Signals {
    stop: AtomicBool,
    give_back: AtomicBool,
    sample: AtomicBool,
    save: AtomicBool,
}

impl Signals {
    /// An attempt begins: what an earlier one was told to do is done.
    pub(super) fn begin(&self) {
        self.stop.store(false, Ordering::Relaxed);
        self.give_back.store(false, Ordering::Relaxed);
    }

    /// Asks it to stop at once.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Asks it to give its device to others once it has got further.
    pub(super) fn give_back(&self) {
        self.give_back.store(true, Ordering::Relaxed);
    }

    /// Asks for samples.
    pub(super) fn wish_for_samples(&self) {
        self.sample.store(true, Ordering::Relaxed);
    }

    /// Asks for a checkpoint.
    pub(super) fn wish_for_checkpoint(&self) {
        self.save.store(true, Ordering::Relaxed);
    }

    /// Whether it should stop at once.
    pub fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether others wait for its device.
    pub fn gives_back(&self) -> bool {
        self.give_back.load(Ordering::Relaxed)
    }

    /// Whether samples are wished for; the wish is taken.
    pub fn take_sample(&self) -> bool {
        self.sample.swap(false, Ordering::Relaxed)
    }

    /// Whether a checkpoint is wished for; the wish is taken.
    pub fn take_save(&self) -> bool {
        self.save.swap(false, Ordering::Relaxed)
    }

    /// Whether a wish is open.
    pub(super) fn has_wish(&self) -> bool {
        self.sample.load(Ordering::Relaxed) || self.save.load(Ordering::Relaxed)
    }
}

/// What the device's thread tells.
#[derive(Clone, Debug)]
pub enum Report {
    /// How far it is.
    Progress(JobProgress),
    /// The work so far is kept: a crash from now on does not lose it.
    Kept,
    /// How long a step takes, in milliseconds.
    StepTook(f64),
}

/// The device's thread's line to whoever listens.
#[derive(Clone, Debug)]
pub struct Reporter {
    /// What is wanted.
    pub signals: Arc<Signals>,
    reports: mpsc::UnboundedSender<Report>,
}

impl Reporter {
    /// A line, and its other end.
    pub(super) fn new(signals: Arc<Signals>) -> (Self, mpsc::UnboundedReceiver<Report>) {
        let (reports, inbox) = mpsc::unbounded_channel();
        (Self { signals, reports }, inbox)
    }

    /// Tells how far it is; the answer is whether to go on.
    pub fn progress(&self, progress: JobProgress) -> Flow {
        self.tell(Report::Progress(progress));
        if self.signals.stops() { Flow::Cancel } else { Flow::Continue }
    }

    /// Tells anything.
    pub fn tell(&self, report: Report) {
        // The listener may be gone when the server stops; the flags say so as well.
        let _unheard = self.reports.send(report);
    }
}
