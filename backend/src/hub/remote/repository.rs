//! Names on the hub, checked before they become part of an address or a path.

use std::fmt;
use std::str::FromStr;

use super::error::HubError;

/// Longest owner, name or revision.
const LONGEST: usize = 96;

/// A repository: `owner/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoId {
    owner: String,
    name: String,
}

impl RepoId {
    /// The name without its owner: what an installed model is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `owner--name`, for a folder.
    pub fn folder(&self) -> String {
        format!("{}--{}", self.owner, self.name)
    }
}

impl FromStr for RepoId {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        let bad = || HubError::BadName(text.chars().take(LONGEST).collect());
        let (owner, name) = text.trim().split_once('/').ok_or_else(bad)?;
        if [owner, name].iter().all(|part| is_word(part)) {
            Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
        } else {
            Err(bad())
        }
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// A branch, tag or commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision(String);

impl Revision {
    /// As it stands in an address: everything but unreserved characters percent-encoded, slashes too.
    pub(super) fn encoded(&self) -> String {
        encode(&self.0)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Revision {
    fn default() -> Self {
        Self("main".to_owned())
    }
}

impl FromStr for Revision {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        let fits = (1..=LONGEST).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
            && !text.contains("..");
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(HubError::BadRevision(text.chars().take(LONGEST).collect()))
        }
    }
}

/// A word of letters, digits, `-`, `_` and `.` that is safe as a part of a path on every system.
pub(super) fn is_word(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !text.starts_with(['.', '-'])
        && !text.ends_with('.')
        && !text.contains("..")
}

/// Percent-encodes one segment of an address.
pub(super) fn encode(segment: &str) -> String {
    segment.bytes().fold(String::new(), |text, byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            format!("{text}{}", char::from(byte))
        }
        _ => format!("{text}%{byte:02X}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_become_addresses() {
        let repo: RepoId = "stabilityai/stable-diffusion-xl-base-1.0".parse().unwrap();
        assert_eq!(
            (repo.name(), repo.folder().as_str()),
            ("stable-diffusion-xl-base-1.0", "stabilityai--stable-diffusion-xl-base-1.0")
        );
        for bad in
            ["", "gpt2", "a/b/c", "../x", "a/..", "a/.git", "a/b?x=1", "a/b c", "a\\b/c", "a/b.", "ә/b"]
        {
            assert!(bad.parse::<RepoId>().is_err(), "{bad}");
        }
        assert!(format!("a/{}", "x".repeat(97)).parse::<RepoId>().is_err());
    }

    #[test]
    fn a_revision_is_encoded_with_its_slashes() {
        assert_eq!("refs/pr/1".parse::<Revision>().unwrap().encoded(), "refs%2Fpr%2F1");
        for bad in ["", "a..b", "a b", "a\n", "%2e"] {
            assert!(bad.parse::<Revision>().is_err(), "{bad}");
        }
    }
}
