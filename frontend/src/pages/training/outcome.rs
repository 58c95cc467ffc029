//! What came of a training, where it can go, and what was asked for.

use leptos::prelude::*;
use leptos_router::{NavigateOptions, components::A, hooks::use_navigate};

use super::{
    findings::PreflightReport,
    run::Run,
    samples::{Address, BeforeAfter},
};
use crate::{
    components::icon::icon,
    i18n::{t_string, use_i18n},
    state::{draft::Draft, toast::Toasts},
};

/// What came of it, and where it can go.
#[component]
pub fn Finished(run: Run, address: Address, side: Signal<u32>) -> impl IntoView {
    let i18n = use_i18n();
    let draft = expect_context::<Draft>();
    let toasts = expect_context::<Toasts>();
    let navigate = use_navigate();
    let lora = Memo::new(move |_| run.view.with(|view| view.as_ref().and_then(|view| view.lora.clone())));
    let prompt = Memo::new(move |_| run.course.with(|course| course.prompts().into_iter().next()));
    let arena = move || {
        run.view.with(|view| {
            let view = view.as_ref()?;
            let lora = view.lora.as_ref().map(|lora| format!("&lora={lora}")).unwrap_or_default();
            Some(format!("/arena?new&dataset={}{lora}", view.dataset))
        })
    };
    let to_studio = move |_| {
        let Some(lora) = lora.get_untracked() else { return };
        draft.add_lora(lora, 1.0);
        if let Some(prompt) = prompt.get_untracked() {
            draft.prompt.set(prompt);
        }
        toasts.tell(untrack(|| t_string!(i18n, training.lora_added)));
        navigate("/studio?new", NavigateOptions::default());
    };
    let file = move |name: &str| address.run(name.to_owned());
    view! {
        <section class="result" aria-labelledby="result-title">
            <div class="result-words">
                <h2 id="result-title">{move || t_string!(i18n, training.finished)}</h2>
                <p>{move || t_string!(i18n, training.finished_about)}</p>
                <div class="result-ways">
                    <button
                        type="button"
                        class="btn btn-primary"
                        disabled=move || lora.with(Option::is_none)
                        on:click=to_studio
                    >
                        {icon("studio")}
                        {move || t_string!(i18n, training.use_in_studio)}
                    </button>
                    <A href=move || arena().unwrap_or_default() attr:class="btn">
                        {icon("arena")}
                        {move || t_string!(i18n, training.to_arena)}
                    </A>
                    <a class="btn" href=file("lora.safetensors") download rel="external">
                        {icon("download")}
                        {move || t_string!(i18n, training.download_peft)}
                    </a>
                    <a class="btn" href=file("lora_kohya.safetensors") download rel="external">
                        {icon("download")}
                        {move || t_string!(i18n, training.download_kohya)}
                    </a>
                </div>
            </div>
            <BeforeAfter course=run.course address side />
        </section>
    }
}

/// What was asked and what was found before, for who wants to know.
#[component]
pub fn Asked(run: Run) -> impl IntoView {
    let i18n = use_i18n();
    let view = Memo::new(move |_| {
        run.view.with(|view| {
            view.as_ref().map(|view| (view.parameters.clone(), view.preflight.clone(), view.dataset.clone()))
        })
    });
    view! {
        <details class="fold asked">
            <summary class="fold-head">
                {icon("right")} <span class="fold-title">{move || t_string!(i18n, training.asked)}</span>
            </summary>
            {move || {
                view.get()
                    .map(|(asked, found, dataset)| {
                        let row = |name: &'static str, value: Option<String>| {
                            value
                                .map(|value| {
                                    view! {
                                        <div class="record-row">
                                            <dt lang="en">
                                                <code>{name}</code>
                                            </dt>
                                            <dd class="numeric">{value}</dd>
                                        </div>
                                    }
                                })
                        };
                        let text = |value: Option<f64>| value.map(|value| value.to_string());
                        let whole = |value: Option<u32>| value.map(|value| value.to_string());
                        view! {
                            <div class="asked-columns">
                                <dl class="record-rows">
                                    {row("model", asked.model.map(|model| model.to_string()))}
                                    {row("max_train_steps", whole(asked.max_train_steps))}
                                    {row("learning_rate", text(asked.learning_rate))}
                                    {row("rank", whole(asked.rank))} {row("alpha", text(asked.alpha))}
                                    {row("train_batch_size", whole(asked.train_batch_size))}
                                    {row("resolution", whole(asked.resolution))}
                                    {row("min_snr_gamma", text(asked.min_snr_gamma))}
                                    {row("noise_offset", text(asked.noise_offset))}
                                    {row("caption_dropout", text(asked.caption_dropout))}
                                    {row("seed", asked.seed.map(|seed| seed.to_string()))}
                                </dl>
                                <div>
                                    <PreflightReport found=*found />
                                    <A href=format!("/training?dataset={dataset}") attr:class="btn">
                                        {icon("image")}
                                        {move || t_string!(i18n, training.to_dataset)}
                                    </A>
                                </div>
                            </div>
                        }
                    })
            }}
        </details>
    }
}
