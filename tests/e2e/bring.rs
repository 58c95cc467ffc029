//! A picture of another program is dropped: what its file says is told, taken over as far as it goes, and the rest is listed.

use chapan_tests::wait;
use serde_json::{Value, json};

use crate::visit::Visit;

/// What A1111 writes into its PNG files.
const SAID: &str = "a red fox in a field\nNegative prompt: blurry\nSteps: 7, Sampler: Euler a, CFG scale: 4.5, Seed: 12, \
                    Size: 128x128, Clip skip: 2";

/// Drops a PNG onto the element of a selector, as a hand from the desktop would.
const DROP: &str = "const file = new File([new Uint8Array(arguments[0])], 'fox.png', { type: 'image/png' });
    const data = new DataTransfer();
    data.items.add(file);
    const place = document.querySelector(arguments[1]);
    const event = (name) => new DragEvent(name, { dataTransfer: data, bubbles: true, cancelable: true });
    const over = place.dispatchEvent(event('dragover'));
    const fallen = place.dispatchEvent(event('drop'));
    return [over, fallen];";

fn fox() -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 64, 64);
    encoder.set_color(png::ColorType::Rgb);
    encoder.add_text_chunk("parameters".to_owned(), SAID.to_owned()).expect("the text fits");
    let mut writer = encoder.write_header().expect("a PNG begins");
    writer.write_image_data(&[180; 64 * 64 * 3]).expect("it is full");
    writer.finish().expect("it ends");
    file
}

/// Drops the fox; `false` twice means that the page took it and the browser stays.
fn drop_on(visit: &Visit, place: &str) -> Value {
    visit.browser.script(DROP, &json!([fox(), place]))
}

#[test]
fn a_picture_of_a1111_restores_what_can_be_restored() {
    let visit = Visit::to("/studio");
    let browser = &visit.browser;
    browser.get("button", &visit.says("studio.generate"));
    assert_eq!(drop_on(&visit, ".inspector"), json!([false, false]));
    browser.see(&visit.words.fill("studio.says_how", &[("program", "A1111")]));
    // Clip skip is not known here, and noise that a GPU drew cannot be drawn again.
    browser.click("button", &visit.words.fill("studio.lost", &[("count", "2")]));
    browser.see("Clip skip");
    browser.see("RNG");
    browser.see(&visit.says("studio.lost_not_supported"));
    visit.settled();
    visit.keep("studio-imported-1280-light");
    browser.click("button", &visit.says("gallery.use_settings"));
    wait::until("the prompt of the file", || {
        (browser.value("textbox", &visit.says("studio.prompt")) == "a red fox in a field").then_some(())
    });
    assert_eq!(browser.value("textbox", &visit.says("studio.seed")), "12");
    visit.unfold("studio.fine", "spinbutton", "studio.steps");
    assert_eq!(browser.value("spinbutton", &visit.says("studio.steps")), "7");
    assert_eq!(browser.value("spinbutton", &visit.says("studio.guidance")), "4.5");
    assert_eq!(browser.value("textbox", &visit.says("studio.negative_prompt")), "blurry");
    assert_eq!(browser.value("combobox", &visit.says("studio.scheduler")), "euler_a");
    visit.no_faults();
}

#[test]
fn a_picture_that_is_dropped_anywhere_comes_into_the_studio() {
    let visit = Visit::to("/models");
    visit.browser.get("heading", &visit.says("frame.models"));
    // What takes pictures comes with the other rooms, a while after the page.
    wait::until("the picture in the studio", || {
        drop_on(&visit, "#main");
        visit.browser.place().starts_with("/studio?image=").then_some(())
    });
    visit.finished("a red fox in a field", (64, 64));
    visit.browser.visit("/compare");
    visit.no_faults();
}
