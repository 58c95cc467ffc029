//! The rounds: what references show, then for each round training, drawing, scoring, feedback and a decision.
//!
//! Every step leaves its file; a step whose file is there is not done again, so that a loop that was killed goes on and ends
//! with the same bytes.

use std::collections::BTreeMap;
use std::path::Path;

use chapan_api::analysis::{Analysis, KeyFeature};
use chapan_api::comparison::{ComparisonReport, Contestant, HeatMap, Holdout, PictureScore};
use chapan_api::competition::{
    COMPETITION_VERSION, CompetitionEvent, CompetitionStage, Decision, Feedback, RoundRecord, RoundSettings,
    TrainingHistory,
};
use chapan_api::id::ModelId;
use chapan_api::training::TrainingEvent;
use chapan_metrics::contest::Lead;
use sha2::{Digest, Sha256};

use super::drawing::{FolderDraws, ModelDraws};
use super::feedback::{Lesson, learn};
use super::log::Log;
use super::request::{BASE, feedback_of, lora_of, name_of, report_of};
use super::story::{Told, page};
use super::training::{RoundTraining, train_round};
use super::{
    Artist, CompetitionError, CompetitionFolder, Draws, Eyes, Imported, Looks, NamedLora, Piece, Request,
};
use crate::datasets::{DatasetError, caption_beside};
use crate::jobs::comparison::{Contest, ContestantPictures, References, Seen, analyse, compare, paint};
use crate::jobs::training::Wish;

/// What the references show.
const ANALYSIS: &str = "analysis.json";
/// The story so far.
const HISTORY: &str = "training_history.json";
/// The story as a page; it is written last.
const STORY: &str = "report.html";

/// What whoever runs a competition wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Go on.
    GoOn,
    /// Give the device back after the picture or the training step that is being made, and go on another time.
    Rest,
    /// Stop at once. What is finished stays.
    Stop,
}

/// A competition in its folder.
pub struct Competition<'a> {
    /// Its files.
    pub folder: &'a CompetitionFolder,
    /// Who looks at pictures.
    pub eyes: Eyes<'a>,
    /// What was looked at so far.
    pub looks: &'a mut Looks,
    /// The base model.
    pub artist: Artist<'a>,
    /// The references.
    pub references: References,
    /// What is asked for.
    pub request: Request,
    /// Contestants from elsewhere, by name.
    pub imported: Vec<(String, Imported)>,
    /// Hears what happens.
    pub tell: &'a mut dyn FnMut(&CompetitionEvent),
    /// Is asked often what is wanted next.
    pub turn: &'a dyn Fn() -> Turn,
    /// Language that the story begins in: `en`, `ru` or `kk`.
    pub language: String,
}

impl Competition<'_> {
    /// Runs to the decision that ends it.
    ///
    /// # Errors
    /// What cannot be read, trained, drawn, scored or written, and [`CompetitionError::Stopped`] when another turn is wanted;
    /// everything that was finished stays.
    pub fn run(&mut self) -> Result<TrainingHistory, CompetitionError> {
        self.folder.begin(&self.identity()?)?;
        let mut log = Log::open(self.folder)?;
        let over = self.folder.path(STORY).is_file();
        if !self.folder.path(ANALYSIS).is_file() {
            self.stage(&mut log, 1, CompetitionStage::Analyse)?;
        }
        let training = self.references.training();
        let analysis = analyse(self.eyes.phrases, &training, self.eyes.id, self.request.trigger.as_deref())?;
        self.folder.keep(ANALYSIS, &analysis)?;
        let mut settings = vec![self.request.settings.clone()];
        let mut told = Vec::new();
        for round in 1..=self.request.iterations {
            let (report, feedback) = (report_of(round), feedback_of(round));
            if !self.folder.path(&report).is_file() {
                let found = self.score(&mut log, round, &settings, &analysis)?;
                self.folder.keep(&report, &found)?;
            }
            // A number can lose its last bit on its way through a file, so that every run reads what was written.
            let found: ComparisonReport = self.folder.get(&report)?;
            if !self.folder.path(&feedback).is_file() {
                self.stage(&mut log, round, CompetitionStage::Learn)?;
                self.folder.keep(&feedback, &self.learn(round, &settings, &found)?)?;
                self.say(&mut log, &CompetitionEvent::RoundFinished { round })?;
            }
            let lesson: Feedback = self.folder.get(&feedback)?;
            let next = lesson.applied.as_ref().zip(settings.last()).map(|(change, last)| last.with(change));
            let record = record(round, settings.last().cloned(), [report, feedback], &found, &lesson)?;
            let ends = lesson.decision != Decision::Continue;
            told.push(Told { record, report: found, feedback: lesson });
            self.folder.keep(HISTORY, &self.history(&told))?;
            match next.filter(|_| !ends) {
                Some(next) => settings.push(next),
                None => break,
            }
        }
        let history = self.history(&told);
        let page = page(self.folder, &history, &told, &self.language)?;
        self.folder.write(STORY, page.as_bytes())?;
        if let Some(last) = history.rounds.last().filter(|_| !over) {
            self.stage(&mut log, last.round, CompetitionStage::Finished)?;
            self.say(&mut log, &CompetitionEvent::Finished { decision: last.decision })?;
        }
        Ok(history)
    }

    /// Writes an event down, then tells it.
    fn say(&mut self, log: &mut Log, event: &CompetitionEvent) -> Result<(), CompetitionError> {
        log.add(event)?;
        (self.tell)(event);
        Ok(())
    }

    /// Says which part of a round begins, unless that was the last thing that began.
    fn stage(&mut self, log: &mut Log, round: u32, stage: CompetitionStage) -> Result<(), CompetitionError> {
        let event = CompetitionEvent::Stage { round, stage };
        if log.begins(&event) {
            return self.say(log, &event);
        }
        // Told again, not written again: who listens from here on has heard nothing yet.
        (self.tell)(&event);
        Ok(())
    }

    /// Comes back when the turn is over.
    fn rest(&self) -> Result<(), CompetitionError> {
        match (self.turn)() {
            Turn::GoOn => Ok(()),
            Turn::Rest => Err(CompetitionError::Stopped),
            Turn::Stop => Err(chapan_engine::Error::Cancelled.into()),
        }
    }

    /// What makes two competitions the same: the request, the references' bytes, who takes part.
    fn identity(&self) -> Result<serde_json::Value, CompetitionError> {
        let digest = |path: &Path| Ok::<_, CompetitionError>(hex(&Sha256::digest(read(path)?)));
        let mut references = BTreeMap::new();
        let roles = [("training", self.references.training()), ("held-out", self.references.held_out())];
        for (role, all) in roles {
            for (index, seen) in all.iter().enumerate() {
                references.insert(format!("{role} {index} {}", seen.file), digest(&seen.path)?);
            }
        }
        let imported: BTreeMap<&String, String> =
            self.imported.iter().map(|(name, from)| (name, format!("{from:?}"))).collect();
        Ok(serde_json::json!({
            "version": COMPETITION_VERSION,
            "request": self.request,
            "references": references,
            "imported": imported,
            "clip": self.eyes.id,
            "features": hex(&Sha256::digest(serde_json::to_vec(self.eyes.phrases.set()).unwrap_or_default())),
        }))
    }

    fn score(
        &mut self,
        log: &mut Log,
        round: u32,
        settings: &[RoundSettings],
        analysis: &Analysis,
    ) -> Result<ComparisonReport, CompetitionError> {
        self.train(log, round, settings, analysis)?;
        self.stage(log, round, CompetitionStage::Draw)?;
        let mut contestants = vec![self.pictures_of(log, round, BASE, None)?];
        for (name, from) in self.imported.clone() {
            contestants.push(self.pictures_of(log, round, &name, Some(from))?);
        }
        for earlier in 1..=round {
            let name = name_of(earlier);
            let lora = NamedLora { id: ModelId::new(&name), path: self.folder.path(&lora_of(earlier)) };
            contestants.push(self.pictures_of(log, round, &name, Some(Imported::Lora(lora)))?);
        }
        self.stage(log, round, CompetitionStage::Score)?;
        let contest = Contest {
            model: self.eyes.id,
            phrases: self.eyes.phrases,
            weights: self.request.weights,
            round: Some(round),
        };
        let mut report = compare(&contest, &self.references, &contestants)?;
        for (one, pictures) in report.contestants.iter().zip(&contestants) {
            let event = CompetitionEvent::Scored {
                round,
                contestant: one.name.clone(),
                quality_score: one.quality_score,
                standard_error: one.standard_errors.quality_score,
            };
            self.say(log, &event)?;
            let maps = self.heat_maps(one, &report.key_features, pictures)?;
            report.heat_maps.extend(maps);
        }
        Ok(report)
    }

    /// Has a contestant draw what is not there yet, and looks at all of it.
    fn pictures_of(
        &mut self,
        log: &mut Log,
        round: u32,
        name: &str,
        from: Option<Imported>,
    ) -> Result<ContestantPictures, CompetitionError> {
        let asked = Piece::all(&self.request.prompts, &self.request.seeds);
        let mut drawer: Box<dyn Draws + '_> = match from {
            None => Box::new(ModelDraws::new(&mut self.artist, None)),
            Some(Imported::Lora(lora)) => Box::new(ModelDraws::new(&mut self.artist, Some(lora))),
            Some(Imported::Pictures(folder)) => Box::new(FolderDraws::new(&folder)),
        };
        let go_on = || (self.turn)() != Turn::Stop;
        let mut pictures = Vec::new();
        for piece in drawer.pieces(&asked)? {
            let file = format!("comparisons/{name}_{}", piece.name);
            let path = self.folder.path(&file);
            let drawn = !path.is_file();
            if drawn {
                self.folder.write(&file, &drawer.draw(&piece, &go_on)?)?;
                let (contestant, Piece { prompt, seed, .. }) = (name.to_owned(), piece.clone());
                let event = CompetitionEvent::Picture { round, contestant, file, prompt, seed };
                log.add(&event)?;
                (self.tell)(&event);
            }
            // Pictures of one prompt and seed have one name, so that contestants are compared picture by picture.
            pictures.push(Seen { file: piece.name, ..self.looks.at(self.eyes.clip, &path)? });
            match (self.turn)() {
                // A turn makes at least one picture, however long looking takes.
                Turn::Rest if drawn => return Err(CompetitionError::Stopped),
                Turn::Stop => return Err(chapan_engine::Error::Cancelled.into()),
                _ => {}
            }
        }
        Ok(ContestantPictures { name: name.to_owned(), pictures })
    }

    /// Where a contestant's best and worst picture show the key features.
    fn heat_maps(
        &self,
        one: &Contestant,
        key_features: &[KeyFeature],
        pictures: &ContestantPictures,
    ) -> Result<Vec<HeatMap>, CompetitionError> {
        let file = format!("comparisons/heat_maps/{}.json", one.name);
        if let Some(maps) = self.folder.read(&file)? {
            return Ok(maps);
        }
        let by_quality = |a: &&PictureScore, b: &&PictureScore| a.quality.total_cmp(&b.quality);
        let ends = [one.pictures.iter().max_by(by_quality), one.pictures.iter().min_by(by_quality)];
        let mut ends: Vec<&str> = ends.into_iter().flatten().map(|picture| picture.file.as_str()).collect();
        ends.dedup();
        let mut maps = Vec::new();
        for seen in ends.iter().filter_map(|file| pictures.pictures.iter().find(|seen| seen.file == *file)) {
            maps.extend(paint(self.eyes.clip, self.eyes.phrases, key_features, &one.name, seen)?);
        }
        // Four digits are more than a picture shows, and survive every reader.
        for value in maps.iter_mut().flat_map(|map| &mut map.values) {
            *value = (*value * 1e4).round() / 1e4;
        }
        self.folder.keep(&file, &maps)?;
        self.rest()?;
        Ok(maps)
    }

    /// Trains the round's LoRA, unless it is there.
    fn train(
        &mut self,
        log: &mut Log,
        round: u32,
        settings: &[RoundSettings],
        analysis: &Analysis,
    ) -> Result<(), CompetitionError> {
        let lora = self.folder.path(&lora_of(round));
        let Some(settings) = settings.last().filter(|_| !lora.is_file()) else { return Ok(()) };
        self.stage(log, round, CompetitionStage::Train)?;
        let references = format!("rounds/{round}/references");
        for (index, seen) in self.references.training().iter().enumerate() {
            let own = caption_beside(&seen.path)?;
            let analysed = analysis.pictures.get(index).map(|picture| picture.caption.clone());
            let caption = own.filter(|caption| !caption.is_empty()).or(analysed).unwrap_or_default();
            let said = settings.emphasised.iter().filter(|phrase| !caption.contains(phrase.as_str()));
            let words: Vec<&str> =
                std::iter::once(caption.as_str()).chain(said.map(String::as_str)).collect();
            self.keep_reference(&references, index, seen, &words.join(", "))?;
        }
        let splits = matches!(self.references.holdout(), Holdout::Given | Holdout::Split);
        let held_out = format!("rounds/{round}/held-out");
        if splits {
            for (index, seen) in self.references.held_out().iter().enumerate() {
                // Held-out pictures are only measured with: without a caption, what they show is asked of the CLIP.
                let trigger = self.request.trigger.as_deref();
                let shown = analyse(self.eyes.phrases, std::slice::from_ref(seen), self.eyes.id, trigger)?;
                let caption = caption_beside(&seen.path)?.unwrap_or(shown.training_prompt);
                self.keep_reference(&held_out, index, seen, &caption)?;
            }
        }
        let (references, held_out) = (self.folder.path(&references), self.folder.path(&held_out));
        let output = self.folder.path(&format!("rounds/{round}/lora"));
        let training = RoundTraining {
            title: name_of(round),
            trigger: self.request.trigger.as_deref(),
            settings,
            references: &references,
            held_out: splits.then_some(held_out.as_path()),
            output: &output,
        };
        let (tell, turn) = (&mut *self.tell, self.turn);
        let mut unheard = Ok(());
        let mut observer = |event: Option<&TrainingEvent>| {
            let Some(event) = event else {
                return if turn() == Turn::Stop { Wish::Stop } else { Wish::Continue };
            };
            let event = CompetitionEvent::Training { round, event: event.clone() };
            unheard = log.add(&event);
            tell(&event);
            if unheard.is_ok() && turn() == Turn::GoOn { Wish::Continue } else { Wish::Stop }
        };
        train_round(&mut self.artist, &training, &mut observer)?;
        unheard?;
        if lora.is_file() {
            return Ok(());
        }
        // Told to stop: what there is stays for the next time.
        self.rest()?;
        Err(CompetitionError::Stopped)
    }

    fn keep_reference(
        &self,
        folder: &str,
        index: usize,
        seen: &Seen,
        caption: &str,
    ) -> Result<(), CompetitionError> {
        let ending = seen.path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        self.folder.write(&format!("{folder}/{index:04}.{ending}"), &read(&seen.path)?)?;
        self.folder.write(&format!("{folder}/{index:04}.txt"), caption.as_bytes())
    }

    fn learn(
        &self,
        round: u32,
        settings: &[RoundSettings],
        report: &ComparisonReport,
    ) -> Result<Feedback, CompetitionError> {
        let events = self.folder.path(&format!("rounds/{round}/lora/events.jsonl"));
        let text = String::from_utf8_lossy(&read(&events)?).into_owned();
        // What was measured twice, before and after an interruption, counts once.
        let losses: BTreeMap<u64, f64> = text
            .lines()
            .filter_map(|line| match serde_json::from_str(line) {
                Ok(TrainingEvent::Validation { step, loss }) => Some((step, loss)),
                _ => None,
            })
            .collect();
        let losses: Vec<(u64, f64)> = losses.into_iter().collect();
        let earlier: Vec<String> = (1..round).map(name_of).collect();
        Ok(learn(&Lesson {
            round,
            iterations: self.request.iterations,
            score_gap: self.request.score_gap,
            report,
            own: &name_of(round),
            earlier: &earlier,
            settings,
            losses: &losses,
        }))
    }

    fn history(&self, told: &[Told]) -> TrainingHistory {
        let best = told.iter().map(|told| &told.record);
        let best = best.max_by(|a, b| a.quality_score.total_cmp(&b.quality_score));
        TrainingHistory {
            version: COMPETITION_VERSION.to_owned(),
            prompts: self.request.prompts.clone(),
            seeds: self.request.seeds.clone(),
            best_round: best.map(|record| record.round),
            rounds: told.iter().map(|told| told.record.clone()).collect(),
        }
    }
}

fn record(
    round: u32,
    settings: Option<RoundSettings>,
    [report_file, feedback_file]: [String; 2],
    report: &ComparisonReport,
    feedback: &Feedback,
) -> Result<RoundRecord, CompetitionError> {
    let own_name = name_of(round);
    let find = |name: &str| report.contestants.iter().find(|one| one.name == name);
    let scores = |name: &str| {
        let found = find(name).map(|one| one.pictures.iter().map(|picture| picture.quality).collect());
        found.unwrap_or_else(Vec::<f64>::new)
    };
    let lead = Lead::of(&scores(&own_name), &scores(BASE), true)
        .map_err(crate::jobs::comparison::ComparisonError::from)?;
    let own = find(&own_name);
    Ok(RoundRecord {
        round,
        settings: settings.unwrap_or_else(|| RoundSettings {
            max_train_steps: 0,
            learning_rate: 0.0,
            rank: 0,
            emphasised: Vec::new(),
        }),
        lora: lora_of(round),
        report: report_file,
        feedback: feedback_file,
        quality_score: own.map_or(0.0, |own| own.quality_score),
        standard_error: own.and_then(|own| own.standard_errors.quality_score),
        lead_over_base: lead.mean,
        lead_standard_error: lead.standard_error,
        decision: feedback.decision,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, CompetitionError> {
    let unreadable = |source| DatasetError::Unreadable { path: path.to_owned(), source };
    Ok(std::fs::read(path).map_err(unreadable)?)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
