//! The parameters of a record, by name: all that had a say in the picture.

use chapan_api::{
    generation::MaskedContent,
    image::{ImageRecord, Ingredients},
};

use crate::{
    i18n::{Language, Says, t_string},
    pages::studio::schedulers,
};

/// What stands beside the name of a parameter.
pub enum Value {
    /// A number or a name.
    Plain(String),
    /// Words of the page.
    Words(Says),
}

impl Value {
    /// The value in the reader's language.
    pub fn says(&self, i18n: Language) -> String {
        match self {
            Self::Plain(text) => text.clone(),
            Self::Words(words) => words(i18n).to_owned(),
        }
    }
}

type Facts = Vec<(Says, Value)>;

fn add(facts: &mut Facts, name: Says, value: Option<impl ToString>) {
    facts.extend(value.map(|value| (name, Value::Plain(value.to_string()))));
}

/// Everything but the prompts, the seed and the size.
pub fn facts(record: &ImageRecord) -> Facts {
    let mut facts = Facts::new();
    add(&mut facts, |i18n| t_string!(i18n, studio.steps), Some(record.num_inference_steps));
    add(&mut facts, |i18n| t_string!(i18n, studio.guidance), Some(record.guidance_scale));
    add(&mut facts, |i18n| t_string!(i18n, studio.scheduler), Some(schedulers::name(&record.scheduler)));
    add(&mut facts, |i18n| t_string!(i18n, studio.model), Some(&record.model));
    let with = &record.ingredients;
    if with.prompt_weighting {
        facts.push((
            |i18n| t_string!(i18n, studio.weighting),
            Value::Words(|i18n| t_string!(i18n, gallery.switched_on)),
        ));
    }
    add(&mut facts, |i18n| t_string!(i18n, studio.variation), with.variation_strength);
    add(&mut facts, |i18n| t_string!(i18n, studio.variation_seed), with.variation_seed);
    of_sources(with, &mut facts);
    for lora in &with.loras {
        add(&mut facts, |_| "LoRA", Some(format!("{} × {}", lora.model, lora.weight)));
        let own = lora.text_encoder_weight.map(|weight| format!("{} × {weight}", lora.model));
        add(&mut facts, |i18n| t_string!(i18n, studio.lora_text_weight), own);
    }
    if let Some(hires) = &with.hires {
        let second = &hires.request;
        add(&mut facts, |i18n| t_string!(i18n, studio.hires), Some(format!("{}×", second.scale)));
        add(&mut facts, |i18n| t_string!(i18n, studio.hires_strength), Some(second.strength));
        add(&mut facts, |i18n| t_string!(i18n, studio.hires_steps), second.steps);
        add(&mut facts, |i18n| t_string!(i18n, studio.upscaler), second.upscaler.as_ref());
    }
    facts
}

/// How picture and mask were used.
fn of_sources(with: &Ingredients, facts: &mut Facts) {
    add(facts, |i18n| t_string!(i18n, studio.strength), with.strength);
    add(facts, |i18n| t_string!(i18n, studio.mask_blur), with.mask_blur);
    add(facts, |i18n| t_string!(i18n, studio.padding), with.padding_mask_crop);
    if let Some(content) = with.masked_content {
        let words: Says = match content {
            MaskedContent::Original => |i18n| t_string!(i18n, studio.masked_as_it_is),
            MaskedContent::Noise => |i18n| t_string!(i18n, studio.masked_as_noise),
        };
        facts.push((|i18n| t_string!(i18n, studio.masked_content), Value::Words(words)));
    }
    let grown = with.outpaint.map(|by| format!("{}, {}, {}, {}", by.left, by.right, by.top, by.bottom));
    add(facts, |i18n| t_string!(i18n, gallery.outpaint), grown);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::record::tests::full;

    #[test]
    fn nothing_that_had_a_say_is_left_out() {
        let facts = facts(&full());
        let plain: Vec<&str> = facts
            .iter()
            .filter_map(|(_, value)| match value {
                Value::Plain(text) => Some(text.as_str()),
                Value::Words(_) => None,
            })
            .collect();
        for value in [
            "31",
            "6.5",
            "Heun",
            "large",
            "0.125",
            "55",
            "0.625",
            "7",
            "48",
            "ink × 0.75",
            "ink × 0.25",
            "felt × 0.5",
            "1.5×",
            "0.35",
            "12",
            "photo-x4",
            "1, 2, 3, 4",
        ] {
            assert!(plain.contains(&value), "`{value}` is not in {plain:?}");
        }
        assert_eq!(facts.len() - plain.len(), 2, "weights in the prompt, and noise under the mask");
    }
}
