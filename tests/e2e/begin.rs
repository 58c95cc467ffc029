//! From a picture, and under a mask: the kinds of generation beside text.

use chapan_tests::wait;
use serde_json::{Value, json};

use crate::visit::Visit;

const FIRST: &str = "a smiling man, round face, thin mustache, orange chapan robe, steppe background";
const OTHER: &str = "a smiling man, round face, full beard, blue shirt, yurt background";

fn drawn(visit: &Visit, count: usize) -> Vec<Value> {
    wait::until(&format!("{count} pictures; the page says: {}", visit.browser.text()), || {
        let pictures = visit.pictures();
        (pictures.len() == count).then_some(pictures)
    })
}

#[test]
fn a_picture_begins_from_a_picture() {
    let visit = Visit::to("/studio");
    let browser = &visit.browser;
    visit.describe(FIRST, 8);
    visit.generate();
    visit.finished(FIRST, (128, 128));
    browser.click("button", &visit.says("gallery.begin_from"));
    browser.get("button", &visit.says("studio.other_picture"));
    visit.describe(OTHER, 8);
    browser.fill("spinbutton", &visit.says("studio.strength"), "0.5");
    visit.settled();
    visit.keep("studio-picture-1280-light");
    visit.generate();
    let pictures = drawn(&visit, 2);
    assert_eq!(pictures[0]["record"]["strength"], 0.5);
    assert_eq!(pictures[0]["record"]["image"]["id"], pictures[1]["id"]);
    let same = visit.pixels(&pictures[0]["id"]) == visit.pixels(&pictures[1]["id"]);
    assert!(!same, "half of the way was drawn anew");
    visit.finished(OTHER, (128, 128));
    // Without a picture there is nothing to begin from, and the page says so.
    browser.click("button", &visit.says("studio.no_picture"));
    visit.generate();
    browser.see(&visit.says("errors.required"));
    assert_eq!(visit.pictures().len(), 2);
    visit.no_faults();
}

#[test]
fn only_the_masked_area_is_painted_anew() {
    let visit = Visit::to("/studio");
    let browser = &visit.browser;
    visit.describe(FIRST, 8);
    visit.generate();
    visit.finished(FIRST, (128, 128));
    browser.click("button", &visit.says("studio.paint_mask"));
    browser.get("dialog", &visit.says("mask.title"));
    visit.settled();
    let frame = wait::until("the fitted picture", || {
        let frame = browser.script(
            "const r = document.querySelector('[data-testid=mask]').getBoundingClientRect(); return [r.left, r.top, r.width];",
            &json!([]),
        );
        let frame = [0, 1, 2].map(|side| frame[side].as_f64().unwrap_or_default());
        (frame[2] > 200.0).then_some(frame)
    });
    browser.fill("spinbutton", &visit.says("mask.size"), "30");
    let at = |x: f64, y: f64| (frame[0] + x * frame[2] / 128.0, frame[1] + y * frame[2] / 128.0);
    browser.draw("mouse", &[at(52.0, 70.0), at(76.0, 70.0)], 1.0);
    browser.click("button", &visit.says("mask.done"));
    visit.describe(OTHER, 8);
    browser.fill("spinbutton", &visit.says("studio.strength"), "0.9");
    browser.click("checkbox", &visit.says("studio.only_masked"));
    visit.settled();
    visit.keep("studio-mask-1280-light");
    visit.generate();
    let pictures = drawn(&visit, 2);
    let record = &pictures[0]["record"];
    assert_eq!(record["padding_mask_crop"], 32);
    let blur = record["mask_blur"].as_f64().expect("it has a soft edge");
    let (after, before) = (visit.pixels(&pictures[0]["id"]), visit.pixels(&pictures[1]["id"]));
    let mask = visit.pixels(&record["mask_image"]["id"]);
    assert_eq!((after.len(), mask.len()), (128 * 128, 128 * 128));
    // Farther from the mask than its soft edge reaches, every pixel is the same.
    let reach = (3.0 * blur).ceil() as i64 + 2;
    let white: Vec<(i64, i64)> = places().filter(|(x, y)| mask[(y * 128 + x) as usize][0] > 0).collect();
    let far = |x: i64, y: i64| white.iter().all(|(a, b)| (a - x).abs() > reach || (b - y).abs() > reach);
    let outside: Vec<_> = places().filter(|(x, y)| far(*x, *y)).collect();
    assert!(outside.len() > 4000, "there is an outside: {}", outside.len());
    let at = |(x, y): &(i64, i64)| (y * 128 + x) as usize;
    let changed = outside.iter().filter(|place| after[at(place)] != before[at(place)]).count();
    assert_eq!(changed, 0, "of {} pixels outside the mask", outside.len());
    let inside = white.iter().filter(|place| after[at(place)] != before[at(place)]).count();
    assert!(inside * 2 > white.len(), "{inside} of {} pixels inside changed", white.len());
    visit.no_faults();
}

fn places() -> impl Iterator<Item = (i64, i64)> {
    (0..128).flat_map(|y| (0..128).map(move |x| (x, y)))
}

#[test]
fn a_picture_is_enlarged_and_drawn_over() {
    let visit = Visit::to("/studio");
    let browser = &visit.browser;
    visit.describe(FIRST, 3);
    browser.click("button", &visit.says("studio.hires"));
    browser.click("checkbox", &visit.says("studio.hires_on"));
    browser.get("slider", &visit.says("studio.hires_strength"));
    visit.generate();
    let pictures = drawn(&visit, 1);
    assert_eq!(pictures[0]["record"]["hires"]["scale"], 2.0);
    assert_eq!((&pictures[0]["width"], &pictures[0]["height"]), (&json!(256), &json!(256)));
    visit.finished(FIRST, (256, 256));
    for (scheme, width, height) in [("light", 1280, 1100), ("dark", 390, 2200)] {
        browser.prefer(scheme);
        browser.resize(width, height);
        visit.settled();
        visit.keep(&format!("studio-hires-{width}-{scheme}"));
        assert!(!browser.scrolls_sideways(), "the second pass is wider than {width} px");
    }
    visit.no_faults();
}

#[test]
fn several_pictures_and_a_grid() {
    let visit = Visit::to("/studio");
    let browser = &visit.browser;
    visit.describe(FIRST, 3);
    browser.click("button", &visit.says("studio.several"));
    browser.fill("spinbutton", &visit.says("studio.count"), "3");
    browser.fill("textbox", &visit.says("studio.seed"), "40");
    visit.generate();
    let pictures = drawn(&visit, 3);
    let mut seeds: Vec<u64> =
        pictures.iter().filter_map(|picture| picture["record"]["seed"].as_u64()).collect();
    seeds.sort_unstable();
    assert_eq!(seeds, [40, 41, 42]);
    browser.get("list", &visit.says("studio.siblings"));
    browser.click("button", &visit.says("studio.grid"));
    browser.fill("textbox", &visit.says("studio.grid_values"), "1-2");
    browser.see(&visit.words.fill("studio.grid_count", &[("count", "2")]));
    visit.keep("studio-grid-1280-light");
    browser.click(
        "button",
        &format!(
            "{} {}",
            visit.says("studio.draw_grid"),
            visit.words.fill("studio.grid_count", &[("count", "2")])
        ),
    );
    let pictures = drawn(&visit, 6);
    assert_eq!(pictures.iter().filter(|picture| picture["kind"] == "grid").count(), 1, "one labelled sheet");
    visit.no_faults();
}
