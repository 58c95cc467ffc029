//! Every scheduler against diffusers: plans, first, middle and last samples, noised samples.
//!
//! The numbers were made by `tests/reference/engine/schedulers.py`. The network is a pseudo network, the same there and here:
//! 0.7 * scaled input + 0.3 * fixed noise.

use chapan_engine::noise::TorchRng;
use chapan_engine::schedulers::{SchedulerConfig, SchedulerName};
use chapan_tests::fixture::fixture_path;
use serde::Deserialize;

#[derive(Deserialize)]
struct Configuration {
    config_text: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    scheduler: String,
    steps: usize,
    timesteps: Vec<f32>,
    init_noise_sigma: f32,
    first: Vec<f32>,
    middle: Vec<f32>,
    last: Vec<f32>,
    noised_index: usize,
    noised: Vec<f32>,
}

const VALUES: usize = 18;
/// Largest difference allowed, relative to the largest value.
const TOLERANCE: f32 = 1e-6;

fn difference(got: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(got.len(), expected.len());
    let largest = expected.iter().fold(f32::MIN_POSITIVE, |max, v| max.max(v.abs()));
    got.iter().zip(expected).map(|(a, b)| (a - b).abs() / largest).fold(0.0, f32::max)
}

fn check(file: &str, configuration: &Configuration) -> Vec<String> {
    let config =
        SchedulerConfig::from_json(configuration.config_text.as_bytes(), None).expect("configuration reads");
    let mut faults = Vec::new();
    for case in &configuration.cases {
        let name: SchedulerName = case.scheduler.parse().expect("a known name");
        let mut scheduler = config.build(Some(name), case.steps).expect("builds");
        let mut report = |what: &str, got: &[f32], expected: &[f32], tolerance: f32| {
            let off = if got.len() == expected.len() { difference(got, expected) } else { f32::INFINITY };
            if off.is_nan() || off > tolerance {
                faults.push(format!("{file} {name} {} steps: {what} off by {off:e}", case.steps));
            }
        };
        // Karras timesteps come from logarithms in f64, which libraries round differently in the last bit.
        report("timesteps", scheduler.timesteps(), &case.timesteps, 1e-8);
        report("init_noise_sigma", &[scheduler.init_noise_sigma()], &[case.init_noise_sigma], 0.0);
        let noised = scheduler.add_noise(
            &TorchRng::new(8).randn(VALUES),
            &TorchRng::new(9).randn(VALUES),
            case.noised_index,
        );
        report("noised", &noised, &case.noised, TOLERANCE);

        let mut rng = TorchRng::new(12345);
        let sigma = scheduler.init_noise_sigma();
        let mut sample: Vec<f32> = rng.randn(VALUES).into_iter().map(|n| n * sigma).collect();
        let fixed = TorchRng::new(7).randn(VALUES);
        let count = scheduler.timesteps().len();
        for index in 0..count {
            let input = scheduler.scale_model_input(&sample, index);
            let output: Vec<f32> = input.iter().zip(&fixed).map(|(x, n)| 0.7 * x + 0.3 * n).collect();
            sample = scheduler.step(&output, index, &sample, &mut rng);
            if index == 0 {
                report("first sample", &sample, &case.first, TOLERANCE);
            }
            if index == count / 2 {
                report("middle sample", &sample, &case.middle, TOLERANCE);
            }
        }
        report("last sample", &sample, &case.last, TOLERANCE);
    }
    faults
}

#[test]
fn every_scheduler_matches_diffusers() {
    let mut faults = Vec::new();
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(fixture_path("schedulers")).expect("fixtures are committed") {
        let path = entry.expect("readable").path();
        let configuration: Configuration =
            serde_json::from_slice(&std::fs::read(&path).expect("readable")).expect("fixture parses");
        seen.extend(configuration.cases.iter().map(|case| case.scheduler.clone()));
        faults.extend(check(&path.file_stem().unwrap_or_default().to_string_lossy(), &configuration));
    }
    for name in SchedulerName::ALL {
        assert!(seen.iter().any(|seen| seen == name.as_str()), "no fixture for {name}");
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_plans_of_sdxl_are_the_published_ones() {
    let config = SchedulerConfig::sdxl();
    let timesteps = |name, steps| config.build(Some(name), steps).expect("builds").timesteps().to_vec();
    assert_eq!(timesteps(SchedulerName::Euler, 30)[..4], [958.0, 925.0, 892.0, 859.0]);
    assert_eq!(timesteps(SchedulerName::EulerK, 10)[..3], [901.0, 815.017517, 710.500488]);
    let sigma = |steps| config.build(None, steps).expect("builds").init_noise_sigma();
    assert_eq!((sigma(30), sigma(50)), (11.5203343, 13.1584692));
}

#[test]
fn impossible_numbers_of_steps_are_refused_with_a_hint() {
    let config = SchedulerConfig::sdxl();
    for name in SchedulerName::ALL {
        for steps in [0, 1001] {
            let refusal = config.build(Some(name), steps).err().expect("refused").to_string();
            assert!(
                refusal.contains("`num_inference_steps`") && refusal.contains("hint: "),
                "{name}: {refusal}"
            );
        }
    }
    let refusal = config.build(Some(SchedulerName::Lcm), 51).err().expect("refused").to_string();
    assert!(refusal.contains("subset of 50 timesteps") && refusal.contains("choose 1 to 50"), "{refusal}");
    // `leading` with an offset of 1 plans timestep 1000 of 0..=999.
    let refusal = config.build(Some(SchedulerName::Ddim), 1000).err().expect("refused").to_string();
    assert!(refusal.contains("timestep `1000`"), "{refusal}");
    let refusal = config.build(Some(SchedulerName::Dpmpp2m), 1000).err().expect("refused").to_string();
    assert!(refusal.contains("one noise level"), "{refusal}");
}

#[test]
fn what_is_not_built_in_is_refused_by_name() {
    for (json, word) in [
        (r#"{"prediction_type": "flow_prediction"}"#, "flow_prediction"),
        (r#"{"use_beta_sigmas": true}"#, "use_beta_sigmas"),
        (r#"{"timestep_spacing": "random"}"#, "random"),
        (r#"{"beta_schedule": "sigmoid"}"#, "sigmoid"),
        (r#"{"use_karras_sigmas": true, "use_exponential_sigmas": true}"#, "use_exponential_sigmas"),
    ] {
        let config = SchedulerConfig::from_json(json.as_bytes(), None).expect("reads");
        let refusal = config.build(None, 4).err().expect("refused").to_string();
        assert!(refusal.contains(word) && refusal.contains("hint: "), "{refusal}");
    }
}
