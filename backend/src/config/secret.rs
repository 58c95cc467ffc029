//! A text that is sent to where it belongs and shown nowhere.

use std::fmt;

/// A key or token. It has no `Display`, and its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret. Spaces around it are dropped; one that is empty, or that no header could carry, is none.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty() && text.chars().all(|c| c.is_ascii_graphic())).then(|| Self(text.to_owned()))
    }

    /// The text itself, for the request that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new(" of-mine ").unwrap();
        assert!(!format!("{secret:?} {:?}", Some(&secret)).contains("mine"));
        assert_eq!(secret.reveal(), "of-mine");
        assert!(Secret::new("  ").is_none() && Secret::new("a\nb").is_none() && Secret::new("ә").is_none());
    }
}
