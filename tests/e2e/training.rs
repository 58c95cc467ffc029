//! A LoRA from a handful of pictures: brought in, looked at, learnt, watched, used.

use std::fs;

use chapan_tests::browser::keys;
use chapan_tests::{tree, wait};
use serde_json::{Value, json};

use crate::visit::Visit;

/// Gives files to the place that takes them, as if they were dropped on it: names with their bytes.
pub fn drop_files(visit: &Visit, files: &[(String, Vec<u8>)]) {
    const DROP: &str = "const data = new DataTransfer();
        for (const [name, bytes] of arguments[0]) { data.items.add(new File([new Uint8Array(bytes)], name)); }
        document.querySelector('.bring').dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));";
    let files: Vec<Value> = files.iter().map(|(name, bytes)| json!([name, bytes])).collect();
    visit.browser.script(DROP, &json!([files]));
}

/// The hero's pictures with what lies beside them.
pub fn references() -> Vec<(String, Vec<u8>)> {
    let folder = tree::root().join("assets/references/aldar/training");
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(&folder)
        .expect("the references are there")
        .flatten()
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).expect("a reference can be read"))
        })
        .collect();
    files.sort();
    files
}

/// Opens the folded settings and writes a number into one of them.
fn set(visit: &Visit, key: &str, value: &str) {
    visit.unfold("training.more", "spinbutton", key);
    visit.browser.fill("spinbutton", &visit.says(key), value);
}

fn frames(visit: &Visit) -> u64 {
    let count = "return document.querySelectorAll('.film-frame img').length;";
    visit.browser.script(count, &json!([])).as_u64().unwrap_or_default()
}

/// Keeps a page in both sizes and themes, and holds it to what a machine can judge.
pub fn keep_all(visit: &Visit, name: &str) {
    visit
        .browser
        .script("document.querySelector('main').scrollTo(0, 0); document.activeElement.blur();", &json!([]));
    for scheme in ["light", "dark"] {
        visit.browser.prefer(scheme);
        for (width, height) in [(1280, 800), (390, 844)] {
            visit.browser.resize(width, height);
            visit.settled();
            visit.keep(&format!("{name}-{width}-{scheme}"));
            assert!(!visit.browser.scrolls_sideways(), "{name} is wider than {width} px");
            let unnamed = visit.browser.unnamed();
            assert!(unnamed.is_empty(), "{name} has controls without a name: {unnamed:#?}");
        }
    }
    visit.browser.prefer("light");
    visit.browser.resize(1280, 800);
}

/// The next picture of the studio will be drawn with a LoRA.
pub fn draft_has_a_lora(visit: &Visit) {
    visit.browser.see(&visit.says("training.lora_added"));
    let count =
        "return (JSON.parse(localStorage.getItem('chapan.draft')) ?? {}).request?.loras?.length ?? 0;";
    wait::until("a LoRA in the draft", || {
        (visit.browser.script(count, &json!([])).as_u64() >= Some(1)).then_some(())
    });
}

#[test]
fn pictures_are_brought_in_looked_at_and_learnt() {
    let visit = Visit::to("/training");
    let browser = &visit.browser;
    browser.see(&visit.says("training.bring"));
    let mut files = references();
    let pictures = files.iter().filter(|(_, bytes)| bytes.starts_with(b"\x89PNG")).count();
    files.push(("notes.png".to_owned(), b"this is no picture".to_vec()));
    drop_files(&visit, &files);
    // The one that cannot be read is told by its name; the others are there, with the captions that lay beside them.
    wait::until("the address of the new references", || browser.place().contains("dataset=").then_some(()));
    browser.see("notes.png");
    let cards = || {
        let count = "return document.querySelectorAll('.ref').length;";
        browser.script(count, &json!([])).as_u64().unwrap_or_default()
    };
    wait::until("a card for each picture", || (cards() == pictures as u64).then_some(()));
    browser.fill("textbox", &visit.says("training.trigger"), "aldar");
    browser.press(&[keys::TAB]);
    // Looked at: what all pictures share is said, and captions are offered.
    browser.click("button", &visit.says("training.look"));
    browser.see_at_last(&visit.says("training.key_features"));
    browser.see_at_last(&visit.says("training.what_clip_sees"));
    browser.click("button", &visit.says("training.take_captions"));
    let caption = "return document.querySelector('.ref-caption').value;";
    wait::until("a caption that was taken over", || {
        browser.script(caption, &json!([])).as_str().filter(|text| text.starts_with("aldar")).map(|_| ())
    });
    set(&visit, "training.steps", "6");
    set(&visit, "training.sample_every", "3");
    set(&visit, "training.validate_every", "2");
    browser.see_at_last(&visit.says("training.memory_of"));
    keep_all(&visit, "training-prepare");
    browser.click("button", &visit.says("training.start"));
    wait::until("the address of the training", || browser.place().starts_with("/training/").then_some(()));
    browser.see_at_last(&visit.says("training.finished"));
    wait::until("a film of three pictures", || (frames(&visit) >= 3).then_some(()));
    // A reload loses nothing.
    browser.reload();
    browser.see_at_last(&visit.says("training.finished"));
    wait::until("the same film", || (frames(&visit) >= 3).then_some(()));
    keep_all(&visit, "training-finished");
    browser.click("button", &visit.says("training.use_in_studio"));
    wait::until("the studio", || browser.place().starts_with("/studio").then_some(()));
    draft_has_a_lora(&visit);
    // The one refusal is that of the file that is no picture.
    let faults = browser.faults();
    assert!(faults.iter().all(|fault| fault.contains("/api/images?reference=true")), "{faults:#?}");
}
