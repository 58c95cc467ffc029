//! The rounds as one page that needs nothing else: pictures, charts, what was learnt, in three languages (`#en`, `#ru`, `#kk`
//! in its address choose one), light and dark. There is no script in it.

mod charts;
mod pictures;
mod words;

use std::fmt::Write;

use chapan_api::comparison::{ComparisonReport, Contestant};
use chapan_api::competition::{Change, Decision, Feedback, Priority, RoundRecord, TrainingHistory};
use chapan_metrics::Lead;

use self::charts::with_error;
use self::words::{LANGUAGES, Words, beside, escape};
use super::request::{BASE, name_of};
use super::{CompetitionError, CompetitionFolder};

const STYLE: &str = include_str!("page.css");
/// Pictures of a contestant that are shown.
const SHOWN: usize = 8;
/// Features whose places are shown.
const MAPS: usize = 5;

/// One round, with all that is told of it.
#[derive(Debug)]
pub(super) struct Told {
    pub record: RoundRecord,
    pub report: ComparisonReport,
    pub feedback: Feedback,
}

/// The page; `language` is seen when its address names none.
///
/// # Errors
/// A picture that cannot be read.
pub(super) fn page(
    folder: &CompetitionFolder,
    history: &TrainingHistory,
    told: &[Told],
    language: &str,
) -> Result<String, CompetitionError> {
    let words = Words::read();
    let mut html = head(&words, history, language);
    verdict(&mut html, &words, history);
    charts::rounds(&mut html, &words, told);
    for (index, one) in told.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| told[before].feedback.applied.as_ref());
        round(&mut html, &words, folder, one, before)?;
    }
    if let Some(last) = told.last() {
        gallery(&mut html, &words, folder, &last.report)?;
    }
    html.push_str("</body></html>\n");
    Ok(html)
}

fn head(words: &Words, history: &TrainingHistory, language: &str) -> String {
    let known = LANGUAGES.iter().any(|(code, _)| *code == language);
    let language = if known { language } else { "en" };
    let chosen = LANGUAGES.map(|(code, _)| format!("#{code}")).join(",");
    let mut hide = format!(":root:not(:has(:is({chosen}):target)) .w>:not([lang={language}])");
    for (code, _) in LANGUAGES {
        put(&mut hide, format_args!(",:root:has(#{code}:target) .w>:not([lang={code}])"));
    }
    let mut html = format!(
        "<!doctype html><html lang=\"{language}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>{}</title><style>{STYLE}{hide}{{display:none}}</style></head>\
         <body><nav>",
        words.plain("title", language),
    );
    for (code, name) in LANGUAGES {
        put(&mut html, format_args!("<a id=\"{code}\" href=\"#{code}\" lang=\"{code}\">{name}</a>"));
    }
    let prompts: Vec<String> =
        history.prompts.iter().map(|prompt| format!("<b>{}</b>", escape(prompt))).collect();
    put(
        &mut html,
        format_args!(
            "</nav><h1>{}</h1><p>{}: {}</p><p class=\"quiet\">{}</p>",
            words.say("title", &[]),
            words.say("prompts", &[]),
            prompts.join("; "),
            words.say("seeds", &[("count", (history.seeds.len() * history.prompts.len()).to_string())]),
        ),
    );
    html
}

/// The best round against the base model, in a sentence.
fn verdict(html: &mut String, words: &Words, history: &TrainingHistory) {
    let Some(best) = history.rounds.iter().find(|record| Some(record.round) == history.best_round) else {
        return;
    };
    let lead = Lead { mean: best.lead_over_base, standard_error: best.lead_standard_error };
    let key = match (lead.is_beyond_noise(), lead.mean > 0.0) {
        (true, true) => "ahead",
        (true, false) => "behind",
        (false, _) => "level",
    };
    let times = lead.standard_error.filter(|error| *error > 0.0).map_or(0.0, |error| lead.mean / error);
    let values = [
        ("round", best.round.to_string()),
        ("quality", with_error(best.quality_score, best.standard_error)),
        ("lead", signed(best.lead_over_base, best.lead_standard_error)),
        ("times", format!("{times:.1}")),
    ];
    put(html, format_args!("<p class=\"verdict\">{}</p>", words.say(key, &values)));
}

fn round(
    html: &mut String,
    words: &Words,
    folder: &CompetitionFolder,
    Told { record, report, feedback }: &Told,
    changed: Option<&Change>,
) -> Result<(), CompetitionError> {
    let own = name_of(record.round);
    let settings = &record.settings;
    let values = [
        ("steps", settings.max_train_steps.to_string()),
        ("rate", settings.learning_rate.to_string()),
        ("rank", settings.rank.to_string()),
    ];
    put(
        html,
        format_args!(
            "<section><h2>{}</h2><p>{}</p>",
            words.say("round", &[("round", record.round.to_string())]),
            words.say("settings", &values)
        ),
    );
    if !settings.emphasised.is_empty() {
        let phrases = escape(&settings.emphasised.join(", "));
        put(html, format_args!("<p>{}</p>", words.say("emphasised", &[("phrases", phrases)])));
    }
    if let Some(change) = changed {
        put(html, format_args!("<p>{}</p>", words.say("changed", &[("change", told_change(change))])));
    }
    let lead = signed(record.lead_over_base, record.lead_standard_error);
    put(html, format_args!("<p>{}</p>", words.say("lead", &[("lead", format!("<b>{lead}</b>"))])));
    put(html, format_args!("<p class=\"quiet\">{}</p>", words.say("quality", &[])));
    charts::bars(html, words, report, &own);
    if let Some(one) = report.contestants.iter().find(|one| one.name == own) {
        features(html, words, report, one);
        heat_maps(html, words, folder, report, one)?;
    }
    recommendations(html, words, feedback);
    let decision = match feedback.decision {
        Decision::Continue => "continue",
        Decision::GapClosed => "gap_closed",
        Decision::LastRound => "last_round",
        Decision::NoGain => "no_gain",
        Decision::NoChange => "no_change",
    };
    put(html, format_args!("<p><b>{}</b></p></section>", words.say(decision, &[])));
    Ok(())
}

/// A change as a pair of numbers, which every language reads.
fn told_change(change: &Change) -> String {
    let pair = |name: &str, from: String, to: String| format!("{name} {from} → {to}");
    match change {
        Change::Steps { from, to } => pair("max_train_steps", from.to_string(), to.to_string()),
        Change::LearningRate { from, to } => pair("learning_rate", from.to_string(), to.to_string()),
        Change::Rank { from, to } => pair("rank", from.to_string(), to.to_string()),
        Change::Emphasise { phrase, .. } => format!("+ {}", escape(phrase)),
    }
}

/// Every key feature of the LoRA's pictures beside the base model's.
fn features(html: &mut String, words: &Words, report: &ComparisonReport, own: &Contestant) {
    let base = report.contestants.iter().find(|one| one.name == BASE);
    put(
        html,
        format_args!(
            "<div class=\"scroll\"><table><caption>{}</caption><tr><th>{}</th><th>{BASE}</th><th>{}</th><th>{}</th></tr>",
            words.say("why", &[]),
            words.say("feature", &[]),
            escape(&own.name),
            words.say("instead", &[])
        ),
    );
    for feature in &own.features {
        let same = base.and_then(|base| base.features.iter().find(|other| other.group == feature.group));
        put(
            html,
            format_args!(
                "<tr><td>{}: {}</td><td class=\"number\">{}</td><td class=\"number\"><b>{:.2}</b></td><td>{}</td></tr>",
                escape(&feature.group),
                escape(&feature.value),
                same.map_or_else(String::new, |same| format!("{:.2}", same.probability)),
                feature.probability,
                escape(feature.won_instead.as_deref().unwrap_or_default()),
            ),
        );
    }
    html.push_str("</table></div>");
}

/// The best and the weakest picture, bright where the features were seen; the weakest features first.
fn heat_maps(
    html: &mut String,
    words: &Words,
    folder: &CompetitionFolder,
    report: &ComparisonReport,
    own: &Contestant,
) -> Result<(), CompetitionError> {
    let mut pictures: Vec<_> = own.pictures.iter().collect();
    pictures.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    let ends = [("best", pictures.first()), ("worst", pictures.last().filter(|_| pictures.len() > 1))];
    for (key, picture) in ends {
        let Some(picture) = picture else { continue };
        let mut seen: Vec<_> = picture.features.iter().collect();
        seen.sort_by(|a, b| a.probability.total_cmp(&b.probability));
        let maps = seen.into_iter().filter_map(|feature| {
            let map = report.heat_maps.iter().find(|map| {
                (&map.contestant, &map.file, &map.group) == (&own.name, &picture.file, &feature.group)
            })?;
            Some((feature, map))
        });
        let maps: Vec<_> = maps.take(MAPS).collect();
        if maps.is_empty() {
            continue;
        }
        let path = folder.path(&format!("comparisons/{}_{}", own.name, picture.file));
        put(
            html,
            format_args!(
                "<h3>{}</h3><div class=\"maps\"><figure><img alt=\"{file}\" src=\"{}\"><figcaption>{file} {:.3}</figcaption></figure>",
                words.say(key, &[]),
                pictures::address(&path)?,
                picture.quality,
                file = escape(&picture.file),
            ),
        );
        for (feature, map) in maps {
            let what = escape(&format!("{}: {}", feature.group, feature.value));
            put(
                html,
                format_args!(
                    "<figure><img alt=\"{what}\" src=\"{}\"><figcaption>{what} {:.2}</figcaption></figure>",
                    pictures::lit(&path, map)?,
                    feature.probability,
                ),
            );
        }
        html.push_str("</div>");
    }
    Ok(())
}

fn recommendations(html: &mut String, words: &Words, feedback: &Feedback) {
    if feedback.recommendations.is_empty() {
        return;
    }
    put(html, format_args!("<h3>{}</h3><ul class=\"cards\">", words.say("recommendations", &[])));
    for recommendation in &feedback.recommendations {
        let is_next = feedback.applied.is_some() && recommendation.change == feedback.applied;
        let priority = match recommendation.priority {
            Priority::High => "high",
            Priority::Medium => "medium",
            Priority::Low => "low",
        };
        put(
            html,
            format_args!(
                "<li{}><small>{}</small><p>{}</p>",
                if is_next { " class=\"next\"" } else { "" },
                words.say(priority, &[]),
                beside(&recommendation.message, &[]),
            ),
        );
        if is_next {
            put(html, format_args!("<small><b>{}</b></small>", words.say("next", &[])));
        }
        html.push_str("</li>");
    }
    html.push_str("</ul>");
}

/// Everybody's pictures, those of one seed below each other.
fn gallery(
    html: &mut String,
    words: &Words,
    folder: &CompetitionFolder,
    report: &ComparisonReport,
) -> Result<(), CompetitionError> {
    put(
        html,
        format_args!(
            "<section><div class=\"scroll\"><table class=\"gallery\"><caption>{}</caption>",
            words.say("pictures", &[])
        ),
    );
    for one in &report.contestants {
        put(html, format_args!("<tr><th>{}</th>", escape(&one.name)));
        for picture in one.pictures.iter().take(SHOWN) {
            let path = folder.path(&format!("comparisons/{}_{}", one.name, picture.file));
            let alt = escape(&format!("{} {}", one.name, picture.file));
            put(
                html,
                format_args!(
                    "<td><img alt=\"{alt}\" src=\"{}\"><small>{:.3}</small></td>",
                    pictures::address(&path)?,
                    picture.quality
                ),
            );
        }
        html.push_str("</tr>");
    }
    html.push_str("</table></div></section>");
    Ok(())
}

/// A difference with its sign and how far it may be off.
fn signed(value: f64, error: Option<f64>) -> String {
    let sign = if value < 0.0 { "−" } else { "+" };
    format!("{sign}{}", with_error(value.abs(), error))
}

fn put(html: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = html.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_there_in_three_languages() {
        let words = Words::read();
        let known: Vec<_> = words.languages().collect();
        assert!(known.iter().all(|(_, languages)| languages == &["en", "kk", "ru"]));
        // Every key that the sources say is there: one that is not would be shown as it is.
        let sources = [include_str!("mod.rs"), include_str!("charts.rs")];
        for (key, _) in &known {
            let quoted = format!("\"{key}\"");
            assert!(sources.iter().any(|source| source.contains(&quoted)), "nobody says {key}");
        }
        for source in sources {
            let said = source.split("words.say(\"").skip(1).filter_map(|rest| rest.split('"').next());
            for key in said {
                assert!(known.iter().any(|(known, _)| *known == key), "{key} has no words");
            }
        }
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
        let html = page(&folder, &history, &[], "ru").unwrap();
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script"));
        assert!(html.contains("<title>Кто ближе всех?</title>") && html.contains("Кім ең жақын?"));
        assert!(!html.contains("http"), "the page needs nothing from elsewhere");
        let other = page(&folder, &history, &[], "\"><script>").unwrap();
        assert!(other.contains("<html lang=\"en\">") && !other.contains("<script"));
    }
}
