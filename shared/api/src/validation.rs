//! Rules for fields: each fault names its field, the rule it breaks and the rule's numbers.
//!
//! The English words are made here once, so that server and command line say the same; the browser translates by
//! [`Rule`], which carries all that a sentence needs.

use serde::{Deserialize, Serialize};

/// A rule that a field broke, with the numbers a sentence about it needs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum Rule {
    /// The field must not be empty.
    Required,
    /// The text is longer than `max` characters.
    TooLong {
        /// Most characters allowed.
        max: u64,
        /// Characters found.
        got: u64,
    },
    /// The number lies outside `min..=max`.
    OutOfRange {
        /// Least value allowed.
        min: f64,
        /// Greatest value allowed.
        max: f64,
        /// The value found, as text (`NaN` is not a JSON number).
        got: String,
    },
    /// The number is not a multiple of `of`.
    NotMultiple {
        /// The step.
        of: u64,
        /// The value found.
        got: u64,
    },
    /// The value is not one of the allowed names.
    UnknownName {
        /// The value found.
        got: String,
        /// All allowed names.
        allowed: Vec<String>,
    },
    /// The text contains a character that cannot be used, such as NUL.
    ControlCharacter {
        /// Its code point, as `U+0000`.
        got: String,
    },
    /// The field means something only together with another.
    Needs {
        /// The other field.
        other: String,
    },
    /// The list has more than `max` items.
    TooMany {
        /// Most items allowed.
        max: u64,
        /// Items found.
        got: u64,
    },
    /// There is no such thing, or it is not yours.
    Absent {
        /// The identifier found.
        got: String,
    },
    /// The value is of another kind.
    WrongKind {
        /// What it should be: `number`, `text`.
        expected: String,
        /// The value found.
        got: String,
    },
    /// The picture has another size than the one that it belongs to.
    OtherSize {
        /// The size it should have, as `128x128`.
        expected: String,
        /// The size it has.
        got: String,
    },
    /// The text that is to be replaced does not occur.
    NotFound {
        /// The text.
        got: String,
    },
    /// The field does not go together with another.
    Excludes {
        /// The other field.
        other: String,
    },
    /// The file was made for another model.
    OtherBase {
        /// Its name.
        got: String,
        /// What it was made for.
        base: String,
        /// What it is to be used with.
        expected: String,
    },
    /// The file cannot be used.
    Unusable {
        /// Its name.
        got: String,
        /// Why, in English.
        why: String,
    },
}

/// One fault of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(try_from = "Flat")]
pub struct FieldError {
    /// The field, as it is spelled in JSON.
    pub field: String,
    /// The rule it breaks.
    #[serde(flatten)]
    pub rule: Rule,
}

impl Eq for FieldError {}

/// A fault as it is read: one level of fields. What serde makes of a flattened, tagged enum weighs four times as much
/// in the browser.
#[derive(Deserialize)]
struct Flat {
    field: String,
    rule: String,
    got: Option<Got>,
    max: Option<f64>,
    min: Option<f64>,
    of: Option<u64>,
    other: Option<String>,
    expected: Option<String>,
    base: Option<String>,
    why: Option<String>,
    allowed: Option<Vec<String>>,
}

/// A value that was found: a count, or text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Got {
    Count(u64),
    Text(String),
}

impl TryFrom<Flat> for FieldError {
    type Error = String;

    fn try_from(flat: Flat) -> Result<Self, String> {
        let Flat { field, rule, got, max, min, of, other, expected, base, why, allowed } = flat;
        let lacks = |name: &str| format!("the rule `{rule}` comes without `{name}`");
        let (count, text) = match got {
            Some(Got::Count(count)) => (Some(count), None),
            Some(Got::Text(text)) => (None, Some(text)),
            None => (None, None),
        };
        let (count, got) = (count.ok_or_else(|| lacks("got")), text.ok_or_else(|| lacks("got")));
        let most = max.map(|max| max as u64).ok_or_else(|| lacks("max"));
        let expected = expected.ok_or_else(|| lacks("expected"));
        let rule = match rule.as_str() {
            "required" => Rule::Required,
            "too_long" => Rule::TooLong { max: most?, got: count? },
            "out_of_range" => Rule::OutOfRange {
                min: min.ok_or_else(|| lacks("min"))?,
                max: max.ok_or_else(|| lacks("max"))?,
                got: got?,
            },
            "not_multiple" => Rule::NotMultiple { of: of.ok_or_else(|| lacks("of"))?, got: count? },
            "unknown_name" => {
                Rule::UnknownName { got: got?, allowed: allowed.ok_or_else(|| lacks("allowed"))? }
            }
            "control_character" => Rule::ControlCharacter { got: got? },
            "needs" => Rule::Needs { other: other.ok_or_else(|| lacks("other"))? },
            "excludes" => Rule::Excludes { other: other.ok_or_else(|| lacks("other"))? },
            "other_base" => {
                Rule::OtherBase { got: got?, base: base.ok_or_else(|| lacks("base"))?, expected: expected? }
            }
            "unusable" => Rule::Unusable { got: got?, why: why.ok_or_else(|| lacks("why"))? },
            "too_many" => Rule::TooMany { max: most?, got: count? },
            "absent" => Rule::Absent { got: got? },
            "wrong_kind" => Rule::WrongKind { expected: expected?, got: got? },
            "other_size" => Rule::OtherSize { expected: expected?, got: got? },
            "not_found" => Rule::NotFound { got: got? },
            other => return Err(format!("there is no rule `{other}`")),
        };
        Ok(Self { field, rule })
    }
}

impl FieldError {
    /// A fault of `field`.
    pub fn new(field: impl Into<String>, rule: Rule) -> Self {
        Self { field: field.into(), rule }
    }

    /// The fact in English.
    pub fn message(&self) -> String {
        let field = &self.field;
        match &self.rule {
            Rule::Required => format!("`{field}` is empty"),
            Rule::TooLong { max, got } => format!("`{field}` has {got} characters, at most {max} are taken"),
            Rule::OutOfRange { min, max, got } => format!("`{field}` is `{got}`, outside {min} to {max}"),
            Rule::NotMultiple { of, got } => format!("`{field}` is `{got}`, not a multiple of {of}"),
            Rule::UnknownName { got, .. } => format!("`{field}` is `{got}`, which is not known"),
            Rule::ControlCharacter { got } => format!("`{field}` contains the control character {got}"),
            Rule::Needs { other } => format!("`{field}` is given without `{other}`"),
            Rule::TooMany { max, got } => format!("`{field}` has {got} items, at most {max} are taken"),
            Rule::Absent { got } => format!("`{field}` is `{got}`, and you have no such thing"),
            Rule::WrongKind { expected, got } => format!("`{field}` is `{got}`, not a {expected}"),
            Rule::OtherSize { expected, got } => {
                format!("`{field}` has {got} pixels, its picture has {expected}")
            }
            Rule::NotFound { got } => format!("`{field}` is `{got}`, which does not occur in the text"),
            Rule::Excludes { other } => {
                format!("`{field}` is given with `{other}`: the two do not go together")
            }
            Rule::OtherBase { got, base, expected } => {
                format!("`{field}` names `{got}`, which was made for {base}, not for {expected}")
            }
            Rule::Unusable { got, why } => format!("`{field}` names `{got}`, which cannot be used: {why}"),
        }
    }

    /// What to do, in English.
    pub fn hint(&self) -> String {
        match &self.rule {
            Rule::Required => "write something here".to_owned(),
            Rule::TooLong { max, .. } => format!("shorten it to {max} characters or fewer"),
            Rule::OutOfRange { min, max, .. } => format!("choose a number from {min} to {max}"),
            Rule::NotMultiple { of, got } => {
                format!("try {} or {}", got / of * of, (got / of + 1) * of)
            }
            Rule::UnknownName { allowed, .. } => format!("choose one of: {}", allowed.join(", ")),
            Rule::ControlCharacter { .. } => {
                "remove it; letters, punctuation and line breaks are fine".to_owned()
            }
            Rule::Needs { other } => format!("give `{other}` as well, or leave this out"),
            Rule::TooMany { max, .. } => format!("send {max} or fewer"),
            Rule::Absent { .. } => "choose one from your list, or add it first".to_owned(),
            Rule::WrongKind { expected, .. } => format!("give a {expected}"),
            Rule::OtherSize { expected, .. } => format!("draw it at {expected}"),
            Rule::NotFound { .. } => "replace a text that stands there, letter by letter".to_owned(),
            Rule::Excludes { .. } => "leave one of the two out".to_owned(),
            Rule::OtherBase { .. } => "choose one that was made for this model, or another model".to_owned(),
            Rule::Unusable { .. } => "get its file again, or choose another".to_owned(),
        }
    }
}

/// Collects the faults of one request.
#[derive(Debug, Default)]
pub struct Checker {
    faults: Vec<FieldError>,
}

impl Checker {
    /// A checker that has found nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fault.
    pub fn fault(&mut self, field: &str, rule: Rule) {
        self.faults.push(FieldError::new(field, rule));
    }

    /// Text of at most `max` characters without control characters other than tab and line breaks.
    pub fn text(&mut self, field: &str, value: &str, max: u64) {
        let got = value.chars().count() as u64;
        if got > max {
            self.fault(field, Rule::TooLong { max, got });
        }
        if let Some(c) = value.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.fault(field, Rule::ControlCharacter { got: format!("U+{:04X}", c as u32) });
        }
    }

    /// A finite number in `min..=max`.
    pub fn number(&mut self, field: &str, value: f64, min: f64, max: f64) {
        if !(value >= min && value <= max) {
            self.fault(field, Rule::OutOfRange { min, max, got: value.to_string() });
        }
    }

    /// A multiple of `of`.
    pub fn multiple(&mut self, field: &str, value: u64, of: u64) {
        if !value.is_multiple_of(of) {
            self.fault(field, Rule::NotMultiple { of, got: value });
        }
    }

    /// One of the allowed names.
    pub fn name(&mut self, field: &str, value: &str, allowed: &[&str]) {
        if !allowed.contains(&value) {
            let got: String = value.chars().take(64).collect();
            let allowed = allowed.iter().map(|s| (*s).to_owned()).collect();
            self.fault(field, Rule::UnknownName { got, allowed });
        }
    }

    /// A field that means something only together with `other`, which is missing.
    pub fn needs(&mut self, field: &str, other: &str) {
        self.fault(field, Rule::Needs { other: other.to_owned() });
    }

    /// A list of at most `max` items.
    pub fn count(&mut self, field: &str, got: usize, max: u64) {
        if got as u64 > max {
            self.fault(field, Rule::TooMany { max, got: got as u64 });
        }
    }

    /// How many faults were found so far.
    pub fn faults(&self) -> usize {
        self.faults.len()
    }

    /// All faults, or nothing.
    pub fn finish(self) -> Result<(), Vec<FieldError>> {
        if self.faults.is_empty() { Ok(()) } else { Err(self.faults) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collects_every_fault() {
        let mut checker = Checker::new();
        checker.number("steps", f64::NAN, 1.0, 100.0);
        checker.multiple("width", 130, 8);
        checker.text("prompt", "a\0b", 2);
        let faults = checker.finish().unwrap_err();
        let fields: Vec<_> = faults.iter().map(|f| f.field.as_str()).collect();
        assert_eq!(fields, ["steps", "width", "prompt", "prompt"]);
        assert_eq!(faults[1].hint(), "try 128 or 136");
    }

    #[test]
    fn a_fault_with_every_rule_survives_json() {
        let text = |text: &str| text.to_owned();
        let rules = [
            Rule::Required,
            Rule::TooLong { max: 1, got: 2 },
            Rule::OutOfRange { min: -1.0, max: 0.5, got: text("NaN") },
            Rule::NotMultiple { of: 8, got: 9 },
            Rule::UnknownName { got: text("a"), allowed: vec![text("b")] },
            Rule::ControlCharacter { got: text("U+0000") },
            Rule::Needs { other: text("seed") },
            Rule::TooMany { max: 3, got: 4 },
            Rule::Absent { got: text("i-1") },
            Rule::WrongKind { expected: text("number"), got: text("x") },
            Rule::OtherSize { expected: text("8x8"), got: text("9x9") },
            Rule::NotFound { got: text("hat") },
        ];
        for rule in rules {
            let fault = FieldError::new("seed", rule);
            let json = serde_json::to_string(&fault).unwrap();
            assert_eq!(serde_json::from_str::<FieldError>(&json).unwrap(), fault);
        }
        let lacking = serde_json::from_str::<FieldError>(r#"{"field":"a","rule":"too_many","max":3}"#);
        assert_eq!(lacking.unwrap_err().to_string(), "the rule `too_many` comes without `got`");
        assert!(serde_json::from_str::<FieldError>(r#"{"field":"a","rule":"odd"}"#).is_err());
    }
}
