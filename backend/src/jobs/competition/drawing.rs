//! Pictures of a contestant: the same prompts, seeds, steps and guidance for all.

use std::path::Path;
use std::sync::Arc;

use chapan_engine::lora::{Application, AppliedLora, LoraFile};
use chapan_engine::pipelines::{Flow, GenerationParams, ProgressEvent, StableDiffusionXl};

use super::{CompetitionError, CompetitionFolder};
use crate::files::png::encode_bare_png;

/// A model that draws for contestants, with or without a LoRA.
#[derive(Debug)]
pub struct Artist {
    /// The base model.
    pub pipeline: StableDiffusionXl,
    /// Size, steps and guidance of every picture.
    pub params: GenerationParams,
}

impl Artist {
    /// Draws what is not there yet of a contestant: `comparisons/<name>_<prompt>_<seed>.png`, and answers the files' names.
    ///
    /// # Errors
    /// A LoRA that is damaged or of another model, and files that cannot be written.
    pub fn draw(
        &mut self,
        folder: &CompetitionFolder,
        (name, lora): (&str, Option<&Path>),
        prompts: &[String],
        seeds: &[u64],
        mut drawn: impl FnMut(),
    ) -> Result<Vec<String>, CompetitionError> {
        let each = prompts.iter().enumerate().flat_map(|(index, prompt)| {
            seeds
                .iter()
                .map(move |seed| (format!("comparisons/{name}_{}_{seed}.png", index + 1), prompt, *seed))
        });
        let all: Vec<(String, &String, u64)> = each.collect();
        let missing: Vec<&(String, &String, u64)> =
            all.iter().filter(|(file, ..)| !folder.path(file).is_file()).collect();
        if !missing.is_empty() {
            let applied = match lora {
                Some(path) => {
                    let lora = Arc::new(self.pipeline.read_lora(&LoraFile::open(path)?)?);
                    vec![AppliedLora { lora, unet_weight: 1.0, text_encoder_weight: 1.0 }]
                }
                None => Vec::new(),
            };
            self.pipeline.set_loras(&applied, Application::Unmerged)?;
        }
        for (file, prompt, seed) in missing {
            let params = GenerationParams { prompt: (*prompt).clone(), seed: *seed, ..self.params.clone() };
            let image = self.pipeline.generate(&params, &mut |_: ProgressEvent<'_>| Flow::Continue)?.image;
            let png =
                encode_bare_png(image.width as u32, image.height as u32, &image.rgb).map_err(|error| {
                    CompetitionError::File { path: folder.path(file), fault: error.to_string() }
                })?;
            folder.write(file, &png)?;
            drawn();
        }
        Ok(all.into_iter().map(|(file, ..)| file).collect())
    }
}
