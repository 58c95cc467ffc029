//! Hands on the page: a mouse, a pen, one finger or two, through the driver's own input.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::webdriver::Element;

/// A place in the window, in pixels.
pub type Place = (f64, f64);

impl Browser {
    /// Where an element stands in the window: left, top, width, height.
    ///
    /// # Panics
    /// When it is gone.
    pub fn frame(&self, element: &Element) -> [f64; 4] {
        let script =
            "const r = arguments[0].getBoundingClientRect(); return [r.left, r.top, r.width, r.height];";
        let frame = self.script(script, &json!([element.argument()]));
        [0, 1, 2, 3].map(|side| frame[side].as_f64().expect("a frame has four numbers"))
    }

    /// Draws a line: `kind` is `mouse`, `pen` or `touch`; `pressure` counts for a pen.
    ///
    /// # Panics
    /// When the browser refuses.
    pub fn draw(&self, kind: &str, line: &[Place], pressure: f64) {
        let pen = |mut step: Value| {
            if kind == "pen" {
                step["pressure"] = json!(pressure);
            }
            step
        };
        let mut steps = vec![move_to(line[0]), pen(json!({"type": "pointerDown", "button": 0}))];
        steps.extend(line.iter().map(|place| pen(move_to(*place))));
        steps.push(json!({"type": "pointerUp", "button": 0}));
        self.hands(&[(kind, steps)]);
    }

    /// Two fingers go down and travel together.
    ///
    /// # Panics
    /// When the browser refuses.
    pub fn pinch(&self, from: [Place; 2], to: [Place; 2]) {
        let finger = |index: usize| {
            // The first finger is down for a moment before the second, as it is on a real screen.
            let (first, second) = (from[index], to[index]);
            let mut steps = vec![move_to(first)];
            steps.extend((0..index).map(|_| json!({"type": "pause", "duration": 0})));
            steps.push(json!({"type": "pointerDown", "button": 0}));
            steps.extend((index..1).map(|_| json!({"type": "pause", "duration": 0})));
            steps.extend((1..=4).map(|part| {
                let part = f64::from(part) / 4.0;
                move_to((first.0 + (second.0 - first.0) * part, first.1 + (second.1 - first.1) * part))
            }));
            steps.push(json!({"type": "pointerUp", "button": 0}));
            ("touch", steps)
        };
        self.hands(&[finger(0), finger(1)]);
    }

    fn hands(&self, hands: &[(&str, Vec<Value>)]) {
        let sources: Vec<Value> = hands
            .iter()
            .enumerate()
            .map(|(index, (kind, steps))| {
                json!({
                    "type": "pointer",
                    "id": format!("{kind}-{index}"),
                    "parameters": {"pointerType": kind},
                    "actions": steps,
                })
            })
            .collect();
        self.session.post("/actions", &json!({"actions": sources})).expect("the hand moves");
    }
}

fn move_to((x, y): Place) -> Value {
    json!({"type": "pointerMove", "duration": 0, "origin": "viewport", "x": x.round() as i64, "y": y.round() as i64})
}
