//! Shows the page's toast.

use leptos::prelude::*;

use super::icon::icon;
use crate::{
    i18n::{t_string, use_i18n},
    state::toast::Toasts,
};

/// The place of the toast, at the foot of the frame.
#[component]
pub fn ToastPlace() -> impl IntoView {
    let i18n = use_i18n();
    let toasts = expect_context::<Toasts>();
    view! {
        <div class="toast-place" role="status">
            {move || {
                toasts
                    .current()
                    .map(|toast| {
                        let undo = toast.undo;
                        view! {
                            <div class="toast" class:toast-bad=toast.bad>
                                {icon(if toast.bad { "alert" } else { "check" })}
                                <span>{toast.words}</span>
                                {undo
                                    .map(|undo| {
                                        view! {
                                            <button
                                                type="button"
                                                class="btn"
                                                on:click=move |_| {
                                                    toasts.dismiss();
                                                    undo.run(());
                                                }
                                            >
                                                {icon("undo")}
                                                {t_string!(i18n, frame.undo)}
                                            </button>
                                        }
                                    })}
                                <button
                                    type="button"
                                    class="btn-icon"
                                    aria-label=t_string!(i18n, frame.close)
                                    on:click=move |_| toasts.dismiss()
                                >
                                    {icon("close")}
                                </button>
                            </div>
                        }
                    })
            }}
        </div>
    }
}
