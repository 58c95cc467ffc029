//! What whoever listens to a training can ask of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chapan_api::training::TrainingEvent;
use chapan_engine::models::vae::Posterior;
use chapan_engine::pipelines::{GenerationParams, StableDiffusionXl};
use chapan_engine::training::{Example, Role, Trainer, TrainingConfig};
use chapan_engine::{DType, Device, Tensor};

use super::{Doing, Plan, Run, RunFolder, SamplePrompt, TrainingError, Wish};

fn pipeline() -> StableDiffusionXl {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/pipelines/tiny-sdxl");
    StableDiffusionXl::load(&folder, &Device::Cpu, DType::F32).unwrap()
}

fn example() -> Example {
    let mean = Tensor::ones((1, 4, 8, 8), DType::F32, &Device::Cpu).unwrap();
    let posterior = Posterior { logvar: mean.zeros_like().unwrap(), mean };
    let time_ids = [64.0, 64.0, 0.0, 0.0, 64.0, 64.0];
    Example { role: Role::Reference, caption: "a hat".to_owned(), posterior, time_ids }
}

fn plan() -> Plan {
    Plan {
        samples: vec![SamplePrompt { prompt: "a hat".to_owned(), seed: 1 }],
        sample_params: GenerationParams {
            width: 64,
            height: 64,
            num_inference_steps: 1,
            ..GenerationParams::default()
        },
        sample_every: 100,
        validate_every: 0,
        checkpoint_every: 0,
        file: "lora.safetensors".to_owned(),
        kohya_file: None,
        metadata: BTreeMap::new(),
        belongs_to: "here".to_owned(),
    }
}

/// Trains with these wishes after the steps of these numbers; what was told, and whether it came to its end.
fn told(folder: &Path, wishes: &[(u64, Wish)]) -> (Vec<TrainingEvent>, bool) {
    let mut pipeline = pipeline();
    let config = TrainingConfig { max_train_steps: 6, train_batch_size: 1, ..TrainingConfig::default() };
    let mut trainer = Trainer::new(&mut pipeline, vec![example()], config).unwrap();
    let folder = RunFolder::open(folder, true).unwrap();
    let mut events = Vec::new();
    let mut observer = |doing: Doing<'_>| {
        let Doing::Event(event) = doing else { return Wish::Continue };
        events.push(event.clone());
        let wish =
            wishes.iter().find(|(at, _)| matches!(event, TrainingEvent::Step { step, .. } if step == at));
        wish.map_or(Wish::Continue, |(_, wish)| *wish)
    };
    let plan = plan();
    let mut run = Run { trainer: &mut trainer, plan: &plan, folder: &folder, observer: &mut observer };
    run.resume().unwrap();
    let ended = run.to_the_end().unwrap();
    (events, ended)
}

fn steps_of(events: &[TrainingEvent], kind: impl Fn(&TrainingEvent) -> Option<u64>) -> Vec<u64> {
    events.iter().filter_map(kind).collect()
}

#[test]
fn samples_and_checkpoints_come_when_they_are_wished_for() {
    let folder = tempfile::tempdir().unwrap();
    let (events, ended) = told(folder.path(), &[(2, Wish::Sample), (3, Wish::Save)]);
    assert!(ended && folder.path().join("lora.safetensors").is_file());
    let sampled = steps_of(&events, |event| match event {
        TrainingEvent::Sample { step, .. } => Some(*step),
        _ => None,
    });
    assert_eq!(sampled, [0, 2, 6], "before the first step, when wished for, at the end");
    let kept = steps_of(&events, |event| match event {
        TrainingEvent::Checkpoint { step } => Some(*step),
        _ => None,
    });
    assert_eq!(kept, [3, 6]);
}

#[test]
fn a_training_that_is_stopped_goes_on_where_it_was() {
    let (folder, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (events, ended) = told(folder.path(), &[(4, Wish::Stop)]);
    assert!(!ended && matches!(events.last(), Some(TrainingEvent::Stopped { step: 4 })));
    assert!(!folder.path().join("lora.safetensors").exists());
    let (events, ended) = told(folder.path(), &[]);
    assert!(ended && matches!(events[0], TrainingEvent::Started { step: 4, .. }));
    told(whole.path(), &[]);
    let read = |folder: &Path| std::fs::read(folder.join("lora.safetensors")).unwrap();
    assert!(read(folder.path()) == read(whole.path()), "the bytes differ");
}

#[test]
fn numbers_that_leave_their_range_name_the_step_that_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let run_folder = RunFolder::open(folder.path(), true).unwrap();
    told(folder.path(), &[(2, Wish::Stop)]);
    let kept = run_folder.checkpoint().unwrap().unwrap();
    let mut pipeline = pipeline();
    let config = TrainingConfig { max_train_steps: 6, train_batch_size: 1, ..TrainingConfig::default() };
    let mut trainer = Trainer::new(&mut pipeline, vec![example()], config).unwrap();
    trainer.resume("the checkpoint", kept.clone(), "here").unwrap();
    let huge = trainer.parameters().iter().map(|parameter| vec![1e30; parameter.values.len()]);
    let huge = huge.collect();
    trainer.set_parameters(huge).unwrap();
    let (plan, mut observer) = (plan(), |_: Doing<'_>| Wish::Continue);
    let mut run = Run { trainer: &mut trainer, plan: &plan, folder: &run_folder, observer: &mut observer };
    let error = run.to_the_end().unwrap_err();
    assert!(matches!(error, TrainingError::AfterCheckpoint { step: 2, .. }), "{error}");
    let text = error.to_string();
    for part in ["of step 3 is not finite", "hint: ", "step 2 is kept", "checkpoint.safetensors"] {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
    assert!(run_folder.checkpoint().unwrap().unwrap() == kept, "the checkpoint was touched");
}

#[test]
fn a_stop_does_not_wait_for_a_sample() {
    let folder = tempfile::tempdir().unwrap();
    let run_folder = RunFolder::open(folder.path(), true).unwrap();
    let mut pipeline = pipeline();
    let config = TrainingConfig { max_train_steps: 6, train_batch_size: 1, ..TrainingConfig::default() };
    let mut trainer = Trainer::new(&mut pipeline, vec![example()], config).unwrap();
    let plan = Plan { sample_every: 2, ..plan() };
    let (mut drawings, mut steps) = (0, 0);
    let mut observer = |doing: Doing<'_>| {
        drawings += u32::from(matches!(doing, Doing::Drawing));
        if let Doing::Event(TrainingEvent::Step { step, .. }) = doing {
            steps = *step;
        }
        if steps > 0 && matches!(doing, Doing::Drawing) { Wish::Stop } else { Wish::Continue }
    };
    let mut run = Run { trainer: &mut trainer, plan: &plan, folder: &run_folder, observer: &mut observer };
    assert!(!run.to_the_end().unwrap());
    assert!(drawings >= 2 && steps == 2, "{drawings} drawings, step {steps}");
    assert!(run_folder.checkpoint().unwrap().is_some());
    assert!(folder.path().join("samples/step-000000-0.png").is_file());
    assert!(!folder.path().join("samples/step-000002-0.png").exists());
}
