//! ComfyUI: the graph of nodes that was run, as JSON under `prompt`. It is followed from the sampler backwards, along
//! links, for a bounded number of steps; nothing in it is run.

use serde_json::{Map, Value};

use super::restore::Restore;
use super::{Imported, LostReason, MetadataSource};

/// Longest way from a sampler to what it uses.
const FARTHEST: usize = 64;
/// Nodes that are understood; every other kind is listed as lost.
const UNDERSTOOD: [&str; 16] = [
    "KSampler",
    "KSamplerAdvanced",
    "CheckpointLoaderSimple",
    "CheckpointLoader",
    "UNETLoader",
    "CLIPTextEncode",
    "CLIPTextEncodeSDXL",
    "EmptyLatentImage",
    "LoraLoader",
    "LoraLoaderModelOnly",
    "VAEDecode",
    "VAEEncode",
    "SaveImage",
    "PreviewImage",
    "PrimitiveString",
    "LoadImage",
];

type Graph = Map<String, Value>;

/// Reads a text. `None`: it is not one of these.
pub(super) fn read(text: &str) -> Option<Imported> {
    // Python writes these, JSON does not know them.
    let text = text.replace(": NaN", ": null").replace("[NaN]", "[null]");
    let Value::Object(graph) = serde_json::from_str(&text).ok()? else { return None };
    let is_graph = !graph.is_empty() && graph.values().all(|node| node["class_type"].is_string());
    if !is_graph {
        return None;
    }
    let mut restore = Restore::new();
    let samplers: Vec<&Value> = graph.values().filter(|node| kind(node).starts_with("KSampler")).collect();
    // The last sampler of a chain refines; the first one, which starts from empty latents, made the picture.
    let first = samplers.iter().find(|node| starts_empty(&graph, node)).or_else(|| samplers.first());
    match first {
        Some(sampler) => follow(&graph, sampler, &mut restore),
        None => restore.lose("KSampler", "", LostReason::NotInFile),
    }
    for sampler in samplers.iter().filter(|node| first.is_some_and(|first| !std::ptr::eq(*first, **node))) {
        restore.lose(kind(sampler), "second pass", LostReason::NotSupported);
    }
    for node in graph.values().filter(|node| !UNDERSTOOD.contains(&kind(node))) {
        restore.lose("node", kind(node), LostReason::NotSupported);
    }
    // ComfyUI draws its noise on the CPU, as the studio does.
    Some(restore.finish(MetadataSource::ComfyUi))
}

fn kind(node: &Value) -> &str {
    node["class_type"].as_str().unwrap_or_default()
}

/// The node at the other end of an input.
fn input<'a>(graph: &'a Graph, node: &Value, name: &str) -> Option<&'a Value> {
    graph.get(node["inputs"][name].as_array()?.first()?.as_str()?)
}

fn starts_empty(graph: &Graph, sampler: &Value) -> bool {
    input(graph, sampler, "latent_image").is_some_and(|node| kind(node).contains("Empty"))
}

fn follow(graph: &Graph, sampler: &Value, restore: &mut Restore) {
    let inputs = &sampler["inputs"];
    let number = |name: &str| inputs[name].as_f64();
    let seed = if inputs["seed"].is_null() { &inputs["noise_seed"] } else { &inputs["seed"] };
    if seed.is_number() {
        restore.seed("seed", &seed.to_string());
    }
    if let Some(steps) = number("steps") {
        restore.steps("steps", steps);
    }
    if let Some(scale) = number("cfg") {
        restore.guidance("cfg", scale);
    }
    if let Some(name) = inputs["sampler_name"].as_str() {
        restore.scheduler(name, inputs["scheduler"].as_str());
    }
    if let Some(strength) = number("denoise").filter(|strength| *strength < 1.0) {
        restore.strength("denoise", strength);
    }
    if let Some(text) = words(graph, sampler, "positive") {
        restore.prompt(&text, true);
    }
    if let Some(text) = words(graph, sampler, "negative") {
        restore.negative_prompt(&text, true);
    }
    if let Some(latents) = input(graph, sampler, "latent_image") {
        let size = |name: &str| latents["inputs"][name].as_f64();
        if let (Some(width), Some(height)) = (size("width"), size("height")) {
            restore.size("size", width, height);
        }
    }
    models(graph, sampler, restore);
}

/// The text of a prompt: through nodes that change a conditioning to the one that encodes it.
fn words(graph: &Graph, sampler: &Value, side: &str) -> Option<String> {
    let mut node = input(graph, sampler, side)?;
    for _ in 0..FARTHEST {
        for name in ["text", "text_g", "text_l", "value", "string"] {
            if let Some(text) = node["inputs"][name].as_str() {
                return Some(text.to_owned());
            }
        }
        let next = ["text", "text_g", "conditioning", "conditioning_1", side, "value", "string"];
        node = next.iter().find_map(|name| input(graph, node, name))?;
    }
    None
}

/// The model: through LoRAs to the file that was loaded.
fn models(graph: &Graph, sampler: &Value, restore: &mut Restore) {
    let mut next = input(graph, sampler, "model");
    for _ in 0..FARTHEST {
        let Some(node) = next else { return };
        let inputs = &node["inputs"];
        if let Some(name) = inputs["lora_name"].as_str() {
            let weight = inputs["strength_model"].as_f64().unwrap_or(1.0);
            restore.lora(stem(name), weight, inputs["strength_clip"].as_f64(), None);
        } else if let Some(name) = inputs["ckpt_name"].as_str().or_else(|| inputs["unet_name"].as_str()) {
            restore.model(stem(name));
            return;
        }
        next = input(graph, node, "model");
    }
}

/// A file's name without folders and ending.
fn stem(path: &str) -> &str {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    name.strip_suffix(".safetensors").or_else(|| name.strip_suffix(".ckpt")).unwrap_or(name)
}
