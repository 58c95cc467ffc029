//! Files that a person drops or chooses: which are pictures, which are their captions, which is an archive.

use chapan_api::{
    id::ImageId,
    image::{ImageKind, ImageView},
};
use js_sys::Reflect;
use wasm_bindgen::{JsCast, prelude::*};
use wasm_bindgen_futures::JsFuture;
use web_sys::{DataTransfer, File, FileList};

use crate::api::{self, Failure};

/// More text than this is no caption.
const LONGEST_CAPTION: f64 = 16_384.0;

#[wasm_bindgen]
extern "C" {
    /// All files of what was dropped, those in its folders too; `start.js` walks through them.
    #[wasm_bindgen(js_name = filesIn, catch)]
    fn files_in(data: &DataTransfer) -> Result<js_sys::Promise, JsValue>;
}

/// A picture that came in, with the caption that lay beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Came {
    /// The picture.
    pub image: ImageId,
    /// Its caption, if there was one.
    pub caption: Option<String>,
    /// Whether it lay in a folder of pictures that are only measured with.
    pub held_out: bool,
}

/// What was dropped; it must be asked for while the event lasts.
pub fn dropped(data: &DataTransfer) -> Option<JsFuture> {
    files_in(data).ok().map(JsFuture::from)
}

/// The files in what the browser gave.
pub fn list(value: &JsValue) -> Vec<File> {
    js_sys::Array::from(value).iter().filter_map(|file| file.dyn_into().ok()).collect()
}

/// The files of a field.
pub fn chosen(files: Option<FileList>) -> Vec<File> {
    let Some(files) = files else { return Vec::new() };
    (0..files.length()).filter_map(|index| files.get(index)).collect()
}

/// Where a file lay, with its folders as far as they are known.
fn path(file: &File) -> String {
    let read =
        |name: &str| Reflect::get(file, &name.into()).ok()?.as_string().filter(|path| !path.is_empty());
    read("path").or_else(|| read("webkitRelativePath")).unwrap_or_else(|| file.name())
}

/// What a file is, by the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Picture,
    Caption,
    Archive,
    Other,
}

fn role(name: &str) -> Role {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "png" | "jpg" | "jpeg" | "webp" => Role::Picture,
        "txt" | "caption" => Role::Caption,
        "zip" => Role::Archive,
        _ => Role::Other,
    }
}

/// A path without the ending of its name.
fn stem(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(stem, _)| stem)
}

/// Whether a path lies in a folder for pictures that are only measured with.
fn is_held_out(path: &str) -> bool {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    folder
        .split('/')
        .any(|name| matches!(name.to_lowercase().as_str(), "held-out" | "held_out" | "validation"))
}

/// Files, sorted into what they are.
#[derive(Default)]
pub struct Sorted {
    pictures: Vec<File>,
    captions: Vec<File>,
    /// The first archive.
    pub archive: Option<File>,
    /// Names of those that are nothing of use here.
    pub others: Vec<String>,
}

impl Sorted {
    /// Sorts files by their names.
    pub fn of(files: Vec<File>) -> Self {
        let mut sorted = Self::default();
        for file in files {
            match role(&file.name()) {
                Role::Picture => sorted.pictures.push(file),
                Role::Caption => sorted.captions.push(file),
                Role::Archive if sorted.archive.is_none() => sorted.archive = Some(file),
                _ if file.name().starts_with('.') => {}
                _ => sorted.others.push(file.name()),
            }
        }
        sorted.pictures.sort_by_key(path);
        sorted
    }

    /// How many pictures there are.
    pub fn count(&self) -> usize {
        self.pictures.len()
    }

    /// The name of the folder that they lay in, for a first name.
    pub fn folder(&self) -> Option<String> {
        let first = path(self.pictures.first()?);
        let name = first.trim_start_matches('/').split_once('/')?.0.to_owned();
        (!name.is_empty()).then_some(name)
    }

    /// Sends the pictures, one after another; those that are refused are told and left out.
    pub async fn send(self, mut told: impl FnMut(usize, Option<(String, Failure)>)) -> Vec<Came> {
        let mut came = Vec::new();
        for (index, file) in self.pictures.iter().enumerate() {
            let place = path(file);
            let answer: Result<ImageView, Failure> = api::image::upload(file, ImageKind::Reference).await;
            match answer {
                Ok(view) => {
                    let caption = self.captions.iter().find(|one| stem(&path(one)) == stem(&place));
                    let caption = match caption {
                        Some(caption) => text(caption).await,
                        None => None,
                    };
                    came.push(Came { image: view.id, caption, held_out: is_held_out(&place) });
                    told(index + 1, None);
                }
                Err(failure) => told(index + 1, Some((file.name(), failure))),
            }
        }
        came
    }
}

/// A caption file's text; nothing when it is too long to be one, or no text.
async fn text(file: &File) -> Option<String> {
    if file.size() > LONGEST_CAPTION {
        return None;
    }
    let text = JsFuture::from(file.text()).await.ok()?.as_string()?;
    let text = text.trim();
    // What is no text comes with the sign for unreadable letters, or with control characters.
    let is_text = !text.contains('\u{fffd}')
        && !text.chars().any(|letter| letter.is_control() && !letter.is_whitespace());
    (is_text && !text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_names() {
        assert_eq!(role("a.PNG"), Role::Picture);
        assert_eq!(role("portrait.one.jpeg"), Role::Picture);
        assert_eq!(role("a.txt"), Role::Caption);
        assert_eq!(role("set.zip"), Role::Archive);
        assert_eq!(role("notes"), Role::Other);
    }

    #[test]
    fn a_caption_lies_beside_its_picture() {
        assert_eq!(stem("/set/a.png"), stem("/set/a.txt"));
        assert_ne!(stem("/set/a.png"), stem("/other/a.txt"));
    }

    #[test]
    fn held_out_is_said_by_a_folder() {
        assert!(is_held_out("/aldar/held-out/1.png") && is_held_out("held_out/1.png"));
        assert!(!is_held_out("/aldar/training/held-out.png") && !is_held_out("1.png"));
    }
}
