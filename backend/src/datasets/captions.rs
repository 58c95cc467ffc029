//! Captions: text files beside pictures, and a template with a trigger word.

use std::io::Read;
use std::path::Path;

use super::DatasetError;

/// The longest caption file in bytes.
const MAX_CAPTION_BYTES: usize = 64 << 10;

/// The caption in the `.txt` beside a picture; `None` where there is none.
///
/// # Errors
/// When the file is no UTF-8 text, or far too long.
pub fn caption_beside(picture: &Path) -> Result<Option<String>, DatasetError> {
    let path = picture.with_extension("txt");
    let unreadable = |source| DatasetError::Unreadable { path: path.clone(), source };
    let file = match std::fs::File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(unreadable)?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_CAPTION_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    clean(&bytes).map(Some).map_err(|fault| DatasetError::BadCaption { path, fault })
}

/// Text of bytes, in one line.
fn clean(bytes: &[u8]) -> Result<String, String> {
    if bytes.len() > MAX_CAPTION_BYTES {
        return Err(format!("it has more than {MAX_CAPTION_BYTES} bytes"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| format!("it is not UTF-8 ({error})"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(control) = text.chars().find(|c| c.is_control() && !c.is_whitespace()) {
        return Err(format!("it holds the control character U+{:04X}", u32::from(control)));
    }
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// How captions are put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptionTemplate {
    template: String,
    trigger: Option<String>,
}

impl CaptionTemplate {
    /// A template with `{trigger}` and `{caption}` in it; without one the trigger is put before captions that lack it.
    ///
    /// # Errors
    /// When the template has no place for a caption, or one for a trigger that is not given.
    pub fn new(template: Option<&str>, trigger: Option<&str>) -> Result<Self, DatasetError> {
        let text = template.unwrap_or(if trigger.is_some() { "{trigger}, {caption}" } else { "{caption}" });
        let refuse = |fault| Err(DatasetError::BadTemplate { template: text.to_owned(), fault });
        if !text.contains("{caption}") && !text.contains("{trigger}") {
            return refuse("has neither `{trigger}` nor `{caption}`");
        }
        if text.contains("{trigger}") && trigger.is_none_or(|trigger| trigger.trim().is_empty()) {
            return refuse("wants a trigger word, and none is given");
        }
        Ok(Self { template: text.to_owned(), trigger: trigger.map(|trigger| trigger.trim().to_owned()) })
    }

    /// The trigger word.
    pub fn trigger(&self) -> Option<&str> {
        self.trigger.as_deref()
    }

    /// The caption that is trained with; `None` if there is nothing to say.
    pub fn apply(&self, caption: Option<&str>) -> Option<String> {
        let caption = caption.unwrap_or_default().trim();
        let has_trigger = |trigger: &str| caption.to_lowercase().contains(&trigger.to_lowercase());
        // Captions that name the trigger themselves do not name it twice.
        let trigger = self.trigger.as_deref().filter(|trigger| !has_trigger(trigger)).unwrap_or_default();
        let text = self.template.replace("{trigger}", trigger).replace("{caption}", caption);
        let parts = text.split(',').map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
        let text = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trigger_stands_once_before_the_caption() {
        let plain = CaptionTemplate::new(None, Some("aldar kose")).unwrap();
        assert_eq!(plain.apply(Some("smiling, flat")).as_deref(), Some("aldar kose, smiling, flat"));
        assert_eq!(plain.apply(Some("Aldar Kose, smiling")).as_deref(), Some("Aldar Kose, smiling"));
        assert_eq!(plain.apply(None).as_deref(), Some("aldar kose"));
        let written = CaptionTemplate::new(Some("a drawing of {trigger}, {caption}"), Some("sks")).unwrap();
        assert_eq!(written.apply(Some("at night")).as_deref(), Some("a drawing of sks, at night"));
        let none = CaptionTemplate::new(None, None).unwrap();
        assert_eq!((none.apply(Some("a hat")).as_deref(), none.apply(None)), (Some("a hat"), None));
        assert!(CaptionTemplate::new(Some("a hat"), None).is_err());
        assert!(CaptionTemplate::new(Some("a {trigger}"), None).is_err());
    }

    #[test]
    fn captions_are_text_in_one_line() {
        assert_eq!(clean("\u{feff}a hat,\r\n  red\n".as_bytes()).unwrap(), "a hat, red");
        assert!(clean(&[0xff, 0xd8, 0xff]).is_err());
        assert!(clean(b"a\0b").is_err());
        assert!(clean(&vec![b'a'; MAX_CAPTION_BYTES + 1]).is_err());
    }
}
