//! The rounds: what references show, then for each round training, drawing, scoring, feedback and a decision.
//!
//! Every step leaves its file; a step whose file is there is not done again, so that a loop that was killed goes on and ends
//! with the same bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chapan_api::analysis::Analysis;
use chapan_api::comparison::{ComparisonReport, Holdout, ScoreWeights};
use chapan_api::competition::{
    COMPETITION_VERSION, Decision, Feedback, RoundRecord, RoundSettings, TrainingHistory,
};
use chapan_api::training::TrainingEvent;
use chapan_engine::evaluate::Clip;
use chapan_metrics::contest::Lead;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::feedback::{Lesson, learn};
use super::story::{Told, page};
use super::{Artist, CompetitionError, CompetitionFolder};
use crate::datasets::{DatasetError, caption_beside};
use crate::jobs::comparison::{
    Contest, ContestantPictures, Phrases, References, Seen, analyse, compare, look, look_at_folder,
};

/// The base model's name among the contestants.
const BASE: &str = "base";
/// The file that a training ends with.
const LORA: &str = "lora.safetensors";

/// What is asked for. Two requests that differ are two competitions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Request {
    /// What every contestant draws.
    pub prompts: Vec<String>,
    /// Seeds of the pictures of each prompt, the same for all.
    pub seeds: Vec<u64>,
    /// The most rounds.
    pub iterations: u32,
    /// How far the LoRA may stay behind the best competitor.
    pub score_gap: f64,
    /// How much each part of the score counts.
    pub weights: ScoreWeights,
    /// Settings of the first round.
    pub settings: RoundSettings,
    /// Word that the character is called by.
    pub trigger: Option<String>,
    /// Models, and how they draw, in words: part of what makes two competitions the same.
    pub made_with: BTreeMap<String, String>,
}

/// A contestant from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// A LoRA's file.
    Lora(PathBuf),
    /// A folder of pictures, such as a provider's.
    Pictures(PathBuf),
}

/// Trains a LoRA with settings on a folder of references, with held-out ones if there are, into a folder; goes on where it was
/// stopped.
pub type Train<'a> =
    dyn FnMut(&RoundSettings, &Path, Option<&Path>, &Path) -> Result<(), CompetitionError> + 'a;

/// A competition in its folder.
pub struct Competition<'a> {
    /// Its files.
    pub folder: &'a CompetitionFolder,
    /// The CLIP that scores.
    pub clip: &'a Clip,
    /// Its id.
    pub clip_id: &'a str,
    /// The features.
    pub phrases: &'a Phrases,
    /// Who draws.
    pub artist: Artist,
    /// The references.
    pub references: References,
    /// What is asked for.
    pub request: Request,
    /// Contestants from elsewhere, by name.
    pub imported: Vec<(String, Imported)>,
    /// Trains a LoRA.
    pub train: &'a mut Train<'a>,
    /// Hears what is being done.
    pub tell: &'a mut dyn FnMut(&str),
    /// Language of the story: `en`, `ru` or `kk`.
    pub language: String,
}

impl Competition<'_> {
    /// Runs to the decision that ends it.
    ///
    /// # Errors
    /// What cannot be read, trained, drawn, scored or written; everything that was finished stays.
    pub fn run(&mut self) -> Result<TrainingHistory, CompetitionError> {
        self.folder.begin(&self.identity()?)?;
        let training = self.references.training();
        let analysis = analyse(self.phrases, &training, self.clip_id, self.request.trigger.as_deref())?;
        self.folder.keep("analysis.json", &analysis)?;
        let mut settings = vec![self.request.settings.clone()];
        let mut seen: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
        let mut told = Vec::new();
        for round in 1..=self.request.iterations {
            let names = [
                format!("comparisons/comparison_report_{round}.json"),
                format!("feedback/feedback_{round}.json"),
            ];
            if !names.iter().all(|name| self.folder.path(name).is_file()) {
                let report = self.score(round, &settings, &analysis, &mut seen)?;
                self.folder.keep(&names[0], &report)?;
                // A number can lose its last bit on its way through a file, so that every run reads what was written.
                let report: ComparisonReport = self.folder.get(&names[0])?;
                self.folder.keep(&names[1], &self.learn(round, &settings, &report)?)?;
            }
            let report: ComparisonReport = self.folder.get(&names[0])?;
            let feedback: Feedback = self.folder.get(&names[1])?;
            let next = feedback.applied.as_ref().zip(settings.last()).map(|(change, last)| last.with(change));
            let record = record(round, settings.last().cloned(), names, &report, &feedback)?;
            let ends = feedback.decision != Decision::Continue;
            told.push(Told { record, report, feedback });
            self.folder.keep("training_history.json", &self.history(&told))?;
            match next.filter(|_| !ends) {
                Some(next) => settings.push(next),
                None => break,
            }
        }
        let history = self.history(&told);
        let page = page(self.folder, &history, &told, &self.language)?;
        self.folder.write("report.html", page.as_bytes())?;
        Ok(history)
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
            "clip": self.clip_id,
        }))
    }

    fn score(
        &mut self,
        round: u32,
        settings: &[RoundSettings],
        analysis: &Analysis,
        seen: &mut BTreeMap<String, Vec<Seen>>,
    ) -> Result<ComparisonReport, CompetitionError> {
        self.train(round, settings, analysis)?;
        let mut drawers: Vec<(String, Option<PathBuf>)> = vec![(BASE.to_owned(), None)];
        for (name, from) in &self.imported {
            match from {
                Imported::Lora(path) => drawers.push((name.clone(), Some(path.clone()))),
                Imported::Pictures(path) if !seen.contains_key(name) => {
                    seen.insert(name.clone(), look_at_folder(self.clip, path, |_, _| {})?);
                }
                Imported::Pictures(_) => {}
            }
        }
        drawers.extend((1..=round).map(|n| (name_of(n), Some(self.folder.path(&lora_of(n))))));
        for (name, lora) in &drawers {
            if seen.contains_key(name) {
                continue;
            }
            (self.tell)(&format!("round {round}: {name} draws"));
            let (prompts, seeds) = (&self.request.prompts, &self.request.seeds);
            let drawer = (name.as_str(), lora.as_deref());
            let files = self.artist.draw(self.folder, drawer, prompts, seeds, || {})?;
            let mut looked = Vec::new();
            for file in files {
                let picture = look(self.clip, &self.folder.path(&file))?;
                // Pictures of one prompt and seed have one name, so that contestants are compared picture by picture.
                let own_name = picture.file.strip_prefix(&format!("{name}_")).map(str::to_owned);
                looked.push(Seen { file: own_name.unwrap_or(picture.file.clone()), ..picture });
            }
            seen.insert(name.clone(), looked);
        }
        (self.tell)(&format!("round {round}: scoring"));
        let imported = self.imported.iter().map(|(name, _)| name.clone());
        let order = std::iter::once(BASE.to_owned()).chain(imported).chain((1..=round).map(name_of));
        let contestants: Vec<ContestantPictures> = order
            .filter_map(|name| Some(ContestantPictures { pictures: seen.get(&name)?.clone(), name }))
            .collect();
        let contest = Contest {
            model: self.clip_id,
            phrases: self.phrases,
            weights: self.request.weights,
            round: Some(round),
        };
        Ok(compare(&contest, &self.references, &contestants)?)
    }

    /// Trains the round's LoRA, unless it is there.
    fn train(
        &mut self,
        round: u32,
        settings: &[RoundSettings],
        analysis: &Analysis,
    ) -> Result<(), CompetitionError> {
        let lora = self.folder.path(&lora_of(round));
        let Some(settings) = settings.last().filter(|_| !lora.is_file()) else { return Ok(()) };
        (self.tell)(&format!("round {round}: training {} steps", settings.max_train_steps));
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
                let shown = analyse(self.phrases, std::slice::from_ref(seen), self.clip_id, trigger)?;
                let caption = caption_beside(&seen.path)?.unwrap_or(shown.training_prompt);
                self.keep_reference(&held_out, index, seen, &caption)?;
            }
        }
        let (references, held_out) = (self.folder.path(&references), self.folder.path(&held_out));
        let output = self.folder.path(&format!("rounds/{round}/lora"));
        (self.train)(settings, &references, splits.then_some(held_out.as_path()), &output)?;
        // Told to stop: what there is stays for the next time.
        if lora.is_file() { Ok(()) } else { Err(CompetitionError::Stopped) }
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
        let losses: Vec<(u64, f64)> = text
            .lines()
            .filter_map(|line| match serde_json::from_str(line) {
                Ok(TrainingEvent::Validation { step, loss }) => Some((step, loss)),
                _ => None,
            })
            .collect();
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

/// The name of a round's LoRA among the contestants.
fn name_of(round: u32) -> String {
    format!("round-{round}")
}

fn lora_of(round: u32) -> String {
    format!("rounds/{round}/lora/{LORA}")
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
