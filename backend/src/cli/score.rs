//! `chapan score`: contestants' pictures against references.

use std::path::{Path, PathBuf};

use chapan_api::comparison::{ComparisonReport, Contestant, Holdout, ScoreBand, ScoreWeights};
use chapan_metrics::{Quality, QualityWeights};
use clap::Args;

use super::clips::{ClipOptions, Looking, reference_folders};
use super::{Failure, output};
use crate::config::Environment;
use crate::files::png::encode_bare_png;
use crate::jobs::comparison::{
    Contest, ContestantPictures, References, compare, look, look_at_folder, paint, spotlight,
};

/// Options of `chapan score`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chapan score --references assets/references/aldar --images base --images lora=out/round-1
  chapan score --references photos --image picture.png --json
score_v1 = 0.4 clip + 0.4 features + 0.2 ssim, each part with its word (similarities: above 0.8 very close, from 0.6 good; ssim:
above 0.7, from 0.5). clip: mean cosine with held-out references; features: mean probability of the references' key features,
each within its group; ssim: at 256x256. References are split into training and held-out ones (fewer than four: each in turn),
for scoring against training pictures rewards copies; pictures far closer to a training picture are counted as copies.
Differences within the noise between pictures are ties.")]
pub struct Arguments {
    /// Folder of pictures; of one with `training` and `held-out` inside both are taken as they are.
    #[arg(long, value_name = "DIR")]
    references: PathBuf,
    /// Held-out references in a folder of their own; `--references` are the training ones then
    #[arg(long, value_name = "DIR")]
    held_out_references: Option<PathBuf>,
    /// A contestant's folder of pictures, one for each seed; repeats. Named by the folder, or by NAME
    #[arg(long, value_name = "[NAME=]DIR", required_unless_present = "image")]
    images: Vec<String>,
    /// A single picture as a contestant; repeats
    #[arg(long, value_name = "FILE")]
    image: Vec<PathBuf>,
    #[command(flatten)]
    clip: ClipOptions,
    /// How much clip, features and ssim count
    #[arg(long, value_name = "CLIP,FEATURES,SSIM", default_value = "0.4,0.4,0.2")]
    weights: String,
    /// The round that the report is of
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    round: Option<u32>,
    /// Shows where each key feature was seen: a folder for pictures that are bright there and dark elsewhere, for each
    /// contestant's first picture
    #[arg(long, value_name = "DIR")]
    heat_maps: Option<PathBuf>,
    /// File to write the report to, as JSON
    #[arg(long, value_name = "FILE.json")]
    output: Option<PathBuf>,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// Looks at everything, scores, ranks.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let weights = weights(&arguments.weights)?;
    let named = named(arguments)?;
    let looking = arguments.clip.open(environment)?;
    let folder = |folder: &Path| {
        let bar = output::progress_bar(0, "looking");
        let seen = look_at_folder(&looking.clip, folder, |done, of| {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
        });
        bar.finish_and_clear();
        seen
    };
    let (training, held_out) = match &arguments.held_out_references {
        Some(held_out) => (arguments.references.clone(), Some(held_out.clone())),
        None => reference_folders(&arguments.references),
    };
    let references = match held_out {
        Some(held_out) => References::given(folder(&training)?, folder(&held_out)?),
        None => References::split(folder(&training)?),
    };
    let mut contestants = Vec::new();
    for (name, path) in named {
        let pictures = if path.is_dir() { folder(&path)? } else { vec![look(&looking.clip, &path)?] };
        contestants.push(ContestantPictures { name, pictures });
    }
    let contest =
        Contest { model: &looking.model, phrases: &looking.phrases, weights, round: arguments.round };
    let mut report = compare(&contest, &references, &contestants)?;
    if let Some(folder) = &arguments.heat_maps {
        heat_maps(&looking, &contestants, &mut report, folder)?;
    }
    if let Some(path) = &arguments.output {
        output::write_json(path, &report)?;
    }
    if arguments.json { output::say_json(&report) } else { tell(&report) }
}

/// Three numbers, separated by commas.
pub fn weights(text: &str) -> Result<ScoreWeights, Failure> {
    let hint = "write three numbers of zero or more, such as 0.4,0.4,0.2";
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse::<f64>()).collect();
    let Ok([clip_similarity, feature_matching, ssim]) =
        numbers.map_err(|_| ()).and_then(|numbers| <[f64; 3]>::try_from(numbers).map_err(|_| ()))
    else {
        return Err(Failure::usage(format!("`--weights {text}` are not three numbers"), hint));
    };
    let probe = Quality { clip_similarity: 0.0, feature_matching: 0.0, ssim: 0.0 };
    probe
        .score(&QualityWeights { clip_similarity, feature_matching, ssim })
        .map_err(|error| Failure::usage_text(&error.to_string()))?;
    Ok(ScoreWeights { clip_similarity, feature_matching, ssim })
}

/// What a file or folder is called when nobody names it.
fn own_name(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// `NAME=PATH`, or a path that is named after itself.
pub fn named_path(text: &str) -> (String, PathBuf) {
    let whole = PathBuf::from(text);
    match text.split_once('=') {
        Some((name, path)) if !whole.exists() => (name.trim().to_owned(), PathBuf::from(path)),
        _ => (own_name(&whole), whole),
    }
}

/// The contestants by name.
fn named(arguments: &Arguments) -> Result<Vec<(String, PathBuf)>, Failure> {
    let mut named: Vec<(String, PathBuf)> = arguments.images.iter().map(|text| named_path(text)).collect();
    named.extend(arguments.image.iter().map(|path| (own_name(path), path.clone())));
    for (index, (name, path)) in named.iter().enumerate() {
        if name.is_empty() || named[..index].iter().any(|(other, _)| other == name) {
            let fact = format!("`{}` is a second contestant called `{name}`", path.display());
            return Err(Failure::usage(fact, "name each, as --images lora=DIR"));
        }
    }
    Ok(named)
}

/// Each key feature of each contestant's first picture.
fn heat_maps(
    looking: &Looking,
    contestants: &[ContestantPictures],
    report: &mut ComparisonReport,
    folder: &Path,
) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| {
        Failure::new(format!("cannot make `{}`: {error}", folder.display()), "may you write there?")
    })?;
    for (number, contestant) in contestants.iter().enumerate() {
        let Some(seen) = contestant.pictures.first() else { continue };
        let maps = paint(&looking.clip, &looking.phrases, &report.key_features, &contestant.name, seen)?;
        for map in maps {
            let (side, rgb) = spotlight(&seen.path, &map)?;
            let png =
                encode_bare_png(side, side, &rgb).map_err(|error| Failure::from_text(&error.to_string()))?;
            // Names of contestants and groups may hold anything.
            let group: String =
                map.group.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
            output::write_file(&folder.join(format!("{number:02}-{group}.png")), &png)?;
            report.heat_maps.push(map);
        }
    }
    Ok(())
}

fn tell(report: &ComparisonReport) -> Result<(), Failure> {
    let key: Vec<&str> = report.key_features.iter().map(|key| key.phrase.as_str()).collect();
    let how = match report.references.holdout {
        Holdout::Given | Holdout::Split => "held-out references",
        Holdout::LeaveOneOut => "references, each held out in turn",
        Holdout::None => "reference: copies cannot be told",
    };
    output::say(&format!(
        "{} by {}, against {} {how}; key features: {}\n",
        report.version,
        report.model,
        report.references.held_out.len(),
        key.join(", ")
    ))?;
    let header =
        ["RANK", "CONTESTANT", "QUALITY", "", "CLIP", "", "FEATURES", "", "SSIM", "", "COPIES", "TIED WITH"]
            .map(str::to_owned);
    let rows = report.ranking.iter().filter_map(|place| {
        let found = report.contestants.iter().find(|contestant| contestant.name == place.contestant)?;
        let error = place.standard_error.map_or_else(String::new, |error| format!("±{error:.3}"));
        Some([
            place.rank.to_string(),
            found.name.clone(),
            format!("{:.3}", found.quality_score),
            error,
            format!("{:.3}", found.clip_similarity_avg),
            word(found.bands.clip_similarity).to_owned(),
            format!("{:.3}", found.feature_matching_score),
            word(found.bands.feature_matching).to_owned(),
            format!("{:.3}", found.ssim_avg),
            word(found.bands.ssim).to_owned(),
            found
                .copies
                .map_or_else(|| "?".to_owned(), |copies| format!("{copies}/{}", found.pictures.len())),
            place.tied_with.join(", "),
        ])
    });
    output::say_table(std::iter::once(header).chain(rows))?;
    output::say("")?;
    let header = ["CONTESTANT", "FEATURE", "PROBABILITY", "RIGHT", "WON INSTEAD"].map(str::to_owned);
    let rows = report.contestants.iter().flat_map(features);
    output::say_table(std::iter::once(header).chain(rows))
}

fn features(contestant: &Contestant) -> impl Iterator<Item = [String; 5]> + '_ {
    contestant.features.iter().map(|feature| {
        [
            contestant.name.clone(),
            format!("{}: {}", feature.group, feature.value),
            format!("{:.3}", feature.probability),
            format!("{:.0} %", feature.share * 100.0),
            feature.won_instead.clone().unwrap_or_default(),
        ]
    })
}

fn word(band: ScoreBand) -> &'static str {
    match band {
        ScoreBand::Weak => "weak",
        ScoreBand::Good => "good",
        ScoreBand::VeryClose => "very close",
    }
}
