//! What the picture begins from: nothing, a picture, or a picture with a mask.

use leptos::prelude::*;

use crate::{
    components::segments::{Segment, Segments},
    i18n::t_string,
    state::draft::{Draft, Kind},
};

/// The switch between the kinds.
#[component]
pub fn KindSwitch(
    /// The draft.
    draft: Draft,
) -> impl IntoView {
    view! {
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
    }
}
