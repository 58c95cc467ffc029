//! The studio: generate and watch, cancel, come back, wrong input, several at once, three languages.

use chapan_tests::browser::keys;
use chapan_tests::wait;

use crate::visit::Visit;
use crate::words::{ENGLISH, KAZAKH, RUSSIAN};

const PROMPT: &str = "a smiling man, round face, thin mustache, orange chapan robe";

#[test]
fn a_prompt_becomes_a_picture_step_by_step() {
    let visit = Visit::to("/");
    // Long enough that a fast machine is still at it when the third look is taken.
    visit.describe(PROMPT, 150);
    visit.generate();
    let first = visit.step_seen();
    let drawn = visit.words.fill("studio.preview_of", &[("prompt", PROMPT)]);
    wait::until("a preview of the latents", || {
        let preview = visit.browser.all("img", Some(&drawn)).into_iter().next()?;
        visit.browser.property(&preview, "src")?.starts_with("data:image/").then_some(())
    });
    assert!(visit.step_seen() >= first, "steps go forward");
    visit.keep("studio-watching-1280-light");
    visit.finished(PROMPT, (128, 128));
    let pictures = visit.pictures();
    assert_eq!(pictures.len(), 1);
    let seed = pictures[0]["record"]["seed"].to_string();
    visit.browser.see(&format!("{} {seed}", visit.says("studio.seed")));
    assert_eq!(pictures[0]["record"]["num_inference_steps"], 150);
    visit.no_faults();
}

#[test]
fn a_job_can_be_cancelled_between_two_steps() {
    let visit = Visit::to("/studio");
    visit.describe(PROMPT, 150);
    visit.generate();
    visit.step_seen();
    // The button shows its key beside its name.
    visit.browser.click("button", &format!("{} Esc", visit.says("studio.cancel")));
    visit.browser.see(&visit.says("studio.cancelled"));
    visit.browser.see(&visit.says("studio.cancelled_hint"));
    assert!(visit.pictures().is_empty(), "a cancelled job leaves no picture");
    // The device is free again at once.
    visit.describe(PROMPT, 3);
    visit.generate();
    visit.finished(PROMPT, (128, 128));
    visit.no_faults();
}

#[test]
fn escape_cancels_too() {
    let visit = Visit::to("/studio");
    visit.describe(PROMPT, 150);
    visit.generate();
    visit.step_seen();
    visit.browser.press(&[keys::ESCAPE]);
    visit.browser.see(&visit.says("studio.cancelled"));
}

#[test]
fn a_reload_in_the_middle_loses_nothing() {
    let visit = Visit::to("/studio");
    visit.describe(PROMPT, 150);
    visit.generate();
    let before = visit.step_seen();
    let place = visit.browser.place();
    assert!(place.contains("job="), "the address names the job: {place}");
    visit.browser.reload();
    assert!(visit.step_seen() >= before, "the job goes on, it does not begin again");
    visit.finished(PROMPT, (128, 128));
    assert_eq!(visit.pictures().len(), 1);
    // The settings outlive the reload as well.
    assert_eq!(visit.browser.value("textbox", &visit.says("studio.prompt")), PROMPT);
    visit.no_faults();
}

#[test]
fn a_closed_tab_finds_its_picture_on_return() {
    let visit = Visit::to("/studio");
    visit.describe(PROMPT, 4);
    visit.generate();
    visit.browser.visit("/models");
    wait::until("the picture, made while nobody looked", || (visit.pictures().len() == 1).then_some(()));
    visit.browser.visit("/studio");
    visit.finished(PROMPT, (128, 128));
}

#[test]
fn wrong_input_says_what_to_do() {
    let visit = Visit::to("/studio");
    let prompt = visit.browser.get("textbox", &visit.says("studio.prompt"));
    visit.generate();
    visit.browser.see(&visit.says("errors.required"));
    visit.browser.see(&visit.says("errors.required_hint"));
    let focused = visit
        .browser
        .script("return document.activeElement === arguments[0];", &serde_json::json!([prompt.argument()]));
    assert_eq!(focused, serde_json::json!(true), "the first field at fault has the focus");
    visit.describe(PROMPT, 0);
    visit.browser.see("1");
    visit.browser.see(&visit.words.fill("errors.out_of_range_hint", &[("min", "1"), ("max", "150")]));
    visit.describe(PROMPT, 4);
    visit.browser.fill("spinbutton", &visit.says("studio.width"), "130");
    visit.browser.see(&visit.words.fill("errors.not_multiple", &[("got", "130"), ("of", "8")]));
    visit.browser.see(&visit.words.fill("errors.not_multiple_hint", &[("low", "128"), ("high", "136")]));
    visit.browser.fill("textbox", &visit.says("studio.seed"), "one");
    visit.generate();
    assert!(visit.pictures().is_empty());
    visit.keep("studio-faults-1280-light");
    // Put right, it works.
    visit.browser.fill("spinbutton", &visit.says("studio.width"), "128");
    visit.browser.fill("textbox", &visit.says("studio.seed"), "1");
    visit.generate();
    visit.finished(PROMPT, (128, 128));
    assert_eq!(visit.pictures()[0]["record"]["seed"], 1);
}

#[test]
fn several_jobs_wait_in_line() {
    let visit = Visit::to("/studio");
    visit.describe(PROMPT, 150);
    visit.generate();
    visit.step_seen();
    visit.describe("a hotel room with a red bed", 3);
    visit.generate();
    visit.describe("a woman with braided hair", 3);
    visit.generate();
    visit.finished("a woman with braided hair", (128, 128));
    assert_eq!(visit.pictures().len(), 3);
    visit.no_faults();
}

#[test]
fn a_fixed_seed_gives_the_same_file() {
    let visit = Visit::to("/studio");
    visit.browser.fill("textbox", &visit.says("studio.seed"), "42");
    visit.describe(PROMPT, 5);
    for count in 1..=2 {
        visit.generate();
        wait::until("the picture", || (visit.pictures().len() == count).then_some(()));
    }
    let pictures = visit.pictures();
    assert_eq!(pictures[0]["record"]["seed"], 42);
    assert_eq!(pictures[0]["sha256"], pictures[1]["sha256"]);
}

#[test]
fn three_languages_from_the_first_word() {
    let mut visit = Visit::to("/studio");
    let names = [(RUSSIAN, "Русский"), (KAZAKH, "Қазақша"), (ENGLISH, "English")];
    for (words, name) in names {
        visit.browser.choose(&visit.says("frame.language"), name);
        visit.words = words;
        for room in ["lesson", "studio", "gallery", "models"] {
            visit.browser.get("link", &visit.says(&format!("frame.{room}")));
        }
        visit.generate();
        visit.browser.see(&visit.says("errors.required_hint"));
        let language = visit.browser.script("return document.documentElement.lang;", &serde_json::json!([]));
        assert_eq!(language, visit.words.code);
        visit.keep(&format!("studio-{}-1280-light", visit.words.code));
        // The choice outlives a reload.
        visit.browser.reload();
        visit.browser.get("button", &visit.says("studio.generate"));
    }
    visit.words = KAZAKH;
    visit.browser.choose("Language", "Қазақша");
    visit.describe(PROMPT, 3);
    visit.generate();
    visit.finished(PROMPT, (128, 128));
    visit.no_faults();
}

#[test]
fn a_server_that_goes_away_is_named() {
    let mut visit = Visit::to("/studio");
    visit.browser.get("button", &visit.says("studio.generate"));
    visit.server.kill();
    visit.describe(PROMPT, 3);
    visit.generate();
    visit.browser.see(&visit.says("errors.offline"));
    visit.browser.see(&visit.says("frame.server_gone"));
    assert_eq!(
        visit.browser.value("textbox", &visit.says("studio.prompt")),
        PROMPT,
        "what was written is kept"
    );
    visit.keep("studio-offline-1280-light");
}
