//! How a picture was made, in full, with the means to make it again: here, or on the command line.

use chapan_api::image::{ImageRecord, ImageView};
use leptos::prelude::*;
use leptos_router::components::A;

use super::{copy_button::CopyButton, icon::icon};
use crate::{
    i18n::{Language, Says, code, t_string, use_i18n},
    pages::studio::schedulers,
    state::pictures::file_name,
};

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
    let scale = image.enlargement.as_ref().map(|enlargement| enlargement.scale);
    let Some(record) = image.record else {
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
    let command = command(&record, &file);
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
        row(|i18n| t_string!(i18n, studio.size), size),
        row(|i18n| t_string!(i18n, studio.scheduler), schedulers::name(&record.scheduler).to_owned()),
        row(|i18n| t_string!(i18n, studio.model), record.model.to_string()),
    ];
    let with = &record.ingredients;
    for (name, value) in [
        (strength as Says, with.strength),
        (mask_blur, with.mask_blur),
        (padding, with.padding_mask_crop.map(f64::from)),
        (variation, with.variation_strength),
        (hires, with.hires.as_ref().map(|hires| hires.request.scale)),
        (enlarged, scale),
    ] {
        rows.extend(value.map(|value| row(name, value.to_string())));
    }
    for lora in &with.loras {
        rows.push(row(|_| "LoRA", format!("{} × {}", lora.model, lora.weight)));
    }
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
    .into_any()
}

fn strength(i18n: Language) -> &'static str {
    t_string!(i18n, studio.strength)
}

fn mask_blur(i18n: Language) -> &'static str {
    t_string!(i18n, studio.mask_blur)
}

fn padding(i18n: Language) -> &'static str {
    t_string!(i18n, studio.padding)
}

fn variation(i18n: Language) -> &'static str {
    t_string!(i18n, studio.variation)
}

fn hires(i18n: Language) -> &'static str {
    t_string!(i18n, studio.hires)
}

fn enlarged(i18n: Language) -> &'static str {
    t_string!(i18n, gallery.enlarged)
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
fn command(record: &ImageRecord, file: &str) -> String {
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
    let with = &record.ingredients;
    if let Some(strength) = with.strength {
        // The command line takes files; these are saved from the gallery.
        words.push(format!("--image input.png --strength {strength}"));
    }
    if with.mask_image.is_some() {
        words.push("--mask-image mask.png".to_owned());
    }
    for lora in &with.loras {
        words.push(format!("--lora {}:{}", quoted(&format!("{}.safetensors", lora.model)), lora.weight));
    }
    words.push(format!("--output {}", quoted(file)));
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
