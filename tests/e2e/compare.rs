//! Two pictures against each other, measured in the worker.

use std::time::Duration;

use chapan_metrics::ssim::{Size, Window, ssim};
use chapan_tests::wait;
use serde_json::{Value, json};

use crate::visit::Visit;

const PROMPT: &str = "a hotel room with a lamp and a plant";
const OTHER: &str = "a hotel room with a red bed";

fn two_pictures(visit: &Visit) {
    for prompt in [PROMPT, OTHER] {
        visit.describe(prompt, 3);
        visit.generate();
        visit.finished(prompt, (128, 128));
    }
}

#[test]
fn two_pictures_are_chosen_looked_at_and_measured() {
    let visit = Visit::to("/studio");
    two_pictures(&visit);
    visit.browser.click("link", &visit.says("compare.compare_with"));
    visit.browser.see(&visit.says("compare.choose"));
    visit.browser.script(
        "[...document.querySelectorAll('.choice')][1].querySelectorAll('button')[1].click();",
        &json!([]),
    );
    visit.browser.see_at_last(&visit.says("compare.ssim_gaussian"));
    visit.browser.see("dB");
    the_numbers_are_those_of_the_crate(&visit);
    visit.browser.tab_to("slider", &visit.says("compare.line"));
    visit.settled();
    visit.keep("compare-slider-1280-light");
    for (place, name) in [(1, "halves"), (2, "difference")] {
        let script = "document.querySelectorAll('.segment input')[arguments[0]].click();";
        visit.browser.script(script, &json!([place]));
        visit.settled();
        visit.keep(&format!("compare-{name}-1280-light"));
    }
    visit.browser.get("img", &visit.says("compare.map"));
    visit.browser.prefer("dark");
    visit.browser.resize(390, 844);
    visit.settled();
    visit.keep("compare-390-dark");
    assert!(!visit.browser.scrolls_sideways());
    assert!(visit.browser.unnamed().is_empty(), "{:#?}", visit.browser.unnamed());
    visit.no_faults();
}

/// The browser's WebAssembly measures what the same crate measures here.
fn the_numbers_are_those_of_the_crate(visit: &Visit) {
    let found = visit.browser.script(
        "return [...document.querySelectorAll('[data-exact]')].map((figure) => Number(figure.dataset.exact));",
        &json!([]),
    );
    let wide = |id: &Value| visit.pixels(id).into_iter().flatten().map(f64::from).collect::<Vec<_>>();
    let pictures = visit.pictures();
    let (a, b) = (wide(&pictures[0]["id"]), wide(&pictures[1]["id"]));
    let size = Size { width: 128, height: 128, channels: 3 };
    for (place, window) in [(0, Window::Uniform7), (1, Window::Gaussian11)] {
        let here = ssim(&a, &b, size, 255.0, window).expect("two pictures of one size");
        let there = found[place].as_f64().expect("the page says its number");
        assert!((here - there).abs() <= 1e-6, "{window:?}: {there} in the browser, {here} here");
    }
}

/// Keeps the page's workers in reach of a story.
const CATCH: &str = "window.workers = []; const Real = window.Worker;
    window.Worker = class extends Real { constructor(...of) { super(...of); window.workers.push(this); } };";

#[test]
fn a_worker_that_panics_is_told_and_starts_again() {
    let visit = Visit::to("/studio");
    two_pictures(&visit);
    let session = &visit.browser.session;
    session
        .devtools("Page.addScriptToEvaluateOnNewDocument", &json!({"source": CATCH}))
        .expect("the browser takes scripts");
    let ids: Vec<String> = visit
        .pictures()
        .iter()
        .map(|picture| picture["id"].as_str().unwrap_or_default().to_owned())
        .collect();
    visit.browser.visit(&format!("/compare?first={}&second={}", ids[0], ids[1]));
    visit.browser.see_at_last(&visit.says("compare.ssim_gaussian"));
    let count = || visit.browser.script("return window.workers.length;", &json!([]));
    assert_eq!(count(), json!(1));
    // Latents of a size that no page asks for cannot be held by any memory: the program panics.
    let task = json!({"id": 999_999, "task": {"Draw": {"model": "chapan-mini", "prompt": "x", "negative_prompt": null, "seed": 1,
        "num_inference_steps": 1, "guidance_scale": 1.0, "width": 65536, "height": 65536, "scheduler": null}}});
    // Comparisons go on meanwhile. The one that waits when it dies is answered with a notice; the next starts another worker.
    // Where none waits in that moment nobody is told, and the next worker gets the task.
    let poison = || {
        let script = "if (window.workers.length > (window.poisoned ?? 0)) {
            window.poisoned = window.workers.length;
            window.workers.at(-1).postMessage([arguments[0]]);
        }";
        visit.browser.script(script, &json!([task.to_string()]));
    };
    let swap = || visit.browser.click("button", &visit.says("compare.swap"));
    let told = || visit.browser.text().contains(&visit.says("errors.worker_crashed")).then_some(());
    wait::until("the notice", || {
        poison();
        swap();
        wait::attempt(Duration::from_millis(400), told)
    });
    swap();
    wait::until("the next comparison", || told().is_none().then_some(()));
    visit.browser.see_at_last(&visit.says("compare.ssim_gaussian"));
    assert!(count().as_u64() >= Some(2), "another worker was started");
}
