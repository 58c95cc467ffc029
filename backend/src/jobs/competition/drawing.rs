//! Who draws for a contestant, and what is drawn: every contestant is asked for the same prompts and seeds, and each of its
//! pictures is a file that is written once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chapan_api::generation::CreateGeneration;
use chapan_api::id::ModelId;
use chapan_api::image::{ImageRecord, Ingredients, LoraRecord, Run};
use chapan_engine::lora::{Application, AppliedLora, LoraFile};
use chapan_engine::pipelines::{Flow, GenerationParams, ProgressEvent, StableDiffusionXl};

use super::CompetitionError;
use crate::datasets;
use crate::files::png::{encode_bare_png, encode_png};
use crate::hub::WeightFiles;

/// One picture of a contestant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What the file is called after the contestant's name. Pieces of one name are compared with each other.
    pub name: String,
    /// What is to be drawn.
    pub prompt: String,
    /// The noise to begin with.
    pub seed: u64,
}

impl Piece {
    /// Every prompt with every seed: `<prompt's number>_<seed>.png`.
    pub fn all(prompts: &[String], seeds: &[u64]) -> Vec<Self> {
        let of = |(number, prompt): (usize, &String)| {
            let piece = move |seed: &u64, prompt: &String| Self {
                name: format!("{number}_{seed}.png"),
                prompt: prompt.clone(),
                seed: *seed,
            };
            seeds.iter().map(|seed| piece(seed, prompt)).collect::<Vec<_>>()
        };
        (1..).zip(prompts).flat_map(of).collect()
    }
}

/// Who draws for a contestant: a model with or without a LoRA, somebody's finished pictures; a provider's API is one more.
pub trait Draws {
    /// What it gives of what is asked: all of it, unless it cannot choose.
    ///
    /// # Errors
    /// When it cannot even begin.
    fn pieces(&mut self, asked: &[Piece]) -> Result<Vec<Piece>, CompetitionError> {
        Ok(asked.to_vec())
    }

    /// Draws a piece: the bytes of a PNG. `go_on` is asked now and then whether it is still wanted.
    ///
    /// # Errors
    /// When it cannot, or is not wanted any more.
    fn draw(&mut self, piece: &Piece, go_on: &dyn Fn() -> bool) -> Result<Vec<u8>, CompetitionError>;
}

/// The base model of a competition, which draws and is trained on.
#[derive(Debug)]
pub struct Artist<'a> {
    /// The model.
    pub pipeline: &'a mut StableDiffusionXl,
    /// Size, steps and guidance of every picture.
    pub params: GenerationParams,
    /// What pictures say of model and machine.
    pub run: Run,
}

/// A LoRA's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedLora {
    /// What pictures call it.
    pub id: ModelId,
    /// Where it lies.
    pub path: PathBuf,
}

/// The model, with or without a LoRA.
pub(super) struct ModelDraws<'a, 'p> {
    artist: &'a mut Artist<'p>,
    lora: Option<NamedLora>,
    /// What pictures say of the LoRA, once it is put on.
    ready: Option<Vec<LoraRecord>>,
}

impl<'a, 'p> ModelDraws<'a, 'p> {
    pub fn new(artist: &'a mut Artist<'p>, lora: Option<NamedLora>) -> Self {
        Self { artist, lora, ready: None }
    }

    /// Has exactly this LoRA on the model.
    fn put_on(&mut self) -> Result<Vec<LoraRecord>, CompetitionError> {
        if let Some(records) = &self.ready {
            return Ok(records.clone());
        }
        let (mut applied, mut records) = (Vec::new(), Vec::new());
        if let Some(NamedLora { id, path }) = &self.lora {
            let file = LoraFile::open(path)?;
            let hash = WeightFiles::new(vec![path.clone()]).sha256();
            let unreadable = |error| CompetitionError::File {
                path: path.clone(),
                fault: format!("it cannot be read: {error}"),
            };
            let lora = Arc::new(self.artist.pipeline.read_lora(&file)?);
            records.push(LoraRecord {
                model: id.clone(),
                sha256: Some(hash.map_err(unreadable)?),
                weight: 1.0,
                text_encoder_weight: None,
                unmatched: lora.report().unmatched.len() as u32,
            });
            applied.push(AppliedLora { lora, unet_weight: 1.0, text_encoder_weight: 1.0 });
        }
        self.artist.pipeline.set_loras(&applied, Application::Unmerged)?;
        Ok(self.ready.insert(records).clone())
    }
}

impl Draws for ModelDraws<'_, '_> {
    fn draw(&mut self, piece: &Piece, go_on: &dyn Fn() -> bool) -> Result<Vec<u8>, CompetitionError> {
        let loras = self.put_on()?;
        let Artist { pipeline, params, run } = &mut *self.artist;
        let params = GenerationParams { prompt: piece.prompt.clone(), seed: piece.seed, ..params.clone() };
        let mut heed = |_: ProgressEvent<'_>| if go_on() { Flow::Continue } else { Flow::Cancel };
        let image = pipeline.generate(&params, &mut heed)?.image;
        let request = CreateGeneration {
            prompt: params.prompt,
            seed: Some(params.seed),
            num_inference_steps: params.num_inference_steps as u32,
            guidance_scale: params.guidance_scale,
            width: image.width as u32,
            height: image.height as u32,
            ..CreateGeneration::default()
        };
        let ingredients = Ingredients::of(&request, (None, None), loras, None);
        let record = ImageRecord::of(&request, run.clone(), ingredients);
        Ok(encode_png(image.width as u32, image.height as u32, &image.rgb, &record)?)
    }
}

/// Pictures that are there already, such as a provider's in a folder. They answer no prompt and no seed, so that they keep
/// their own names.
pub(super) struct FolderDraws {
    folder: PathBuf,
    /// The file of each piece.
    files: Vec<(String, PathBuf)>,
}

impl FolderDraws {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), files: Vec::new() }
    }
}

impl Draws for FolderDraws {
    fn pieces(&mut self, asked: &[Piece]) -> Result<Vec<Piece>, CompetitionError> {
        let entries = datasets::list(&self.folder)?.entries;
        if entries.is_empty() {
            return Err(
                crate::jobs::comparison::ComparisonError::NoPictures { path: self.folder.clone() }.into()
            );
        }
        self.files.clear();
        for entry in entries {
            let mut name = plain_name(&entry.path);
            while self.files.iter().any(|(taken, _)| *taken == name) {
                name.insert(0, '-');
            }
            self.files.push((name, entry.path));
        }
        // Each stands beside what the others drew in its place.
        let piece = |((name, _), beside): (&(String, PathBuf), &Piece)| Piece {
            name: name.clone(),
            ..beside.clone()
        };
        Ok(self.files.iter().zip(asked.iter().cycle()).map(piece).collect())
    }

    fn draw(&mut self, piece: &Piece, _go_on: &dyn Fn() -> bool) -> Result<Vec<u8>, CompetitionError> {
        let found = self.files.iter().find(|(name, _)| *name == piece.name);
        let (_, path) = found.ok_or_else(|| CompetitionError::File {
            path: self.folder.join(&piece.name),
            fault: "it is gone".to_owned(),
        })?;
        // Turned as its camera noted, and without what its file says besides.
        let picture = datasets::read(path)?;
        let (width, height) = (picture.width, picture.height);
        Ok(encode_bare_png(width, height, &picture.into_rgb())?)
    }
}

/// A file's name with nothing in it that an address or a folder could take for something else.
fn plain_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = name.chars().map(plain).take(100).collect();
    if name.to_lowercase().ends_with(".png") { name } else { format!("{name}.png") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prompt_is_asked_with_every_seed() {
        let pieces = Piece::all(&["a".to_owned(), "b".to_owned()], &[3, 4]);
        let names: Vec<&str> = pieces.iter().map(|piece| piece.name.as_str()).collect();
        assert_eq!(names, ["1_3.png", "1_4.png", "2_3.png", "2_4.png"]);
        assert_eq!((pieces[2].prompt.as_str(), pieces[2].seed), ("b", 3));
    }

    #[test]
    fn pictures_of_a_folder_come_as_they_are_under_plain_names() {
        let folder = tempfile::tempdir().unwrap();
        let png = encode_bare_png(2, 1, &[1, 2, 3, 4, 5, 6]).unwrap();
        for name in ["a b.png", "a#b.png", "ä.PNG"] {
            std::fs::write(folder.path().join(name), &png).unwrap();
        }
        let mut draws = FolderDraws::new(folder.path());
        let asked = Piece::all(&["p".to_owned()], &[1, 2]);
        let pieces = draws.pieces(&asked).unwrap();
        let names: Vec<&str> = pieces.iter().map(|piece| piece.name.as_str()).collect();
        assert_eq!(names, ["a-b.png", "-a-b.png", "ä.PNG"]);
        assert_eq!(pieces[2].seed, 1, "the third stands beside the first again");
        let drawn = draws.draw(&pieces[1], &|| true).unwrap();
        assert_eq!(crate::files::picture::decode_picture(&drawn).unwrap().into_rgb(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(plain_name(Path::new("x/b.jpg")), "b.jpg.png");
        let empty = tempfile::tempdir().unwrap();
        assert!(
            FolderDraws::new(empty.path()).pieces(&asked).unwrap_err().to_string().contains("no picture")
        );
    }
}
