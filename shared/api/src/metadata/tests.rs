//! Texts as the programs write them.

use super::*;

fn one(keyword: &str, text: &str) -> Option<Imported> {
    read(&[("Software".to_owned(), "something".to_owned()), (keyword.to_owned(), text.to_owned())])
}

fn lost(imported: &Imported) -> Vec<(&str, &str, LostReason)> {
    imported.lost.iter().map(|lost| (lost.what.as_str(), lost.value.as_str(), lost.why)).collect()
}

const A1111: &str = "masterpiece, (red shirt:1.2), portrait of a man <lora:ink_style:0.8>, <b>\n\
    second line, with: a colon\n\
    Negative prompt: lowres, [blurry], \nbad hands\n\
    Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 2876543210, Size: 832x1216, \
    Model hash: 31e35c80fc, Model: sd_xl_base_1.0, VAE hash: 235745af8d, VAE: sdxl_vae.safetensors, \
    Denoising strength: 0.45, Clip skip: 2, Hires upscale: 1.5, Hires steps: 12, Hires upscaler: R-ESRGAN 4x+, \
    Lora hashes: \"ink_style: 1b2c3d4e5f60\", TI hashes: \"easynegative: c74b4e810b03\", Version: v1.10.1";

#[test]
fn a1111_is_restored_and_its_losses_are_listed() {
    let imported = one("parameters", A1111).unwrap();
    assert_eq!(imported.source, MetadataSource::A1111);
    let said = &imported.parameters;
    assert_eq!(
        said.prompt,
        "masterpiece, (red shirt:1.2), portrait of a man , <b>\nsecond line, with: a colon"
    );
    assert_eq!(said.negative_prompt.as_deref(), Some("lowres, [blurry], \nbad hands"));
    // 12 steps that are done are the last 0.45 of 27.
    let hires = Hires { scale: 1.5, strength: 0.45, steps: Some(27), upscaler: None };
    assert_eq!((said.hires.as_ref(), hires.steps_done(28)), (Some(&hires), 12));
    assert_eq!(
        (said.seed, said.num_inference_steps, said.guidance_scale),
        (Some(2_876_543_210), Some(28), Some(6.5))
    );
    assert_eq!((said.width, said.height), (Some(832), Some(1216)));
    assert_eq!(said.scheduler.as_deref(), Some("dpmpp_2m_k"));
    assert_eq!(
        (said.model.as_deref(), said.model_hash.as_deref()),
        (Some("sd_xl_base_1.0"), Some("31e35c80fc"))
    );
    assert_eq!((said.loras[0].name.as_str(), said.loras[0].weight), ("ink_style", 0.8));
    assert_eq!(said.loras[0].hash.as_deref(), Some("1b2c3d4e5f60"));
    assert!(said.prompt_weighting && said.strength.is_none());
    let names: Vec<_> = lost(&imported).into_iter().map(|(what, ..)| what).collect();
    assert_eq!(names, ["VAE hash", "VAE", "Clip skip", "Hires upscaler", "TI hashes", "RNG"]);
}

#[test]
fn a1111_image_to_image_and_odd_values() {
    let text = "кот\nSteps: 20, Sampler: DPM++ SDE Karras, CFG scale: 99, Seed: -1, Size: 1000x999, Model: \"a, b: c\", \
        Denoising strength: 0.7, RNG: CPU, Variation seed: 5, Variation seed strength: 0.25";
    let imported = one("parameters", text).unwrap();
    let said = &imported.parameters;
    assert_eq!((said.prompt.as_str(), said.model.as_deref()), ("кот", Some("a, b: c")));
    assert_eq!(
        (said.strength, said.variation_seed, said.variation_strength),
        (Some(0.7), Some(5), Some(0.25))
    );
    assert_eq!((said.seed, said.guidance_scale, said.width), (None, None, None));
    assert_eq!(
        lost(&imported),
        [
            ("sampler", "DPM++ SDE Karras", LostReason::UnknownName),
            ("CFG scale", "99", LostReason::OutOfRange),
            ("Seed", "-1", LostReason::Malformed),
            ("Size", "1000x999", LostReason::OutOfRange),
            ("image", "", LostReason::NotInFile),
        ]
    );
    // Without a line of pairs it is a comment.
    for text in ["", "a man", "a man\nSteps: 20", "a man\nnot, a: line, of, pairs", "{}", "Steps Steps Steps"]
    {
        assert_eq!(one("parameters", text), None, "{text}");
    }
}

const COMFY: &str = r#"{
 "3": {"inputs": {"seed": 156680208700286, "steps": 20, "cfg": 8.0, "sampler_name": "euler", "scheduler": "karras",
   "denoise": 1.0, "model": ["10", 0], "positive": ["12", 0], "negative": ["7", 0], "latent_image": ["5", 0]},
   "class_type": "KSampler", "_meta": {"title": "KSampler"}},
 "4": {"inputs": {"ckpt_name": "sdxl\\juggernautXL_v9.safetensors"}, "class_type": "CheckpointLoaderSimple"},
 "5": {"inputs": {"width": 1024, "height": 768, "batch_size": 1}, "class_type": "EmptyLatentImage"},
 "6": {"inputs": {"text": "beautiful scenery, (glass bottle:1.1)", "clip": ["10", 1]}, "class_type": "CLIPTextEncode"},
 "7": {"inputs": {"text": "text, watermark", "clip": ["10", 1]}, "class_type": "CLIPTextEncode"},
 "8": {"inputs": {"samples": ["3", 0], "vae": ["4", 2]}, "class_type": "VAEDecode"},
 "9": {"inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}, "class_type": "SaveImage"},
 "10": {"inputs": {"lora_name": "pixel-art.safetensors", "strength_model": 0.9, "strength_clip": 0.6,
   "model": ["4", 0], "clip": ["4", 1]}, "class_type": "LoraLoader"},
 "12": {"inputs": {"strength": NaN, "conditioning": ["6", 0], "control_net": ["13", 0]}, "class_type": "ControlNetApply"},
 "13": {"inputs": {"control_net_name": "canny.safetensors"}, "class_type": "ControlNetLoader"}
}"#;

#[test]
fn comfyui_is_followed_along_its_links() {
    let imported = one("prompt", COMFY).unwrap();
    let said = &imported.parameters;
    assert_eq!(imported.source, MetadataSource::ComfyUi);
    assert_eq!(
        (said.prompt.as_str(), said.negative_prompt.as_deref()),
        ("beautiful scenery, (glass bottle:1.1)", Some("text, watermark"))
    );
    assert_eq!(
        (said.seed, said.num_inference_steps, said.guidance_scale),
        (Some(156_680_208_700_286), Some(20), Some(8.0))
    );
    assert_eq!(
        (said.width, said.height, said.scheduler.as_deref()),
        (Some(1024), Some(768), Some("euler_k"))
    );
    assert_eq!(said.model.as_deref(), Some("juggernautXL_v9"));
    let lora = &said.loras[0];
    assert_eq!((lora.name.as_str(), lora.weight, lora.text_encoder_weight), ("pixel-art", 0.9, Some(0.6)));
    assert_eq!(
        lost(&imported),
        [
            ("node", "ControlNetApply", LostReason::NotSupported),
            ("node", "ControlNetLoader", LostReason::NotSupported)
        ]
    );
}

#[test]
fn a_graph_that_bites_its_tail_ends() {
    let text = r#"{"1": {"class_type": "KSampler", "inputs": {"seed": 1, "model": ["2", 0], "positive": ["3", 0]}},
        "2": {"class_type": "LoraLoader", "inputs": {"model": ["2", 0]}},
        "3": {"class_type": "ConditioningCombine", "inputs": {"conditioning": ["3", 0]}}}"#;
    assert_eq!(one("prompt", text).unwrap().parameters.seed, Some(1));
    for text in ["{}", "[]", "a prompt", r#"{"1": {}}"#, r#"{"1": {"class_type": 4}}"#] {
        assert_eq!(one("prompt", text), None, "{text}");
    }
    let loader = r#"{"1": {"class_type": "CheckpointLoaderSimple", "inputs": {}}}"#;
    assert_eq!(lost(&one("prompt", loader).unwrap()), [("KSampler", "", LostReason::NotInFile)]);
}

const INVOKE: &str = r#"{"app_version": "6.5.1", "generation_mode": "sdxl_txt2img", "positive_prompt": "a lighthouse at dusk",
 "negative_prompt": "", "width": 1152, "height": 896, "seed": 2314857239, "rand_device": "cpu", "cfg_scale": 7.5,
 "cfg_rescale_multiplier": 0.0, "steps": 30, "scheduler": "dpmpp_3m_k", "seamless_x": false, "clip_skip": 0,
 "model": {"key": "5a1d", "hash": "blake3:0f3c0ac7", "name": "Juggernaut XL v9", "base": "sdxl", "type": "main"},
 "loras": [{"model": {"key": "77", "hash": "blake3:aa11", "name": "Film Grain", "base": "sdxl", "type": "lora"}, "weight": 0.75}],
 "controlnets": [{"control_model": {"name": "depth"}}], "ipAdapters": [], "vae": null}"#;

#[test]
fn invokeai_is_restored() {
    let imported = one("invokeai_metadata", INVOKE).unwrap();
    let said = &imported.parameters;
    assert_eq!((said.prompt.as_str(), said.negative_prompt.as_deref()), ("a lighthouse at dusk", None));
    assert_eq!(
        (said.seed, said.num_inference_steps, said.guidance_scale),
        (Some(2_314_857_239), Some(30), Some(7.5))
    );
    assert_eq!(
        (said.model.as_deref(), said.model_hash.as_deref()),
        (Some("Juggernaut XL v9"), Some("blake3:0f3c0ac7"))
    );
    assert_eq!((said.loras[0].name.as_str(), said.loras[0].weight), ("Film Grain", 0.75));
    let names: Vec<_> = lost(&imported).into_iter().map(|(what, _, why)| (what, why)).collect();
    assert_eq!(names, [("controlnets", LostReason::NotSupported), ("sampler", LostReason::UnknownName)]);
    assert_eq!(one("invokeai_metadata", "{}"), None);
    let old = r#"{"positive_prompt": "x", "model": {"model_name": "sd-1", "base_model": "sd-1"}, "rand_device": "cuda"}"#;
    let old = one("invokeai_metadata", old).unwrap();
    assert_eq!(old.parameters.model.as_deref(), Some("sd-1"));
    assert_eq!(lost(&old), [("rand_device", "cuda", LostReason::NotSupported)]);
}

const SWARM: &str = r#"{"sui_image_params": {"prompt": "a fox <lora:forest> in snow", "negativeprompt": "blurry",
  "model": "OfficialStableDiffusion/sd_xl_base_1.0", "seed": 1830201837, "steps": 20, "cfgscale": 7.0, "aspectratio": "1:1",
  "width": 1024, "height": 1024, "sampler": "dpmpp_2m", "scheduler": "karras", "automaticvae": true,
  "loras": ["sdxl/fox"], "loraweights": ["0.5"], "refinermethod": "PostApply", "swarm_version": "0.9.6.2"},
 "sui_extra_data": {"date": "2026-03-01", "generation_time": "9.12 sec"},
 "sui_models": [{"name": "sd_xl_base_1.0.safetensors", "param": "model", "hash": "0xd7a9105a900fd52748f20725fe52fe52b507fd36bee4fc107b1550a26e6ee1d7"}]}"#;

#[test]
fn swarmui_is_restored() {
    let imported = one("parameters", SWARM).unwrap();
    let said = &imported.parameters;
    assert_eq!(imported.source, MetadataSource::SwarmUi);
    assert_eq!((said.prompt.as_str(), said.negative_prompt.as_deref()), ("a fox  in snow", Some("blurry")));
    assert_eq!(
        (said.seed, said.num_inference_steps, said.guidance_scale),
        (Some(1_830_201_837), Some(20), Some(7.0))
    );
    assert_eq!(said.scheduler.as_deref(), Some("dpmpp_2m_k"));
    let mut loras: Vec<_> = said.loras.iter().map(|lora| (lora.name.as_str(), lora.weight)).collect();
    loras.sort_by_key(|(name, _)| *name);
    assert_eq!(loras, [("forest", 1.0), ("sdxl/fox", 0.5)]);
    assert!(said.model_hash.as_deref().unwrap().starts_with("0xd7a9105a90"));
    let names: Vec<_> = lost(&imported).into_iter().map(|(what, ..)| what).collect();
    assert_eq!(names, ["automaticvae", "refinermethod"]);
}

#[test]
fn our_own_record_comes_first_and_whole() {
    let record = r#"{"prompt":"a man","model":"chapan-mini","model_hash":"ab","seed":7,"num_inference_steps":2,
        "guidance_scale":5.0,"width":64,"height":64,"scheduler":"euler","device":"cpu","dtype":"f32","version":"0.1.0",
        "strength":0.5,"image":{"sha256":"cd"}}"#;
    let texts = [("parameters".to_owned(), A1111.to_owned()), ("chapan".to_owned(), record.to_owned())];
    let imported = read(&texts).unwrap();
    assert_eq!((imported.source, imported.parameters.seed), (MetadataSource::Chapan, Some(7)));
    assert_eq!(lost(&imported), [("image", "cd", LostReason::NotInFile)]);
    assert_eq!(imported.parameters.request(CreateGeneration::default()).validate(), Ok(()));
    // What only looks like ours is not.
    let texts = [("parameters".to_owned(), A1111.to_owned()), ("chapan".to_owned(), "{}".to_owned())];
    assert_eq!(read(&texts).unwrap().source, MetadataSource::A1111);
}

#[test]
fn what_is_restored_is_always_accepted_and_nothing_grows() {
    let long = "x".repeat(MAX_TEXT_BYTES + 1);
    assert_eq!(one("parameters", &long), None);
    let many = (0..500).fold(String::new(), |text, key| format!("{text}Key {key}: {}, ", "v".repeat(300)));
    let wide = format!("{}\nSteps: 20, Seed: 1, Size: 64x64, {many}", "a ".repeat(100_000));
    let imported = one("parameters", &wide).unwrap();
    assert!(imported.lost.len() <= MAX_LOST && imported.lost.iter().all(|lost| lost.value.len() < 120));
    assert_eq!(lost(&imported)[0].2, LostReason::OutOfRange, "the prompt is too long");
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for keyword in ["parameters", "prompt", "invokeai_metadata", "chapan"] {
        assert_eq!(one(keyword, &deep), None, "{keyword}");
    }
    for (keyword, text) in
        [("parameters", A1111), ("prompt", COMFY), ("invokeai_metadata", INVOKE), ("parameters", SWARM)]
    {
        let imported = one(keyword, text).unwrap();
        let request = imported.parameters.request(CreateGeneration::default());
        assert_eq!(request.validate(), Ok(()), "{keyword}");
        let json = serde_json::to_string(&imported).unwrap();
        assert_eq!(serde_json::from_str::<Imported>(&json).unwrap(), imported);
        // Cut anywhere, it is read or not, and never stops the program.
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let _read = one(keyword, &text[..end]);
        }
    }
}
