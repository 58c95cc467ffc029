//! The line of parameters that Stable Diffusion web UI invented and its relatives write: prompt, `Negative prompt:`, and
//! a last line of `Key: value` pairs.

use super::restore::Restore;
use super::{Imported, LostReason, MetadataSource};

/// A last line with fewer pairs is part of the prompt.
const FEWEST_PAIRS: usize = 3;
/// More pairs than any program writes.
const MOST_PAIRS: usize = 200;

/// Reads a text. `None`: it is not one of these.
pub(super) fn read(text: &str) -> Option<Imported> {
    let text = text.trim();
    let (words, last) = text.rsplit_once('\n').unwrap_or(("", text));
    let pairs = pairs(last);
    if pairs.len() < FEWEST_PAIRS || !pairs.iter().any(|(key, _)| key == "Steps") {
        return None;
    }
    let mut restore = Restore::new();
    let (prompt, negative) = match words.split_once("Negative prompt:") {
        Some((prompt, negative)) => (prompt, negative),
        None => (words, ""),
    };
    restore.prompt(prompt.trim(), true);
    restore.negative_prompt(negative.trim(), true);
    take(&pairs, &mut restore);
    Some(restore.finish(MetadataSource::A1111))
}

fn take(pairs: &[(String, String)], restore: &mut Restore) {
    let find = |key: &str| pairs.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
    let number_of = |key: &str| find(key).and_then(|value| value.parse::<f64>().ok());
    let hires = number_of("Hires upscale").zip(number_of("Denoising strength"));
    let has_hires = pairs.iter().any(|(key, _)| key.starts_with("Hires"));
    if let Some((scale, strength)) = hires {
        restore.hires(scale, strength, number_of("Hires steps"));
    }
    if let Some(sampler) = find("Sampler") {
        restore.scheduler(sampler, find("Schedule type"));
    }
    for (key, value) in pairs {
        let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
        match (key.as_str(), number) {
            ("Steps", Some(steps)) => restore.steps(key, steps),
            ("CFG scale", Some(scale)) => restore.guidance(key, scale),
            ("Seed", _) => restore.seed(key, value),
            ("Variation seed", _) => restore.variation_seed(key, value),
            ("Variation seed strength", Some(strength)) => restore.variation_strength(key, strength),
            ("Size", _) => match value.split_once('x').map(|(w, h)| (w.parse(), h.parse())) {
                Some((Ok(width), Ok(height))) => restore.size(key, width, height),
                _ => restore.lose(key, value, LostReason::Malformed),
            },
            ("Denoising strength", Some(strength)) if !has_hires => restore.strength(key, strength),
            ("Denoising strength" | "Hires upscale" | "Hires steps", Some(_)) if hires.is_some() => {}
            ("Model", _) => restore.model(value),
            ("Model hash", _) => restore.parameters.model_hash = Some(value.chars().take(64).collect()),
            ("Lora hashes", _) => hashes(value, restore),
            ("RNG", _) if value == "CPU" => {}
            ("Clip skip", Some(skip)) if skip <= 1.0 => {}
            ("Sampler" | "Schedule type" | "Version" | "Hashes" | "User" | "Batch size" | "Batch pos", _) => {
            }
            (
                "Steps" | "CFG scale" | "Denoising strength" | "Variation seed strength" | "Clip skip",
                None,
            ) => restore.lose(key, value, LostReason::Malformed),
            _ => restore.lose(key, value, LostReason::NotSupported),
        }
    }
    if find("RNG").is_none() && find("Version").is_none_or(|version| !version.starts_with("chapan")) {
        // Without this key the noise was drawn on a graphics card: the seed means another picture here.
        restore.lose("RNG", "GPU", LostReason::NotSupported);
    }
    if restore.parameters.variation_strength.is_none() {
        restore.parameters.variation_seed = None;
    }
}

/// `name: hash, name: hash`.
fn hashes(value: &str, restore: &mut Restore) {
    for pair in value.split(',') {
        let Some((name, hash)) = pair.rsplit_once(':') else { continue };
        let lora = restore.parameters.loras.iter_mut().find(|lora| lora.name == name.trim());
        if let Some(lora) = lora {
            lora.hash = Some(hash.trim().chars().take(64).collect());
        }
    }
}

/// `Key: value, Key: "value, with separators"`. Stops at what is no pair.
fn pairs(line: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() && pairs.len() < MOST_PAIRS {
        let Some((key, after)) = rest.split_once(':') else { break };
        let after = after.trim_start();
        let (value, next) = if after.starts_with('"') {
            let Some((value, next)) = quoted(after) else { break };
            (value, next)
        } else {
            let end = after.find(',').unwrap_or(after.len());
            (after[..end].trim().to_owned(), &after[end..])
        };
        let key = key.trim();
        let is_key = !key.is_empty() && key.len() <= 60 && !key.contains(['\n', ',', '"']);
        if !is_key {
            break;
        }
        pairs.push((key.to_owned(), value));
        rest = next.trim_start().trim_start_matches(',').trim_start();
    }
    pairs
}

/// A JSON string at the beginning of a text, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let value = strings.next()?.ok()?;
    let next = text.get(strings.byte_offset()..)?;
    Some((value, next))
}
