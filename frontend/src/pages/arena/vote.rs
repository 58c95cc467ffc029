//! The blind vote: two pictures of the same prompt and seed, without names. Left, right, or neither; by hand or by key.

use chapan_api::{
    competition::{Ballot, CreateVote, VoteChoice, VoteTally},
    error::ErrorCode,
    id::CompetitionId,
};
use leptos::{ev::KeyboardEvent, html, prelude::*, task::spawn_local};

use super::called;
use crate::{
    api::{self, Failure},
    components::{notice::ErrorNotice, picture::Pixels},
    i18n::{self, t_string, use_i18n},
    state::{announce::Announcer, connection::Connection},
};

/// The vote and its count.
#[component]
pub fn Vote(
    /// The competition.
    id: CompetitionId,
    /// What people chose so far.
    votes: RwSignal<Vec<VoteTally>>,
) -> impl IntoView {
    let i18n = use_i18n();
    let connection = expect_context::<Connection>();
    let announcer = expect_context::<Announcer>();
    let pixels = expect_context::<Pixels>();
    let id = StoredValue::new(id);
    let ballot = RwSignal::new(None::<Ballot>);
    let all_judged = RwSignal::new(false);
    let failure = RwSignal::new(None::<Failure>);
    let busy = RwSignal::new(false);
    let given = RwSignal::new(0_u32);
    let place = NodeRef::<html::Div>::new();
    let next = move || {
        spawn_local(async move {
            let Some(id) = id.try_get_value() else { return };
            match connection.note(api::competition::ballot(&id).await) {
                Ok(pair) => drop(ballot.try_set(Some(pair))),
                Err(Failure::Refused(body)) if body.code == ErrorCode::NoBallot => {
                    ballot.try_set(None);
                    all_judged.try_set(true);
                }
                Err(refusal) => drop(failure.try_set(Some(refusal))),
            }
            busy.try_set(false);
        });
    };
    Effect::new(move |_| {
        connection.returns();
        next();
    });
    let cast = Callback::new(move |choice: VoteChoice| {
        let Some(pair) = ballot.get_untracked() else { return };
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        failure.set(None);
        spawn_local(async move {
            let Some(id) = id.try_get_value() else { return };
            let vote = CreateVote { ballot: pair.id, choice };
            match connection.note(api::competition::vote(&id, &vote).await) {
                Ok(tallies) => {
                    votes.try_set(tallies);
                    given.try_update(|given| *given += 1);
                    announcer.say(untrack(|| t_string!(i18n, arena.counted)));
                    next();
                }
                Err(refusal) => {
                    failure.try_set(Some(refusal));
                    busy.try_set(false);
                }
            }
        });
    });
    let keys = move |event: KeyboardEvent| {
        let choice = match event.key().as_str() {
            "ArrowLeft" | "1" => VoteChoice::Left,
            "ArrowRight" | "2" => VoteChoice::Right,
            "ArrowDown" | "0" => VoteChoice::Tie,
            _ => return,
        };
        event.prevent_default();
        cast.run(choice);
    };
    let side = move |choice: VoteChoice, key: &'static str| {
        let name = move || match choice {
            VoteChoice::Left => t_string!(i18n, arena.left),
            _ => t_string!(i18n, arena.right),
        };
        let src = move || {
            ballot.with(|ballot| {
                ballot.as_ref().map(|pair| {
                    if choice == VoteChoice::Left { pair.left.clone() } else { pair.right.clone() }
                })
            })
        };
        view! {
            <button
                type="button"
                class="vote-picture"
                aria-disabled=move || busy.get().to_string()
                aria-keyshortcuts=key
                aria-label=name
                on:click=move |_| cast.run(choice)
            >
                <img class:pixelated=move || pixels.shown() src=src alt="" />
                <span class="vote-name">{name} <kbd aria-hidden="true">{key}</kbd></span>
            </button>
        }
    };
    view! {
        {move || {
            failure
                .get()
                .map(|failure| {
                    view! {
                        <ErrorNotice words=Signal::derive(move || i18n::failure(i18n, &failure)) retry=move |()| next() />
                    }
                })
        }}
        <Show when=move || ballot.with(Option::is_some)>
            <div class="vote" node_ref=place role="group" aria-label=move || t_string!(i18n, arena.vote) on:keydown=keys>
                <p class="vote-prompt" lang="en">
                    {move || ballot.with(|ballot| ballot.as_ref().map(|pair| pair.prompt.clone()))}
                </p>
                <div class="vote-pair">{side(VoteChoice::Left, "←")} {side(VoteChoice::Right, "→")}</div>
                <div class="vote-foot">
                    <button
                        type="button"
                        class="btn"
                        aria-disabled=move || busy.get().to_string()
                        aria-keyshortcuts="↓"
                        on:click=move |_| cast.run(VoteChoice::Tie)
                    >
                        {move || t_string!(i18n, arena.tie)}
                        <kbd aria-hidden="true">"↓"</kbd>
                    </button>
                    <Show when=move || { given.get() > 0 }>
                        <p class="numeric">{move || t_string!(i18n, arena.given, count = given.get())}</p>
                    </Show>
                </div>
            </div>
        </Show>
        <Show when=move || all_judged.get() && ballot.with(Option::is_none)>
            <p class="sheet-words" role="status">{move || t_string!(i18n, arena.all_judged)}</p>
        </Show>
        <Show when=move || votes.with(|votes| !votes.is_empty())>
            <Tallies votes />
        </Show>
    }
}

/// The count, by what it proves.
#[component]
fn Tallies(votes: RwSignal<Vec<VoteTally>>) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <table class="rounds-table numeric">
            <caption>{move || t_string!(i18n, arena.tallies_about)}</caption>
            <thead>
                <tr>
                    <th scope="col">{move || t_string!(i18n, arena.contestant)}</th>
                    <th scope="col">{move || t_string!(i18n, arena.wins)}</th>
                    <th scope="col">{move || t_string!(i18n, arena.losses)}</th>
                    <th scope="col">{move || t_string!(i18n, arena.ties)}</th>
                    <th scope="col">{move || t_string!(i18n, arena.at_least)}</th>
                </tr>
            </thead>
            <tbody>
                {move || {
                    votes
                        .get()
                        .into_iter()
                        .map(|tally| {
                            view! {
                                <tr>
                                    <th scope="row">{called(i18n, &tally.contestant)}</th>
                                    <td>{tally.wins}</td>
                                    <td>{tally.losses}</td>
                                    <td>{tally.ties}</td>
                                    <td>{format!("{:.0} %", tally.lower_bound * 100.0)}</td>
                                </tr>
                            }
                        })
                        .collect_view()
                }}
            </tbody>
        </table>
    }
}
