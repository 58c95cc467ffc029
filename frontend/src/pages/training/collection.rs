//! One dataset as the page knows it: read, changed, looked at.

use chapan_api::{
    dataset::{DatasetView, UpdateDataset, UpdatePicture},
    id::{DatasetId, ImageId},
    job::JobStatus,
};
use leptos::{prelude::*, task::spawn_local};

use crate::{
    api::{self, Failure},
    state::{
        connection::Connection,
        jobs::{Job, Jobs},
    },
};

/// A dataset on the page.
#[derive(Clone, Copy)]
pub struct Collection {
    /// As the server has it.
    pub view: RwSignal<Option<DatasetView>>,
    /// Why something did not happen.
    pub failure: RwSignal<Option<Failure>>,
    /// The job that looks at the pictures.
    pub looking: RwSignal<Option<Job>>,
    connection: Connection,
    jobs: Jobs,
}

impl Collection {
    /// A set that is read as soon as its name is known, and again when the server comes back.
    pub fn of(id: Signal<Option<DatasetId>>) -> Self {
        let connection = expect_context::<Connection>();
        let set = Self {
            view: RwSignal::new(None),
            failure: RwSignal::new(None),
            looking: RwSignal::new(None),
            connection,
            jobs: expect_context(),
        };
        Effect::new(move |_| {
            connection.returns();
            let id = id.get();
            if set.view.with_untracked(|view| view.as_ref().map(|view| &view.id) != id.as_ref()) {
                set.view.set(None);
            }
            if let Some(id) = id {
                set.read(id);
            }
        });
        // What the job found stands in the dataset.
        Effect::new(move |_| {
            let Some(job) = set.looking.get() else { return };
            let ended = job.state.with(|state| state.view.status.is_final().then(|| state.view.clone()));
            let Some(ended) = ended else { return };
            if ended.status == JobStatus::Failed
                && let Some(error) = ended.error
            {
                set.failure.set(Some(Failure::Refused(Box::new(error))));
            }
            set.looking.set(None);
            if let Some(id) = set.id() {
                set.read(id);
            }
        });
        set
    }

    fn read(self, id: DatasetId) {
        spawn_local(async move { self.take(api::dataset::get(&id).await) });
    }

    /// Reads it anew.
    pub fn reload(self, id: Option<DatasetId>) {
        if let Some(id) = id {
            self.failure.set(None);
            self.read(id);
        }
    }

    fn take(self, answer: Result<DatasetView, Failure>) {
        match self.connection.note(answer) {
            Ok(view) => {
                let job = view.analysis_job.clone().filter(|job| !job.status.is_final());
                self.view.try_set(Some(view));
                // An analysis that runs since before the page was loaded is joined.
                if let (Some(job), Some(true)) = (job, self.looking.try_with_untracked(Option::is_none)) {
                    self.join(job.id);
                }
            }
            Err(failure) => drop(self.failure.try_set(Some(failure))),
        }
    }

    fn join(self, id: chapan_api::id::JobId) {
        spawn_local(async move {
            if let Ok(job) = self.jobs.fetch(&id).await {
                self.looking.try_set(Some(job));
            }
        });
    }

    /// Its id, once it is there.
    pub fn id(self) -> Option<DatasetId> {
        self.view.with_untracked(|view| view.as_ref().map(|view| view.id.clone()))
    }

    /// Changes it.
    pub fn update(self, change: UpdateDataset) {
        let Some(id) = self.id() else { return };
        self.failure.set(None);
        spawn_local(async move { self.take(api::dataset::update(&id, &change).await) });
    }

    /// Changes one picture.
    pub fn update_picture(self, picture: UpdatePicture) {
        self.update(UpdateDataset { pictures: vec![picture], ..UpdateDataset::default() });
    }

    /// Takes a picture out.
    pub fn take_out(self, image: ImageId) {
        let Some(id) = self.id() else { return };
        self.failure.set(None);
        spawn_local(async move { self.take(api::dataset::take_out(&id, &image).await) });
    }

    /// Asks what the pictures show.
    pub fn analyse(self) {
        let Some(id) = self.id() else { return };
        self.failure.set(None);
        spawn_local(async move {
            match self.connection.note(api::dataset::analyse(&id).await) {
                Ok(job) => self.join(job.id),
                Err(failure) => drop(self.failure.try_set(Some(failure))),
            }
        });
    }
}
