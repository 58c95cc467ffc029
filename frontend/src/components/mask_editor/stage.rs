//! The picture with its tint, and the hand over it: mouse, pen and fingers by the same events.

use leptos::{ev::PointerEvent, prelude::*};

use super::desk::{Desk, Tool};
use crate::{
    canvas::{Brush, Dab, Point},
    components::picture::Pixels,
    i18n::{t_string, use_i18n},
};

/// What the hand is doing.
#[derive(Clone, Copy, PartialEq)]
enum Gesture {
    Nothing,
    Stroke {
        brush: Brush,
        last: Dab,
    },
    Lasso {
        erases: bool,
    },
    Move {
        last: Point,
    },
    /// Two fingers hold the picture.
    Pinch,
}

/// The hand: which fingers are down, and what they do.
#[derive(Clone)]
struct Hand {
    fingers: Vec<(i32, Point)>,
    gesture: Gesture,
}

/// The stage of the editor.
#[component]
pub fn Stage(
    /// What the parts of the editor share.
    desk: Desk,
    /// Address of the picture.
    src: String,
) -> impl IntoView {
    let i18n = use_i18n();
    let pixels = expect_context::<Pixels>();
    let hand = StoredValue::new(Hand { fingers: Vec::new(), gesture: Gesture::Nothing });
    let (width, height) = desk.size;
    let placed = move || {
        let view = desk.view.get();
        format!("translate({}px, {}px) scale({})", view.corner.x, view.corner.y, view.scale)
    };
    let seen = move || desk.at.get().is_some() && desk.tool.get() != Tool::Lasso && !desk.moves.get();
    let side = move || (desk.diameter.get() * desk.view.get().scale).max(3.0);
    let shift = move || {
        let (at, view) = (desk.at.get().unwrap_or_default(), desk.view.get());
        let (x, y) = (at.x * view.scale + view.corner.x, at.y * view.scale + view.corner.y);
        format!("translate({}px, {}px)", x - side() / 2.0, y - side() / 2.0)
    };
    let line = move || {
        desk.line.with(|line| {
            line.iter().fold(String::new(), |points, at| format!("{points}{:.2},{:.2} ", at.x, at.y))
        })
    };
    let resized = window_event_listener(leptos::ev::resize, move |_| desk.fit());
    on_cleanup(move || resized.remove());
    view! {
        <div
            node_ref=desk.place
            class="mask-stage"
            class:mask-moves=move || desk.moves.get()
            class:mask-lassoes=move || desk.tool.get() == Tool::Lasso
            tabindex="0"
            role="application"
            aria-label=move || t_string!(i18n, mask.stage)
            aria-describedby="mask-keys"
            on:pointerdown=move |event| down(desk, hand, &event)
            on:pointermove=move |event| moved(desk, hand, &event)
            on:pointerup=move |event| up(desk, hand, &event)
            on:pointercancel=move |event| up(desk, hand, &event)
            on:pointerleave=move |_| desk.at.set(None)
            on:wheel=move |event| {
                event.prevent_default();
                let factor = (-event.delta_y() * 0.0015).clamp(-0.5, 0.5).exp();
                let at = place_of(desk, f64::from(event.client_x()), f64::from(event.client_y()));
                desk.view.update(|view| *view = view.zoomed(at, factor));
            }
        >
            <div
                class="mask-sheet"
                style=("width", format!("{width}px"))
                style=("height", format!("{height}px"))
                style=("transform", placed)
            >
                <img src=src alt="" draggable="false" class:pixelated=move || pixels.shown() />
                <canvas
                    node_ref=desk.canvas
                    width=width
                    height=height
                    style=("visibility", move || if desk.shows.get() { "visible" } else { "hidden" })
                    data-testid="mask"
                ></canvas>
                <svg class="mask-line" aria-hidden="true">
                    <polygon points=line></polygon>
                </svg>
            </div>
            <div
                class="mask-ring"
                aria-hidden="true"
                hidden=move || !seen()
                style=("width", move || format!("{}px", side()))
                style=("height", move || format!("{}px", side()))
                style=("transform", shift)
            ></div>
        </div>
    }
}

/// A place in the window as a place on the stage.
fn place_of(desk: Desk, x: f64, y: f64) -> Point {
    let corner = desk.place.get_untracked().map(|place| place.get_bounding_client_rect());
    corner.map_or(Point { x, y }, |corner| Point { x: x - corner.left(), y: y - corner.top() })
}

fn here(desk: Desk, event: &PointerEvent) -> Point {
    place_of(desk, f64::from(event.client_x()), f64::from(event.client_y()))
}

/// How hard a pen presses; a mouse and a finger know no pressure.
fn pressure(event: &PointerEvent) -> f64 {
    let pressure = f64::from(event.pressure());
    if event.pointer_type() == "pen" && pressure > 0.0 { pressure } else { 1.0 }
}

fn down(desk: Desk, hand: StoredValue<Hand>, event: &PointerEvent) {
    event.prevent_default();
    desk.focus();
    if let Some(place) = desk.place.get_untracked() {
        // From here on the stroke is ours even when it leaves the window.
        let _ = place.set_pointer_capture(event.pointer_id());
    }
    let at = here(desk, event);
    let fingers = hand.try_update_value(|hand| {
        if event.pointer_type() == "touch" {
            hand.fingers.push((event.pointer_id(), at));
        }
        hand.fingers.len()
    });
    if fingers.unwrap_or_default() > 1 {
        // The first finger was no stroke after all.
        give_up(desk);
        hand.update_value(|hand| hand.gesture = Gesture::Pinch);
        return;
    }
    let under = desk.view.get_untracked().under(at);
    // The other end of a pen erases, as does the right button of a mouse.
    let erases = event.buttons() & (32 | 2) != 0;
    if event.button() != 1 && !desk.moves.get_untracked() {
        // Nobody paints what they cannot see.
        desk.shows.set(true);
    }
    let gesture = if event.button() == 1 || desk.moves.get_untracked() {
        Gesture::Move { last: at }
    } else if desk.tool.get_untracked() == Tool::Lasso {
        desk.line.set(vec![under]);
        Gesture::Lasso { erases }
    } else {
        let (brush, dab) = (desk.brush(erases), desk.dab(under, pressure(event)));
        desk.masks.work(crate::canvas::Board::begin);
        desk.paint(brush, dab, dab);
        Gesture::Stroke { brush, last: dab }
    };
    hand.update_value(|hand| hand.gesture = gesture);
}

fn moved(desk: Desk, hand: StoredValue<Hand>, event: &PointerEvent) {
    let at = here(desk, event);
    let view = desk.view.get_untracked();
    desk.at.set((event.pointer_type() != "touch").then(|| view.under(at)));
    let gesture = hand.with_value(|hand| hand.gesture);
    let next = match gesture {
        Gesture::Nothing => return,
        Gesture::Stroke { brush, last } => {
            let dab = desk.dab(view.under(at), pressure(event));
            desk.paint(brush, last, dab);
            Gesture::Stroke { brush, last: dab }
        }
        Gesture::Lasso { .. } => {
            desk.line.update(|line| line.push(view.under(at)));
            gesture
        }
        Gesture::Move { last } => {
            desk.view.set(view.moved(Point { x: at.x - last.x, y: at.y - last.y }));
            Gesture::Move { last: at }
        }
        Gesture::Pinch => {
            hand.update_value(|hand| pinch(desk, hand, event.pointer_id(), at));
            gesture
        }
    };
    hand.update_value(|hand| hand.gesture = next);
}

/// Two fingers move and zoom the picture together; a third one counts for nothing.
fn pinch(desk: Desk, hand: &mut Hand, finger: i32, at: Point) {
    let [(first, a), (second, b), ..] = hand.fingers[..] else { return };
    let to = if finger == first {
        [at, b]
    } else if finger == second {
        [a, at]
    } else {
        return;
    };
    desk.view.update(|view| *view = view.pinched([a, b], to));
    (hand.fingers[0].1, hand.fingers[1].1) = (to[0], to[1]);
}

fn up(desk: Desk, hand: StoredValue<Hand>, event: &PointerEvent) {
    let ended = hand.try_update_value(|hand| {
        hand.fingers.retain(|(finger, _)| *finger != event.pointer_id());
        // The finger that stays after a pinch does not begin a stroke.
        let gesture = hand.gesture;
        if gesture != Gesture::Pinch || hand.fingers.is_empty() {
            hand.gesture = Gesture::Nothing;
        }
        gesture
    });
    match ended {
        Some(Gesture::Stroke { .. }) => {
            desk.masks.work(crate::canvas::Board::finish);
            desk.done(None);
        }
        Some(Gesture::Lasso { erases }) => {
            let line = desk.line.get_untracked();
            desk.line.set(Vec::new());
            desk.act(|board| board.lasso(&line, erases));
        }
        _ => {}
    }
}

fn give_up(desk: Desk) {
    desk.line.set(Vec::new());
    desk.act(crate::canvas::Board::abandon);
}
