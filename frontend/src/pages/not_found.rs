//! An address without a page.

use leptos::prelude::*;
use leptos_router::components::A;

use crate::{
    components::empty::Empty,
    i18n::{t_string, use_i18n},
};

/// Says so, and leads back.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <div class="sheet">
            <Empty
                title=|i18n| t_string!(i18n, frame.no_page)
                words=|i18n| t_string!(i18n, frame.no_page_hint)
            >
                <A href="/studio" attr:class="btn btn-primary">
                    {move || t_string!(i18n, frame.to_studio)}
                </A>
            </Empty>
        </div>
    }
}
