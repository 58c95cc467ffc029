//! References to key features, training prompt and captions.

use chapan_api::analysis::{Analysis, PictureAnalysis};

use super::{ComparisonError, Phrases, Seen};

/// Asks every picture what it shows, and sums up. `model` is the CLIP's id, `trigger` the word that the character is called by.
///
/// # Errors
/// Embeddings of another CLIP.
pub fn analyse(
    phrases: &Phrases,
    seen: &[Seen],
    model: &str,
    trigger: Option<&str>,
) -> Result<Analysis, ComparisonError> {
    let pictures = seen
        .iter()
        .map(|seen| {
            let groups = phrases.ask(&seen.embedding)?;
            Ok(PictureAnalysis { file: seen.file.clone(), groups, caption: String::new() })
        })
        .collect::<Result<_, ComparisonError>>()?;
    Ok(Analysis::of(phrases.set(), model.to_owned(), trigger, pictures))
}
