//! The prompt check under the prompt of the studio, in the worker and without the server.

use chapan_tests::wait;
use serde_json::{Value, json};

use crate::visit::Visit;

fn type_prompt(visit: &Visit, prompt: &str) {
    visit.browser.fill("textbox", &visit.says("studio.prompt"), prompt);
}

fn tokens(visit: &Visit, count: &str) {
    visit.browser.see_at_last(&visit.words.fill("prompt.tokens", &[("count", count), ("limit", "77")]));
}

#[test]
fn a_prompt_is_counted_read_and_mended() {
    let mut visit = Visit::to("/studio");
    type_prompt(&visit, "a man with an orange chapan, a man with an orange chapan, no hat");
    visit.browser.see_at_last(&visit.words.fill("prompt.negation", &[("words", "no hat")]));
    visit.settled();
    visit.keep("prompt-check-1280-light");
    // From here on nobody needs the server.
    visit.server.kill();
    visit.browser.click("button", &visit.says("prompt.to_negative"));
    visit.unfold("studio.fine", "textbox", "studio.negative_prompt");
    assert_eq!(visit.browser.value("textbox", &visit.says("studio.negative_prompt")), "hat");
    visit.browser.click("button", &visit.says("prompt.tidy"));
    let value = || visit.browser.value("textbox", &visit.says("studio.prompt"));
    wait::until("the mended prompt", || (value() == "a man with an orange chapan").then_some(()));

    // Nonsense has a token for nearly every letter, so the end is cut off.
    let long = vec!["orange chapan"; 60].join(" ");
    type_prompt(&visit, &long);
    visit.browser.see(&visit.says("prompt.cut"));
    visit.settled();
    visit.keep("prompt-cut-1280-light");

    // Warm, a check takes milliseconds.
    let took = || {
        let script = "return Number(document.querySelector('[data-testid=prompt-check]').dataset.took);";
        visit.browser.script(script, &json!([])).as_f64().expect("a time")
    };
    let mut times = Vec::new();
    for word in ["a man", "a woman", "a room", "a horse", "a yurt"] {
        type_prompt(&visit, word);
        let script = "return document.querySelector('.check-cut') === null;";
        wait::until("the check", || {
            (visit.browser.script(script, &json!([])) == Value::Bool(true)).then_some(())
        });
        times.push(took());
    }
    times.sort_by(f64::total_cmp);
    eprintln!("warm prompt checks took {times:?} ms");
    assert!(times[times.len() / 2] <= 50.0, "a warm check takes {times:?} ms");
}

#[test]
fn tokens_are_those_of_the_encoders() {
    let visit = Visit::to("/studio");
    type_prompt(&visit, "a man");
    // Start, two words, end.
    tokens(&visit, "4");
}
