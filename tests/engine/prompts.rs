//! Weighted and long prompts: pictures as diffusers draws them from embeddings made by the written-out rules.
//!
//! The fixtures were made by `tests/reference/engine/prompts.py`.

use chapan_engine::pipelines::{GenerationParams, Silent, StableDiffusionXl};
use chapan_engine::prompt::{MAX_CHUNKS, Part, PromptSyntax, parse_emphasis};
use chapan_engine::{DType, Device};
use chapan_tests::fixture::{fixture_path, relative_l2, tensors};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    prompt: String,
    negative_prompt: Option<String>,
    seed: u64,
    parts: Vec<(String, Option<f64>)>,
    chunks: Vec<usize>,
}

fn cases() -> Vec<Case> {
    serde_json::from_slice(&std::fs::read(fixture_path("prompts/cases.json")).expect("committed"))
        .expect("parses")
}

fn tiny() -> StableDiffusionXl {
    StableDiffusionXl::load(&fixture_path("pipelines/tiny-sdxl"), &Device::Cpu, DType::F32).expect("loads")
}

fn params(case: &Case, prompt_syntax: PromptSyntax) -> GenerationParams {
    GenerationParams {
        prompt: case.prompt.clone(),
        negative_prompt: case.negative_prompt.clone(),
        prompt_syntax,
        width: 32,
        height: 40,
        num_inference_steps: 3,
        seed: case.seed,
        ..GenerationParams::default()
    }
}

#[test]
fn brackets_are_split_as_written_out() {
    for case in cases() {
        let parts: Vec<(String, Option<f64>)> = (parse_emphasis(&case.prompt).unwrap().into_iter())
            .map(|part| match part {
                Part::Text { text, weight } => (text, Some(weight)),
                Part::Break => ("BREAK".to_owned(), None),
            })
            .collect();
        assert_eq!(parts.len(), case.parts.len(), "{:?}", case.prompt);
        for ((text, weight), (expected, expected_weight)) in parts.iter().zip(&case.parts) {
            assert_eq!(text, expected, "{:?}", case.prompt);
            let apart = weight.unwrap_or_default() - expected_weight.unwrap_or_default();
            assert!(weight.is_some() == expected_weight.is_some() && apart.abs() < 1e-12);
        }
    }
}

#[test]
fn every_pixel_of_a_weighted_prompt_is_within_one_level() {
    let (pipeline, expected) = (tiny(), tensors("prompts/cases.safetensors"));
    let (mut longest, mut unequal, mut values) = (0, 0, 0);
    for (number, case) in cases().iter().enumerate() {
        let drawn = pipeline.generate(&params(case, PromptSyntax::Weighted), &mut Silent).expect("draws");
        let apart = relative_l2(&drawn.latents, &expected[&format!("{number}.latents")]);
        assert!(apart < 5e-5, "case {number}: latents are off by {apart:e}");
        let picture = expected[&format!("{number}.picture")].flatten_all().unwrap().to_vec1::<u8>().unwrap();
        let off = drawn.image.rgb.iter().zip(&picture).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(off <= Some(1), "case {number}: a pixel is {off:?} levels off");
        unequal += drawn.image.rgb.iter().zip(&picture).filter(|(a, b)| a != b).count();
        values += picture.len();
        longest = longest.max(case.chunks.len());
    }
    assert!(
        longest >= 3 && unequal * 1000 <= values,
        "{longest} chunks, {unequal} of {values} values differ"
    );
}

#[test]
fn without_brackets_both_readings_are_the_same_to_the_bit() {
    let pipeline = tiny();
    for case in cases()
        .iter()
        .filter(|case| !case.prompt.contains(['(', '[', '\\', 'B']))
        .filter(|case| case.chunks.len() == 1)
    {
        let negative_prompt = Some("blurry, қара".to_owned());
        let draw = |syntax| {
            let params =
                GenerationParams { negative_prompt: negative_prompt.clone(), ..params(case, syntax) };
            pipeline.generate(&params, &mut Silent).expect("draws")
        };
        let (plain, weighted) = (draw(PromptSyntax::Plain), draw(PromptSyntax::Weighted));
        assert_eq!(plain.image, weighted.image, "{}", case.prompt);
        assert_eq!(relative_l2(&plain.latents, &weighted.latents), 0.0);
    }
}

#[test]
fn plain_is_the_default_and_reads_brackets_as_characters() {
    let pipeline = tiny();
    let draw = |prompt: &str, prompt_syntax| {
        let params = GenerationParams {
            prompt: prompt.to_owned(),
            prompt_syntax,
            width: 16,
            height: 16,
            num_inference_steps: 2,
            ..GenerationParams::default()
        };
        pipeline.generate(&params, &mut Silent).expect("draws").image
    };
    assert_eq!(GenerationParams::default().prompt_syntax, PromptSyntax::Plain);
    assert_ne!(draw("a (red) hat", PromptSyntax::Plain), draw("a (red) hat", PromptSyntax::Weighted));
    assert_eq!(draw(r"a \(red\) hat", PromptSyntax::Weighted), draw("a (red) hat", PromptSyntax::Plain));
    assert_eq!(draw("a (red:1) hat", PromptSyntax::Weighted), draw("a red hat", PromptSyntax::Plain));
}

#[test]
fn reports_say_what_each_encoder_cuts() {
    let pipeline = tiny();
    let reports = pipeline.token_reports(&format!("{}ә", "hat ".repeat(75)));
    assert_eq!(reports.len(), 2);
    for report in reports {
        assert!(report.tokens > 77 && report.limit == 77);
        assert_eq!(report.beyond.map(|range| range.end), Some(301));
    }
}

#[test]
fn endless_and_absurd_prompts_are_refused_with_a_hint() {
    let pipeline = tiny();
    let words = "hat ".repeat(75 * MAX_CHUNKS + 1);
    for (prompt, fault) in
        [(words.as_str(), "32 chunks"), ("(a:1000)", "the weight"), (&"(".repeat(500), "open brackets")]
    {
        for negative in [false, true] {
            let text = |mine: bool| if mine { prompt.to_owned() } else { "a hat".to_owned() };
            let params = GenerationParams {
                prompt: text(!negative),
                negative_prompt: Some(text(negative)),
                prompt_syntax: PromptSyntax::Weighted,
                ..GenerationParams::default()
            };
            let refusal = pipeline.generate(&params, &mut Silent).expect_err("refused").to_string();
            assert!(refusal.contains(fault) && refusal.contains("hint: "), "{refusal}");
        }
    }
}
