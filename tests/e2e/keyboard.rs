//! The studio without a mouse.

use chapan_tests::browser::keys;

use crate::visit::Visit;

const PROMPT: &str = "a man with a topknot, blue wall";

#[test]
fn a_picture_with_the_keyboard_alone() {
    let visit = Visit::to("/studio");
    let browser = &visit.browser;
    browser.tab_to("textbox", &visit.says("studio.prompt"));
    for letter in PROMPT.chars() {
        browser.press(&[&letter.to_string()]);
    }
    browser.tab_to("button", &visit.says("studio.fine"));
    browser.press(&[keys::ENTER]);
    browser.tab_to("spinbutton", &visit.says("studio.steps"));
    browser.press(&[keys::CONTROL, "a"]);
    browser.press(&["3"]);
    browser.tab_to("button", &visit.says("studio.generate"));
    browser.press(&[keys::ENTER]);
    visit.finished(PROMPT, (128, 128));
    // The shortcut, from inside the text.
    browser.tab_to("textbox", &visit.says("studio.prompt"));
    browser.press(&[keys::CONTROL, keys::ENTER]);
    chapan_tests::wait::until("the second picture", || (visit.pictures().len() == 2).then_some(()));
    visit.no_faults();
}

#[test]
fn every_room_is_reached_and_the_frame_is_skipped() {
    let visit = Visit::to("/studio");
    let browser = &visit.browser;
    browser.get("button", &visit.says("studio.generate"));
    browser.press(&[keys::TAB]);
    let skip = browser.script("return document.activeElement.textContent.trim();", &serde_json::json!([]));
    assert_eq!(skip, visit.says("frame.skip"), "the first stop of the tabulator skips the frame");
    for room in ["gallery", "models", "lesson", "studio"] {
        browser.tab_to("link", &visit.says(&format!("frame.{room}")));
        browser.press(&[keys::ENTER]);
        chapan_tests::wait::until("the room", || {
            browser.place().starts_with(&format!("/{room}")).then_some(())
        });
    }
}

#[test]
fn the_focus_can_be_seen() {
    let visit = Visit::to("/studio");
    visit.browser.tab_to("button", &visit.says("studio.generate"));
    let script = "const style = getComputedStyle(document.activeElement);
        return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 || style.boxShadow !== 'none';";
    assert_eq!(visit.browser.script(script, &serde_json::json!([])), serde_json::json!(true));
}
