//! How a picture was made, in full, with the means to make it again: here, or on the command line.

mod command;
mod facts;

use chapan_api::image::ImageView;
use leptos::prelude::*;
use leptos_router::components::A;

use super::{copy_button::CopyButton, icon::icon};
use crate::{
    i18n::{Language, Says, code, t_string, use_i18n},
    state::pictures::file_name,
};
use command::Command;
use facts::Value;

/// What a picture shows, in words: its prompt, or where it came from.
pub fn title(image: &ImageView) -> impl Fn(Language) -> String + Clone + Send + use<> {
    let prompt = image.prompt().to_owned();
    move |i18n| {
        if prompt.is_empty() { t_string!(i18n, gallery.brought_in).to_owned() } else { prompt.clone() }
    }
}

/// The full record of a picture; one that was brought in may have none.
#[component]
pub fn Record(
    /// The picture.
    image: ImageView,
) -> impl IntoView {
    let i18n = use_i18n();
    let file = file_name(&image);
    let seconds = format!("{:.1}", image.duration_ms as f64 / 1000.0);
    let made = image.created_at_ms as f64;
    let size = format!("{} × {}", image.width, image.height);
    let Some(record) = image.record.clone() else {
        return view! {
            <dl class="record-rows">
                <div class="record-row">
                    <dt>{move || t_string!(i18n, studio.size)}</dt>
                    <dd class="numeric">{size}</dd>
                </div>
                <div class="record-row">
                    <dt>{move || t_string!(i18n, gallery.brought)}</dt>
                    <dd>{move || moment(made, code(i18n.get_locale()))}</dd>
                </div>
            </dl>
        }
        .into_any();
    };
    let seed = record.seed.to_string();
    let command = command::command(&image, &file).map(|command| view! { <CommandLine command /> });
    let row = |name: Says, value: Value| {
        view! {
            <div class="record-row">
                <dt>{move || name(i18n)}</dt>
                <dd>{move || value.says(i18n)}</dd>
            </div>
        }
        .into_any()
    };
    let plain = |name: Says, value: String| row(name, Value::Plain(value));
    let mut rows = vec![plain(|i18n| t_string!(i18n, studio.size), size)];
    rows.extend(facts::facts(&record).into_iter().map(|(name, value)| row(name, value)));
    if let Some(enlargement) = image.enlargement {
        rows.push(plain(|i18n| t_string!(i18n, gallery.enlarged), format!("{}×", enlargement.scale)));
        rows.push(plain(|i18n| t_string!(i18n, studio.upscaler), enlargement.model.to_string()));
    }
    if let Some(hash) = &record.model_hash {
        let short: String = hash.chars().take(10).collect();
        rows.push(plain(|i18n| t_string!(i18n, gallery.model_hash), short));
    }
    rows.push(plain(|i18n| t_string!(i18n, gallery.device), format!("{}, {}", record.device, record.dtype)));
    rows.push(plain(
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
            {command}
        </div>
    }
    .into_any()
}

/// The command that makes the same picture, and the files it needs.
#[component]
fn CommandLine(command: Command) -> impl IntoView {
    let i18n = use_i18n();
    let Command { text, needs_picture, needs_mask } = command;
    view! {
        <section class="record-text">
            <h3>{move || t_string!(i18n, gallery.command)}</h3>
            <CopyButton label=|i18n| t_string!(i18n, gallery.copy_command) text=Signal::stored(text.clone()) />
            <p><code class="command">{text}</code></p>
            {needs_picture.then(|| view! { <p>{move || t_string!(i18n, gallery.command_needs_picture)}</p> })}
            {needs_mask.then(|| view! { <p>{move || t_string!(i18n, gallery.command_needs_mask)}</p> })}
        </section>
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

/// A time as the reader's language writes it.
fn moment(at_ms: f64, language: &str) -> String {
    let date = js_sys::Date::new(&wasm_bindgen::JsValue::from_f64(at_ms));
    date.to_locale_string(language, &wasm_bindgen::JsValue::UNDEFINED).into()
}

#[cfg(test)]
pub mod tests {
    use chapan_api::image::ImageRecord;
    use serde_json::{Value, json};

    use super::ImageView;

    /// A record with everything in it, more than one picture can have at a time.
    pub fn full() -> ImageRecord {
        serde_json::from_value(json!({
            "prompt": "a (red:1.2) hat", "negative_prompt": "blue", "model": "large", "seed": 77,
            "num_inference_steps": 31, "guidance_scale": 6.5, "width": 192, "height": 128, "scheduler": "heun",
            "device": "cpu", "dtype": "f32", "version": "0",
            "image": {"id": "picture", "sha256": ""}, "strength": 0.625,
            "mask_image": {"id": "mask", "sha256": ""}, "mask_blur": 7.0, "padding_mask_crop": 48,
            "masked_content": "noise", "outpaint": {"left": 1, "right": 2, "top": 3, "bottom": 4},
            "loras": [
                {"model": "ink", "weight": 0.75, "text_encoder_weight": 0.25}, {"model": "felt", "weight": 0.5},
            ],
            "variation_seed": 55, "variation_strength": 0.125, "prompt_weighting": true,
            "hires": {"scale": 1.5, "strength": 0.35, "steps": 12, "upscaler": "photo-x4"},
        }))
        .unwrap()
    }

    /// A picture with this record.
    pub fn picture(record: Option<ImageRecord>) -> ImageView {
        let mut view: Value = json!({
            "id": "i", "kind": "made", "url": "/api/images/i/file", "width": 192, "height": 128, "sha256": "",
            "size_bytes": 1, "duration_ms": 1, "created_at_ms": 1,
        });
        if let Some(record) = record {
            view["record"] = serde_json::to_value(record).unwrap();
        }
        serde_json::from_value(view).unwrap()
    }
}
