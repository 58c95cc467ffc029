//! How a picture was made, in full, with the means to make it again: here, or on the command line.

use chapan_api::image::{ImageRecord, ImageView};
use leptos::prelude::*;
use leptos_router::{NavigateOptions, components::A, hooks::use_navigate};

use super::{copy_button::CopyButton, icon::icon};
use crate::{
    i18n::{Language, Says, code, t_string, use_i18n},
    pages::studio::schedulers,
    state::{
        draft::Draft,
        pictures::{file_name, file_name_of},
        toast::Toasts,
    },
};

/// What a picture shows, in words: its prompt, or where it came from.
pub fn title(image: &ImageView) -> impl Fn(Language) -> String + Clone + Send + use<> {
    let prompt = image.prompt().to_owned();
    move |i18n| {
        if prompt.is_empty() { t_string!(i18n, gallery.brought_in).to_owned() } else { prompt.clone() }
    }
}

/// The full record of a picture, if there is one.
#[component]
pub fn Record(
    /// The picture.
    image: ImageView,
) -> impl IntoView {
    image.record.clone().map(|record| view! { <Made image record /> })
}

#[component]
fn Made(image: ImageView, record: ImageRecord) -> impl IntoView {
    let i18n = use_i18n();
    let seed = record.seed.to_string();
    let command = command(&record);
    let seconds = format!("{:.1}", image.duration_ms as f64 / 1000.0);
    let made = image.created_at_ms as f64;
    let row = |name: Says, value: String| {
        view! {
            <div class="record-row">
                <dt>{move || name(i18n)}</dt>
                <dd>{value}</dd>
            </div>
        }
        .into_any()
    };
    let mut rows = vec![
        row(|i18n| t_string!(i18n, studio.steps), record.num_inference_steps.to_string()),
        row(|i18n| t_string!(i18n, studio.guidance), record.guidance_scale.to_string()),
        row(|i18n| t_string!(i18n, studio.size), format!("{} × {}", record.width, record.height)),
        row(|i18n| t_string!(i18n, studio.scheduler), schedulers::name(&record.scheduler).to_owned()),
        row(|i18n| t_string!(i18n, studio.model), record.model.to_string()),
    ];
    if let Some(hash) = &record.model_hash {
        let short: String = hash.chars().take(10).collect();
        rows.push(row(|i18n| t_string!(i18n, gallery.model_hash), short));
    }
    rows.push(row(|i18n| t_string!(i18n, gallery.device), format!("{}, {}", record.device, record.dtype)));
    rows.push(row(
        |i18n| t_string!(i18n, gallery.took),
        t_string!(i18n, gallery.seconds, seconds = seconds).clone(),
    ));
    view! {
        <div class="record">
            <section class="record-text">
                <h3>{move || t_string!(i18n, studio.prompt)}</h3>
                <CopyButton
                    label=|i18n| t_string!(i18n, gallery.copy_prompt)
                    text=Signal::stored(record.prompt.clone())
                />
                <p>{record.prompt.clone()}</p>
            </section>
            {record
                .negative_prompt
                .clone()
                .map(|text| {
                    view! {
                        <section class="record-text">
                            <h3>{move || t_string!(i18n, studio.negative_prompt)}</h3>
                            <p>{text}</p>
                        </section>
                    }
                })}
            <dl class="record-rows">
                <div class="record-row">
                    <dt>{move || t_string!(i18n, studio.seed)}</dt>
                    <dd>
                        <code>{seed.clone()}</code>
                        <CopyButton
                            label=|i18n| t_string!(i18n, studio.copy_seed)
                            text=Signal::stored(seed)
                        />
                    </dd>
                </div>
                {rows}
                <div class="record-row">
                    <dt>{move || t_string!(i18n, gallery.made)}</dt>
                    <dd>{move || moment(made, code(i18n.get_locale()))}</dd>
                </div>
            </dl>
            <section class="record-text">
                <h3>{move || t_string!(i18n, gallery.command)}</h3>
                <CopyButton
                    label=|i18n| t_string!(i18n, gallery.copy_command)
                    text=Signal::stored(command.clone())
                />
                <p><code class="command">{command}</code></p>
            </section>
        </div>
    }
}

/// What can be done with a picture: take its settings over, save it.
#[component]
pub fn PictureActions(
    /// The picture.
    image: ImageView,
) -> impl IntoView {
    let i18n = use_i18n();
    let draft = expect_context::<Draft>();
    let toasts = expect_context::<Toasts>();
    let navigate = use_navigate();
    let name = file_name(&image);
    let url = image.url.clone();
    let open = format!("/studio?image={}", image.id);
    let settings = image.record.map(|record| {
        let take = move |_| {
            draft.take(&record);
            toasts.tell(t_string!(i18n, gallery.settings_taken));
            navigate(&open, NavigateOptions::default());
        };
        view! {
            <button type="button" class="btn" on:click=take>
                {icon("sliders")}
                {move || t_string!(i18n, gallery.use_settings)}
            </button>
        }
    });
    view! {
        {settings}
        <a class="btn" href=url download=name rel="external">
            {icon("download")}
            {move || t_string!(i18n, gallery.download)}
        </a>
    }
}

/// A link to a picture's place in the gallery.
#[component]
pub fn OpenInGallery(
    /// The picture's place.
    place: String,
) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <A href=place attr:class="btn-icon" attr:title=move || t_string!(i18n, gallery.open) attr:aria-label=move || t_string!(i18n, gallery.open)>
            {icon("zoom")}
        </A>
    }
}

/// The command that makes the same picture without a browser.
fn command(record: &ImageRecord) -> String {
    let mut words = vec!["chapan generate".to_owned(), format!("--prompt {}", quoted(&record.prompt))];
    if let Some(text) = &record.negative_prompt {
        words.push(format!("--negative-prompt {}", quoted(text)));
    }
    words.push(format!("--model {}", quoted(record.model.as_str())));
    words.push(format!("--seed {}", record.seed));
    words.push(format!("--num-inference-steps {}", record.num_inference_steps));
    words.push(format!("--guidance-scale {}", record.guidance_scale));
    words.push(format!("--width {} --height {}", record.width, record.height));
    words.push(format!("--scheduler {}", record.scheduler));
    words.push(format!("--output {}", file_name_of(record)));
    words.join(" ")
}

/// A word as a POSIX shell takes it whole.
fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A time as the reader's language writes it.
fn moment(at_ms: f64, language: &str) -> String {
    let date = js_sys::Date::new(&wasm_bindgen::JsValue::from_f64(at_ms));
    date.to_locale_string(language, &wasm_bindgen::JsValue::UNDEFINED).into()
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_takes_every_prompt_whole() {
        assert_eq!(quoted("chapan-mini"), "chapan-mini");
        assert_eq!(quoted("a man, smiling"), "'a man, smiling'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted("Алдар Көсе"), "'Алдар Көсе'");
        assert_eq!(quoted(""), "''");
    }
}
