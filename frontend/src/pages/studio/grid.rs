//! The X/Y/Z grid: the same picture again and again, with one, two or three things changed.

use chapan_api::{
    grid::{AxisValue, CreateGrid, GridAxis, GridParameter},
    id::ModelId,
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, hooks::use_navigate};

use super::Order;
use crate::{
    components::{fold::Fold, icon::icon, slider::FaultLine},
    i18n::{self, Says, Words, t_string, use_i18n},
    state::{
        draft::{Draft, Kind},
        jobs::Jobs,
        mask::MaskDraft,
    },
};

/// What an axis can change, by the names of the request's fields, and the words for it.
const PARAMETERS: [(GridParameter, Says); 19] = [
    (GridParameter::Seed, |i18n| t_string!(i18n, studio.seed)),
    (GridParameter::Prompt, |i18n| t_string!(i18n, studio.words_in_prompt)),
    (GridParameter::NumInferenceSteps, |i18n| t_string!(i18n, studio.steps)),
    (GridParameter::GuidanceScale, |i18n| t_string!(i18n, studio.guidance)),
    (GridParameter::Scheduler, |i18n| t_string!(i18n, studio.scheduler)),
    (GridParameter::NegativePrompt, |i18n| t_string!(i18n, studio.negative_prompt)),
    (GridParameter::Strength, |i18n| t_string!(i18n, studio.strength)),
    (GridParameter::LoraWeight, |i18n| t_string!(i18n, studio.lora_weight)),
    (GridParameter::VariationStrength, |i18n| t_string!(i18n, studio.variation)),
    (GridParameter::VariationSeed, |i18n| t_string!(i18n, studio.variation_seed)),
    (GridParameter::Width, |i18n| t_string!(i18n, studio.width)),
    (GridParameter::Height, |i18n| t_string!(i18n, studio.height)),
    (GridParameter::PromptWeighting, |i18n| t_string!(i18n, studio.weighting)),
    (GridParameter::MaskBlur, |i18n| t_string!(i18n, studio.mask_blur)),
    (GridParameter::PaddingMaskCrop, |i18n| t_string!(i18n, studio.padding)),
    (GridParameter::MaskedContent, |i18n| t_string!(i18n, studio.masked_content)),
    (GridParameter::HiresScale, |i18n| t_string!(i18n, studio.hires_scale)),
    (GridParameter::HiresStrength, |i18n| t_string!(i18n, studio.hires_strength)),
    (GridParameter::Model, |i18n| t_string!(i18n, studio.model)),
];

/// One axis as it is typed.
#[derive(Clone, Copy)]
struct Axis {
    name: &'static str,
    /// Place in the list of parameters; none leaves the axis out.
    parameter: RwSignal<Option<usize>>,
    search: RwSignal<String>,
    /// Which LoRA; empty is the first.
    lora: RwSignal<String>,
    values: RwSignal<String>,
}

impl Axis {
    fn new(name: &'static str, parameter: Option<usize>) -> Self {
        Self {
            name,
            parameter: RwSignal::new(parameter),
            search: RwSignal::default(),
            lora: RwSignal::default(),
            values: RwSignal::default(),
        }
    }

    /// The parameter, while it means something for what is to be drawn.
    fn parameter(self) -> Option<GridParameter> {
        self.parameter.get().map(|place| PARAMETERS[place].0)
    }

    fn read(self) -> Option<GridAxis> {
        let parameter = self.parameter()?;
        let by_word = parameter == GridParameter::Prompt;
        Some(GridAxis {
            parameter,
            search: by_word.then(|| self.search.get()).filter(|search| !search.is_empty()),
            lora: (parameter == GridParameter::LoraWeight)
                .then(|| self.lora.get())
                .filter(|lora| !lora.is_empty())
                .map(ModelId::new),
            values: values(&self.values.get(), parameter),
        })
    }
}

/// What a draft has that only some drafts have.
#[derive(Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a part of the form that is there or not")]
struct Given {
    kind: Kind,
    loras: bool,
    hires: bool,
    variation: bool,
    only_masked: bool,
}

impl Given {
    fn of(draft: Draft) -> Self {
        Self {
            kind: draft.kind.get(),
            loras: draft.loras.with(|loras| !loras.is_empty()),
            hires: draft.hires.get() && draft.kind.get() != Kind::Mask,
            variation: draft.variation.get() != 0.0,
            only_masked: draft.only_masked.get(),
        }
    }

    /// Whether a change of this parameter would be seen.
    fn has(self, parameter: GridParameter) -> bool {
        let masked = self.kind == Kind::Mask;
        match parameter {
            GridParameter::Strength => self.kind != Kind::Text,
            GridParameter::MaskBlur | GridParameter::MaskedContent => masked,
            GridParameter::PaddingMaskCrop => masked && self.only_masked,
            GridParameter::LoraWeight => self.loras,
            GridParameter::HiresScale | GridParameter::HiresStrength => self.hires,
            GridParameter::VariationSeed => self.variation,
            _ => true,
        }
    }
}

/// The panel.
#[component]
pub fn GridPanel(
    /// The draft that all pictures share.
    draft: Draft,
    /// Where a failure is told.
    order: Order,
) -> impl IntoView {
    let i18n = use_i18n();
    let jobs = expect_context::<Jobs>();
    let masks = expect_context::<MaskDraft>();
    let navigate = use_navigate();
    let axes = [Axis::new("x", Some(0)), Axis::new("y", None), Axis::new("z", None)];
    let attempted = RwSignal::new(false);
    let request = move || {
        let [x, y, z] = axes.map(Axis::read);
        let mut base = draft.request(None);
        base.num_images_per_prompt = 1;
        // An axis left out before one that is used would be an axis missing in between.
        let (y, z) = if y.is_some() { (y, z) } else { (z, None) };
        Some(CreateGrid { base, x: x?, y, z })
    };
    let faults = Memo::new(move |_| request().and_then(|grid| grid.validate().err()).unwrap_or_default());
    let fault_of = move |name: &'static str| {
        Signal::derive(move || {
            let found =
                faults.with(|faults| faults.iter().find(|fault| fault.field.starts_with(name)).cloned());
            found.filter(|_| attempted.get()).map(|found| i18n::fault(i18n, &found))
        })
    };
    let count = move || {
        let cells: usize = axes.iter().filter_map(|axis| Some(axis.read()?.values.len().max(1))).product();
        t_string!(i18n, studio.grid_count, count = cells).clone()
    };
    let draw = move |_| {
        attempted.set(true);
        if faults.with_untracked(|faults| !faults.is_empty()) {
            return;
        }
        let Some(mut grid) = untrack(request) else { return };
        let masked = draft.kind.get_untracked() == Kind::Mask;
        let navigate = navigate.clone();
        order.sending.update(|count| *count += 1);
        order.failure.set(None);
        spawn_local(async move {
            let made = async {
                if masked {
                    grid.base.mask_image = masks.sent().await?;
                }
                jobs.submit_grid(&grid).await
            };
            match made.await {
                Ok(job) => navigate(&format!("/studio?job={}", job.id), NavigateOptions::default()),
                Err(refusal) => order.failure.set(Some(refusal)),
            }
            order.sending.update(|count| *count -= 1);
        });
    };
    view! {
        <Fold name="grid" title=|i18n| t_string!(i18n, studio.grid) brief=Signal::stored(String::new())>
            <p class="inspector-note">{icon("info")} {move || t_string!(i18n, studio.grid_about)}</p>
            {axes.map(|axis| view! { <AxisField draft axis fault=fault_of(axis.name) /> }).collect_view()}
            <FaultLine id="grid-base" fault=fault_of("base.") />
            <button type="button" class="btn grid-draw" on:click=draw>
                {icon("gallery")}
                {move || t_string!(i18n, studio.draw_grid)}
                <span class="field-state numeric">{count}</span>
            </button>
        </Fold>
    }
}

#[component]
fn AxisField(draft: Draft, axis: Axis, fault: Signal<Option<Words>>) -> impl IntoView {
    let i18n = use_i18n();
    let letter = axis.name.to_uppercase();
    let name = letter.clone();
    let parameter = move || axis.parameter();
    let given = Memo::new(move |_| Given::of(draft));
    // What the draft does not have any more cannot change from cell to cell.
    Effect::new(move |_| {
        let given = given.get();
        if axis.parameter().is_some_and(|parameter| !given.has(parameter)) {
            axis.parameter.set((axis.name == "x").then_some(0));
        }
    });
    let placeholder = move || match parameter() {
        Some(GridParameter::Prompt | GridParameter::NegativePrompt) => t_string!(i18n, studio.grid_words),
        Some(GridParameter::Scheduler) => "euler, heun, ddim",
        Some(GridParameter::GuidanceScale) => "1, 3, 5, 8",
        Some(GridParameter::NumInferenceSteps) => "5, 10, 20",
        Some(GridParameter::Seed | GridParameter::VariationSeed) => "1-4",
        Some(GridParameter::HiresScale) => "1.5, 2",
        Some(GridParameter::Model) => "chapan-mini",
        Some(GridParameter::Width | GridParameter::Height) => "128, 192, 256",
        Some(GridParameter::MaskBlur) => "0, 4, 16",
        Some(GridParameter::PaddingMaskCrop) => "0, 32, 64",
        Some(GridParameter::MaskedContent) => "original, noise",
        Some(GridParameter::PromptWeighting) => "false, true",
        _ => "0.2, 0.5, 0.8",
    };
    let id = match axis.name {
        "x" => "grid-x",
        "y" => "grid-y",
        _ => "grid-z",
    };
    view! {
        <fieldset class="field axis">
            <legend class="spoken">{name}</legend>
            <div class="axis-row">
                <span class="axis-name" aria-hidden="true">{letter}</span>
                <select
                    class="select"
                    aria-label=move || t_string!(i18n, studio.grid_parameter)
                    on:change=move |event| axis.parameter.set(event_target_value(&event).parse().ok())
                >
                    {(axis.name != "x")
                        .then(|| view! { <option value="" selected=axis.parameter.get_untracked().is_none()>"–"</option> })}
                    {move || {
                        let (given, chosen) = (given.get(), axis.parameter.get());
                        PARAMETERS
                            .iter()
                            .enumerate()
                            .filter(|(_, (parameter, _))| given.has(*parameter))
                            .map(|(place, (_, words))| {
                                view! {
                                    <option value=place.to_string() selected=chosen == Some(place)>
                                        {words(i18n)}
                                    </option>
                                }
                            })
                            .collect_view()
                    }}
                </select>
            </div>
            <Show when=move || parameter() == Some(GridParameter::Prompt)>
                <input
                    class="text"
                    type="text"
                    aria-label=move || t_string!(i18n, studio.grid_search)
                    placeholder=move || t_string!(i18n, studio.grid_search)
                    prop:value=move || axis.search.get()
                    on:input=move |event| axis.search.set(event_target_value(&event))
                />
            </Show>
            <Show when=move || parameter() == Some(GridParameter::LoraWeight) && draft.loras.with(|loras| loras.len() > 1)>
                <select
                    class="select"
                    aria-label=move || t_string!(i18n, studio.grid_lora)
                    on:change=move |event| axis.lora.set(event_target_value(&event))
                >
                    {move || {
                        let chosen = axis.lora.get();
                        draft
                            .loras
                            .get()
                            .into_iter()
                            .map(|lora| lora.model.get_value().to_string())
                            .map(|id| {
                                let selected = id == chosen;
                                view! { <option value=id.clone() selected=selected>{id.clone()}</option> }
                            })
                            .collect_view()
                    }}
                </select>
            </Show>
            <Show when=move || parameter().is_some()>
                <input
                    id=id
                    class="text"
                    type="text"
                    autocomplete="off"
                    aria-label=move || t_string!(i18n, studio.grid_values)
                    placeholder=placeholder
                    prop:value=move || axis.values.get()
                    on:input=move |event| axis.values.set(event_target_value(&event))
                />
            </Show>
            <FaultLine id fault />
        </fieldset>
    }
}

/// Values between commas; whole numbers may be given as a range, `3-6`.
fn values(text: &str, parameter: GridParameter) -> Vec<AxisValue> {
    let is_text = matches!(
        parameter,
        GridParameter::Prompt
            | GridParameter::NegativePrompt
            | GridParameter::Scheduler
            | GridParameter::Model
            | GridParameter::MaskedContent
    );
    let parts =
        text.split(if text.contains(';') { ';' } else { ',' }).map(str::trim).filter(|part| !part.is_empty());
    if is_text {
        return parts.map(|part| AxisValue::Text(part.to_owned())).collect();
    }
    let mut values = Vec::new();
    for part in parts {
        let range = part.split_once('-').and_then(|(from, to)| {
            let (from, to): (u64, u64) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
            // A list that is far too long is told by the rules, not written out.
            (from <= to).then(|| from..=to.min(from + 100))
        });
        match (part.parse::<f64>(), range) {
            _ if matches!(part, "true" | "false") => values.push(AxisValue::Flag(part == "true")),
            (Ok(number), _) => values.push(AxisValue::Number(number)),
            (Err(_), Some(range)) => values.extend(range.map(|number| AxisValue::Number(number as f64))),
            (Err(_), None) => values.push(AxisValue::Text(part.to_owned())),
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Vec<f64> {
        values(text, GridParameter::GuidanceScale)
            .into_iter()
            .map(|value| match value {
                AxisValue::Number(number) => number,
                other => panic!("{other} is no number"),
            })
            .collect()
    }

    #[test]
    fn numbers_stand_between_commas_or_in_ranges() {
        assert_eq!(numbers("1, 2.5,-3"), [1.0, 2.5, -3.0]);
        assert_eq!(numbers("7, 1-4 ,9"), [7.0, 1.0, 2.0, 3.0, 4.0, 9.0]);
        assert_eq!(numbers("1-1000000000").len(), 101, "the rules refuse it, nothing is filled");
        assert_eq!(numbers(""), [0.0; 0]);
    }

    #[test]
    fn what_is_no_number_stays_a_text_for_the_rules() {
        assert_eq!(values("many", GridParameter::Seed), [AxisValue::Text("many".to_owned())]);
        assert_eq!(values("9-3", GridParameter::Seed), [AxisValue::Text("9-3".to_owned())]);
    }

    #[test]
    fn every_parameter_of_a_grid_is_offered_where_it_has_a_say() {
        let kind = |kind| Given { kind, loras: true, hires: true, variation: true, only_masked: true };
        let offered = |given: Given| {
            PARAMETERS.iter().filter(move |(parameter, _)| given.has(*parameter)).map(|(known, _)| *known)
        };
        let all: std::collections::HashSet<_> = offered(kind(Kind::Mask)).collect();
        assert_eq!(all.len(), PARAMETERS.len());
        let words = Given { loras: false, hires: false, variation: false, ..kind(Kind::Text) };
        let some: Vec<_> = offered(words).collect();
        assert_eq!(some.len(), 11, "{some:?}");
        for hidden in [GridParameter::Strength, GridParameter::MaskBlur, GridParameter::LoraWeight] {
            assert!(!some.contains(&hidden));
        }
        assert_eq!(offered(kind(Kind::Picture)).count(), PARAMETERS.len() - 3);
    }

    #[test]
    fn a_flag_is_read_as_one() {
        let flags = values("true, false", GridParameter::PromptWeighting);
        assert_eq!(flags, [AxisValue::Flag(true), AxisValue::Flag(false)]);
        let text = |text: &str| AxisValue::Text(text.to_owned());
        assert_eq!(values("original,noise", GridParameter::MaskedContent), [text("original"), text("noise")]);
    }

    #[test]
    fn words_keep_their_numbers_and_may_hold_commas() {
        let text = |text: &str| AxisValue::Text(text.to_owned());
        assert_eq!(values("red, 2 men", GridParameter::Prompt), [text("red"), text("2 men")]);
        assert_eq!(values("a, b; c", GridParameter::Prompt), [text("a, b"), text("c")]);
    }
}
