//! The gallery: own pictures with all parameters, taken over, deleted and brought back.

use chapan_tests::browser::keys;
use chapan_tests::wait;

use crate::visit::Visit;

const PROMPT: &str = "a hotel room with a lamp and a plant";

#[test]
fn a_picture_is_found_used_deleted_and_brought_back() {
    let visit = Visit::to("/gallery");
    let browser = &visit.browser;
    browser.see(&visit.says("gallery.empty"));
    browser.click("link", &visit.says("frame.to_studio"));
    browser.fill("textbox", &visit.says("studio.seed"), "77");
    visit.describe(PROMPT, 4);
    visit.generate();
    visit.finished(PROMPT, (128, 128));

    browser.click("link", &visit.says("frame.gallery"));
    browser.click("link", PROMPT);
    browser.get("dialog", &visit.says("gallery.lightbox"));
    browser.see("77");
    visit.settled();
    visit.keep("lightbox-1280-light");
    browser.press(&[keys::ESCAPE]);
    wait::until("the closed lightbox", || browser.all("dialog", None).is_empty().then_some(()));

    browser.click("button", &visit.says("gallery.delete"));
    browser.see(&visit.says("gallery.empty"));
    browser.click("button", &visit.says("frame.undo"));
    browser.get("link", PROMPT);
    assert_eq!(visit.pictures().len(), 1);
    visit.no_faults();
}

#[test]
fn settings_of_a_picture_are_taken_over() {
    let visit = Visit::to("/studio");
    let browser = &visit.browser;
    browser.fill("textbox", &visit.says("studio.seed"), "5");
    visit.describe(PROMPT, 6);
    visit.generate();
    visit.finished(PROMPT, (128, 128));
    visit.describe("something else", 9);
    browser.click("link", &visit.says("frame.gallery"));
    browser.click("link", PROMPT);
    browser.click("button", &visit.says("gallery.use_settings"));
    wait::until("the studio", || browser.place().starts_with("/studio").then_some(()));
    assert_eq!(browser.value("textbox", &visit.says("studio.prompt")), PROMPT);
    assert_eq!(browser.value("textbox", &visit.says("studio.seed")), "5");
    assert_eq!(browser.value("spinbutton", &visit.says("studio.steps")), "6");
    visit.no_faults();
}
