//! `<lora:name:0.8>` in a prompt calls a file; it is no word that an encoder reads.

use chapan_engine::prompt::take_lora_tags;

/// The prompt with spaces where its tags are, byte for byte, so that places in it stay places in the prompt.
///
/// What the engine would refuse as a tag stays as it is: nothing is drawn of such a prompt.
pub fn blank(prompt: &str) -> String {
    let mut text = String::with_capacity(prompt.len());
    let mut rest = prompt;
    while let Some(open) = rest.find('<') {
        let (before, from) = rest.split_at(open);
        text.push_str(before);
        let length = from.find('>').map(|end| end + 1).filter(|length| is_tag(&from[..*length]));
        if let Some(length) = length {
            text.extend(std::iter::repeat_n(' ', length));
            rest = &from[length..];
        } else {
            text.push('<');
            rest = &from[1..];
        }
    }
    text.push_str(rest);
    text
}

/// Whether the engine takes the whole of it as one tag.
fn is_tag(text: &str) -> bool {
    take_lora_tags(text).is_ok_and(|(left, tags)| left.is_empty() && tags.len() == 1)
}

#[cfg(test)]
mod tests {
    use chapan_engine::prompt::take_lora_tags;

    use super::blank;

    #[test]
    fn words_stay_in_their_places_and_tags_go() {
        let prompt = "a man <lora:ink:0.8>, Алдар < Көсе <lyco:felt> <b> hat";
        let blanked = blank(prompt);
        assert_eq!(blanked.len(), prompt.len());
        assert_eq!(blanked.find("hat"), prompt.find("hat"));
        assert!(!blanked.contains("lora") && !blanked.contains("lyco") && blanked.contains("< Көсе"));
        let left: Vec<&str> = blanked.split_whitespace().collect();
        let (engine, tags) = take_lora_tags(prompt).unwrap();
        assert_eq!(
            (left.join(" "), tags.len()),
            (engine.split_whitespace().collect::<Vec<_>>().join(" "), 2)
        );
    }

    #[test]
    fn what_is_no_tag_stays() {
        for prompt in ["", "<", "a < b > c", "<lora:>", "<lora:x:many>", "<lora:unclosed", "<<lora:x"] {
            assert_eq!(blank(prompt), prompt);
        }
        assert_eq!(blank("<<lora:x>"), "<        ");
    }
}
