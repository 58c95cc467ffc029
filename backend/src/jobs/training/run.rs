//! The loop: steps, and between them samples, measurements and checkpoints.

use std::collections::BTreeMap;

use chapan_api::training::TrainingEvent;
use chapan_engine::pipelines::{Flow, GenerationParams, ProgressEvent};
use chapan_engine::training::{FileFormat, Role, Trainer};

use super::{Doing, Observer, RunFolder, TrainingError};
use crate::files::png::encode_bare_png;

/// What whoever listens wants next. Whoever wants a pause does not answer until it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Go on.
    Continue,
    /// Draw the samples now.
    Sample,
    /// Write a checkpoint now.
    Save,
    /// Write a checkpoint and stop.
    Stop,
}

/// A picture that is drawn again and again, to see what changes.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplePrompt {
    /// What to draw.
    pub prompt: String,
    /// Its noise.
    pub seed: u64,
}

/// How often what is done, and what the file says of itself.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The samples.
    pub samples: Vec<SamplePrompt>,
    /// Size, steps and guidance of the samples.
    pub sample_params: GenerationParams,
    /// Steps between samples; 0 for none.
    pub sample_every: usize,
    /// Steps between measurements of the held-out pictures; 0 for none.
    pub validate_every: usize,
    /// Steps between checkpoints; 0 for one at the end.
    pub checkpoint_every: usize,
    /// The LoRA's file, in PEFT's names.
    pub file: String,
    /// The same in kohya's names, if it is wanted.
    pub kohya_file: Option<String>,
    /// What the files say of themselves.
    pub metadata: BTreeMap<String, String>,
    /// Model and pictures: a checkpoint of others is refused.
    pub belongs_to: String,
}

/// A training in its folder.
pub struct Run<'a, 'p> {
    /// What is trained.
    pub trainer: &'a mut Trainer<'p>,
    /// How often what is done.
    pub plan: &'a Plan,
    /// Where it is kept.
    pub folder: &'a RunFolder,
    /// Hears every event, and every step of a sample, and answers what is wanted next.
    pub observer: &'a mut Observer<'a>,
}

impl Run<'_, '_> {
    /// Goes on from the checkpoint if there is one.
    ///
    /// # Errors
    /// When it is damaged or belongs to another training.
    pub fn resume(&mut self) -> Result<(), TrainingError> {
        if let Some(bytes) = self.folder.checkpoint()? {
            let origin = self.folder.checkpoint_path().display().to_string();
            self.trainer.resume(&origin, bytes, &self.plan.belongs_to)?;
        }
        self.folder.cut_log_after(self.trainer.steps_done() as u64)
    }

    /// Trains to the last step, or until it is told to stop. Answers whether all steps are done.
    ///
    /// # Errors
    /// When numbers leave their range or a file cannot be written: the last checkpoint stays whole.
    pub fn to_the_end(&mut self) -> Result<bool, TrainingError> {
        let total = self.trainer.config().max_train_steps;
        let mut kept = self.trainer.steps_done();
        let mut wish = self.started()?;
        if kept == 0 {
            self.measure(0)?;
            wish = strongest(wish, self.draw_samples(0)?);
        }
        while self.trainer.steps_done() < total && wish != Wish::Stop {
            let report = self.trainer.train_step().map_err(|error| self.after(kept, error))?;
            let step = report.step;
            wish = self.tell(&TrainingEvent::Step {
                step: step as u64,
                loss: report.loss,
                lr: report.lr,
                grad_norm: report.grad_norm,
            })?;
            let due = |every: usize| every > 0 && step.is_multiple_of(every);
            let last = step == total;
            if due(self.plan.validate_every) || last && self.plan.validate_every > 0 {
                self.measure(step)?;
            }
            // Samples come first: when a checkpoint is there, so are the samples before it.
            if due(self.plan.sample_every) || last && self.plan.sample_every > 0 || wish == Wish::Sample {
                wish = strongest(wish, self.draw_samples(step)?);
            }
            if due(self.plan.checkpoint_every) || last || matches!(wish, Wish::Save | Wish::Stop) {
                self.folder.keep_checkpoint(&self.trainer.checkpoint(&self.plan.belongs_to)?)?;
                kept = step;
                wish = strongest(wish, self.tell(&TrainingEvent::Checkpoint { step: step as u64 })?);
            }
        }
        let step = self.trainer.steps_done() as u64;
        if (step as usize) < total {
            if kept < step as usize {
                self.folder.keep_checkpoint(&self.trainer.checkpoint(&self.plan.belongs_to)?)?;
            }
            self.tell(&TrainingEvent::Stopped { step })?;
            return Ok(false);
        }
        let file = self.trainer.file(FileFormat::Peft, &self.plan.metadata)?;
        self.folder.write(&self.plan.file, &file)?;
        if let Some(name) = &self.plan.kohya_file {
            self.folder.write(name, &self.trainer.file(FileFormat::Kohya, &self.plan.metadata)?)?;
        }
        self.tell(&TrainingEvent::Finished { step, file: self.plan.file.clone() })?;
        Ok(true)
    }

    fn tell(&mut self, event: &TrainingEvent) -> Result<Wish, TrainingError> {
        self.folder.log(event)?;
        Ok((self.observer)(Doing::Event(event)))
    }

    fn started(&mut self) -> Result<Wish, TrainingError> {
        let trainer = &*self.trainer;
        let of = |role: Role| trainer.examples().iter().filter(|e| e.role == role).count() as u64;
        let event = TrainingEvent::Started {
            step: trainer.steps_done() as u64,
            max_train_steps: trainer.config().max_train_steps as u64,
            references: of(Role::Reference),
            class_pictures: of(Role::Class),
            held_out: of(Role::HeldOut),
            parameters: trainer.parameters().iter().map(|p| p.values.len() as u64).sum(),
        };
        self.tell(&event)
    }

    fn measure(&mut self, step: usize) -> Result<(), TrainingError> {
        if self.plan.validate_every > 0
            && let Some(loss) = self.trainer.validation_loss()?
        {
            self.tell(&TrainingEvent::Validation { step: step as u64, loss })?;
        }
        Ok(())
    }

    fn draw_samples(&mut self, step: usize) -> Result<Wish, TrainingError> {
        let mut wish = Wish::Continue;
        if self.plan.sample_every == 0 {
            return Ok(wish);
        }
        self.trainer.put_on()?;
        for (index, SamplePrompt { prompt, seed }) in self.plan.samples.iter().enumerate() {
            let params =
                GenerationParams { prompt: prompt.clone(), seed: *seed, ..self.plan.sample_params.clone() };
            let pipeline = self.trainer.pipeline();
            let observer = &mut *self.observer;
            let mut go_on = |_: ProgressEvent<'_>| match observer(Doing::Drawing) {
                Wish::Stop => Flow::Cancel,
                _ => Flow::Continue,
            };
            let image = match pipeline.generate(&params, &mut go_on) {
                // Whoever stops does not wait for pictures.
                Err(chapan_engine::Error::Cancelled) => return Ok(Wish::Stop),
                drawn => drawn?.image,
            };
            let png = encode_bare_png(image.width as u32, image.height as u32, &image.rgb)
                .map_err(|error| TrainingError::Sample(error.to_string()))?;
            let file = format!("samples/step-{step:06}-{index}.png");
            self.folder.write(&file, &png)?;
            let event =
                TrainingEvent::Sample { step: step as u64, prompt: prompt.clone(), seed: *seed, file };
            wish = strongest(wish, self.tell(&event)?);
        }
        Ok(wish)
    }

    /// A failure of the engine with what is left of the work.
    fn after(&self, kept: usize, error: chapan_engine::Error) -> TrainingError {
        if kept == 0 {
            return error.into();
        }
        let not_finite = matches!(error, chapan_engine::Error::NotFinite { .. });
        let text = error.to_string();
        let (fact, hint) = text.split_once("\nhint: ").unwrap_or((&text, "look at the settings"));
        TrainingError::AfterCheckpoint {
            fact: fact.to_owned(),
            hint: hint.to_owned(),
            step: kept,
            checkpoint: self.folder.checkpoint_path(),
            not_finite,
        }
    }
}

/// Of two wishes the one that changes more.
fn strongest(a: Wish, b: Wish) -> Wish {
    let rank = |wish: Wish| match wish {
        Wish::Continue => 0,
        Wish::Sample => 1,
        Wish::Save => 2,
        Wish::Stop => 3,
    };
    if rank(b) > rank(a) { b } else { a }
}
