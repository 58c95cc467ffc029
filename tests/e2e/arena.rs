//! A short competition in the browser, from the references to the report, with a vote by keyboard.

use chapan_tests::browser::keys;
use chapan_tests::client::Client;
use chapan_tests::wait;
use serde_json::{Value, json};

use crate::training::{draft_has_a_lora, drop_files, keep_all, references};
use crate::visit::Visit;

/// The number of elements that a selector finds.
fn count(visit: &Visit, selector: &str) -> u64 {
    let script = "return document.querySelectorAll(arguments[0]).length;";
    visit.browser.script(script, &json!([selector])).as_u64().unwrap_or_default()
}

#[test]
fn a_short_competition_from_upload_to_report() {
    let visit = Visit::to("/training");
    let browser = &visit.browser;
    browser.see(&visit.says("training.bring"));
    drop_files(&visit, &references());
    wait::until("the new references", || browser.place().contains("dataset=").then_some(()));
    browser.visit("/arena");
    browser.see(&visit.says("arena.empty"));
    browser.click("link", &visit.says("arena.new"));
    wait::until("the references to choose", || (count(&visit, ".set") == 1).then_some(()));
    browser.script("document.querySelector('.set input').click();", &json!([]));
    browser.fill("textbox", &visit.says("arena.prompts"), "aldar smiling in the steppe");
    for (role, key, value) in [("spinbutton", "arena.rounds", "1"), ("spinbutton", "arena.seeds", "2")] {
        browser.fill(role, &visit.says(key), value);
    }
    for (key, value) in [
        ("arena.train_steps", "6"),
        ("training.rate", "0.001"),
        ("training.rank", "4"),
        ("studio.steps", "4"),
    ] {
        visit.unfold("training.more", "spinbutton", key);
        browser.fill("spinbutton", &visit.says(key), value);
    }
    keep_all(&visit, "arena-setup");
    browser.click("button", &visit.says("arena.start"));
    wait::until("the address of the competition", || browser.place().starts_with("/arena/").then_some(()));
    browser.see(&visit.says("arena.train"));
    browser.see_at_last(&visit.says("arena.report"));
    // Two contestants with two pictures each, scores with whiskers, the story of the round.
    wait::until("the bracket", || (count(&visit, ".bracket-picture") == 4).then_some(()));
    assert!(count(&visit, ".bar-whisker") >= 2, "scores have whiskers");
    let decided = "return document.querySelector('.lessons-decision').innerText;";
    let ends = [visit.says("arena.last_round"), visit.says("arena.gap_closed")];
    let decided = browser.script(decided, &json!([])).as_str().unwrap_or_default().trim().to_owned();
    assert!(ends.contains(&decided), "why it ended is said: {decided}");
    browser.script("document.querySelector('.bracket-picture').click();", &json!([]));
    wait::until("the reasons", || (count(&visit, ".why-feature") > 0).then_some(()));
    browser.see(&visit.says("arena.clip_similarity"));
    vote(&visit);
    keep_all(&visit, "arena-report");
    the_report_is_a_page_of_its_own(&visit);
    browser.reload();
    wait::until("the bracket after a reload", || (count(&visit, ".bracket-picture") == 4).then_some(()));
    browser.click("button", &visit.says("arena.take_lora"));
    wait::until("the studio", || browser.place().starts_with("/studio").then_some(()));
    draft_has_a_lora(&visit);
    visit.no_faults();
}

/// One vote with the arrow keys; the count stands beside the scores then.
fn vote(visit: &Visit) {
    let browser = &visit.browser;
    browser.tab_to("button", &visit.says("arena.left"));
    browser.press(&[keys::RIGHT]);
    browser.see(&visit.words.fill("arena.given", &[("count", "1")]));
    wait::until("the count", || (count(visit, ".score-votes") == 2).then_some(()));
}

/// The link leads to a page that needs nothing else.
fn the_report_is_a_page_of_its_own(visit: &Visit) {
    let link = visit.browser.get("link", &visit.says("arena.report"));
    let href = visit.browser.property(&link, "href").unwrap_or_default();
    assert!(href.ends_with("#en"), "it opens in the reader's language: {href}");
    let path =
        href.split(&visit.server.address).last().unwrap_or_default().trim_end_matches("#en").to_owned();
    let page = Client::new(&visit.server.address).file(&path).expect("the report is there");
    let page = String::from_utf8_lossy(&page).into_owned();
    assert!(page.contains("data:image/png") && !page.contains("src=\"http"), "it holds its pictures");
    let list = Client::new(&visit.server.address).get("/api/competitions").expect("the server answers").body;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(list["items"][0]["job"]["status"], Value::from("succeeded"));
}
