//! The rules of a request: each field in its range, and which fields need each other.

use super::{CreateGeneration, SCHEDULERS, UseLora, limits};
use crate::validation::{Checker, FieldError, Rule};

impl CreateGeneration {
    /// Checks every field and reports all faults at once.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut check = Checker::new();
        if self.prompt.trim().is_empty() {
            check.fault("prompt", Rule::Required);
        }
        check.text("prompt", &self.prompt, limits::PROMPT_CHARS);
        if let Some(text) = &self.negative_prompt {
            check.text("negative_prompt", text, limits::PROMPT_CHARS);
        }
        for (field, seed) in [("seed", self.seed), ("variation_seed", self.variation_seed)] {
            if let Some(seed) = seed {
                check.number(field, seed as f64, 0.0, limits::MAX_SEED as f64);
            }
        }
        let steps = f64::from(self.num_inference_steps);
        let (least, most) = (f64::from(limits::MIN_STEPS), f64::from(limits::MAX_STEPS));
        check.number("num_inference_steps", steps, least, most);
        check.number("guidance_scale", self.guidance_scale, limits::MIN_GUIDANCE, limits::MAX_GUIDANCE);
        for (field, side) in [("width", self.width), ("height", self.height)] {
            check.number(field, f64::from(side), f64::from(limits::MIN_SIDE), f64::from(limits::MAX_SIDE));
            check.multiple(field, u64::from(side), u64::from(limits::SIDE_STEP));
        }
        if let Some(name) = &self.scheduler {
            check.name("scheduler", name, SCHEDULERS);
        }
        check.number(
            "num_images_per_prompt",
            f64::from(self.num_images_per_prompt),
            1.0,
            f64::from(limits::MAX_IMAGES),
        );
        if let Some(strength) = self.variation_strength {
            check.number("variation_strength", strength, 0.0, 1.0);
        } else if self.variation_seed.is_some() {
            check.needs("variation_seed", "variation_strength");
        }
        self.check_image(&mut check);
        self.check_mask(&mut check);
        check.count("loras", self.loras.len(), limits::MAX_LORAS);
        for (index, lora) in self.loras.iter().take(limits::MAX_LORAS as usize).enumerate() {
            lora.check(index, &mut check);
        }
        if let Some(hires) = &self.hires {
            hires.check(self, &mut check);
        }
        self.check_keeping(&mut check);
        check.finish()
    }

    /// Steps are looked at one picture at a time, and there is only so much memory for them.
    fn check_keeping(&self, check: &mut Checker) {
        if !self.keep_steps {
            return;
        }
        if (2..=limits::MAX_IMAGES).contains(&self.num_images_per_prompt) {
            check.number("num_images_per_prompt", f64::from(self.num_images_per_prompt), 1.0, 1.0);
        }
        let pixels = (u64::from(self.width) * u64::from(self.height)).max(1);
        let most = (limits::KEPT_STEP_PIXELS / pixels) as f64;
        let steps = self.num_inference_steps;
        if (limits::MIN_STEPS..=limits::MAX_STEPS).contains(&steps) {
            check.number("num_inference_steps", f64::from(steps), f64::from(limits::MIN_STEPS), most);
        }
    }

    fn check_image(&self, check: &mut Checker) {
        if let Some(id) = &self.image {
            check.text("image", id.as_str(), limits::ID_CHARS);
        } else if self.strength.is_some() {
            check.needs("strength", "image");
        }
        let Some(strength) = self.strength else { return };
        let before = check.faults();
        check.number("strength", strength, limits::MIN_STRENGTH, limits::MAX_STRENGTH);
        // Of the planned steps only this share is done; none would be no picture.
        let done = f64::from(self.num_inference_steps) * strength;
        if check.faults() == before && self.image.is_some() && done < 1.0 {
            let min = 1.0 / f64::from(self.num_inference_steps.max(1));
            let got = strength.to_string();
            check.fault("strength", Rule::OutOfRange { min, max: limits::MAX_STRENGTH, got });
        }
    }

    fn check_mask(&self, check: &mut Checker) {
        if let Some(id) = &self.mask_image {
            check.text("mask_image", id.as_str(), limits::ID_CHARS);
            if self.image.is_none() {
                check.needs("mask_image", "image");
            }
        } else {
            for (field, is_set) in [
                ("mask_blur", self.mask_blur.is_some()),
                ("padding_mask_crop", self.padding_mask_crop.is_some()),
                ("masked_content", self.masked_content.is_some()),
            ] {
                if is_set {
                    check.needs(field, "mask_image");
                }
            }
        }
        if let Some(blur) = self.mask_blur {
            check.number("mask_blur", blur, 0.0, limits::MAX_MASK_BLUR);
        }
        if let Some(padding) = self.padding_mask_crop {
            check.number("padding_mask_crop", f64::from(padding), 0.0, f64::from(limits::MAX_PADDING));
        }
    }
}

impl UseLora {
    fn check(&self, index: usize, check: &mut Checker) {
        let field = |name: &str| format!("loras[{index}].{name}");
        if self.model.as_str().is_empty() {
            check.fault(&field("model"), Rule::Required);
        }
        check.text(&field("model"), self.model.as_str(), limits::ID_CHARS);
        let weights = [("weight", Some(self.weight)), ("text_encoder_weight", self.text_encoder_weight)];
        for (name, weight) in weights {
            if let Some(weight) = weight {
                check.number(&field(name), weight, limits::MIN_LORA_WEIGHT, limits::MAX_LORA_WEIGHT);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::MaskedContent;
    use crate::id::{ImageId, ModelId};

    #[test]
    fn defaults_need_only_a_prompt() {
        let request: CreateGeneration =
            serde_json::from_str(r#"{"prompt": "a man in a red shirt"}"#).unwrap();
        assert_eq!(request.validate(), Ok(()));
        assert_eq!((request.width, request.num_inference_steps), (128, 20));
    }

    #[test]
    fn every_hostile_number_is_refused() {
        let ok = CreateGeneration { prompt: "x".to_owned(), ..Default::default() };
        for (bad, field) in [
            (CreateGeneration { num_inference_steps: 0, ..ok.clone() }, "num_inference_steps"),
            (CreateGeneration { num_inference_steps: 1_000_000_000, ..ok.clone() }, "num_inference_steps"),
            (CreateGeneration { guidance_scale: f64::NAN, ..ok.clone() }, "guidance_scale"),
            (CreateGeneration { guidance_scale: f64::INFINITY, ..ok.clone() }, "guidance_scale"),
            (CreateGeneration { guidance_scale: -0.5, ..ok.clone() }, "guidance_scale"),
            (CreateGeneration { width: 7, ..ok.clone() }, "width"),
            (CreateGeneration { height: 10_000, ..ok.clone() }, "height"),
            (CreateGeneration { width: 132, ..ok.clone() }, "width"),
            (CreateGeneration { seed: Some(u64::MAX), ..ok.clone() }, "seed"),
            (CreateGeneration { prompt: "  ".to_owned(), ..ok.clone() }, "prompt"),
            (CreateGeneration { prompt: "a".repeat(100_000), ..ok.clone() }, "prompt"),
            (CreateGeneration { scheduler: Some("dpm".to_owned()), ..ok.clone() }, "scheduler"),
            (CreateGeneration { num_images_per_prompt: 0, ..ok.clone() }, "num_images_per_prompt"),
            (CreateGeneration { num_images_per_prompt: 1_000_000, ..ok.clone() }, "num_images_per_prompt"),
            (CreateGeneration { variation_strength: Some(f64::NAN), ..ok.clone() }, "variation_strength"),
            (CreateGeneration { variation_strength: Some(1.1), ..ok.clone() }, "variation_strength"),
            (CreateGeneration { strength: Some(f64::INFINITY), ..with_image() }, "strength"),
            (CreateGeneration { strength: Some(-0.1), ..with_image() }, "strength"),
            (CreateGeneration { mask_blur: Some(f64::NEG_INFINITY), ..with_mask() }, "mask_blur"),
            (CreateGeneration { padding_mask_crop: Some(u32::MAX), ..with_mask() }, "padding_mask_crop"),
            (CreateGeneration { loras: vec![lora(f64::INFINITY)], ..ok.clone() }, "loras[0].weight"),
            (CreateGeneration { loras: vec![lora(1.0); 9], ..ok.clone() }, "loras"),
        ] {
            let faults = bad.validate().unwrap_err();
            assert_eq!(faults[0].field, field, "{bad:?}");
            assert!(!faults[0].hint().is_empty());
        }
    }

    fn with_image() -> CreateGeneration {
        let image = Some(ImageId::new("i"));
        CreateGeneration { prompt: "x".to_owned(), image, ..Default::default() }
    }

    fn with_mask() -> CreateGeneration {
        CreateGeneration { mask_image: Some(ImageId::new("m")), ..with_image() }
    }

    fn lora(weight: f64) -> UseLora {
        UseLora { model: ModelId::new("style"), weight, text_encoder_weight: None }
    }

    #[test]
    fn fields_that_need_another_say_which() {
        let ok = CreateGeneration { prompt: "x".to_owned(), ..Default::default() };
        for (bad, field, other) in [
            (CreateGeneration { strength: Some(0.5), ..ok.clone() }, "strength", "image"),
            (CreateGeneration { mask_image: Some(ImageId::new("m")), ..ok.clone() }, "mask_image", "image"),
            (CreateGeneration { mask_blur: Some(4.0), ..with_image() }, "mask_blur", "mask_image"),
            (
                CreateGeneration { padding_mask_crop: Some(4), ..with_image() },
                "padding_mask_crop",
                "mask_image",
            ),
            (
                CreateGeneration { masked_content: Some(MaskedContent::Noise), ..with_image() },
                "masked_content",
                "mask_image",
            ),
            (
                CreateGeneration { variation_seed: Some(1), ..ok.clone() },
                "variation_seed",
                "variation_strength",
            ),
        ] {
            let needs = FieldError::new(field, Rule::Needs { other: other.to_owned() });
            assert_eq!(bad.validate(), Err(vec![needs]), "{bad:?}");
        }
        let inpaint = CreateGeneration { strength: Some(1.0), mask_blur: Some(0.0), ..with_mask() };
        assert_eq!(inpaint.validate(), Ok(()));
    }

    #[test]
    fn a_strength_without_a_step_is_refused() {
        let request = |steps, strength| CreateGeneration {
            num_inference_steps: steps,
            strength: Some(strength),
            ..with_image()
        };
        assert_eq!(request(4, 0.25).validate(), Ok(()));
        let faults = request(4, 0.2).validate().unwrap_err();
        assert_eq!(faults[0].message(), "`strength` is `0.2`, outside 0.25 to 1");
        assert_eq!(request(0, 0.2).validate().unwrap_err()[0].field, "num_inference_steps");
    }

    #[test]
    fn kept_steps_are_those_of_one_picture_and_not_too_many() {
        let keeping = CreateGeneration { prompt: "x".to_owned(), keep_steps: true, ..Default::default() };
        let json = serde_json::to_string(&keeping).unwrap();
        assert!(json.contains(r#""keep_steps":true"#), "{json}");
        assert_eq!(serde_json::from_str::<CreateGeneration>(&json).unwrap(), keeping);
        let plain = CreateGeneration { keep_steps: false, ..keeping.clone() };
        assert!(!serde_json::to_string(&plain).unwrap().contains("keep_steps"));

        let most = |side| CreateGeneration {
            num_inference_steps: 150,
            width: side,
            height: side,
            ..keeping.clone()
        };
        assert_eq!(keeping.validate().and(most(256).validate()), Ok(()));
        let faults = most(1024).validate().unwrap_err();
        assert_eq!(faults[0].message(), "`num_inference_steps` is `150`, outside 1 to 32");
        assert_eq!(CreateGeneration { keep_steps: false, ..most(1024) }.validate(), Ok(()));
        let faults = CreateGeneration { num_images_per_prompt: 2, ..most(64) }.validate().unwrap_err();
        assert_eq!(faults[0].field, "num_images_per_prompt");
        let hostile =
            CreateGeneration { width: 0, num_inference_steps: 0, ..most(64) }.validate().unwrap_err();
        assert!(hostile.iter().any(|fault| fault.field == "width"));
    }

    #[test]
    fn unknown_fields_are_refused() {
        assert!(serde_json::from_str::<CreateGeneration>(r#"{"prompt": "x", "cfg": 3}"#).is_err());
    }
}
