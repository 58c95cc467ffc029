//! Every page in both sizes and both themes: kept as pictures to look at, and held to what a machine can judge.

use crate::visit::Visit;

const PAGES: [&str; 7] = ["studio", "gallery", "lesson", "microscope", "training", "arena", "models"];
const SIZES: [(u32, u32); 2] = [(1280, 800), (390, 844)];

#[test]
fn every_page_fits_is_named_and_is_kept() {
    let visit = Visit::to("/studio");
    for (prompt, seed) in [
        (
            "a smiling man with a round face, wide open eyes, a thin moustache and short hair, wearing an orange patterned chapan robe, facing forward, steppe background, flat style",
            "7",
        ),
        ("a woman with braided hair, blue dress, yurt background, pastel style", "11"),
        ("a hotel room with a red bed, blue wall, a lamp and a plant", "3"),
    ] {
        visit.browser.fill("textbox", &visit.says("studio.seed"), seed);
        visit.describe(prompt, 20);
        visit.generate();
        visit.finished(prompt, (128, 128));
    }
    for scheme in ["light", "dark"] {
        visit.browser.prefer(scheme);
        for (width, height) in SIZES {
            visit.browser.resize(width, height);
            for page in PAGES {
                visit.browser.visit(&format!("/{page}"));
                visit.browser.get("link", &visit.says(&format!("frame.{page}")));
                visit.browser.get("main", "");
                visit.settled();
                visit.keep(&format!("{page}-{width}-{scheme}"));
                assert!(!visit.browser.scrolls_sideways(), "/{page} is wider than {width} px");
                let unnamed = visit.browser.unnamed();
                assert!(unnamed.is_empty(), "/{page} has controls without a name: {unnamed:#?}");
                let theme = visit
                    .browser
                    .script("return document.documentElement.dataset.theme;", &serde_json::json!([]));
                assert_eq!(theme, scheme, "/{page} follows the system");
            }
        }
    }
    visit.no_faults();
}

#[test]
fn a_page_that_is_not_there_says_so() {
    let visit = Visit::to("/nowhere");
    visit.browser.see(&visit.says("frame.no_page"));
    visit.browser.click("link", &visit.says("frame.to_studio"));
    visit.browser.get("button", &visit.says("studio.generate"));
}
