//! The whole lesson by keyboard alone, in three languages; every check fails when it should, and passes.

use chapan_tests::browser::{Browser, keys};
use chapan_tests::{tree, wait};
use serde_json::Value;

use crate::visit::Visit;
use crate::words::{ENGLISH, KAZAKH, RUSSIAN, Words};

/// A student with a keyboard.
struct Student {
    visit: Visit,
    lesson: Value,
}

impl Student {
    /// Opens the lesson and takes it in a language: the switch is a list that jumps to the letter one presses.
    fn reading(words: Words, name: &str) -> Self {
        let mut visit = Visit::to("/lesson");
        if words.code != ENGLISH.code {
            visit.browser.tab_to("combobox", &visit.says("frame.language"));
            let first = name.chars().next().expect("a language has a name").to_lowercase().to_string();
            visit.browser.press(&[&first]);
            visit.browser.press(&[keys::ENTER]);
        }
        visit.words = words;
        let file = tree::root().join("assets/lessons/generation.json");
        let lesson =
            serde_json::from_slice(&std::fs::read(file).expect("the lesson is there")).expect("it is JSON");
        Self { visit, lesson }
    }

    fn browser(&self) -> &Browser {
        &self.visit.browser
    }

    fn title(&self, step: &str) -> String {
        let steps = self.lesson["steps"].as_array().expect("a lesson has steps");
        let step = steps.iter().find(|known| known["id"] == step).expect("the step is there");
        step["title"][self.visit.words.code].as_str().expect("a step has a title").to_owned()
    }

    /// Follows the link to the next step.
    fn goes_on(&self, step: &str) {
        let link = self.visit.words.fill("lesson.next", &[("title", &self.title(step))]);
        self.browser().tab_to("link", &link);
        self.browser().press(&[keys::ENTER]);
        self.arrives(step);
    }

    fn arrives(&self, step: &str) {
        self.browser().get("heading", &self.title(step));
    }

    fn presses(&self, button: &str) {
        let name = self.visit.says(button);
        self.browser().tab_to("button", &name);
        self.browser().press(&[keys::ENTER]);
    }

    /// Replaces what a field holds.
    fn writes(&self, role: &str, name: &str, text: &str) {
        self.browser().tab_to(role, name);
        self.browser().press(&[keys::CONTROL, "a"]);
        for letter in text.chars() {
            self.browser().press(&[&letter.to_string()]);
        }
    }

    /// The field of one of the two pictures.
    fn of(&self, which: &str, field: &str) -> String {
        format!("{}: {}", self.visit.says(which), self.visit.says(field))
    }

    fn reads(&self, words: &str) {
        self.browser().see_at_last(&self.visit.says(words));
    }

    fn keeps(&self, step: &str) {
        self.visit.settled();
        self.visit.keep(&format!("walk-{step}-{}-1280-light", self.visit.words.code));
    }

    /// Walks from the first step to the last; with `astray`, every check is failed before it is passed.
    fn walks(&self, astray: bool) {
        let visit = &self.visit;
        self.arrives("prompt");
        if astray {
            let first = visit.browser.value("textbox", &self.of("lesson.first", "studio.prompt"));
            self.writes("textbox", &self.of("lesson.second", "studio.prompt"), &first);
            self.presses("lesson.draw_both");
            self.reads("lesson.failed_different");
            let other = "a woman with a blue robe, yurt background";
            self.writes("textbox", &self.of("lesson.second", "studio.prompt"), other);
        }
        self.presses("lesson.draw_both");
        self.reads("lesson.passed_different");
        self.keeps("prompt");

        self.goes_on("same-seed");
        self.presses("lesson.draw_twice");
        self.reads("lesson.passed_same");

        self.goes_on("another-seed");
        if astray {
            self.writes("textbox", &self.of("lesson.second", "studio.seed"), "7");
            self.presses("lesson.draw_both");
            self.reads("lesson.failed_other");
            self.writes("textbox", &self.of("lesson.second", "studio.seed"), "8");
        }
        self.presses("lesson.draw_both");
        self.reads("lesson.passed_other");

        self.goes_on("guidance");
        if astray {
            self.writes("spinbutton", &self.of("lesson.second", "studio.guidance"), "1.05");
            self.presses("lesson.draw_both");
            self.reads("lesson.failed_different");
            self.writes("spinbutton", &self.of("lesson.second", "studio.guidance"), "9");
        }
        self.presses("lesson.draw_both");
        self.reads("lesson.passed_different");

        self.goes_on("steps");
        if astray {
            self.presses("lesson.draw_both");
            self.reads("lesson.failed_similar");
        }
        self.writes("spinbutton", &self.of("lesson.first", "studio.steps"), "30");
        self.writes("spinbutton", &self.of("lesson.second", "studio.steps"), "36");
        self.presses("lesson.draw_both");
        self.reads("lesson.passed_similar");

        self.goes_on("strength");
        self.presses("lesson.draw_first");
        self.waits_for("lesson.change_it");
        if astray {
            self.writes("spinbutton", &visit.says("studio.strength"), "0.06");
            self.presses("lesson.change_it");
            self.reads("lesson.failed_kept");
            self.writes("spinbutton", &visit.says("studio.strength"), "0.5");
        }
        self.presses("lesson.change_it");
        self.reads("lesson.passed_kept");
        self.keeps("strength");

        self.goes_on("inpainting");
        self.presses("lesson.draw_first");
        self.waits_for("lesson.repaint");
        if astray {
            self.presses("lesson.repaint");
            self.reads("mask.nothing");
        }
        self.presses("studio.paint_mask");
        visit.browser.tab_to("application", &visit.says("mask.stage"));
        for _ in 0..8 {
            visit.browser.press(&["]"]);
        }
        visit.browser.press(&[keys::ENTER]);
        visit.browser.press(&[keys::SHIFT, keys::RIGHT]);
        visit.browser.press(&[keys::ESCAPE]);
        wait::until("the closed editor", || visit.browser.all("dialog", None).is_empty().then_some(()));
        self.presses("lesson.repaint");
        self.reads("lesson.passed_repainted");
        self.keeps("inpainting");

        self.goes_on("upscaling");
        self.presses("lesson.draw_first");
        let enlarge = visit.words.fill("lesson.enlarge", &[("scale", "4")]);
        self.waits_for_name(&enlarge);
        visit.browser.tab_to("button", &enlarge);
        visit.browser.press(&[keys::ENTER]);
        self.reads("lesson.passed_enlarged");
        self.keeps("upscaling");

        for step in ["lora-style", "lora-character"] {
            self.goes_on(step);
            if astray {
                self.writes("spinbutton", &visit.says("lesson.lora_weight"), "0");
                self.presses("lesson.draw_both");
                self.reads("lesson.failed_different");
                // The slider is a way of its own: twenty steps of 0.05.
                visit.browser.tab_to("slider", &visit.says("lesson.lora_weight"));
                for _ in 0..20 {
                    visit.browser.press(&[keys::RIGHT]);
                }
                assert_eq!(visit.browser.value("spinbutton", &visit.says("lesson.lora_weight")), "1");
            }
            self.presses("lesson.draw_both");
            self.reads("lesson.passed_different");
            self.keeps(step);
        }

        // What was done is known on the next visit.
        visit.browser.visit("/lesson");
        let done = visit.says("lesson.step_done");
        let ticks = || visit.browser.text().matches(&done).count();
        wait::until("ten steps that are done", || (ticks() >= 10).then_some(()));
        visit.no_faults();
    }

    fn waits_for(&self, button: &str) {
        self.waits_for_name(&self.visit.says(button));
    }

    /// Waits until a button can be pressed: the first picture is there.
    fn waits_for_name(&self, button: &str) {
        wait::until(&format!("`{button}` to be of use"), || {
            let found = self.browser().all("button", Some(button));
            let disabled = self.browser().property(found.first()?, "disabled")?;
            (disabled == "false").then_some(())
        });
    }
}

#[test]
fn the_lesson_in_english_with_every_wrong_turn() {
    Student::reading(ENGLISH, "English").walks(true);
}

#[test]
fn the_lesson_in_russian() {
    Student::reading(RUSSIAN, "Русский").walks(false);
}

#[test]
fn the_lesson_in_kazakh() {
    Student::reading(KAZAKH, "Қазақша").walks(false);
}
