//! Asking for a competition.

use serde::{Deserialize, Serialize};

use super::RoundSettings;
use crate::comparison::ScoreWeights;
use crate::generation::limits::{ID_CHARS, MAX_GUIDANCE, MAX_SEED, MAX_STEPS, MIN_GUIDANCE, PROMPT_CHARS};
use crate::id::{DatasetId, ImageId, ModelId};
use crate::validation::{Checker, FieldError, Rule};

/// Ranges of the parameters.
pub mod limits {
    /// Longest name of a competition, and of a contestant.
    pub const NAME_CHARS: u64 = 80;
    /// Most prompts.
    pub const PROMPTS: u64 = 4;
    /// Fewest pictures of each prompt: a standard error needs two.
    pub const MIN_SEEDS: u32 = 2;
    /// Most pictures of each prompt.
    pub const MAX_SEEDS: u32 = 16;
    /// Most rounds.
    pub const MAX_ITERATIONS: u32 = 10;
    /// Most training steps of a round.
    pub const MAX_TRAIN_STEPS: u64 = 20_000;
    /// Least learning rate.
    pub const MIN_LEARNING_RATE: f64 = 1e-8;
    /// Greatest learning rate.
    pub const MAX_LEARNING_RATE: f64 = 1.0;
    /// Most columns of a LoRA's factors.
    pub const MAX_RANK: u64 = 256;
    /// Most phrases that captions are told to say.
    pub const EMPHASISED: u64 = 16;
    /// Most contestants from elsewhere.
    pub const CONTESTANTS: u64 = 6;
    /// Most pictures of one of those.
    pub const IMAGES: u64 = 200;
    /// Greatest weight of a part of the score.
    pub const MAX_WEIGHT: f64 = 100.0;
}

/// A request for a competition: `POST /api/competitions`. As a part of a `CompetitionView` everything is filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateCompetition {
    /// The references.
    pub dataset: DatasetId,
    /// What it is called.
    pub name: String,
    /// The base model; absent means the server's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// What every contestant draws, 1 to [`limits::PROMPTS`].
    pub prompts: Vec<String>,
    /// Pictures of each prompt.
    #[serde(default = "default_seeds")]
    pub seeds: u32,
    /// Seed of the first picture of each prompt, the next ones follow; absent means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The most rounds.
    #[serde(default = "default_iterations")]
    pub iterations: u32,
    /// How far the LoRA may stay behind the best competitor; below 0 it has to lead by as much.
    #[serde(default = "default_score_gap")]
    pub score_gap: f64,
    /// Settings of the first round; absent means the model's usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<RoundSettings>,
    /// How much each part of the score counts; absent means 0.4, 0.4 and 0.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<ScoreWeights>,
    /// Denoising steps of every picture; absent means 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_inference_steps: Option<u32>,
    /// Classifier-free guidance of every picture; absent means 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guidance_scale: Option<f64>,
    /// Contestants from elsewhere, beside the base model and the LoRA of each round.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contestants: Vec<CreateContestant>,
}

/// A contestant from elsewhere: a LoRA, or pictures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateContestant {
    /// Its name, of letters, digits, spaces, `-` and `.`: files are called by it. Not `base` and not `round-...`.
    pub name: String,
    /// An installed LoRA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<ModelId>,
    /// Pictures of one's own, such as a provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<ImageId>>,
}

fn default_seeds() -> u32 {
    6
}

fn default_iterations() -> u32 {
    3
}

fn default_score_gap() -> f64 {
    0.05
}

/// Whether a contestant from elsewhere may be called so: files are named by it, and the competition's own names are taken.
pub fn is_contestant_name(name: &str) -> bool {
    let plain = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | ' ' | '.'));
    let ours = name == "base" || name.starts_with("round-");
    plain && !ours && !name.trim().is_empty() && !name.starts_with('.') && name.trim() == name
}

impl CreateCompetition {
    /// Checks every field and reports all faults at once.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut check = Checker::new();
        required(&mut check, "dataset", self.dataset.as_str(), ID_CHARS);
        required(&mut check, "name", &self.name, limits::NAME_CHARS);
        if let Some(model) = &self.model {
            required(&mut check, "model", model.as_str(), ID_CHARS);
        }
        if self.prompts.is_empty() {
            check.fault("prompts", Rule::Required);
        }
        check.count("prompts", self.prompts.len(), limits::PROMPTS);
        for (index, prompt) in self.prompts.iter().enumerate().take(limits::PROMPTS as usize) {
            required(&mut check, &format!("prompts[{index}]"), prompt, PROMPT_CHARS);
        }
        let seeds = f64::from(self.seeds);
        check.number("seeds", seeds, f64::from(limits::MIN_SEEDS), f64::from(limits::MAX_SEEDS));
        if let Some(seed) = self.seed {
            check.number("seed", seed as f64, 0.0, (MAX_SEED - u64::from(limits::MAX_SEEDS)) as f64);
        }
        check.number("iterations", f64::from(self.iterations), 1.0, f64::from(limits::MAX_ITERATIONS));
        check.number("score_gap", self.score_gap, -1.0, 1.0);
        if let Some(settings) = &self.settings {
            check_settings(&mut check, settings);
        }
        if let Some(weights) = &self.weights {
            check_weights(&mut check, weights);
        }
        if let Some(steps) = self.num_inference_steps {
            check.number("num_inference_steps", f64::from(steps), 1.0, f64::from(MAX_STEPS));
        }
        if let Some(guidance) = self.guidance_scale {
            check.number("guidance_scale", guidance, MIN_GUIDANCE, MAX_GUIDANCE);
        }
        check.count("contestants", self.contestants.len(), limits::CONTESTANTS);
        for (index, one) in self.contestants.iter().enumerate().take(limits::CONTESTANTS as usize) {
            let taken = self.contestants[..index].iter().any(|other| other.name == one.name);
            one.check(&format!("contestants[{index}]"), taken, &mut check);
        }
        check.finish()
    }
}

impl CreateContestant {
    fn check(&self, place: &str, taken: bool, check: &mut Checker) {
        let field = |name: &str| format!("{place}.{name}");
        required(check, &field("name"), &self.name, limits::NAME_CHARS);
        let known = check.faults();
        if !self.name.is_empty() && (taken || !is_contestant_name(&self.name)) {
            let expected = "name of its own, of letters, digits, - and .".to_owned();
            let got = self.name.chars().filter(|c| !c.is_control()).take(80).collect();
            check.fault(&field("name"), Rule::WrongKind { expected, got });
        }
        match (&self.lora, &self.images) {
            (Some(lora), None) => required(check, &field("lora"), lora.as_str(), ID_CHARS),
            (None, Some(images)) => {
                if images.is_empty() {
                    check.fault(&field("images"), Rule::Required);
                }
                check.count(&field("images"), images.len(), limits::IMAGES);
                if images.iter().any(|id| id.as_str().chars().count() as u64 > ID_CHARS)
                    && check.faults() == known
                {
                    let got = "longer than an identifier".to_owned();
                    check.fault(&field("images"), Rule::Absent { got });
                }
            }
            (None, None) => check.fault(&field("lora"), Rule::Required),
            (Some(_), Some(_)) => check.fault(place, Rule::TooMany { max: 1, got: 2 }),
        }
    }
}

fn required(check: &mut Checker, field: &str, value: &str, max: u64) {
    if value.trim().is_empty() {
        check.fault(field, Rule::Required);
    }
    check.text(field, value, max);
}

fn check_settings(check: &mut Checker, settings: &RoundSettings) {
    let most = limits::MAX_TRAIN_STEPS as f64;
    check.number("settings.max_train_steps", settings.max_train_steps as f64, 1.0, most);
    let (least, most) = (limits::MIN_LEARNING_RATE, limits::MAX_LEARNING_RATE);
    check.number("settings.learning_rate", settings.learning_rate, least, most);
    check.number("settings.rank", settings.rank as f64, 1.0, limits::MAX_RANK as f64);
    check.count("settings.emphasised", settings.emphasised.len(), limits::EMPHASISED);
    for (index, phrase) in settings.emphasised.iter().enumerate().take(limits::EMPHASISED as usize) {
        required(check, &format!("settings.emphasised[{index}]"), phrase, limits::NAME_CHARS);
    }
}

fn check_weights(check: &mut Checker, weights: &ScoreWeights) {
    let parts = [
        ("weights.clip_similarity", weights.clip_similarity),
        ("weights.feature_matching", weights.feature_matching),
        ("weights.ssim", weights.ssim),
    ];
    for (field, weight) in parts {
        check.number(field, weight, 0.0, limits::MAX_WEIGHT);
    }
    if parts.iter().all(|(_, weight)| *weight == 0.0) {
        check.fault("weights", Rule::Required);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> CreateCompetition {
        let json = r#"{"dataset": "d", "name": "Aldar", "prompts": ["aldar kose on a horse"]}"#;
        serde_json::from_str(json).unwrap()
    }

    fn fields(request: &CreateCompetition) -> Vec<String> {
        request.validate().err().into_iter().flatten().map(|fault| fault.field).collect()
    }

    #[test]
    fn what_is_left_out_is_usual_and_what_is_unknown_is_refused() {
        let request = plain();
        assert_eq!((request.validate(), request.seeds, request.iterations), (Ok(()), 6, 3));
        let unknown = r#"{"dataset": "d", "name": "n", "prompts": ["p"], "rounds": 3}"#;
        assert!(serde_json::from_str::<CreateCompetition>(unknown).is_err());
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let settings = RoundSettings {
            max_train_steps: 0,
            learning_rate: f64::NAN,
            rank: 1000,
            emphasised: vec![String::new()],
        };
        let request = CreateCompetition {
            name: " ".into(),
            prompts: vec!["a".into(), "b\0".into(), " ".into(), "d".repeat(2001), "e".into()],
            seeds: 1,
            seed: Some(u64::MAX),
            iterations: 11,
            score_gap: f64::INFINITY,
            settings: Some(settings),
            weights: Some(ScoreWeights { clip_similarity: 0.0, feature_matching: 0.0, ssim: 0.0 }),
            num_inference_steps: Some(0),
            guidance_scale: Some(-1.0),
            ..plain()
        };
        let expected = [
            "name",
            "prompts",
            "prompts[1]",
            "prompts[2]",
            "prompts[3]",
            "seeds",
            "seed",
            "iterations",
            "score_gap",
            "settings.max_train_steps",
            "settings.learning_rate",
            "settings.rank",
            "settings.emphasised[0]",
            "weights",
            "num_inference_steps",
            "guidance_scale",
        ];
        assert_eq!(fields(&request), expected);
        assert_eq!(fields(&CreateCompetition { prompts: vec![], ..plain() }), ["prompts"]);
    }

    #[test]
    fn a_contestant_is_a_lora_or_pictures_under_a_name_of_its_own() {
        let one = |name: &str| CreateContestant {
            name: name.to_owned(),
            lora: Some(ModelId::new("l")),
            images: None,
        };
        let with = |contestants: Vec<CreateContestant>| fields(&CreateCompetition { contestants, ..plain() });
        assert!(with(vec![one("a-1.2"), one("Айдар")]).is_empty());
        for name in ["base", "round-1", "a/b", "..", ".a", "a_b", " a", "\u{7}"] {
            assert!(with(vec![one(name)]).contains(&"contestants[0].name".to_owned()), "{name}");
        }
        assert_eq!(with(vec![one("a"), one("a")]), ["contestants[1].name"]);
        let neither = CreateContestant { lora: None, ..one("a") };
        let both = CreateContestant { images: Some(vec![ImageId::new("i")]), ..one("b") };
        let none = CreateContestant { lora: None, images: Some(vec![]), ..one("c") };
        let long =
            CreateContestant { lora: None, images: Some(vec![ImageId::new("i".repeat(300))]), ..one("d") };
        let found = with(vec![neither, both, none, long]);
        assert_eq!(
            found,
            ["contestants[0].lora", "contestants[1]", "contestants[2].images", "contestants[3].images"]
        );
        assert_eq!(with(vec![one("a"); 7])[0], "contestants");
    }
}
