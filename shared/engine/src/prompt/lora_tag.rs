//! `<lora:name:0.8>` in a prompt: which LoRAs to apply, and how strongly.
//!
//! | written | UNet | text encoders |
//! |---|---|---|
//! | `<lora:name>` | 1 | 1 |
//! | `<lora:name:0.8>` | 0.8 | 0.8 |
//! | `<lora:name:0.8:0.5>` | 0.8 | 0.5 |
//! | `<lora:name:te=0.5:unet=0.8>` | 0.8 | 0.5 |
//!
//! Two bare numbers are in the order of ComfyUI and SwarmUI, the network that draws first; A1111 has it the other way
//! round, and its named form is understood. The old spelling `lyco` means the same. Finding the file is the caller's work.

use crate::{Error, Result};

/// One tag.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraTag {
    /// The name, as written, without white space around it.
    pub name: String,
    /// Weight in the UNet.
    pub unet_weight: f64,
    /// Weight in the text encoders.
    pub text_encoder_weight: f64,
}

/// Takes all tags out of a prompt: what is left of it, and the tags in order.
///
/// # Errors
/// When a tag has no name or its weights are not numbers.
pub fn take_lora_tags(prompt: &str) -> Result<(String, Vec<LoraTag>)> {
    let (mut text, mut tags) = (String::with_capacity(prompt.len()), Vec::new());
    let mut rest = prompt;
    while let Some(open) = rest.find('<') {
        let tag = rest[open + 1..].split_once('>').and_then(|(inside, after)| {
            let (kind, fields) = inside.split_once(':')?;
            (matches!(kind, "lora" | "lyco") && !fields.contains('<')).then_some((fields, after))
        });
        let Some((fields, after)) = tag else {
            text.push_str(&rest[..=open]);
            rest = &rest[open + 1..];
            continue;
        };
        text.push_str(&rest[..open]);
        tags.push(parse(fields)?);
        rest = after;
    }
    text.push_str(rest);
    Ok((text, tags))
}

/// The fields of a tag behind `lora:`.
fn parse(fields: &str) -> Result<LoraTag> {
    let refuse = |fault: &str| Error::Parameter {
        parameter: "prompt",
        fault: format!("has the tag `<lora:{fields}>`, {fault}"),
        hint:
            "write `<lora:name:0.8>`, or `<lora:name:0.8:0.5>` with a weight of its own for the text encoders"
                .into(),
    };
    let mut fields_in_order = fields.split(':').map(str::trim);
    let name = fields_in_order.next().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| refuse("which names nothing"))?.to_owned();
    let (mut unet, mut text_encoder) = (None, None);
    for field in fields_in_order {
        let (key, value) = field.split_once('=').unwrap_or(("", field));
        let place = match (key.trim(), unet, text_encoder) {
            ("unet" | "", None, _) => &mut unet,
            ("te", _, None) | ("", Some(_), None) => &mut text_encoder,
            _ => return Err(refuse("which has a field too many")),
        };
        let weight = value.trim().parse::<f64>().ok().filter(|weight| weight.is_finite());
        *place = Some(weight.ok_or_else(|| refuse("whose weight is not a number"))?);
    }
    let unet_weight = unet.or(text_encoder).unwrap_or(1.0);
    Ok(LoraTag { name, unet_weight, text_encoder_weight: text_encoder.unwrap_or(unet_weight) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(name: &str, unet_weight: f64, text_encoder_weight: f64) -> LoraTag {
        LoraTag { name: name.to_owned(), unet_weight, text_encoder_weight }
    }

    #[test]
    fn tags_are_taken_out_of_the_text() {
        let (text, tags) = take_lora_tags("a hat <lora:ink:0.8>, <lora: Ұлттық ою :-1:0.25>red").unwrap();
        assert_eq!(text, "a hat , red");
        assert_eq!(tags, [tag("ink", 0.8, 0.8), tag("Ұлттық ою", -1.0, 0.25)]);
        assert_eq!(take_lora_tags("<lyco:a>").unwrap(), (String::new(), vec![tag("a", 1.0, 1.0)]));
        assert_eq!(take_lora_tags("<lora:a:te=0.5:unet=2>").unwrap().1, [tag("a", 2.0, 0.5)]);
        assert_eq!(take_lora_tags("<lora:a.b-c (1):1e-1>").unwrap().1, [tag("a.b-c (1)", 0.1, 0.1)]);
    }

    #[test]
    fn other_angle_brackets_are_text() {
        for text in ["a < b > c", "<3", "<lora:open", "<hypernet:x:1>", "<|endoftext|>", "<lora>", ">lora:a<"]
        {
            assert_eq!(take_lora_tags(text).unwrap(), (text.to_owned(), Vec::new()));
        }
        assert_eq!(take_lora_tags("<lora:<lora:a>").unwrap(), ("<lora:".into(), vec![tag("a", 1.0, 1.0)]));
    }

    #[test]
    fn broken_tags_are_refused() {
        for text in [
            "<lora:>",
            "<lora: :1>",
            "<lora:a:x>",
            "<lora:a:1:2:3>",
            "<lora:a:inf>",
            "<lora:a:>",
            "<lora:a:te=1:te=2>",
        ] {
            let refusal = take_lora_tags(text).unwrap_err().to_string();
            assert!(refusal.contains(text) && refusal.contains("hint: "), "{refusal}");
        }
    }
}
