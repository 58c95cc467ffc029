//! What the picture begins from: nothing, a picture, or a picture with a mask.

use leptos::prelude::*;

use crate::{
    components::{
        icon::icon,
        segments::{Segment, Segments},
    },
    i18n::{t_string, use_i18n},
    state::draft::{Draft, Kind},
};

/// The switch between the kinds.
#[component]
pub fn KindSwitch(
    /// The draft.
    draft: Draft,
    /// Whether the model was made for inpainting and does nothing else.
    #[prop(into)]
    only_masks: Signal<bool>,
) -> impl IntoView {
    let i18n = use_i18n();
    Effect::new(move |_| {
        if let Some(kind) = forced(draft.kind.get(), only_masks.get()) {
            draft.kind.set(kind);
        }
    });
    view! {
        <Show
            when=move || !only_masks.get()
            fallback=move || {
                view! { <p class="inspector-note">{icon("info")} {t_string!(i18n, studio.only_masks)}</p> }
            }
        >
            <Segments
                name="kind"
                label=|i18n| t_string!(i18n, studio.kind)
                segments=vec![
                    Segment { icon: None, key: None, label: |i18n| t_string!(i18n, studio.kind_text) },
                    Segment { icon: None, key: None, label: |i18n| t_string!(i18n, studio.kind_picture) },
                    Segment { icon: None, key: None, label: |i18n| t_string!(i18n, studio.kind_mask) },
                ]
                value=Signal::derive(move || draft.kind.get() as usize)
                choose=move |place: usize| draft.kind.set(Kind::ALL[place])
            />
        </Show>
    }
}

/// The kind that the model asks for instead of another one.
fn forced(kind: Kind, only_masks: bool) -> Option<Kind> {
    (only_masks && kind != Kind::Mask).then_some(Kind::Mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inpainting_model_takes_masks_alone() {
        for kind in Kind::ALL {
            assert_eq!(forced(kind, false), None);
            assert_eq!(forced(kind, true).unwrap_or(kind), Kind::Mask);
        }
    }
}
