//! Bars with their noise, and the rounds as a line.

use std::fmt::Write;

use chapan_api::comparison::{ComparisonReport, Contestant, ScoreBand};

use super::words::{Words, escape};
use super::{Told, put};

/// Width, height and edges of the chart of rounds.
const CHART: (f64, f64) = (360.0, 220.0);
const LEFT: f64 = 44.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 34.0;

/// Everybody's quality as a bar with a line of one standard error to both sides, best first.
pub(super) fn bars(html: &mut String, words: &Words, report: &ComparisonReport, own: &str) {
    html.push_str("<ol class=\"bars\">");
    for place in &report.ranking {
        let Some(one) = report.contestants.iter().find(|one| one.name == place.contestant) else { continue };
        let (value, error) =
            (one.quality_score.clamp(0.0, 1.0), one.standard_errors.quality_score.unwrap_or(0.0));
        let class = if one.name == own { " class=\"own\"" } else { "" };
        put(
            html,
            format_args!(
                "<li{class}><span class=\"rank\">{}</span><b>{}</b><span class=\"track\"><i style=\"width:{:.2}%\"></i>\
                 <u style=\"left:{:.2}%;width:{:.2}%\"></u></span><span class=\"number\">{}</span><small>",
                place.rank,
                escape(&one.name),
                value * 100.0,
                (value - error).max(0.0) * 100.0,
                (2.0 * error * 100.0).min(100.0),
                with_error(one.quality_score, one.standard_errors.quality_score),
            ),
        );
        parts(html, words, one);
        if !place.tied_with.is_empty() {
            let names = place.tied_with.iter().map(|name| escape(name)).collect::<Vec<_>>().join(", ");
            put(html, format_args!(" · {}", words.say("tied", &[("names", names)])));
        }
        if let Some(copies) = one.copies.filter(|copies| *copies > 0) {
            let values = [("count", copies.to_string()), ("of", one.pictures.len().to_string())];
            put(html, format_args!(" · <strong>{}</strong>", words.say("copies", &values)));
        }
        html.push_str("</small></li>");
    }
    html.push_str("</ol>");
}

/// The three parts of a score with their bands.
fn parts(html: &mut String, words: &Words, one: &Contestant) {
    let parts = [
        ("CLIP", one.clip_similarity_avg, one.bands.clip_similarity),
        ("features", one.feature_matching_score, one.bands.feature_matching),
        ("SSIM", one.ssim_avg, one.bands.ssim),
    ];
    for (index, (name, value, band)) in parts.into_iter().enumerate() {
        let name = if name == "features" { words.say("features", &[]) } else { name.to_owned() };
        let between = if index == 0 { "" } else { " · " };
        let band = words.say(
            match band {
                ScoreBand::Weak => "weak",
                ScoreBand::Good => "good",
                ScoreBand::VeryClose => "very_close",
            },
            &[],
        );
        put(html, format_args!("{between}{name} {value:.3} ({band})"));
    }
}

/// The LoRA's quality by round, with the base model's as a line to be over.
pub(super) fn rounds(html: &mut String, words: &Words, told: &[Told]) {
    let Some(last) = told.last() else { return };
    let base = last.report.contestants.iter().find(|one| one.name == super::super::request::BASE);
    let base = base.map(|one| (one.quality_score, one.standard_errors.quality_score.unwrap_or(0.0)));
    let points: Vec<(f64, f64)> = told
        .iter()
        .map(|told| (told.record.quality_score, told.record.standard_error.unwrap_or(0.0)))
        .collect();
    let ends = points.iter().chain(&base).flat_map(|(value, error)| [value - error, value + error]);
    let (least, most) = ends.fold((f64::MAX, f64::MIN), |(least, most), end| (least.min(end), most.max(end)));
    // The axis ends at tenths around everything that is shown.
    let (bottom, top) = ((least * 10.0).floor() / 10.0, ((most * 10.0).ceil() / 10.0).max(least + 0.1));
    let (width, height) = CHART;
    let y = |value: f64| TOP + (top - value) / (top - bottom) * (height - TOP - BOTTOM);
    let x = |index: usize| LEFT + (index as f64 + 0.5) / points.len() as f64 * (width - LEFT - RIGHT);
    put(html, format_args!("<figure class=\"chart\"><figcaption>{}</figcaption>", words.say("rounds", &[])));
    put(html, format_args!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\""));
    for (index, (value, _)) in points.iter().enumerate() {
        put(html, format_args!("{}: {value:.3}. ", index + 1));
    }
    html.push_str("\">");
    let tenths = ((top - bottom) * 10.0).round() as i64;
    let every = (tenths / 5).max(1);
    for tenth in (0..=tenths).step_by(every as usize) {
        let value = bottom + tenth as f64 / 10.0;
        put(
            html,
            format_args!(
                "<path class=\"grid\" d=\"M{LEFT} {0:.1}H{1}\"/><text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{value:.1}</text>",
                y(value),
                width - RIGHT,
                LEFT - 6.0,
                y(value) + 4.0,
            ),
        );
    }
    if let Some((value, error)) = base {
        let (from, to, middle) = (y(value + error), y(value - error), y(value));
        put(
            html,
            format_args!(
                "<rect class=\"noise\" x=\"{LEFT}\" y=\"{from:.1}\" width=\"{}\" height=\"{:.1}\"/>\
                 <path class=\"base\" d=\"M{LEFT} {middle:.1}H{right}\"/>\
                 <text class=\"base\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">base {value:.3}</text>",
                width - LEFT - RIGHT,
                (to - from).max(0.5),
                width - RIGHT - 4.0,
                middle - 6.0,
                right = width - RIGHT,
            ),
        );
    }
    let line: Vec<String> =
        (0..).zip(&points).map(|(index, (value, _))| format!("{:.1} {:.1}", x(index), y(*value))).collect();
    if line.len() > 1 {
        put(html, format_args!("<path class=\"line\" d=\"M{}\"/>", line.join("L")));
    }
    for (index, (value, error)) in points.iter().enumerate() {
        put(
            html,
            format_args!(
                "<path class=\"whisker\" d=\"M{0:.1} {1:.1}V{2:.1}\"/><circle cx=\"{0:.1}\" cy=\"{3:.1}\" r=\"5\"/>\
                 <text class=\"value\" x=\"{0:.1}\" y=\"{4:.1}\" text-anchor=\"middle\">{value:.3}</text>\
                 <text x=\"{0:.1}\" y=\"{5:.1}\" text-anchor=\"middle\">{6}</text>",
                x(index),
                y(value + error),
                y(value - error),
                y(*value),
                (y(value + error) - 6.0).min(y(*value) - 9.0),
                height - 12.0,
                index + 1,
            ),
        );
    }
    html.push_str("</svg></figure>");
}

/// A value with how far it may be off.
pub(super) fn with_error(value: f64, error: Option<f64>) -> String {
    let mut text = format!("{value:.3}");
    if let Some(error) = error {
        // Writing to a string cannot fail.
        let _ = write!(text, " ± {error:.3}");
    }
    text
}
