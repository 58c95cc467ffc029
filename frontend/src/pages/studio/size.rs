//! Width and height: three shapes that suit the model, or any numbers.

use chapan_api::generation::limits;
use leptos::prelude::*;

use crate::{
    components::{
        slider::{FaultLine, Number, Range},
        tip::Tip,
    },
    i18n::{Says, Words, t_string, use_i18n},
    state::draft::Draft,
};

/// Shapes for a model made for squares of `side`, on its grid of 64.
fn shapes(side: u32) -> [(&'static str, u32, u32); 3] {
    // A small model keeps its short side; a large one keeps its number of pixels.
    let (short, long) = if side <= 256 { (side, side * 3 / 2) } else { (side * 13 / 16, side * 19 / 16) };
    let grid = |side: u32| side.div_ceil(64) * 64;
    [("square", side, side), ("portrait", grid(short), grid(long)), ("landscape", grid(long), grid(short))]
}

/// The field of the size.
#[component]
pub fn SizeField(
    /// The draft it belongs to.
    draft: Draft,
    /// The side of the square that the model was made for.
    #[prop(into)]
    side: Signal<u32>,
    /// What is wrong with the width.
    #[prop(into)]
    width_fault: Signal<Option<Words>>,
    /// What is wrong with the height.
    #[prop(into)]
    height_fault: Signal<Option<Words>>,
) -> impl IntoView {
    let i18n = use_i18n();
    let label: Says = |i18n| t_string!(i18n, studio.size);
    let range = Range {
        min: f64::from(limits::MIN_SIDE),
        max: f64::from(limits::MAX_SIDE),
        step: f64::from(limits::SIDE_STEP),
        reset: 128.0,
    };
    let shape_name = move |name: &str| match name {
        "portrait" => t_string!(i18n, studio.portrait),
        "landscape" => t_string!(i18n, studio.landscape),
        _ => t_string!(i18n, studio.square),
    };
    view! {
        <fieldset class="field">
            <legend class="spoken">{move || label(i18n)}</legend>
            <div class="field-head">
                <span class="field-label">{move || label(i18n)}</span>
                <Tip about=label words=|i18n| t_string!(i18n, studio.size_tip) />
            </div>
            <div class="size-row">
                {[0_usize, 1, 2]
                    .map(|index| {
                        let shape = move || shapes(side.get())[index];
                        let (name, ..) = shapes(128)[index];
                        view! {
                            <button
                                type="button"
                                class="btn-icon shape"
                                aria-label=move || shape_name(name)
                                title=move || {
                                    let (_, width, height) = shape();
                                    format!("{} {width} × {height}", shape_name(name))
                                }
                                aria-pressed=move || {
                                    let (_, width, height) = shape();
                                    (draft.width.get() == f64::from(width) && draft.height.get() == f64::from(height))
                                        .to_string()
                                }
                                on:click=move |_| {
                                    let (_, width, height) = shape();
                                    draft.width.set(f64::from(width));
                                    draft.height.set(f64::from(height));
                                }
                            >
                                <span class=format!("shape-{name}") aria-hidden="true"></span>
                            </button>
                        }
                    })
                    .collect_view()}
                <Number
                    id="width"
                    label=|i18n| t_string!(i18n, studio.width)
                    value=draft.width
                    range
                    fault=width_fault
                />
                <span aria-hidden="true">"×"</span>
                <Number
                    id="height"
                    label=|i18n| t_string!(i18n, studio.height)
                    value=draft.height
                    range
                    fault=height_fault
                />
            </div>
            <FaultLine id="width" fault=width_fault />
            <FaultLine id="height" fault=height_fault />
        </fieldset>
    }
}

#[cfg(test)]
mod tests {
    use super::shapes;

    #[test]
    fn shapes_keep_to_the_grid() {
        for side in [128, 256, 512, 1024] {
            for (name, width, height) in shapes(side) {
                assert!(width % 64 == 0 && height % 64 == 0, "{name} of {side}: {width} x {height}");
            }
        }
        assert_eq!(shapes(128)[1], ("portrait", 128, 192));
        assert_eq!(shapes(1024)[2], ("landscape", 1216, 832));
    }
}
