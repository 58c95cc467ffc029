//! Which upscaler enlarges, where there is a choice.

use leptos::prelude::*;

use super::select::Select;
use crate::{i18n::t_string, state::models::Models};

/// The choice; nothing where there is none.
#[component]
pub fn UpscalerSelect(
    /// Name of the field, unique on the page.
    id: &'static str,
    /// The upscaler; empty is the server's first.
    value: RwSignal<String>,
) -> impl IntoView {
    let models = expect_context::<Models>();
    let installed = Memo::new(move |_| {
        let upscalers = models.upscalers();
        offered(upscalers.iter().map(|upscaler| upscaler.id.as_str()), &value.get())
    });
    let options =
        Signal::derive(move || installed.get().into_iter().map(|id| (id.clone(), id)).collect::<Vec<_>>());
    let chosen = Signal::derive(move || {
        let own = value.get();
        if own.is_empty() { installed.with(|ids| ids.first().cloned()).unwrap_or_default() } else { own }
    });
    view! {
        <Show when=move || installed.with(|ids| ids.len() > 1)>
            <Select
                id=id
                label=|i18n| t_string!(i18n, studio.upscaler)
                tip=|i18n| t_string!(i18n, studio.upscaler_tip)
                options
                value=chosen
                choose=move |id| value.set(id)
            />
        </Show>
    }
}

/// The installed upscalers, the server's first before the others, and a chosen one that is not there any more: whoever takes
/// over the settings of a picture sees what they name.
fn offered<'a>(installed: impl Iterator<Item = &'a str>, chosen: &str) -> Vec<String> {
    let mut ids: Vec<String> = installed.map(str::to_owned).collect();
    if !chosen.is_empty() && !ids.iter().any(|id| id == chosen) {
        ids.push(chosen.to_owned());
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::offered;

    #[test]
    fn a_choice_is_offered_where_there_is_one() {
        assert_eq!(offered(["mini-x4"].into_iter(), ""), ["mini-x4"]);
        assert_eq!(offered(["mini-x4", "photo-x4"].into_iter(), "photo-x4"), ["mini-x4", "photo-x4"]);
        assert_eq!(offered(["mini-x4"].into_iter(), "gone"), ["mini-x4", "gone"]);
    }
}
