//! The course of a training as its events tell it: one reducer for the page of a training and the Arena.

use chapan_api::training::TrainingEvent;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepPoint {
    /// Which one, from 1.
    pub step: u64,
    /// Mean loss of its pictures.
    pub loss: f64,
    /// Learning rate.
    pub lr: f64,
}

/// A picture on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// After which step.
    pub step: u64,
    /// What was drawn.
    pub prompt: String,
    /// Its seed.
    pub seed: u64,
    /// The PNG, relative to the run's folder.
    pub file: String,
}

/// What is known of a training.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// Steps in all; 0 until it has begun.
    pub total: u64,
    /// The steps so far.
    pub steps: Vec<StepPoint>,
    /// Loss on the held-out pictures, by step.
    pub validations: Vec<(u64, f64)>,
    /// Pictures on the way, in order.
    pub samples: Vec<Sample>,
    /// The last step that is kept for certain.
    pub kept: Option<u64>,
    /// The finished LoRA, relative to the run's folder.
    pub finished: Option<String>,
    /// Whether it was stopped and can go on.
    pub stopped: bool,
}

impl Course {
    /// Takes in one event. A training that goes on from a checkpoint tells its steps after it again: what was told of them
    /// before is forgotten.
    pub fn apply(&mut self, event: TrainingEvent) {
        match event {
            TrainingEvent::Started { step, max_train_steps, .. } => {
                self.total = max_train_steps;
                self.stopped = false;
                self.steps.retain(|point| point.step <= step);
                self.validations.retain(|(at, _)| *at <= step);
                self.samples.retain(|sample| sample.step <= step);
            }
            TrainingEvent::Step { step, loss, lr, .. } => {
                if self.steps.last().is_none_or(|last| last.step < step) {
                    self.steps.push(StepPoint { step, loss, lr });
                }
            }
            TrainingEvent::Validation { step, loss } => {
                self.validations.retain(|(at, _)| *at < step);
                self.validations.push((step, loss));
            }
            TrainingEvent::Sample { step, prompt, seed, file } => {
                self.samples.retain(|sample| sample.file != file);
                self.samples.push(Sample { step, prompt, seed, file });
            }
            TrainingEvent::Checkpoint { step } => self.kept = Some(step),
            TrainingEvent::Finished { step, file } => {
                self.kept = Some(step);
                self.finished = Some(file);
            }
            TrainingEvent::Stopped { step } => {
                self.kept = Some(step);
                self.stopped = true;
            }
        }
    }

    /// The last step that was done.
    pub fn step(&self) -> u64 {
        self.steps.last().map_or(0, |point| point.step)
    }

    /// The prompts of the samples, each once, in the order of their first picture.
    pub fn prompts(&self) -> Vec<String> {
        let mut prompts: Vec<String> = Vec::new();
        for sample in &self.samples {
            if !prompts.contains(&sample.prompt) {
                prompts.push(sample.prompt.clone());
            }
        }
        prompts
    }

    /// The first and the last picture of a prompt, where they are two.
    pub fn before_and_after(&self, prompt: &str) -> Option<(&Sample, &Sample)> {
        let mut of_prompt = self.samples.iter().filter(|sample| sample.prompt == prompt);
        let first = of_prompt.next()?;
        Some((first, of_prompt.next_back()?))
    }
}

/// Time left: what the steps since a first look took on average, times the steps that are left.
pub fn time_left_ms(first: (u64, f64), now: (u64, f64), total: u64) -> Option<f64> {
    let done = now.0.checked_sub(first.0).filter(|done| *done > 0)?;
    let took = now.1 - first.1;
    (took > 0.0).then(|| took / done as f64 * total.saturating_sub(now.0) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64) -> TrainingEvent {
        TrainingEvent::Step { step, loss: 1.0 / step as f64, lr: 1e-3, grad_norm: 1.0 }
    }

    fn started(step: u64) -> TrainingEvent {
        TrainingEvent::Started {
            step,
            max_train_steps: 8,
            references: 5,
            class_pictures: 0,
            held_out: 2,
            parameters: 9,
        }
    }

    fn sample(step: u64, prompt: &str) -> TrainingEvent {
        let file = format!("samples/step-{step:06}-{prompt}.png");
        TrainingEvent::Sample { step, prompt: prompt.into(), seed: 3, file }
    }

    fn course(events: impl IntoIterator<Item = TrainingEvent>) -> Course {
        let mut course = Course::default();
        events.into_iter().for_each(|event| course.apply(event));
        course
    }

    #[test]
    fn what_is_done_again_is_told_once() {
        let again = course([
            started(0),
            sample(0, "a"),
            step(1),
            step(2),
            TrainingEvent::Checkpoint { step: 2 },
            step(3),
            TrainingEvent::Validation { step: 3, loss: 0.5 },
            sample(3, "a"),
            started(2),
            step(3),
            step(4),
        ]);
        let steps: Vec<u64> = again.steps.iter().map(|point| point.step).collect();
        assert_eq!(steps, [1, 2, 3, 4]);
        assert!(again.validations.is_empty());
        assert_eq!((again.samples.len(), again.step(), again.kept, again.total), (1, 4, Some(2), 8));
    }

    #[test]
    fn an_event_twice_changes_nothing() {
        let events = [started(0), step(1), sample(1, "a"), TrainingEvent::Validation { step: 1, loss: 0.4 }];
        assert_eq!(
            course(events.clone()),
            course(events.clone().into_iter().chain(events.into_iter().skip(1)))
        );
    }

    #[test]
    fn before_and_after_are_of_one_prompt() {
        let course = course([sample(0, "a"), sample(0, "b"), sample(5, "a"), sample(9, "a")]);
        assert_eq!(course.prompts(), ["a", "b"]);
        let (before, after) = course.before_and_after("a").unwrap();
        assert_eq!((before.step, after.step), (0, 9));
        assert_eq!(course.before_and_after("b"), None);
    }

    #[test]
    fn an_end_and_a_stop() {
        let finished =
            course([started(0), TrainingEvent::Finished { step: 8, file: "lora.safetensors".into() }]);
        assert_eq!((finished.finished.as_deref(), finished.kept), (Some("lora.safetensors"), Some(8)));
        let stopped = course([started(0), step(1), TrainingEvent::Stopped { step: 1 }]);
        assert!(stopped.stopped && !course([TrainingEvent::Stopped { step: 1 }, started(1)]).stopped);
    }

    #[test]
    fn the_time_left_is_that_of_the_steps_left() {
        assert_eq!(time_left_ms((10, 1000.0), (20, 3000.0), 30), Some(2000.0));
        assert_eq!(time_left_ms((10, 1000.0), (10, 3000.0), 30), None);
        assert_eq!(time_left_ms((0, 0.0), (30, 60.0), 30), Some(0.0));
    }
}
