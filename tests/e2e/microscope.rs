//! The microscope: the engine in the browser's worker, with the server gone, and the same picture as the server's.

use chapan_tests::client::Client;
use chapan_tests::wait;
use serde_json::{Value, json};

use crate::visit::Visit;

const PROMPT: &str = "a smiling man, round face, thin mustache, orange chapan robe";
const STEPS: u32 = 6;
const SEED: u64 = 7;

/// Notes for how long the main thread was held up, by the browser's own account.
const WATCH: &str = "window.heldUp = []; window.began = performance.now();
    new PerformanceObserver((list) => list.getEntries().forEach((task) => window.heldUp.push(task.duration)))
        .observe({ type: 'longtask' });";

/// Draws the server's picture on a canvas of the page and keeps its pixels.
const REMEMBER: &str = "const image = new Image();
    image.onload = () => {
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
        const context = canvas.getContext('2d');
        context.drawImage(image, 0, 0);
        window.remembered = context.getImageData(0, 0, canvas.width, canvas.height).data;
    };
    image.src = arguments[0];";

/// The greatest and the mean difference of a canvas and the remembered pixels.
const COMPARE: &str = "const data = arguments[0].getContext('2d').getImageData(0, 0, arguments[0].width, arguments[0].height).data;
    if (data.length !== window.remembered.length) return null;
    let [most, sum] = [0, 0];
    data.forEach((value, at) => { const apart = Math.abs(value - window.remembered[at]); most = Math.max(most, apart); sum += apart; });
    return [most, sum / data.length];";

fn drawn_by_the_server(visit: &Visit) -> String {
    let client = Client::new(&visit.server.address);
    let asked = json!({"prompt": PROMPT, "seed": SEED, "num_inference_steps": STEPS, "guidance_scale": 5.0});
    let job = client.post("/api/generations", &asked).expect("the server answers").body;
    let place = format!("/api/jobs/{}", job["id"].as_str().expect("a job has an id"));
    let image = wait::until("the server's picture", || {
        let job = client.get(&place).ok()?.body;
        job["image"].as_str().map(str::to_owned)
    });
    format!("/api/images/{image}/file")
}

fn fill(visit: &Visit, steps: u32) {
    let browser = &visit.browser;
    browser.fill("textbox", &visit.says("studio.prompt"), PROMPT);
    browser.fill("textbox", &visit.says("studio.seed"), &SEED.to_string());
    browser.fill("spinbutton", &visit.says("studio.steps"), &steps.to_string());
    browser.fill("spinbutton", &visit.says("studio.guidance"), "5");
}

/// Turns the switch to the browser, and waits until its model is there.
fn in_the_browser(visit: &Visit) {
    visit.browser.click("radio", &visit.says("microscope.in_browser"));
    let words = visit.says("microscope.ready");
    visit.browser.see_at_last(words.split("{{").next().expect("there is a beginning").trim());
}

fn drawn(visit: &Visit) {
    wait::until("the picture of the browser", || {
        let told = visit
            .browser
            .script("return document.querySelectorAll('[data-testid=took]').length;", &json!([]));
        (told.as_u64() >= Some(1)).then_some(())
    });
}

#[test]
fn the_browser_draws_what_the_server_draws_and_does_so_without_it() {
    let mut visit = Visit::to("/microscope");
    let picture = drawn_by_the_server(&visit);
    visit.browser.script(REMEMBER, &json!([picture]));
    wait::until("the pixels of the server", || {
        (visit.browser.script("return Boolean(window.remembered);", &json!([])) == Value::Bool(true))
            .then_some(())
    });
    in_the_browser(&visit);
    visit.server.kill();
    visit.browser.script(WATCH, &json!([]));
    fill(&visit, STEPS);
    visit.browser.click("button", &visit.says("microscope.draw"));
    drawn(&visit);
    let took = visit.browser.script("return performance.now() - window.began;", &json!([]));

    // The same picture: other rounding of other instructions is all that differs.
    let name = visit.words.fill("microscope.expected_at", &[("step", &STEPS.to_string())]);
    let canvas = visit.browser.get("img", &name);
    let apart = visit.browser.script(COMPARE, &json!([canvas.argument()]));
    let (most, mean) = (apart[0].as_f64().expect("same size"), apart[1].as_f64().expect("a mean"));
    eprintln!("browser against server: at most {most} levels apart, {mean:.4} in the mean");
    assert!(most <= 4.0 && mean < 0.1, "at most {most} levels apart, {mean} in the mean");

    // The main thread was free while the model worked.
    let held = visit.browser.script("return window.heldUp;", &json!([]));
    let held: Vec<f64> = held.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    let (sum, took) = (held.iter().sum::<f64>(), took.as_f64().expect("a time"));
    eprintln!("main thread held up for {sum:.0} of {took:.0} ms, in {} tasks of 50 ms and more", held.len());
    assert!(sum < 0.05 * took, "the main thread was held up for {sum} of {took} ms: {held:?}");

    // Every step can be looked at, with the keyboard alone.
    let words = |step: u32| {
        visit.words.fill("studio.step_of", &[("step", &step.to_string()), ("total", &STEPS.to_string())])
    };
    visit.browser.see(&words(STEPS));
    visit.browser.tab_to("slider", &visit.says("microscope.timeline"));
    visit.browser.press(&["\u{e012}"]);
    visit.browser.see(&words(STEPS - 1));
    visit.browser.press(&["\u{e011}"]);
    visit.browser.see(&words(1));
    visit.settled();
    visit.keep("microscope-1280-light");
}

#[test]
fn two_runs_stand_beside_each_other() {
    let visit = Visit::to("/microscope");
    in_the_browser(&visit);
    fill(&visit, 3);
    visit.browser.choose(&visit.says("microscope.second"), &visit.says("microscope.other_seed"));
    visit.browser.get("textbox", &visit.says("lesson.second_seed"));
    visit.browser.click("button", &visit.says("microscope.draw"));
    wait::until("both pictures", || {
        let told = visit
            .browser
            .script("return document.querySelectorAll('[data-testid=took]').length;", &json!([]));
        (told == json!(2)).then_some(())
    });
    for (scheme, width, height) in [("light", 1280, 900), ("dark", 1280, 900), ("light", 390, 844)] {
        visit.browser.prefer(scheme);
        visit.browser.resize(width, height);
        visit.settled();
        visit.keep(&format!("microscope-two-{width}-{scheme}"));
        assert!(!visit.browser.scrolls_sideways(), "the microscope is wider than {width} px");
    }
    assert!(visit.browser.unnamed().is_empty(), "{:#?}", visit.browser.unnamed());
    visit.no_faults();
}

#[test]
fn a_drawing_is_stopped_at_once_and_drawn_anew() {
    let visit = Visit::to("/microscope");
    in_the_browser(&visit);
    fill(&visit, 50);
    visit.browser.click("button", &visit.says("microscope.draw"));
    visit.browser.click("button", &visit.says("studio.cancel"));
    visit.browser.see(&visit.says("errors.stopped"));
    fill(&visit, 2);
    visit.browser.click("button", &visit.says("microscope.draw"));
    drawn(&visit);
}

#[test]
fn the_server_draws_first_and_its_steps_are_looked_at() {
    let visit = Visit::to("/microscope");
    let browser = &visit.browser;
    fill(&visit, STEPS);
    browser.choose(&visit.says("microscope.second"), &visit.says("microscope.other_guidance"));
    browser.click("button", &visit.says("microscope.draw"));
    wait::until("both pictures", || {
        let told =
            browser.script("return document.querySelectorAll('[data-testid=took]').length;", &json!([]));
        (told == json!(2)).then_some(())
    });
    assert_eq!(visit.pictures().len(), 2, "what the server draws is kept in the gallery");
    let words = |step: u32| {
        visit.words.fill("studio.step_of", &[("step", &step.to_string()), ("total", &STEPS.to_string())])
    };
    browser.tab_to("slider", &visit.says("microscope.timeline"));
    browser.press(&["\u{e011}"]);
    browser.see(&words(1));
    // The expectation of the first step is decoded at full size, too.
    let name = visit.words.fill("microscope.expected_at", &[("step", "1")]);
    wait::until("the expectation of the first step", || {
        let canvas = browser.all("img", Some(&name));
        (browser.property(canvas.first()?, "width")? == "128").then_some(())
    });
    browser.see(&visit.says("microscope.parts"));
    visit.settled();
    visit.keep("microscope-server-1280-light");
    assert!(browser.unnamed().is_empty(), "{:#?}", browser.unnamed());
    visit.no_faults();
}
