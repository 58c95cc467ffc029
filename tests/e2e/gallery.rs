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

#[test]
fn pictures_are_starred_sorted_sought_and_fetched_together() {
    let visit = Visit::to("/studio");
    let browser = &visit.browser;
    for (count, prompt) in [(1, "a red bed"), (2, "a blue robe")] {
        visit.describe(prompt, 3);
        visit.generate();
        wait::until("the picture", || (visit.pictures().len() == count).then_some(()));
    }
    browser.visit("/gallery");
    browser.get("link", "a red bed");
    browser.fill("searchbox", &visit.says("gallery.search"), "robe");
    wait::until("one picture", || browser.all("link", Some("a red bed")).is_empty().then_some(()));
    browser.get("link", "a blue robe");
    assert!(browser.place().contains("search=robe"), "the address holds the search: {}", browser.place());
    browser.click("button", &visit.says("gallery.star"));
    wait::until("the star", || (visit.pictures()[0]["starred"] == true).then_some(()));
    browser.visit("/gallery?starred=true");
    browser.get("link", "a blue robe");
    assert!(browser.all("link", Some("a red bed")).is_empty());
    browser.choose(&visit.says("gallery.folder"), &visit.says("gallery.new_folder"));
    browser.fill("textbox", &visit.says("gallery.folder_name"), "Robes");
    browser.click("button", &visit.says("gallery.make_folder"));
    browser.see(&visit.says("gallery.none_found"));
    browser.visit("/gallery");
    browser.click("checkbox", &visit.words.fill("gallery.choose", &[("name", "a blue robe")]));
    browser.see(&visit.words.fill("gallery.chosen", &[("count", "1")]));
    visit.settled();
    visit.keep("gallery-chosen-1280-light");
    browser.choose(&visit.says("gallery.move_to"), "Robes");
    wait::until("the folder", || visit.pictures()[0]["folder"].is_string().then_some(()));
    browser.click("checkbox", &visit.words.fill("gallery.choose", &[("name", "a blue robe")]));
    browser.click("checkbox", &visit.words.fill("gallery.choose", &[("name", "a red bed")]));
    let zip = browser.get("link", "ZIP");
    let href = browser.property(&zip, "href").unwrap_or_default();
    let path = href.split_once("/api/").map(|(_, rest)| format!("/api/{rest}")).unwrap_or_default();
    let file = chapan_tests::client::Client::new(&visit.server.address).file(&path).unwrap_or_default();
    assert!(file.starts_with(b"PK"), "the link leads to a ZIP file: {href}");
    browser.click("button", &visit.says("gallery.delete"));
    browser.see(&visit.says("gallery.deleted"));
    visit.no_faults();
}

#[test]
fn a_picture_is_made_again_and_compared() {
    let visit = Visit::to("/studio");
    let browser = &visit.browser;
    visit.describe(PROMPT, 4);
    visit.generate();
    visit.finished(PROMPT, (128, 128));
    browser.visit("/gallery");
    browser.click("link", PROMPT);
    browser.click("button", &visit.says("gallery.reproduce"));
    browser.see_at_last(&visit.says("lesson.identical"));
    visit.no_faults();
}
