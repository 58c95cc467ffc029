//! The rounds as one page that needs nothing else: pictures, bars with their noise, the lead of each round, what was learnt.

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chapan_api::comparison::{ComparisonReport, Contestant};
use chapan_api::competition::{Decision, Feedback, RoundRecord, TrainingHistory};

use super::{CompetitionError, CompetitionFolder};

/// Words by key and language.
const WORDS: &str = include_str!("../../../../assets/feedback/story.json");
/// Pictures of a contestant that are shown.
const SHOWN: usize = 6;
/// Width of a full bar.
const BAR: f64 = 320.0;

/// One round, with all that is told of it.
#[derive(Debug)]
pub(super) struct Told {
    pub record: RoundRecord,
    pub report: ComparisonReport,
    pub feedback: Feedback,
}

/// The page.
///
/// # Errors
/// A picture that is there and cannot be read.
pub(super) fn page(
    folder: &CompetitionFolder,
    history: &TrainingHistory,
    told: &[Told],
    language: &str,
) -> Result<String, CompetitionError> {
    let words: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(WORDS).unwrap_or_default();
    let word = |key: &str| {
        let found = words.get(key).and_then(|texts| texts.get(language).or_else(|| texts.get("en")));
        escape(found.map_or(key, String::as_str))
    };
    let mut html = format!(
        "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>body{{font:16px/1.5 system-ui;max-width:60rem;\
         margin:2rem auto;padding:0 1rem}}img{{width:128px;height:128px;margin:2px}}svg{{vertical-align:middle}}\
         td,th{{text-align:start;padding:.1rem .8rem .1rem 0}}</style></head><body><h1>{title}</h1><p>{}: {}</p>",
        escape(language),
        word("prompts"),
        escape(&history.prompts.join("; ")),
        title = word("title"),
    );
    for Told { record, report, feedback } in told {
        let error = record.lead_standard_error.map_or_else(String::new, |error| format!(" ± {error:.3}"));
        let settings = &record.settings;
        put(&mut html, format_args!("<h2>{} {}</h2>", word("round"), record.round));
        put(
            &mut html,
            format_args!(
                "<p>{}: {}, {}, {}<br>{}: <b>{:+.3}</b>{error}</p><table><caption>{}</caption>",
                word("settings"),
                settings.max_train_steps,
                settings.learning_rate,
                settings.rank,
                word("lead"),
                record.lead_over_base,
                word("quality"),
            ),
        );
        for place in &report.ranking {
            let Some(one) = report.contestants.iter().find(|one| one.name == place.contestant) else {
                continue;
            };
            put(&mut html, format_args!("<tr><td>{}</td><th>{}</th><td>", place.rank, escape(&one.name)));
            bar(&mut html, one);
            put(&mut html, format_args!("</td></tr>"));
        }
        html.push_str("</table>");
        for one in &report.contestants {
            put(&mut html, format_args!("<h3>{}</h3>", escape(&one.name)));
            for picture in one.pictures.iter().take(SHOWN) {
                let path = folder.path(&format!("comparisons/{}_{}", one.name, picture.file));
                let bytes = match std::fs::read(&path) {
                    // Imported pictures stay where they are.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    bytes => {
                        bytes.map_err(|error| CompetitionError::File { path, fault: error.to_string() })?
                    }
                };
                let alt = format!("{} {} {:.3}", one.name, picture.file, picture.quality);
                put(
                    &mut html,
                    format_args!(
                        "<img alt=\"{alt}\" title=\"{alt}\" src=\"data:image/png;base64,{}\">",
                        STANDARD.encode(bytes),
                        alt = escape(&alt)
                    ),
                );
            }
        }
        put(&mut html, format_args!("<h3>{}</h3><ul>", word("recommendations")));
        for recommendation in &feedback.recommendations {
            let message = recommendation.message.get(language).or_else(|| recommendation.message.get("en"));
            let message = escape(message.map_or("", String::as_str));
            let is_next = feedback.applied.is_some() && recommendation.change == feedback.applied;
            let (open, close) = if is_next { ("<b>", "</b>") } else { ("", "") };
            put(&mut html, format_args!("<li>{open}{message}{close}</li>"));
        }
        put(&mut html, format_args!("</ul><p>{}</p>", word(key_of(feedback.decision))));
    }
    html.push_str("</body></html>\n");
    Ok(html)
}

/// A bar as long as the quality, with a line of one standard error to both sides.
fn bar(html: &mut String, one: &Contestant) {
    let length = one.quality_score.clamp(0.0, 1.0) * BAR;
    let error = one.standard_errors.quality_score.unwrap_or(0.0) * BAR;
    put(
        html,
        format_args!(
            "<svg width=\"{BAR}\" height=\"20\" role=\"img\" aria-label=\"{quality:.3}\"><rect width=\"{length:.1}\" \
             height=\"20\" fill=\"currentColor\" opacity=\".35\"/><path d=\"M{:.1} 10H{:.1}\" stroke=\"currentColor\" \
             stroke-width=\"3\"/></svg> {quality:.3}",
            (length - error).max(0.0),
            (length + error).min(BAR),
            quality = one.quality_score,
        ),
    );
}

fn key_of(decision: Decision) -> &'static str {
    match decision {
        Decision::Continue => "continue",
        Decision::GapClosed => "gap_closed",
        Decision::LastRound => "last_round",
        Decision::NoGain => "no_gain",
        Decision::NoChange => "no_change",
    }
}

fn put(html: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = html.write_fmt(text);
}

/// Names and prompts may hold anything.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_there_in_three_languages() {
        let words: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(WORDS).unwrap();
        for decision in [
            Decision::Continue,
            Decision::GapClosed,
            Decision::LastRound,
            Decision::NoGain,
            Decision::NoChange,
        ] {
            assert!(words.contains_key(key_of(decision)));
        }
        assert!(words.values().all(|texts| texts.keys().eq(["en", "kk", "ru"])));
    }

    #[test]
    fn what_people_write_stays_text() {
        let root = tempfile::tempdir().unwrap();
        let folder = CompetitionFolder::open(root.path()).unwrap();
        let history = TrainingHistory {
            version: String::new(),
            prompts: vec!["<script>alert('a')</script>".into()],
            seeds: vec![],
            rounds: vec![],
            best_round: None,
        };
        let page = page(&folder, &history, &[], "ru").unwrap();
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>") && page.contains("Кто ближе"));
    }
}
