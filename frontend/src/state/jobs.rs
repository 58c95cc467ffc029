//! The user's jobs as this page knows them: asked for, followed by stream, joined again after a reload.
//!
//! A browser opens few connections to one server, so only the jobs at the head of the queue are followed; the others
//! are looked at again whenever one of them ends, and a hidden page follows none.

use std::{collections::HashMap, time::Duration};

use chapan_api::{
    generation::CreateGeneration,
    grid::CreateGrid,
    id::{ImageId, JobId},
    job::{Applied, JobChange, JobEvent, JobKind, JobState, JobStatus, JobView},
    upscale::CreateUpscale,
};
use leptos::{prelude::*, task::spawn_local};

use super::{connection::Connection, pictures::Pictures};
use crate::api::{
    self, Failure,
    job::{Told, follow},
    stream::Stream,
};

const FOLLOWED: usize = 2;
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// One job on this page.
#[derive(Clone)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its state, moved by events.
    pub state: ArcRwSignal<JobState>,
    /// What was asked, once known.
    pub asked: ArcRwSignal<Option<CreateGeneration>>,
}

impl Job {
    /// Where it stands.
    pub fn status(&self) -> JobStatus {
        self.state.with(|state| state.view.status)
    }

    /// Whether it still waits or runs.
    pub fn is_active(&self) -> bool {
        !self.status().is_final()
    }

    fn is_active_now(&self) -> bool {
        self.state.with_untracked(|state| !state.view.status.is_final())
    }
}

/// All jobs on this page, oldest first.
#[derive(Clone, Copy)]
pub struct Jobs {
    list: RwSignal<Vec<Job>>,
    streams: StoredValue<HashMap<JobId, Stream>, LocalStorage>,
    looking: StoredValue<bool>,
    connection: Connection,
    pictures: Pictures,
}

impl Jobs {
    /// Provides the jobs and joins those that are under way.
    pub fn provide(connection: Connection, pictures: Pictures) -> Self {
        let jobs = Self {
            list: RwSignal::new(Vec::new()),
            streams: StoredValue::new_local(HashMap::new()),
            looking: StoredValue::new(false),
            connection,
            pictures,
        };
        Effect::new(move |_| {
            connection.returns();
            jobs.join();
        });
        let watcher = wasm_bindgen::closure::Closure::<dyn Fn()>::new(move || {
            if document().hidden() {
                jobs.streams.update_value(HashMap::clear);
            } else {
                jobs.join();
            }
        });
        let _ = document().add_event_listener_with_callback(
            "visibilitychange",
            wasm_bindgen::JsCast::unchecked_ref(watcher.as_ref()),
        );
        // It lives as long as the page.
        watcher.forget();
        provide_context(jobs);
        jobs
    }

    /// The jobs that wait or run, oldest first.
    pub fn active(self) -> Vec<Job> {
        self.list.get().into_iter().filter(Job::is_active).collect()
    }

    /// Those of them that make pictures: the others have rooms of their own.
    pub fn drawing(self) -> Vec<Job> {
        let mut active = self.active();
        active.retain(|job| {
            job.state.with(|state| {
                matches!(state.view.kind, JobKind::Generation | JobKind::Upscale | JobKind::Grid)
            })
        });
        active
    }

    /// A job on this page.
    pub fn find(self, id: &JobId) -> Option<Job> {
        self.list.with(|list| list.iter().find(|job| job.id == *id).cloned())
    }

    /// A job on this page, or from the server.
    pub async fn fetch(self, id: &JobId) -> Result<Job, Failure> {
        if let Some(job) = self.find_now(id) {
            return Ok(job);
        }
        let view = self.connection.note(api::job::get(id).await)?;
        Ok(self.follow(view, None))
    }

    /// Asks for a picture.
    pub async fn submit(self, request: CreateGeneration) -> Result<Job, Failure> {
        let view = self.connection.note(api::generation::create(&request).await)?;
        Ok(self.follow(view, Some(request)))
    }

    /// Asks for a larger copy of a picture.
    pub async fn submit_upscale(self, request: &CreateUpscale) -> Result<Job, Failure> {
        let view = self.connection.note(api::upscale::create(request).await)?;
        Ok(self.follow(view, None))
    }

    /// Asks for a grid of pictures.
    pub async fn submit_grid(self, request: &CreateGrid) -> Result<Job, Failure> {
        let view = self.connection.note(api::grid::create(request).await)?;
        Ok(self.follow(view, Some(request.base.clone())))
    }

    fn follow(self, view: JobView, asked: Option<CreateGeneration>) -> Job {
        let job = self.insert(view, asked);
        self.balance();
        job
    }

    /// Asks a job to stop; its stream says when it has.
    pub async fn cancel(self, id: &JobId) -> Result<(), Failure> {
        let answer = self.connection.note(api::job::cancel(id).await);
        if self.streams.with_value(|streams| !streams.contains_key(id)) {
            self.look_at(id.clone());
        }
        answer
    }

    fn find_now(self, id: &JobId) -> Option<Job> {
        self.list.with_untracked(|list| list.iter().find(|job| job.id == *id).cloned())
    }

    fn insert(self, view: JobView, asked: Option<CreateGeneration>) -> Job {
        if let Some(job) = self.find_now(&view.id) {
            if asked.is_some() {
                job.asked.set(asked);
            }
            self.snapshot(&job, view);
            return job;
        }
        let job = Job {
            id: view.id.clone(),
            asked: ArcRwSignal::new(asked),
            state: ArcRwSignal::new(JobState::new(view.clone())),
        };
        self.list.update(|list| {
            let place = list.partition_point(|known| {
                known.state.with_untracked(|state| state.view.created_at_ms) <= view.created_at_ms
            });
            list.insert(place, job.clone());
        });
        if job.asked.with_untracked(Option::is_none) {
            let asked = job.asked.clone();
            spawn_local(async move {
                // A larger copy was asked for without words.
                let found = if let Some(id) = &view.generation {
                    api::generation::get(id).await.map(|generation| generation.parameters)
                } else if let Some(id) = &view.grid {
                    api::grid::get(id).await.map(|grid| grid.parameters.base)
                } else {
                    return;
                };
                if let Ok(found) = found {
                    asked.set(Some(found));
                }
            });
        }
        self.bring(&job.state.with_untracked(|state| state.view.images.clone()));
        job
    }

    /// Reads the list of jobs and follows those under way.
    fn join(self) {
        spawn_local(async move {
            let Ok(page) = self.connection.note(api::job::list().await) else { return };
            let active: Vec<_> = page.items.iter().filter(|view| !view.status.is_final()).cloned().collect();
            for view in active {
                self.insert(view, None);
            }
            // What ended while nobody looked.
            for job in self.list.get_untracked() {
                if let Some(view) = page.items.iter().find(|view| view.id == job.id) {
                    self.snapshot(&job, view.clone());
                } else if job.is_active_now() {
                    self.look_at(job.id);
                }
            }
            self.balance();
        });
    }

    fn look_at(self, id: JobId) {
        spawn_local(async move {
            if let Ok(view) = self.connection.note(api::job::get(&id).await)
                && let Some(job) = self.find_now(&id)
            {
                self.snapshot(&job, view);
                self.balance();
            }
        });
    }

    fn snapshot(self, job: &Job, view: JobView) {
        let seq = view.seq;
        self.apply(job, &JobEvent { seq, change: JobChange::Snapshot { job: Box::new(view) } });
    }

    fn apply(self, job: &Job, event: &JobEvent) {
        let was_active = job.is_active_now();
        let mut state = job.state.get_untracked();
        match state.apply(event) {
            Applied::Ignored => {}
            Applied::NeedsSnapshot => self.look_at(job.id.clone()),
            Applied::Changed => {
                let (ended, images) = (state.view.status.is_final(), state.view.images.clone());
                job.state.set(state);
                if was_active && ended {
                    self.streams.update_value(|streams| {
                        streams.remove(&job.id);
                    });
                    self.bring(&images);
                    self.look_at_the_rest();
                    self.balance();
                }
            }
        }
    }

    /// Adds a finished job's pictures to the pictures.
    fn bring(self, images: &[ImageId]) {
        for image in images {
            let id = image.clone();
            spawn_local(async move {
                if let Ok(image) = self.pictures.fetch(&id).await
                    && image.deleted_at_ms.is_none()
                {
                    self.pictures.add(image);
                }
            });
        }
    }

    /// Follows the jobs at the head of the queue.
    fn balance(self) {
        if document().hidden() {
            return;
        }
        let active: Vec<Job> = self.list.get_untracked().into_iter().filter(Job::is_active_now).collect();
        for job in active.iter().take(FOLLOWED) {
            if self.streams.with_value(|streams| streams.contains_key(&job.id)) {
                continue;
            }
            let followed = job.clone();
            let stream = follow(&job.id, move |told| match told {
                Told::Event(event) => self.apply(&followed, &event),
                Told::Ended => {
                    let id = followed.id.clone();
                    self.streams.update_value(|streams| {
                        streams.remove(&id);
                    });
                    set_timeout(move || self.look_at(id), LOOK_AGAIN);
                }
            });
            if let Some(stream) = stream {
                self.streams.update_value(|streams| {
                    streams.insert(job.id.clone(), stream);
                });
            }
        }
        if active.len() > FOLLOWED && !self.looking.get_value() {
            self.looking.set_value(true);
            set_timeout(
                move || {
                    self.looking.set_value(false);
                    self.look_at_the_rest();
                    self.balance();
                },
                LOOK_AGAIN,
            );
        }
    }

    /// Reads the places of the jobs that no stream follows.
    fn look_at_the_rest(self) {
        let waiting = self.list.with_untracked(|list| {
            list.iter()
                .filter(|job| job.is_active_now())
                .any(|job| self.streams.with_value(|streams| !streams.contains_key(&job.id)))
        });
        if waiting {
            spawn_local(async move {
                let Ok(page) = self.connection.note(api::job::list().await) else { return };
                for view in page.items {
                    if let Some(job) = self.find_now(&view.id) {
                        self.snapshot(&job, view);
                    }
                }
            });
        }
    }
}
