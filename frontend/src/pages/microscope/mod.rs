//! The diffusion microscope: a drawing with every step kept, to be looked at back and forth, alone or beside another.

mod chart;
mod form;
mod left;
mod parts;
mod place;
mod run;
mod server;
mod stage;
mod timeline;

use chapan_api::{id::ImageId, image::ImageView};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::hooks::use_query_map;

use crate::{
    components::{empty::Empty, notice::ErrorNotice},
    i18n::{self, t_string, use_i18n},
    state::{draft::Draft, jobs::Jobs, pictures::Pictures},
    worker,
};
use form::{Form, Second};
use left::{Left, from_words_alone};
use parts::Parts;
use place::Place;
use run::{Run, Stand};
use stage::RunOnStage;
use timeline::Timeline;

/// What the parts of the page share.
#[derive(Clone, Copy)]
pub struct Bench {
    /// The settings of the first run.
    pub draft: Draft,
    /// What the settings held that is never drawn here.
    pub left: RwSignal<Vec<Left>>,
    /// How the second run differs.
    pub second: RwSignal<Second>,
    /// The seed of the second run, when it differs.
    pub second_seed: RwSignal<String>,
    /// The guidance of the second run, when it differs.
    pub second_guidance: RwSignal<f64>,
    /// Both runs; the second may be idle.
    pub runs: [Run; 2],
    /// The step that is looked at.
    pub at: RwSignal<usize>,
    /// Whether the server draws; else the browser does.
    pub on_server: RwSignal<bool>,
    /// The browser's own model.
    pub place: Place,
}

impl Bench {
    /// Takes over how a picture was made, as far as it is drawn here; `false` when it does not say.
    pub fn take(self, image: &ImageView) -> bool {
        let Some(record) = &image.record else { return false };
        let (request, mut left) = from_words_alone(record.request());
        // A source that is not on this server was one all the same.
        if record.ingredients.image.is_some() && !left.contains(&Left::Picture) {
            left.insert(0, Left::Picture);
        }
        self.draft.fill(&request);
        self.left.set(left);
        true
    }

    /// The greatest number of steps there are to look at.
    pub fn steps(self) -> usize {
        self.runs.iter().map(|run| run.steps.with(Vec::len)).max().unwrap_or(0)
    }

    /// How many steps there will be in all.
    pub fn planned(self) -> usize {
        let of = |run: &Run| run.steps.with(|steps| steps.first().map_or(0, |step| step.report.total));
        self.runs.iter().map(of).max().unwrap_or(0)
    }

    /// Whether something is being drawn.
    pub fn is_active(self) -> bool {
        self.runs.iter().any(|run| run.is_active())
    }
}

/// The page.
#[component]
pub fn MicroscopePage() -> impl IntoView {
    let i18n = use_i18n();
    let pictures = expect_context::<Pictures>();
    let query = use_query_map();
    let studio = expect_context::<Draft>();
    let (request, left) = from_words_alone(untrack(move || studio.request(None)));
    let bench = Bench {
        draft: Draft::new(&request, true),
        left: RwSignal::new(left),
        second: RwSignal::new(Second::None),
        second_seed: RwSignal::new(String::new()),
        second_guidance: RwSignal::new(1.0),
        runs: [Run::new(), Run::new()],
        at: RwSignal::new(0),
        on_server: RwSignal::new(true),
        place: Place::new(),
    };
    let jobs = expect_context::<Jobs>();
    let [first, second] = bench.runs;
    let then = move |()| {
        if second.stand.with_untracked(|stand| *stand == Stand::Waiting) {
            form::draw_second(bench, jobs);
        }
    };
    first.follow(jobs, Callback::new(then));
    second.follow(jobs, Callback::new(|()| ()));
    // A picture of the gallery brings its settings along.
    Effect::new(move |_| {
        let Some(id) = query.with(|query| query.get("image")).map(ImageId::new) else { return };
        spawn_local(async move {
            if let Ok(image) = pictures.fetch(&id).await {
                bench.take(&image);
            }
        });
    });
    // What was to be drawn after a run that came to nothing is not drawn.
    Effect::new(move |_| {
        let [first, second] = bench.runs;
        if first.stand.with(|stand| matches!(stand, Stand::Failed(_)))
            && second.stand.with_untracked(|stand| *stand == Stand::Waiting)
        {
            second.clear();
        }
    });
    on_cleanup(move || {
        if untrack(move || bench.is_active() && !bench.on_server.get()) {
            worker::easel().stop();
        }
        bench.runs.iter().for_each(|run| run.clear());
    });
    Effect::new(move |_| document().set_title(&format!("{} · Chapan", t_string!(i18n, microscope.title))));
    let something = Memo::new(move |_| bench.runs[0].stand.with(|stand| *stand != Stand::Idle));
    let two = Memo::new(move |_| bench.runs[1].stand.with(|stand| *stand != Stand::Idle));
    view! {
        <div class="sheet sheet-wide">
            <header class="sheet-head">
                <h1>{move || t_string!(i18n, microscope.title)}</h1>
                <p>{move || t_string!(i18n, microscope.about)}</p>
            </header>
            <Form bench />
            {move || {
                bench
                    .runs
                    .iter()
                    .find_map(|run| match run.stand.get() {
                        Stand::Failed(failure) => Some(failure),
                        _ => None,
                    })
                    .map(|failure| view! { <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) /> })
            }}
            <Show
                when=move || something.get()
                fallback=|| {
                    view! {
                        <Empty
                            title=|i18n| t_string!(i18n, microscope.empty)
                            words=|i18n| t_string!(i18n, microscope.empty_hint)
                        >
                            ""
                        </Empty>
                    }
                }
            >
                <Timeline bench />
                <div class="scope-runs" class:scope-two=move || two.get()>
                    <RunOnStage bench run=bench.runs[0] label=|i18n| t_string!(i18n, lesson.first) />
                    <Show when=move || two.get()>
                        <RunOnStage bench run=bench.runs[1] label=|i18n| t_string!(i18n, lesson.second) />
                    </Show>
                </div>
                <Parts bench />
            </Show>
        </div>
    }
}
