//! The studio: describe a picture, watch it appear, change one thing, look again.

mod begin;
mod finished;
mod grid;
mod hires;
mod imported;
mod inspector;
mod kind;
mod later;
mod loras;
mod making;
pub mod schedulers;
mod seed;
mod several;
mod size;
mod stage;
mod weighting;

use leptos::{ev, prelude::*, task::spawn_local};
use leptos_router::{
    NavigateOptions,
    hooks::{use_navigate, use_query_map},
};

use chapan_api::id::{ImageId, JobId};

use crate::{
    api::Failure,
    components::film_strip::FilmStrip,
    i18n::{t_string, use_i18n},
    parts,
    state::{
        announce::Announcer,
        connection::Connection,
        draft::{self, Draft, Kind},
        jobs::Jobs,
        mask::MaskDraft,
        pictures::Pictures,
    },
};
use inspector::Inspector;
use stage::Stage;

/// What the stage shows.
#[derive(Clone, PartialEq, Eq)]
pub enum Shown {
    /// Nothing has been made yet.
    Nothing,
    /// The picture that the next one begins from.
    Begin,
    /// A job, and its picture once it has one.
    Job(JobId),
    /// A picture.
    Image(ImageId),
}

/// The way from the draft to a picture, shared by the button and the keyboard.
#[derive(Clone, Copy)]
pub struct Order {
    /// Asks for the picture of the draft.
    pub generate: Callback<()>,
    /// Requests on their way to the server.
    pub sending: RwSignal<u32>,
    /// Why the last one did not arrive.
    pub failure: RwSignal<Option<Failure>>,
    /// Whether Generate was pressed with faults in the draft.
    pub attempted: RwSignal<bool>,
}

/// The page.
#[component]
pub fn StudioPage() -> impl IntoView {
    let i18n = use_i18n();
    let jobs = expect_context::<Jobs>();
    let pictures = expect_context::<Pictures>();
    let query = use_query_map();
    let shown = Memo::new(move |_| {
        query.with(|query| match (query.get("image"), query.get("job")) {
            (Some(id), _) => Shown::Image(ImageId::new(id)),
            (None, Some(id)) => Shown::Job(JobId::new(id)),
            // Whoever begins something new is not shown the last picture.
            (None, None) if query.get("new").is_some() && jobs.drawing().is_empty() => Shown::Begin,
            (None, None) => jobs
                .drawing()
                .last()
                .map(|job| Shown::Job(job.id.clone()))
                .or_else(|| {
                    pictures.items().with(|items| items.first().map(|image| Shown::Image(image.id.clone())))
                })
                .unwrap_or(Shown::Nothing),
        })
    });
    let draft = expect_context::<Draft>();
    let order = order(jobs);
    keyboard(order, jobs, shown);
    Effect::new(move |_| document().set_title(&format!("{} · Chapan", t_string!(i18n, frame.studio))));
    let place = Memo::new(move |_| match shown.get() {
        Shown::Nothing | Shown::Begin => String::new(),
        Shown::Image(id) => format!("image={id}"),
        // A finished job is its picture.
        Shown::Job(id) => jobs
            .find(&id)
            .and_then(|job| job.state.with(|state| state.view.image.clone()))
            .map_or_else(|| format!("job={id}"), |image| format!("image={image}")),
    });
    view! {
        <div class="bench">
            <section class="stage" aria-label=move || t_string!(i18n, studio.stage)>
                <h1 class="spoken">{move || t_string!(i18n, frame.studio)}</h1>
                <Stage shown order />
            </section>
            <div class="strip-area">
                <FilmStrip shown=place />
            </div>
            <Inspector order />
        </div>
        {move || {
            // Whoever comes from "paint a mask" finds the editor open.
            draft
                .picture
                .get()
                .filter(|_| draft.mask_open.get() && draft.kind.get() == Kind::Mask)
                .map(|view| {
                    let close = Callback::new(move |()| draft.mask_open.set(false));
                    parts::piece(move || later::mask_editor(view.url.clone(), (view.width, view.height), close))
                })
        }}
    }
}

fn order(jobs: Jobs) -> Order {
    let draft = expect_context::<Draft>();
    let masks = expect_context::<MaskDraft>();
    let navigate = use_navigate();
    let sending = RwSignal::new(0);
    let failure = RwSignal::new(None);
    let attempted = RwSignal::new(false);
    // What failed because the server was gone is no news once it is back.
    let connection = expect_context::<Connection>();
    Effect::new(move |_| {
        connection.returns();
        failure.set(None);
    });
    let generate = Callback::new(move |()| {
        if !draft.seed_fixed.get_untracked() {
            draft.seed.set(draft::roll().to_string());
        }
        let faults = untrack(move || draft.faults(masks.picture().is_some()));
        attempted.set(!faults.is_empty());
        if let Some(first) = faults.first() {
            show(&first.field);
            return;
        }
        let mut request = untrack(move || draft.request(None));
        let masked = draft.kind.get_untracked() == Kind::Mask;
        let navigate = navigate.clone();
        sending.update(|count| *count += 1);
        failure.set(None);
        spawn_local(async move {
            let made = async {
                if masked {
                    request.mask_image = connection.note(masks.sent().await)?;
                }
                jobs.submit(request).await
            };
            match made.await {
                Ok(job) => {
                    navigate(&format!("/studio?job={}", job.id), NavigateOptions::default());
                }
                Err(refusal) => failure.set(Some(refusal)),
            }
            sending.update(|count| *count -= 1);
        });
    });
    Order { generate, sending, failure, attempted }
}

/// Puts the cursor where the fault is, unfolding what it lies in.
fn show(field: &str) {
    use wasm_bindgen::JsCast;
    let element = document().get_element_by_id(field);
    if let Some(element) = element.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) {
        if let Ok(Some(fold)) = element.closest("details") {
            let _ = fold.set_attribute("open", "");
        }
        let _ = element.focus();
    }
}

/// Ctrl or Cmd with Enter generates; Escape cancels the job on the stage.
fn keyboard(order: Order, jobs: Jobs, shown: Memo<Shown>) {
    let i18n = use_i18n();
    let announcer = expect_context::<Announcer>();
    let listener = window_event_listener(ev::keydown, move |event| {
        if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
            event.prevent_default();
            order.generate.run(());
        } else if event.key() == "Escape"
            && !event.default_prevented()
            && let Shown::Job(id) = shown.get_untracked()
            && untrack(|| jobs.find(&id)).is_some_and(|job| untrack(|| job.is_active()))
        {
            announcer.say(t_string!(i18n, studio.cancelling));
            spawn_local(async move {
                // The stage shows what came of it.
                let _ = jobs.cancel(&id).await;
            });
        }
    });
    on_cleanup(move || listener.remove());
}
