//! The command that makes the same picture without a browser.

use chapan_api::image::ImageView;

/// Names under which the pictures that went in are to be saved.
const PICTURE: &str = "input.png";
const MASK: &str = "mask.png";

/// A command, and the files that it needs beside the picture's own.
#[derive(Debug, PartialEq, Eq)]
pub struct Command {
    /// As a POSIX shell takes it.
    pub text: String,
    /// Whether it reads the picture that was begun from.
    pub needs_picture: bool,
    /// Whether it reads the mask.
    pub needs_mask: bool,
}

/// The command for a picture that says how it was made; `file` is the name under which it is saved.
///
/// The file itself holds every parameter, so the command names the file and leaves nothing out. What went into the picture as
/// pixels is in no record: that comes as files.
pub fn command(image: &ImageView, file: &str) -> Option<Command> {
    if let Some(enlargement) = &image.enlargement {
        let (scale, model) = (enlargement.scale, quoted(enlargement.model.as_str()));
        let output = quoted(file);
        return Some(Command {
            text: format!(
                "chapan upscale --image {PICTURE} --scale {scale} --model {model} --output {output}"
            ),
            needs_picture: true,
            needs_mask: false,
        });
    }
    let with = &image.record.as_ref()?.ingredients;
    let (needs_picture, needs_mask) = (with.image.is_some(), with.mask_image.is_some());
    let mut words = vec![format!("chapan generate --again {}", quoted(file))];
    words.extend(needs_picture.then(|| format!("--image {PICTURE}")));
    words.extend(needs_mask.then(|| format!("--mask-image {MASK}")));
    words.push(format!("--output {}", quoted(&format!("again-{file}"))));
    Some(Command { text: words.join(" "), needs_picture, needs_mask })
}

/// A word as a POSIX shell takes it whole.
fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    // A name that begins with a dash would be read as an option.
    if text.starts_with('-') {
        return quoted(&format!("./{text}"));
    }
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::record::tests::{full, picture};

    #[test]
    fn a_shell_takes_every_word_whole() {
        assert_eq!(quoted("chapan-mini"), "chapan-mini");
        assert_eq!(quoted("a man, smiling"), "'a man, smiling'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted("Алдар Көсе"), "'Алдар Көсе'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("--help"), "./--help");
    }

    #[test]
    fn the_file_itself_says_every_parameter() {
        let told = command(&picture(Some(full())), "hat-7.png").unwrap();
        assert_eq!(
            told.text,
            "chapan generate --again hat-7.png --image input.png --mask-image mask.png --output again-hat-7.png"
        );
        assert!(told.needs_picture && told.needs_mask);
        let mut words = full();
        (words.ingredients.image, words.ingredients.mask_image) = (None, None);
        let told = command(&picture(Some(words)), "hat-7.png").unwrap();
        assert_eq!(told.text, "chapan generate --again hat-7.png --output again-hat-7.png");
        assert_eq!(command(&picture(None), "cat.png"), None);
    }

    #[test]
    fn a_larger_copy_is_enlarged_again() {
        let mut larger = picture(Some(full()));
        larger.enlargement = Some(
            serde_json::from_value(serde_json::json!({
                "image": {"sha256": ""}, "scale": 2.0, "model": "photo-x4", "device": "cpu", "dtype": "f32",
                "version": "0",
            }))
            .unwrap(),
        );
        assert_eq!(
            command(&larger, "hat-7.png").unwrap().text,
            "chapan upscale --image input.png --scale 2 --model photo-x4 --output hat-7.png"
        );
    }
}
