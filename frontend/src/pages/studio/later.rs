//! What the studio does not show at first sight. Here the program is cut: the code of these pieces lies with the other
//! rooms, and comes when it is asked for, or once the first page stands.

#![expect(clippy::unnecessary_wraps, reason = "a load that fails becomes the error of these results")]

use chapan_api::image::ImageView;
use leptos::prelude::*;
use wasm_split_helpers::wasm_split;

use super::{
    Order,
    begin::{Begin, MaskSettings},
    grid::GridPanel,
    hires::HiresPanel,
    imported::ImportedNotice,
    loras::LoraStack,
    several::Several,
    weighting::Weighting,
};
use crate::{
    components::{
        actions::PictureActions,
        mask_editor::MaskEditor,
        prompt_check::{Checked, PromptCheck},
    },
    i18n::Words,
    parts::Piece,
    state::draft::Draft,
};

/// What is wrong with a field of the draft.
type Faults = Callback<&'static str, Option<Words>>;

/// The picture that is begun from.
#[wasm_split(rooms, fallible)]
pub fn begin(draft: Draft, side: Signal<u32>, brought: RwSignal<Option<ImageView>>, fault: Faults) -> Piece {
    Ok(view! { <Begin draft side brought fault /> }.into_any())
}

/// How the masked part is worked on.
#[wasm_split(rooms, fallible)]
pub fn mask_settings(draft: Draft, fault: Faults) -> Piece {
    Ok(view! { <MaskSettings draft fault /> }.into_any())
}

/// Whether weights are read in the prompts, where the model reads with CLIP.
#[wasm_split(rooms, fallible)]
pub fn weighting(draft: Draft) -> Piece {
    Ok(view! { <Weighting draft /> }.into_any())
}

/// Several pictures, LoRAs, grids.
#[wasm_split(rooms, fallible)]
pub fn more(draft: Draft, order: Order, fault: Faults) -> Piece {
    Ok(view! {
        <Several draft fault />
        <LoraStack draft fault />
        <HiresPanel draft fault />
        <GridPanel draft order />
    }
    .into_any())
}

/// What the file of a picture says.
#[wasm_split(rooms, fallible)]
pub fn imported(image: ImageView, draft: Draft, close: Callback<()>) -> Piece {
    Ok(view! { <ImportedNotice image draft close /> }.into_any())
}

/// The editor over the whole window.
#[wasm_split(rooms, fallible)]
pub fn mask_editor(src: String, size: (u32, u32), close: Callback<()>) -> Piece {
    Ok(view! { <MaskEditor src size close /> }.into_any())
}

/// The report on the prompt.
#[wasm_split(rooms, fallible)]
pub fn prompt_check(checked: Checked) -> Piece {
    Ok(view! { <PromptCheck checked /> }.into_any())
}

/// What can be done with a picture.
#[wasm_split(rooms, fallible)]
pub fn actions(image: ImageView) -> Piece {
    Ok(view! { <PictureActions image /> }.into_any())
}
