//! `chapan analyze`: what reference pictures show, each and together.

use std::path::PathBuf;

use chapan_api::analysis::Analysis;
use clap::Args;

use super::clips::{ClipOptions, reference_folders};
use super::{Failure, output};
use crate::config::Environment;
use crate::jobs::comparison::{analyse, look_at_folder};

/// Options of `chapan analyze`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chapan analyze --references assets/references/aldar --trigger \"aldar kose\"
  chapan analyze --references photos --model models/clip-vit-base-patch32 --features people.json --json
For each picture and each closed group of phrases the CLIP says which phrase fits best; probabilities are within the group. A
group where the lead is small is unsure. What nearly all pictures share is a key feature; captions say what differs.")]
pub struct Arguments {
    /// Folder of pictures; of one with `training` and `held-out` inside the first is taken.
    #[arg(long, value_name = "DIR")]
    references: PathBuf,
    /// Word that the character is called by: it begins the prompt and every caption
    #[arg(long, value_name = "WORD")]
    trigger: Option<String>,
    #[command(flatten)]
    clip: ClipOptions,
    /// File to write the analysis to, as JSON
    #[arg(long, value_name = "FILE.json")]
    output: Option<PathBuf>,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// Looks at every picture and sums up.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let looking = arguments.clip.open(environment)?;
    let (folder, _) = reference_folders(&arguments.references);
    let bar = output::progress_bar(0, "looking");
    let seen = look_at_folder(&looking.clip, &folder, |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let analysis = analyse(&looking.phrases, &seen, &looking.model, arguments.trigger.as_deref())?;
    if let Some(path) = &arguments.output {
        output::write_json(path, &analysis)?;
    }
    if arguments.json { output::say_json(&analysis) } else { tell(&analysis) }
}

fn tell(analysis: &Analysis) -> Result<(), Failure> {
    let header = ["GROUP", "MATCH", "CONFIDENCE", "SURE", ""].map(str::to_owned);
    let rows = analysis.groups.iter().map(|group| {
        let is_key = analysis.key_features.iter().any(|key| key.group == group.group);
        [
            group.group.clone(),
            group.top_match.clone(),
            format!("{:.3}", group.confidence),
            format!("{:.0} %", group.share * 100.0),
            if is_key { "key".to_owned() } else { String::new() },
        ]
    });
    output::say_table(std::iter::once(header).chain(rows))?;
    output::say(&format!("\nprompt: {}\n", analysis.training_prompt))?;
    let rows = analysis.pictures.iter().map(|picture| {
        let unsure: Vec<&str> =
            picture.groups.iter().filter(|found| found.unsure).map(|found| found.group.as_str()).collect();
        let note = if unsure.is_empty() { String::new() } else { format!("(unsure: {})", unsure.join(", ")) };
        [picture.file.clone(), picture.caption.clone(), note]
    });
    output::say_table(rows)
}
