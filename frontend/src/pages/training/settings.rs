//! How it is learnt: a name is enough; everything else is folded away and may stay as it usually is.

use chapan_api::{
    dataset::UpdateDataset,
    id::DatasetId,
    training::{CreateTraining, LearningRateSchedule, TrainingTarget},
    validation::FieldError,
};
use leptos::prelude::*;

use super::collection::Collection;
use crate::{
    components::{
        check::Check, fold::Fold, optional::OptionalNumber, select::Select, slider::FaultLine, tip::Tip,
    },
    i18n::{self, Words, t_string, use_i18n},
    state::models::Models,
};

/// The settings as typed: `NaN` and empty words where what is usual holds.
#[derive(Clone, Copy)]
pub struct Settings {
    /// What the training and its LoRA are called.
    pub name: RwSignal<String>,
    /// The model that learns; empty for the server's first.
    pub model: RwSignal<String>,
    steps: RwSignal<f64>,
    rate: RwSignal<f64>,
    rank: RwSignal<f64>,
    alpha: RwSignal<f64>,
    batch: RwSignal<f64>,
    resolution: RwSignal<f64>,
    warmup: RwSignal<f64>,
    min_snr: RwSignal<f64>,
    offset: RwSignal<f64>,
    dropout: RwSignal<f64>,
    seed: RwSignal<f64>,
    sample_every: RwSignal<f64>,
    validate_every: RwSignal<f64>,
    checkpoint_every: RwSignal<f64>,
    schedule: RwSignal<String>,
    feed_forward: RwSignal<bool>,
    convolutions: RwSignal<bool>,
    text_encoders: RwSignal<bool>,
    dora: RwSignal<bool>,
    ema: RwSignal<bool>,
    recompute: RwSignal<bool>,
    prompts: RwSignal<String>,
}

impl Settings {
    /// Everything as usual.
    pub fn usual() -> Self {
        let number = || RwSignal::new(f64::NAN);
        let no = || RwSignal::new(false);
        Self {
            name: RwSignal::default(),
            model: RwSignal::default(),
            steps: number(),
            rate: number(),
            rank: number(),
            alpha: number(),
            batch: number(),
            resolution: number(),
            warmup: number(),
            min_snr: number(),
            offset: number(),
            dropout: number(),
            seed: number(),
            sample_every: number(),
            validate_every: number(),
            checkpoint_every: number(),
            schedule: RwSignal::default(),
            feed_forward: no(),
            convolutions: no(),
            text_encoders: no(),
            dora: no(),
            ema: no(),
            recompute: no(),
            prompts: RwSignal::default(),
        }
    }

    /// Ticks stand as usual for a model of this side until somebody changes them.
    fn tick(self, side: u32) {
        let usual = usual(side);
        let has = |target| usual.targets.as_ref().is_some_and(|targets| targets.contains(&target));
        self.feed_forward.set(has(TrainingTarget::FeedForward));
        self.convolutions.set(has(TrainingTarget::Convolutions));
        self.text_encoders.set(usual.text_encoders == Some(true));
        self.dora.set(usual.dora == Some(true));
        self.ema.set(usual.ema == Some(true));
        self.recompute.set(usual.gradient_checkpointing == Some(true));
    }

    /// The request that the settings make, for a model of this side: what is as usual is left open.
    pub fn request(self, dataset: DatasetId, side: u32) -> CreateTraining {
        let usual = usual(side);
        // A fraction of a step is told by the rule for whole numbers: it is rounded as it is read.
        let whole = |field: RwSignal<f64>| {
            number(field).map(|value| value.clamp(0.0, f64::from(u32::MAX)).round() as u32)
        };
        let tick = |field: RwSignal<bool>, usual: Option<bool>| {
            Some(field.get()).filter(|tick| Some(*tick) != usual)
        };
        let mut targets = vec![TrainingTarget::Attention];
        targets.extend(self.feed_forward.get().then_some(TrainingTarget::FeedForward));
        targets.extend(self.convolutions.get().then_some(TrainingTarget::Convolutions));
        let prompts = self.prompts.get();
        CreateTraining {
            model: Some(self.model.get()).filter(|id| !id.is_empty()).map(Into::into),
            resolution: whole(self.resolution),
            rank: whole(self.rank),
            alpha: number(self.alpha),
            max_train_steps: whole(self.steps),
            learning_rate: number(self.rate),
            train_batch_size: whole(self.batch),
            targets: Some(targets).filter(|targets| Some(targets) != usual.targets.as_ref()),
            text_encoders: tick(self.text_encoders, usual.text_encoders),
            dora: tick(self.dora, usual.dora),
            lr_scheduler: match self.schedule.get().as_str() {
                "constant" => Some(LearningRateSchedule::Constant),
                "cosine" => Some(LearningRateSchedule::Cosine),
                _ => None,
            },
            lr_warmup_steps: whole(self.warmup),
            min_snr_gamma: number(self.min_snr),
            noise_offset: number(self.offset),
            caption_dropout: number(self.dropout),
            seed: number(self.seed).map(|seed| seed.max(0.0) as u64),
            ema: tick(self.ema, usual.ema),
            gradient_checkpointing: tick(self.recompute, usual.gradient_checkpointing),
            sample_prompts: prompts
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect(),
            sample_every: whole(self.sample_every),
            validate_every: whole(self.validate_every),
            checkpoint_every: whole(self.checkpoint_every),
            ..CreateTraining::new(dataset, self.name.get().trim())
        }
    }

    /// How many settings are not as usual.
    fn changed(self, side: u32) -> usize {
        let asked = self.request(DatasetId::new(""), side);
        let Ok(serde_json::Value::Object(asked)) = serde_json::to_value(asked) else { return 0 };
        // What is usual is left out of a request; dataset and name always stand in it.
        asked.keys().filter(|key| !matches!(key.as_str(), "dataset" | "name" | "sample_prompts")).count()
    }
}

/// What a model of this side usually wants.
fn usual(side: u32) -> CreateTraining {
    CreateTraining::new(DatasetId::new(""), "").filled(side)
}

fn number(field: RwSignal<f64>) -> Option<f64> {
    Some(field.get()).filter(|value| !value.is_nan())
}

/// The fields.
#[component]
pub fn SettingsForm(
    set: Collection,
    settings: Settings,
    /// Side of the model that learns.
    side: Memo<u32>,
    /// What is wrong with the request.
    #[prop(into)]
    faults: Signal<Vec<FieldError>>,
) -> impl IntoView {
    let i18n = use_i18n();
    Effect::new(move |_| settings.tick(side.get()));
    let fault = move |field: &'static str| {
        Signal::derive(move || {
            faults.with(|faults| {
                let found = faults
                    .iter()
                    .find(|fault| fault.field == field || fault.field.starts_with(&format!("{field}[")));
                found.map(|found| i18n::fault(i18n, found))
            })
        })
    };
    let trigger = Memo::new(move |_| {
        set.view.with(|view| view.as_ref().and_then(|view| view.trigger_word.clone()).unwrap_or_default())
    });
    let brief = Signal::derive(move || match settings.changed(side.get()) {
        0 => t_string!(i18n, training.all_usual).to_owned(),
        count => t_string!(i18n, training.changed, count = count),
    });
    view! {
        <div class="field">
            <div class="field-head">
                <label for="train-name">{move || t_string!(i18n, training.name)}</label>
                <Tip about=|i18n| t_string!(i18n, training.name) words=|i18n| t_string!(i18n, training.name_tip) />
            </div>
            <input
                id="train-name"
                class="text"
                type="text"
                maxlength="80"
                prop:value=move || settings.name.get()
                on:input=move |event| settings.name.set(event_target_value(&event))
            />
            <FaultLine id="train-name" fault=fault("name") />
        </div>
        <div class="field">
            <div class="field-head">
                <label for="train-trigger">{move || t_string!(i18n, training.trigger)}</label>
                <Tip about=|i18n| t_string!(i18n, training.trigger) words=|i18n| t_string!(i18n, training.trigger_tip) />
            </div>
            <input
                id="train-trigger"
                class="text"
                type="text"
                lang="en"
                maxlength="40"
                prop:value=move || trigger.get()
                on:change=move |event| {
                    set.update(UpdateDataset {
                        trigger_word: Some(event_target_value(&event).trim().to_owned()),
                        ..UpdateDataset::default()
                    });
                }
            />
        </div>
        <Prompts settings fault=fault("sample_prompts") />
        <Fold name="training" title=|i18n| t_string!(i18n, training.more) brief=brief>
            <More settings side fault=Callback::new(fault) />
        </Fold>
    }
}

#[component]
fn Prompts(settings: Settings, fault: Signal<Option<Words>>) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <div class="field">
            <div class="field-head">
                <label for="train-prompts">{move || t_string!(i18n, training.sample_prompts)}</label>
                <Tip
                    about=|i18n| t_string!(i18n, training.sample_prompts)
                    words=|i18n| t_string!(i18n, training.sample_prompts_tip)
                />
            </div>
            <textarea
                id="train-prompts"
                class="text"
                rows="2"
                lang="en"
                placeholder=move || t_string!(i18n, training.sample_prompts_usual)
                prop:value=move || settings.prompts.get()
                on:input=move |event| settings.prompts.set(event_target_value(&event))
            ></textarea>
            <FaultLine id="train-prompts" fault />
        </div>
    }
}

#[component]
fn More(
    settings: Settings,
    side: Memo<u32>,
    fault: Callback<&'static str, Signal<Option<Words>>>,
) -> impl IntoView {
    let i18n = use_i18n();
    let models = expect_context::<Models>();
    let several = move || models.known().len() > 1;
    let names = Signal::derive(move || {
        let usual = (String::new(), t_string!(i18n, training.usual).to_owned());
        let known = models.known().into_iter().map(|model| (model.id.to_string(), model.id.to_string()));
        std::iter::once(usual).chain(known).collect()
    });
    let schedules = Signal::derive(move || {
        vec![
            (String::new(), t_string!(i18n, training.usual).to_owned()),
            ("constant".to_owned(), t_string!(i18n, training.constant).to_owned()),
            ("cosine".to_owned(), t_string!(i18n, training.cosine).to_owned()),
        ]
    });
    let of = move |name| fault.run(name);
    let asked = Memo::new(move |_| usual(side.get()));
    let whole = move |read: fn(&CreateTraining) -> Option<u32>| {
        Signal::derive(move || asked.with(read).map(f64::from))
    };
    let real = move |read: fn(&CreateTraining) -> Option<f64>| Signal::derive(move || asked.with(read));
    view! {
        <Show when=several>
            <Select
                id="train-model"
                label=|i18n| t_string!(i18n, studio.model)
                tip=|i18n| t_string!(i18n, training.model_tip)
                options=names
                value=settings.model
                choose=move |id| settings.model.set(id)
            />
        </Show>
        <OptionalNumber
            id="train-steps"
            label=|i18n| t_string!(i18n, training.steps)
            tip=|i18n| t_string!(i18n, training.steps_tip)
            value=settings.steps
            usual=whole(|usual| usual.max_train_steps)
            fault=of("max_train_steps")
        />
        <OptionalNumber
            id="train-rate"
            label=|i18n| t_string!(i18n, training.rate)
            tip=|i18n| t_string!(i18n, training.rate_tip)
            value=settings.rate
            usual=real(|usual| usual.learning_rate)
            fault=of("learning_rate")
        />
        <OptionalNumber
            id="train-rank"
            label=|i18n| t_string!(i18n, training.rank)
            tip=|i18n| t_string!(i18n, training.rank_tip)
            value=settings.rank
            usual=whole(|usual| usual.rank)
            fault=of("rank")
        />
        <OptionalNumber
            id="train-alpha"
            label=|i18n| t_string!(i18n, training.alpha)
            tip=|i18n| t_string!(i18n, training.alpha_tip)
            value=settings.alpha
            usual=real(|usual| usual.alpha)
            fault=of("alpha")
        />
        <OptionalNumber
            id="train-batch"
            label=|i18n| t_string!(i18n, training.batch)
            tip=|i18n| t_string!(i18n, training.batch_tip)
            value=settings.batch
            usual=whole(|usual| usual.train_batch_size)
            fault=of("train_batch_size")
        />
        <OptionalNumber
            id="train-resolution"
            label=|i18n| t_string!(i18n, training.resolution)
            tip=|i18n| t_string!(i18n, training.resolution_tip)
            value=settings.resolution
            usual=whole(|usual| usual.resolution)
            fault=of("resolution")
        />
        <Select
            id="train-schedule"
            label=|i18n| t_string!(i18n, training.schedule)
            tip=|i18n| t_string!(i18n, training.schedule_tip)
            options=schedules
            value=settings.schedule
            choose=move |name| settings.schedule.set(name)
        />
        <OptionalNumber
            id="train-warmup"
            label=|i18n| t_string!(i18n, training.warmup)
            tip=|i18n| t_string!(i18n, training.warmup_tip)
            value=settings.warmup
            usual=whole(|usual| usual.lr_warmup_steps)
            fault=of("lr_warmup_steps")
        />
        <OptionalNumber
            id="train-snr"
            label=|i18n| t_string!(i18n, training.min_snr)
            tip=|i18n| t_string!(i18n, training.min_snr_tip)
            value=settings.min_snr
            usual=real(|usual| usual.min_snr_gamma)
            fault=of("min_snr_gamma")
        />
        <OptionalNumber
            id="train-offset"
            label=|i18n| t_string!(i18n, training.offset)
            tip=|i18n| t_string!(i18n, training.offset_tip)
            value=settings.offset
            usual=real(|usual| usual.noise_offset)
            fault=of("noise_offset")
        />
        <OptionalNumber
            id="train-dropout"
            label=|i18n| t_string!(i18n, training.dropout)
            tip=|i18n| t_string!(i18n, training.dropout_tip)
            value=settings.dropout
            usual=real(|usual| usual.caption_dropout)
            fault=of("caption_dropout")
        />
        <OptionalNumber
            id="train-seed"
            label=|i18n| t_string!(i18n, studio.seed)
            tip=|i18n| t_string!(i18n, training.seed_tip)
            value=settings.seed
            fault=of("seed")
        />
        <OptionalNumber
            id="train-sample"
            label=|i18n| t_string!(i18n, training.sample_every)
            tip=|i18n| t_string!(i18n, training.sample_every_tip)
            value=settings.sample_every
            usual=whole(|usual| usual.sample_every)
            fault=of("sample_every")
        />
        <OptionalNumber
            id="train-validate"
            label=|i18n| t_string!(i18n, training.validate_every)
            tip=|i18n| t_string!(i18n, training.validate_every_tip)
            value=settings.validate_every
            usual=whole(|usual| usual.validate_every)
            fault=of("validate_every")
        />
        <OptionalNumber
            id="train-checkpoint"
            label=|i18n| t_string!(i18n, training.checkpoint_every)
            tip=|i18n| t_string!(i18n, training.checkpoint_every_tip)
            value=settings.checkpoint_every
            usual=whole(|usual| usual.checkpoint_every)
            fault=of("checkpoint_every")
        />
        <Check
            label=|i18n| t_string!(i18n, training.feed_forward)
            tip=|i18n| t_string!(i18n, training.feed_forward_tip)
            value=settings.feed_forward
        />
        <Check
            label=|i18n| t_string!(i18n, training.convolutions)
            tip=|i18n| t_string!(i18n, training.convolutions_tip)
            value=settings.convolutions
        />
        <Check
            label=|i18n| t_string!(i18n, training.text_encoders)
            tip=|i18n| t_string!(i18n, training.text_encoders_tip)
            value=settings.text_encoders
        />
        <Check
            label=|_| "DoRA"
            tip=|i18n| t_string!(i18n, training.dora_tip)
            value=settings.dora
        />
        <FaultLine id="train-targets" fault=of("targets") />
        <Check
            label=|_| "EMA"
            tip=|i18n| t_string!(i18n, training.ema_tip)
            value=settings.ema
        />
        <Check
            label=|i18n| t_string!(i18n, training.recompute)
            tip=|i18n| t_string!(i18n, training.recompute_tip)
            value=settings.recompute
        />
    }
}
