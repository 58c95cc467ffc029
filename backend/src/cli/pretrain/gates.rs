//! The gates of the mini family: figures, what they should reach, and how they are shown.

use std::collections::BTreeMap;

use chapan_world::Group;
use serde::Serialize;

use crate::cli::{Failure, output};

/// One figure and its gate.
#[derive(Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub measure: &'static str,
    /// The group of attributes, or nothing for a figure over all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<&'static str>,
    /// The figure.
    pub value: f64,
    /// What it should reach; absent where nothing was promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<f64>,
    /// How many answers it rests on.
    pub count: usize,
}

impl Figure {
    /// Whether the gate is reached; true where there is none.
    pub fn passes(&self) -> bool {
        self.gate.is_none_or(|gate| self.value >= gate)
    }
}

/// Right answers by group.
#[derive(Debug, Default)]
pub struct Tally {
    groups: BTreeMap<Group, (usize, usize)>,
}

impl Tally {
    /// Counts one answer.
    pub fn count(&mut self, group: Group, is_right: bool) {
        let (right, seen) = self.groups.entry(group).or_default();
        *right += usize::from(is_right);
        *seen += 1;
    }

    /// Share of right answers by group, and their mean over all groups held against `overall`.
    pub fn figures(
        &self,
        measure: &'static str,
        overall: Option<f64>,
        gate: impl Fn(Group) -> Option<f64>,
    ) -> Vec<Figure> {
        let share = |right: usize, seen: usize| right as f64 / seen.max(1) as f64;
        let rows = self.groups.iter();
        let mut figures: Vec<Figure> = rows
            .map(|(group, (right, seen))| Figure {
                measure,
                group: Some(group.name()),
                value: share(*right, *seen),
                gate: gate(*group),
                count: *seen,
            })
            .collect();
        if !figures.is_empty() {
            let mean = figures.iter().map(|figure| figure.value).sum::<f64>() / figures.len() as f64;
            let count = figures.iter().map(|figure| figure.count).sum();
            figures.insert(0, Figure { measure, group: None, value: mean, gate: overall, count });
        }
        figures
    }
}

/// What a group should reach in pictures made from prompts: what is large is held to more than what is small.
pub fn prompt_gate(group: Group) -> Option<f64> {
    match group {
        Group::Face | Group::Eyes | Group::FacialHair | Group::Expression => Some(0.80),
        Group::Accessory | Group::Pose | Group::Age => None,
        _ => Some(0.95),
    }
}

/// Prints the figures as a table or as JSON.
///
/// # Errors
/// When a gate is missed: a command that measures tells so by its status too.
pub fn report(figures: &[Figure], json: bool) -> Result<(), Failure> {
    if json {
        output::say_json(&figures)?;
        return verdict(figures);
    }
    let header = ["MEASURE", "GROUP", "VALUE", "GATE", "", "ANSWERS"].map(str::to_owned);
    let rows = figures.iter().map(|figure| {
        let verdict = match figure.gate {
            None => "",
            Some(_) if figure.passes() => "reached",
            Some(_) => "MISSED",
        };
        [
            figure.measure.to_owned(),
            figure.group.unwrap_or("all").to_owned(),
            format!("{:.3}", figure.value),
            figure.gate.map_or_else(String::new, |gate| format!("{gate:.2}")),
            verdict.to_owned(),
            figure.count.to_string(),
        ]
    });
    output::say_table(std::iter::once(header).chain(rows))?;
    let missed = figures.iter().filter(|figure| !figure.passes()).count();
    let gates = figures.iter().filter(|figure| figure.gate.is_some()).count();
    output::say(&format!("{} of {gates} gates reached", gates - missed))?;
    verdict(figures)
}

fn verdict(figures: &[Figure]) -> Result<(), Failure> {
    let missed: Vec<String> = figures
        .iter()
        .filter(|figure| !figure.passes())
        .map(|figure| format!("{} of {}", figure.measure, figure.group.unwrap_or("all")))
        .collect();
    if missed.is_empty() {
        return Ok(());
    }
    let fact = format!(
        "{} missed: {}",
        if missed.len() == 1 { "a gate is" } else { "gates are" },
        missed.join(", ")
    );
    Err(Failure::new(fact, "train on, or measure more scenes: few say little"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_gives_shares_and_their_mean() {
        let mut tally = Tally::default();
        for right in [true, true, true, false] {
            tally.count(Group::Hair, right);
        }
        tally.count(Group::Eyes, false);
        let figures = tally.figures("judge", Some(0.3), prompt_gate);
        let values: Vec<_> = figures.iter().map(|f| (f.group, f.value, f.passes())).collect();
        assert_eq!(values, [(None, 0.375, true), (Some("eyes"), 0.0, false), (Some("hair"), 0.75, false)]);
    }
}
