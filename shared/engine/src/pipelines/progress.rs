//! How a running pipeline tells what it does, and is told to stop.

use crate::pipelines::LatentPreview;

/// Whether to go on after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop now; the call answers [`Error::Cancelled`](crate::Error::Cancelled).
    Cancel,
}

/// What a pipeline reports.
#[derive(Debug)]
pub enum ProgressEvent<'a> {
    /// The prompts are about to be encoded.
    Encoding,
    /// The prompts are encoded; the loop begins.
    Encoded,
    /// The network is about to look at a window of a large picture; only where there are several. A step of many windows can
    /// be stopped between them.
    Window {
        /// Which one of this step, from 0.
        index: usize,
        /// How many there are.
        total: usize,
    },
    /// A step of the loop is done.
    Step {
        /// Which one, from 0.
        index: usize,
        /// How many there are. Samplers that call the network twice a step (Heun) count each call.
        total: usize,
        /// The timestep just left behind, from about 1000 (noise) down to 0.
        timestep: f64,
        /// What the picture looks like so far, computed only when asked.
        preview: LatentPreview<'a>,
        /// What else can be seen of the step.
        look: StepLook<'a>,
    },
    /// The latents are final and about to be decoded.
    Decoding,
}

/// What happened inside a step, for whoever wants to understand it.
#[derive(Clone, Copy, Debug)]
pub struct StepLook<'a> {
    /// Noise for one unit of signal at the start of the step.
    pub sigma: f32,
    /// How far guidance moved the prediction away from the one for the negative prompt: the root mean square of
    /// `scale * (positive - negative)`. Absent without guidance.
    pub guidance: Option<f32>,
    /// The clean latents that the network expected at this step.
    pub clean: LatentPreview<'a>,
}

/// Receives the events of one call. Implemented by every `FnMut(ProgressEvent<'_>) -> Flow`.
pub trait Progress {
    /// Takes one event; answering [`Flow::Cancel`] stops the pipeline before its next step, or window of a step.
    fn on(&mut self, event: ProgressEvent<'_>) -> Flow;
}

impl<F: FnMut(ProgressEvent<'_>) -> Flow> Progress for F {
    fn on(&mut self, event: ProgressEvent<'_>) -> Flow {
        self(event)
    }
}

/// Listens to nothing and never stops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn on(&mut self, _: ProgressEvent<'_>) -> Flow {
        Flow::Continue
    }
}
