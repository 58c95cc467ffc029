//! The first lesson: same seed, same picture; the browser itself is the judge.

use chapan_tests::wait;

use crate::visit::Visit;

#[test]
fn the_same_seed_twice_is_identical_in_the_browsers_own_eyes() {
    let visit = Visit::to("/lesson/same-seed");
    visit.browser.click("button", &visit.says("lesson.draw_twice"));
    visit.browser.see_at_last(&visit.says("lesson.identical"));
    visit.browser.see(&visit.says("lesson.passed_same"));
    let pictures = visit.pictures();
    assert_eq!(pictures.len(), 2, "two pictures were made, not one shown twice");
    assert_eq!(pictures[0]["sha256"], pictures[1]["sha256"]);
    visit.settled();
    visit.keep("lesson-identical-1280-light");
    // The address holds the experiment.
    visit.browser.reload();
    visit.browser.see(&visit.says("lesson.identical"));
    visit.no_faults();
}

#[test]
fn another_seed_is_another_picture() {
    let visit = Visit::to("/lesson/another-seed");
    visit.browser.click("button", &visit.says("lesson.draw_both"));
    wait::until("both pictures", || (visit.pictures().len() == 2).then_some(()));
    visit.browser.see_at_last("SSIM");
    let text = visit.browser.text();
    assert!(!text.contains(&visit.says("lesson.identical")), "{text}");
    visit.browser.see(&visit.says("lesson.passed_other"));
    visit.no_faults();
}
