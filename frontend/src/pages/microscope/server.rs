//! A drawing on the server: asked for as a picture whose steps are kept, read when it is done.

use std::sync::Arc;
use std::time::Duration;

use chapan_api::{
    generation::CreateGeneration,
    id::JobId,
    job::JobStatus,
    steps::{StepPicture, StepView, StepsView},
};
use leptos::{prelude::*, task::spawn_local};

use super::run::{Run, Stand, Step, Times};
use crate::{
    api::{self, Failure},
    state::jobs::Jobs,
    worker::{Fault, Rgba, messages::StepReport},
};

/// How long to wait for more of the pictures that the server still decodes.
const LOOK_AGAIN: Duration = Duration::from_millis(400);

impl Run {
    /// Asks the server for the picture of a request, and for its steps.
    pub fn draw_on_server(self, jobs: Jobs, request: CreateGeneration) {
        let number = self.number.get_value();
        let request = CreateGeneration { keep_steps: true, ..request };
        spawn_local(async move {
            let asked = jobs.submit(request).await;
            if self.number.try_get_value() != Some(number) {
                return;
            }
            match asked {
                Ok(job) => self.job.set(Some(job.id)),
                Err(failure) => self.stand.set(Stand::Failed(failure)),
            }
        });
    }

    /// Follows the server's job; `then` is called when its steps are here.
    pub fn follow(self, jobs: Jobs, then: Callback<()>) {
        Effect::new(move |read: Option<Option<JobId>>| {
            let read = read.flatten();
            let id = self.job.get()?;
            if read.as_ref() == Some(&id) {
                return read;
            }
            let job = jobs.find(&id)?;
            let (status, error) = job.state.with(|state| (state.view.status, state.view.error.clone()));
            match status {
                JobStatus::Queued => self.stand.set(Stand::Waiting),
                JobStatus::Running => self.stand.set(Stand::Drawing),
                JobStatus::Cancelled => self.stand.set(Stand::Failed(Failure::Worker(Fault::Stopped))),
                JobStatus::Failed => {
                    let failure = error.map_or(Failure::Offline, |error| Failure::Refused(Box::new(error)));
                    self.stand.set(Stand::Failed(failure));
                }
                JobStatus::Succeeded => {
                    self.read(id.clone(), Some(then));
                    return Some(id);
                }
            }
            None
        });
    }

    /// Reads the steps, and again while the server still decodes some of them.
    fn read(self, id: JobId, then: Option<Callback<()>>) {
        let number = self.number.get_value();
        spawn_local(async move {
            let answer = api::job::steps(&id).await;
            if self.number.try_get_value() != Some(number) {
                return;
            }
            match answer {
                Ok(view) => {
                    let pending = view.pending > 0;
                    let first = self.stand.with_untracked(|stand| *stand != Stand::Done);
                    self.take(view);
                    if let (true, Some(then)) = (first, then) {
                        then.run(());
                    }
                    if pending {
                        set_timeout(move || self.read(id, None), LOOK_AGAIN);
                    }
                }
                Err(failure) => self.stand.set(Stand::Failed(failure)),
            }
        });
    }

    fn take(self, view: StepsView) {
        self.times.set(Times {
            encoded: view.encoded_ms as f64,
            looped: view.looped_ms as f64,
            decoded: view.decoded_ms as f64,
        });
        self.parts.set(Some(view.parts));
        let expected = view.steps.iter().map(|step| (step.index as usize, step.expected.as_ref()));
        let decoded = expected.filter_map(|(index, picture)| Some((index, rgba(picture?)?))).collect();
        self.decoded.set(decoded);
        self.steps.set(view.steps.iter().map(step).collect());
        self.stand.set(Stand::Done);
    }
}

fn step(view: &StepView) -> Step {
    let size = |picture: &StepPicture| (picture.width as usize, picture.height as usize);
    let (width, height) = size(&view.latents);
    Step {
        report: StepReport {
            index: view.index as usize,
            total: view.total as usize,
            timestep: view.timestep,
            sigma: view.sigma.unwrap_or(f32::INFINITY),
            guidance: view.guidance,
            width,
            height,
            channels_size: size(&view.channels),
            channels: view.latent_channels as usize,
            at_ms: view.at_ms as f64,
        },
        latents: rgba(&view.latents),
        clean: rgba(&view.clean),
        channels: rgba(&view.channels),
        numbers: Arc::default(),
    }
}

/// Pixels for a canvas.
fn rgba(picture: &StepPicture) -> Option<Rgba> {
    Rgba::new(picture.width, picture.height, picture.rgba()?)
}
