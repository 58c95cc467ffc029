//! The stack of LoRAs: put on, weighed for the denoiser and for the text encoders, in order, taken over again from a picture.

use chapan_tests::wait;
use serde_json::{Value, json};

use crate::visit::Visit;

const PROMPT: &str = "a smiling man, round face, orange chapan robe";

/// Chooses an entry of a list as a hand with a mouse does: typed one after the other, two names would be one to the list.
const CHOOSE: &str = "const list = document.querySelector(`select[aria-label=\"${arguments[0]}\"]`);
    list.value = [...list.options].find((option) => option.text === arguments[1]).value;
    list.dispatchEvent(new Event('change', { bubbles: true }));";

fn loras(visit: &Visit) -> Vec<(String, String)> {
    let client = chapan_tests::client::Client::new(&visit.server.address);
    let known = client.get("/api/loras").expect("the server answers").body;
    let text = |lora: &Value, name: &str| lora[name].as_str().map(str::to_owned);
    let list = known.as_array().or_else(|| known["items"].as_array()).cloned().unwrap_or_default();
    list.iter()
        .filter_map(|lora| {
            let id = text(lora, "id")?;
            Some((id.clone(), text(lora, "title").unwrap_or(id)))
        })
        .collect()
}

#[test]
fn a_stack_of_loras_is_drawn_with_and_taken_over_again() {
    let visit = Visit::to("/studio");
    let browser = &visit.browser;
    let installed = loras(&visit);
    assert!(installed.len() >= 2, "two LoRAs ship: {installed:?}");
    visit.describe(PROMPT, 3);
    // Weights in the prompt are one tick away.
    browser.click("checkbox", &visit.says("studio.weighting"));
    browser.click("button", "LoRA");
    for (_, title) in &installed[..2] {
        browser.script(CHOOSE, &json!([visit.says("studio.add_lora"), title]));
        browser.get("slider", title);
    }
    browser.fill("spinbutton", &visit.says("studio.lora_weight"), "0.6");
    browser.click("checkbox", &visit.says("studio.lora_own_text"));
    browser.fill("spinbutton", &visit.says("studio.lora_text_weight"), "0.25");
    visit.settled();
    visit.keep("studio-loras-1280-light");
    visit.generate();
    visit.finished(PROMPT, (128, 128));
    let record = |visit: &Visit| visit.pictures()[0]["record"].clone();
    let made = record(&visit);
    let (first, second) = (&made["loras"][0], &made["loras"][1]);
    assert_eq!((&first["model"], &first["weight"]), (&json!(installed[0].0), &json!(0.6)), "{made}");
    assert_eq!(first["text_encoder_weight"], 0.25);
    assert_eq!((&second["model"], &second["weight"]), (&json!(installed[1].0), &json!(1.0)));
    assert_eq!(second["text_encoder_weight"], Value::Null);
    assert_eq!(made["prompt_weighting"], true);
    // Without them, and then as that picture was made: the very same again.
    for _ in 0..2 {
        browser.click("button", &visit.says("studio.remove_lora"));
    }
    visit.describe("something else", 4);
    browser.click("button", &visit.says("gallery.use_settings"));
    wait::until("the prompt of the picture", || {
        (browser.value("textbox", &visit.says("studio.prompt")) == PROMPT).then_some(())
    });
    visit.generate();
    wait::until("the second picture", || (visit.pictures().len() == 2).then_some(()));
    let again = record(&visit);
    assert_eq!(again, made, "every setting was taken over");
    let pictures = visit.pictures();
    assert_eq!(visit.pixels(&pictures[0]["id"]), visit.pixels(&pictures[1]["id"]));
    visit.no_faults();
}
