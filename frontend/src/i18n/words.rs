//! Facts and hints for failures, in the reader's language. English takes the server's own words where it sent some;
//! the other languages are translated by code and rule, with the same numbers in them.

use chapan_api::{
    error::{ErrorBody, ErrorCode},
    validation::{FieldError, Rule},
};

use super::{Language, Locale, t_string};
use crate::{
    api::Failure,
    worker::{
        Fault,
        messages::{Reason, Refusal},
    },
};

/// What happened and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The fact.
    pub fact: String,
    /// What to do next.
    pub hint: String,
}

impl Words {
    fn new(fact: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { fact: fact.into(), hint: hint.into() }
    }
}

/// Words for a request that gave no usable answer.
pub fn failure(i18n: Language, failure: &Failure) -> Words {
    match failure {
        Failure::Offline => Words::new(t_string!(i18n, errors.offline), t_string!(i18n, errors.offline_hint)),
        Failure::Unreadable(_) => {
            Words::new(t_string!(i18n, errors.unreadable), t_string!(i18n, errors.unreadable_hint))
        }
        Failure::Refused(body) => refusal(i18n, body),
        Failure::Worker(Fault::Crashed) => {
            Words::new(t_string!(i18n, errors.worker_crashed), t_string!(i18n, errors.worker_crashed_hint))
        }
        Failure::Worker(Fault::Stopped) => {
            Words::new(t_string!(i18n, errors.stopped), t_string!(i18n, errors.stopped_hint))
        }
        Failure::Worker(Fault::Refused(refused)) => refused_by_worker(i18n, refused),
    }
}

/// Words for what the page's own worker would not do.
fn refused_by_worker(i18n: Language, refused: &Refusal) -> Words {
    let (fact, hint) = match refused.reason {
        Reason::Offline => (t_string!(i18n, errors.not_kept), t_string!(i18n, errors.not_kept_hint)),
        Reason::NoModel => {
            (t_string!(i18n, errors.no_small_model), t_string!(i18n, errors.no_small_model_hint))
        }
        Reason::Unreadable => (t_string!(i18n, errors.unreadable), t_string!(i18n, errors.unreadable_hint)),
        Reason::NotComparable => {
            (t_string!(i18n, errors.not_comparable), t_string!(i18n, errors.not_comparable_hint))
        }
        // The engine's own words are English.
        Reason::Engine if i18n.get_locale() == Locale::en => {
            let (fact, hint) = refused.message.split_once("hint: ").unwrap_or((&refused.message, ""));
            return Words::new(sentence(fact.trim()), sentence(hint.trim()));
        }
        Reason::Engine => (t_string!(i18n, errors.engine), t_string!(i18n, errors.engine_hint)),
    };
    Words::new(fact, hint)
}

/// Words for a refusal or a failed job.
pub fn refusal(i18n: Language, body: &ErrorBody) -> Words {
    if let Some(first) = body.fields.first() {
        return fault(i18n, first);
    }
    if i18n.get_locale() == Locale::en {
        return Words::new(sentence(&body.message), sentence(body.hint.as_deref().unwrap_or_default()));
    }
    let (fact, hint) = match body.code {
        ErrorCode::InvalidField => (t_string!(i18n, errors.invalid), t_string!(i18n, errors.invalid_hint)),
        ErrorCode::MalformedBody => {
            (t_string!(i18n, errors.malformed), t_string!(i18n, errors.malformed_hint))
        }
        ErrorCode::UnsupportedContentType => {
            (t_string!(i18n, errors.kind), t_string!(i18n, errors.kind_hint))
        }
        ErrorCode::UnreadableImage => {
            (t_string!(i18n, errors.unreadable_image), t_string!(i18n, errors.unreadable_image_hint))
        }
        ErrorCode::BodyTooLarge => {
            (t_string!(i18n, errors.too_large), t_string!(i18n, errors.too_large_hint))
        }
        ErrorCode::Unauthenticated => {
            (t_string!(i18n, errors.signed_out), t_string!(i18n, errors.signed_out_hint))
        }
        ErrorCode::Forbidden | ErrorCode::CrossSite => {
            (t_string!(i18n, errors.forbidden), t_string!(i18n, errors.forbidden_hint))
        }
        ErrorCode::NotFound | ErrorCode::NoBallot | ErrorCode::MethodNotAllowed => {
            (t_string!(i18n, errors.not_found), t_string!(i18n, errors.not_found_hint))
        }
        ErrorCode::Conflict => (t_string!(i18n, errors.conflict), t_string!(i18n, errors.conflict_hint)),
        ErrorCode::AlreadyExists => {
            (t_string!(i18n, errors.exists_already), t_string!(i18n, errors.exists_already_hint))
        }
        ErrorCode::SourceGone => {
            (t_string!(i18n, errors.source_gone), t_string!(i18n, errors.source_gone_hint))
        }
        ErrorCode::UnknownModel => {
            (t_string!(i18n, errors.unknown_model), t_string!(i18n, errors.unknown_model_hint))
        }
        ErrorCode::NotEnoughMemory => (t_string!(i18n, errors.memory), t_string!(i18n, errors.memory_hint)),
        ErrorCode::StorageFull => (t_string!(i18n, errors.disk), t_string!(i18n, errors.disk_hint)),
        ErrorCode::TooManyRequests => {
            (t_string!(i18n, errors.too_many), t_string!(i18n, errors.too_many_hint))
        }
        ErrorCode::Unavailable => {
            (t_string!(i18n, errors.unavailable), t_string!(i18n, errors.unavailable_hint))
        }
        ErrorCode::Internal => (t_string!(i18n, errors.internal), t_string!(i18n, errors.internal_hint)),
    };
    Words::new(fact, hint)
}

/// Words for one field that breaks its rule.
pub fn fault(i18n: Language, fault: &FieldError) -> Words {
    match &fault.rule {
        Rule::Required => Words::new(t_string!(i18n, errors.required), t_string!(i18n, errors.required_hint)),
        Rule::TooLong { max, got } => Words::new(
            t_string!(i18n, errors.too_long, got = got, max = max),
            t_string!(i18n, errors.too_long_hint, max = max),
        ),
        Rule::OutOfRange { min, max, got } => Words::new(
            t_string!(i18n, errors.out_of_range, got = got, min = min, max = max),
            t_string!(i18n, errors.out_of_range_hint, min = min, max = max),
        ),
        Rule::NotMultiple { of, got } => Words::new(
            t_string!(i18n, errors.not_multiple, got = got, of = of),
            t_string!(i18n, errors.not_multiple_hint, low = got / of * of, high = (got / of + 1) * of),
        ),
        Rule::UnknownName { got, allowed } => Words::new(
            t_string!(i18n, errors.unknown_name, got = got),
            t_string!(i18n, errors.unknown_name_hint, allowed = allowed.join(", ")),
        ),
        Rule::ControlCharacter { got } => Words::new(
            t_string!(i18n, errors.control_character, got = got),
            t_string!(i18n, errors.control_character_hint),
        ),
        Rule::Needs { other } => Words::new(
            t_string!(i18n, errors.needs, other = other),
            t_string!(i18n, errors.needs_hint, other = other),
        ),
        Rule::TooMany { max, got } => Words::new(
            t_string!(i18n, errors.too_many_items, got = got, max = max),
            t_string!(i18n, errors.too_many_items_hint, max = max),
        ),
        Rule::Absent { got } => {
            Words::new(t_string!(i18n, errors.absent, got = got), t_string!(i18n, errors.absent_hint))
        }
        Rule::WrongKind { expected, got } => Words::new(
            t_string!(i18n, errors.wrong_kind, got = got),
            t_string!(i18n, errors.wrong_kind_hint, expected = expected),
        ),
        Rule::OtherSize { expected, got } => Words::new(
            t_string!(i18n, errors.other_size, got = got, expected = expected),
            t_string!(i18n, errors.other_size_hint, expected = expected),
        ),
        Rule::NotFound { got } => Words::new(
            t_string!(i18n, errors.text_not_found, got = got),
            t_string!(i18n, errors.text_not_found_hint),
        ),
        Rule::Excludes { other } => {
            Words::new(t_string!(i18n, errors.excludes, other = other), t_string!(i18n, errors.excludes_hint))
        }
        Rule::OtherBase { got, base, expected } => Words::new(
            t_string!(i18n, errors.other_base, got = got, base = base, expected = expected),
            t_string!(i18n, errors.other_base_hint),
        ),
        Rule::Unusable { got, why } => Words::new(
            t_string!(i18n, errors.unusable, got = got, why = why),
            t_string!(i18n, errors.unusable_hint),
        ),
    }
}

/// The server's lower-case clause as a sentence.
fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
