//! How right the analysis of references is, by group, on held-out portraits of the drawing world: all answers, and those
//! that it is sure of.
//!
//! | measure | what is counted | gate, of every group |
//! |---|---|---|
//! | analysis, right | portraits whose likeliest value is the drawn one | 0.90 |
//! | analysis, right where sure | the same among those that are not called unsure | 0.95 |
//! | analysis, sure | portraits that are not called unsure | 0.90 |

use chapan_engine::Device;
use chapan_engine::evaluate::{Clip, RgbPicture};
use chapan_world::{HELD_OUT_SEED, Scene, Subject, groups};

use super::Arguments;
use super::evaluate::models_folder;
use super::gates::{Tally, report};
use crate::cli::{Failure, output};
use crate::config::assets_folders;
use crate::jobs::comparison::{Phrases, read_features};

/// Pixels that portraits are drawn at: larger than the CLIP looks at, as photographs are.
const SIDE: usize = 256;

/// The share of right answers that every group should reach.
const RIGHT: f64 = 0.90;
/// The same among the answers that it is sure of: captions and key features are made of those alone.
const RIGHT_WHERE_SURE: f64 = 0.95;
/// The share of portraits that it should be sure of: one that is never sure is never wrong.
const SURE: f64 = 0.90;

/// Asks the shipped features of held-out portraits and reports.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = assets_folders("assets/features").into_iter().next();
    let folder = folder.ok_or_else(|| Failure::new("there are no features", "run it in the repository"))?;
    let set = read_features(&folder.join("character.json"))?;
    let clip =
        Clip::open(&models_folder(arguments.models.as_deref())?.join("chapan-mini-clip"), &Device::Cpu)?;
    if let Some(group) =
        set.groups.iter().find(|group| groups().iter().all(|known| known.name() != group.name))
    {
        let fact = format!("the world draws no `{}`, so it cannot be measured", group.name);
        return Err(Failure::new(fact, "call groups in character.json as in shared/world"));
    }
    let phrases = Phrases::embed(&clip, set)?;
    let (mut right, mut right_where_sure, mut sure) = (Tally::default(), Tally::default(), Tally::default());
    let bar = output::progress_bar(u64::from(arguments.scenes), "looking");
    let scenes = (0..).map(|index| Scene::sample(HELD_OUT_SEED + index));
    let portraits = scenes.filter(|scene| matches!(scene.subject, Subject::Portrait(_)));
    for scene in portraits.take(arguments.scenes as usize) {
        let picture = scene.draw(SIDE);
        let seen =
            clip.embed_pictures(&[RgbPicture { rgb: &picture.rgb, width: SIDE, height: SIDE }])?.concat();
        for found in phrases.ask(&seen)? {
            let drawn = scene.attributes().into_iter().find(|(group, _)| group.name() == found.group);
            let Some((group, value)) = drawn else { continue };
            right.count(group, found.top_match == value);
            sure.count(group, !found.unsure);
            if !found.unsure {
                right_where_sure.count(group, found.top_match == value);
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let mut figures = right.figures("analysis, right", None, |_| Some(RIGHT));
    figures.extend(right_where_sure.figures("analysis, right where sure", None, |_| Some(RIGHT_WHERE_SURE)));
    figures.extend(sure.figures("analysis, sure", None, |_| Some(SURE)));
    report(&figures, arguments.json)
}
