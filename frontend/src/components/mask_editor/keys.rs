//! The editor without a mouse: the shortcuts that people know from other tools, and a brush that walks by arrow keys.

use leptos::{ev::KeyboardEvent, prelude::*};
use wasm_bindgen::JsCast;

use super::desk::{Desk, Tool};
use crate::canvas::{Board, Point};

/// A key goes down.
pub fn down(desk: Desk, close: Callback<()>, event: &KeyboardEvent) {
    // Nothing that is pressed here is meant for the page below.
    event.stop_propagation();
    let key = letter(event);
    if event.ctrl_key() || event.meta_key() {
        match (key.as_str(), event.shift_key()) {
            ("z", false) => desk.act(Board::undo),
            ("z", true) | ("y", _) => desk.act(Board::redo),
            ("enter", _) => close.run(()),
            _ => return,
        }
        event.prevent_default();
        return;
    }
    let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    let on_stage =
        target.as_ref().is_some_and(|target| matches!(target.tag_name().as_str(), "DIV" | "DIALOG"));
    let in_field = target
        .and_then(|target| target.dyn_into::<web_sys::HtmlInputElement>().ok())
        .is_some_and(|field| field.type_() == "number");
    match key.as_str() {
        "[" => desk.grow(false),
        "]" => desk.grow(true),
        "b" => desk.tool.set(Tool::Brush),
        "e" if !in_field => desk.tool.set(Tool::Eraser),
        "x" => {
            let erases = desk.tool.get_untracked() == Tool::Eraser;
            desk.tool.set(if erases { Tool::Brush } else { Tool::Eraser });
        }
        "l" => desk.tool.set(Tool::Lasso),
        "i" => desk.act(Board::invert),
        "h" => desk.shows.update(|shows| *shows = !*shows),
        "+" | "=" if !in_field => desk.zoom(1.25),
        "-" if !in_field => desk.zoom(0.8),
        "0" if !in_field => desk.fit(),
        " " if on_stage => desk.moves.set(true),
        // A number that is typed is done; it is not an order for a picture.
        "enter" if in_field => desk.focus(),
        "enter" if on_stage => walk(desk, 0.0, 0.0, true),
        "arrowleft" if on_stage => walk(desk, -1.0, 0.0, event.shift_key()),
        "arrowright" if on_stage => walk(desk, 1.0, 0.0, event.shift_key()),
        "arrowup" if on_stage => walk(desk, 0.0, -1.0, event.shift_key()),
        "arrowdown" if on_stage => walk(desk, 0.0, 1.0, event.shift_key()),
        _ => return,
    }
    event.prevent_default();
}

/// A key goes up.
pub fn up(desk: Desk, event: &KeyboardEvent) {
    if event.key() == " " {
        desk.moves.set(false);
    }
}

/// The key by its Latin letter, whatever the layout: a Russian and a Kazakh keyboard have the same shortcuts.
fn letter(event: &KeyboardEvent) -> String {
    let key = event.key();
    if key.is_ascii() {
        return key.to_lowercase();
    }
    match event.code().as_str() {
        "BracketLeft" => "[".to_owned(),
        "BracketRight" => "]".to_owned(),
        code => code.strip_prefix("Key").unwrap_or_default().to_lowercase(),
    }
}

/// Moves the brush by a quarter of itself, painting along the way if asked to.
fn walk(desk: Desk, right: f64, down: f64, paints: bool) {
    let middle = Point { x: desk.size.0 / 2.0, y: desk.size.1 / 2.0 };
    let from = desk.at.get_untracked().unwrap_or(middle);
    let step = (desk.diameter.get_untracked() / 4.0).max(1.0);
    let to = Point {
        x: (from.x + right * step).clamp(0.0, desk.size.0),
        y: (from.y + down * step).clamp(0.0, desk.size.1),
    };
    desk.at.set(Some(to));
    if paints && desk.tool.get_untracked() != Tool::Lasso {
        desk.shows.set(true);
        desk.masks.work(Board::begin);
        desk.paint(desk.brush(false), desk.dab(from, 1.0), desk.dab(to, 1.0));
        desk.masks.work(Board::finish);
        desk.done(None);
    }
}
