//! The mask editor: painted with mouse, finger, pen and keys, taken back, inverted, kept.

use chapan_tests::browser::keys;
use chapan_tests::wait;
use serde_json::json;

use crate::visit::Visit;

const PROMPT: &str = "a woman with braided hair, blue dress, yurt background";
const SIDE: usize = 128;

/// The editor open over a fresh picture.
struct Editor {
    visit: Visit,
}

impl Editor {
    fn open() -> Self {
        let visit = Visit::to("/studio");
        visit.describe(PROMPT, 3);
        visit.generate();
        visit.finished(PROMPT, (128, 128));
        visit.browser.click("button", &visit.says("studio.paint_mask"));
        let editor = Self { visit };
        editor.ready();
        editor
    }

    fn ready(&self) {
        self.visit.browser.get("dialog", &self.visit.says("mask.title"));
        self.visit.settled();
        wait::until("the fitted picture", || (self.frame()[2] > 200.0).then_some(()));
    }

    fn frame(&self) -> [f64; 4] {
        let found = self.visit.browser.script(
            "const r = document.querySelector('[data-testid=mask]').getBoundingClientRect(); return [r.left, r.top, r.width, r.height];",
            &json!([]),
        );
        [0, 1, 2, 3].map(|side| found[side].as_f64().expect("four numbers"))
    }

    /// A place of the picture as a place in the window.
    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let [left, top, width, height] = self.frame();
        (left + x / SIDE as f64 * width, top + y / SIDE as f64 * height)
    }

    fn draw(&self, kind: &str, line: &[(f64, f64)], pressure: f64) {
        let line: Vec<_> = line.iter().map(|place| self.at(*place)).collect();
        self.visit.browser.draw(kind, &line, pressure);
    }

    /// The levels of the mask as the canvas shows them.
    fn levels(&self) -> Vec<u8> {
        let found = self.visit.browser.script(
            "const c = document.querySelector('[data-testid=mask]');
             const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
             return Array.from({length: d.length / 4}, (_, i) => d[4 * i + 3]);",
            &json!([]),
        );
        let levels: Vec<u8> = found
            .as_array()
            .expect("a list")
            .iter()
            .map(|level| level.as_u64().expect("a level") as u8)
            .collect();
        assert_eq!(levels.len(), SIDE * SIDE);
        levels
    }

    fn press(&self, name: &str) {
        self.visit.browser.click("button", &self.visit.says(name));
    }

    fn set(&self, field: &str, value: u32) {
        self.visit.browser.fill("spinbutton", &self.visit.says(field), &value.to_string());
    }
}

fn level(levels: &[u8], x: usize, y: usize) -> u8 {
    levels[y * SIDE + x]
}

fn painted(levels: &[u8]) -> usize {
    levels.iter().filter(|level| **level > 127).count()
}

#[test]
fn a_mask_is_painted_taken_back_inverted_and_kept() {
    let editor = Editor::open();
    let browser = &editor.visit.browser;
    browser.see(&editor.visit.says("mask.nothing"));
    editor.set("mask.size", 12);
    editor.set("mask.softness", 0);
    // A stroke that begins in the picture and leaves it.
    editor.draw("mouse", &[(20.0, 64.0), (90.0, 64.0), (140.0, 64.0)], 1.0);
    let stroke = editor.levels();
    assert_eq!(level(&stroke, 50, 64), 255, "without a gap");
    assert_eq!(level(&stroke, 127, 64), 255, "to the edge");
    assert_eq!((level(&stroke, 50, 50), level(&stroke, 5, 64)), (0, 0), "and nowhere else");
    editor.press("mask.undo");
    assert_eq!(painted(&editor.levels()), 0);
    editor.press("mask.redo");
    assert_eq!(editor.levels(), stroke);
    // The eraser by its key, undone by its keys.
    browser.press(&["e"]);
    editor.draw("mouse", &[(60.0, 40.0), (60.0, 90.0)], 1.0);
    assert_eq!(level(&editor.levels(), 60, 64), 0);
    browser.press(&[keys::CONTROL, "z"]);
    assert_eq!(editor.levels(), stroke);
    browser.press(&[keys::CONTROL, keys::SHIFT, "z"]);
    assert_eq!(level(&editor.levels(), 60, 64), 0);
    browser.press(&[keys::CONTROL, "z"]);
    browser.press(&["i"]);
    let inverted = editor.levels();
    assert!(stroke.iter().zip(&inverted).all(|(a, b)| a + b == 255), "invert swaps every level");
    browser.press(&["i"]);
    // Hidden, the mask stays what it is; whoever paints sees it again.
    let shown = || {
        let style = "return getComputedStyle(document.querySelector('[data-testid=mask]')).visibility;";
        browser.script(style, &json!([]))
    };
    editor.press("mask.show");
    assert_eq!(shown(), "hidden");
    assert_eq!(editor.levels(), stroke);
    browser.press(&["h"]);
    assert_eq!(shown(), "visible");
    browser.press(&["h"]);
    // The lasso fills what it encloses.
    browser.press(&["l"]);
    editor.draw("mouse", &[(20.0, 20.0), (60.0, 20.0), (60.0, 50.0), (20.0, 50.0)], 1.0);
    let lassoed = editor.levels();
    assert_eq!((level(&lassoed, 40, 35), level(&lassoed, 70, 35)), (255, 0));
    assert_eq!(shown(), "visible");
    editor.visit.keep("mask-editor-1280-light");
    // A changed parameter and a reload lose nothing.
    editor.press("mask.done");
    wait::until("the closed editor", || browser.all("dialog", None).is_empty().then_some(()));
    editor.visit.describe("something else", 5);
    browser.reload();
    browser.click("button", &editor.visit.says("studio.edit_mask"));
    editor.ready();
    assert_eq!(editor.levels(), lassoed, "the mask outlives the reload, level by level");
    editor.visit.no_faults();
}

#[test]
fn a_finger_paints_two_fingers_zoom_and_a_pen_presses() {
    let editor = Editor::open();
    let browser = &editor.visit.browser;
    editor.set("mask.size", 16);
    editor.set("mask.softness", 0);
    editor.draw("touch", &[(30.0, 30.0), (60.0, 30.0)], 1.0);
    let stroke = editor.levels();
    assert_eq!(level(&stroke, 45, 30), 255);
    // The first finger has begun a stroke before the second arrives: nothing of it stays.
    let before = editor.frame();
    let (a, b) = (editor.at((50.0, 90.0)), editor.at((78.0, 90.0)));
    browser.pinch([a, b], [(a.0 - 60.0, a.1), (b.0 + 60.0, b.1)]);
    wait::until("the larger picture", || (editor.frame()[2] > before[2] * 1.3).then_some(()));
    assert_eq!(editor.levels(), stroke, "zooming paints nothing");
    editor.press("mask.fit");
    wait::until("the whole picture", || ((editor.frame()[2] - before[2]).abs() < 1.0).then_some(()));
    // A light pen draws a thinner line than a firm one.
    let thick = |x: usize, levels: &[u8]| (0..SIDE).filter(|y| level(levels, x, *y) > 127).count();
    editor.draw("pen", &[(74.0, 80.0), (88.0, 80.0)], 0.2);
    editor.draw("pen", &[(104.0, 80.0), (118.0, 80.0)], 1.0);
    let pen = editor.levels();
    assert!(
        thick(80, &pen) > 0 && thick(80, &pen) * 2 < thick(110, &pen),
        "{} {}",
        thick(80, &pen),
        thick(110, &pen)
    );
    editor.visit.no_faults();
}

#[test]
fn a_mask_with_the_keyboard_alone() {
    let editor = Editor::open();
    let browser = &editor.visit.browser;
    let stage = editor.visit.says("mask.stage");
    browser.tab_to("application", &stage);
    browser.press(&[keys::ENTER]);
    let dab = painted(&editor.levels());
    assert!(dab > 0, "Enter dabs in the middle");
    browser.press(&[keys::SHIFT, keys::RIGHT]);
    assert!(painted(&editor.levels()) > dab, "Shift and an arrow paint along");
    let size = browser.value("spinbutton", &editor.visit.says("mask.size"));
    browser.press(&["]"]);
    assert_ne!(browser.value("spinbutton", &editor.visit.says("mask.size")), size);
    browser.press(&[keys::CONTROL, "z"]);
    assert_eq!(painted(&editor.levels()), dab);
    browser.press(&[keys::ESCAPE]);
    wait::until("the closed editor", || browser.all("dialog", None).is_empty().then_some(()));
}
