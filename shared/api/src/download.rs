//! The noun `download`: a model on its way from a hub to this server.

use serde::{Deserialize, Serialize};

use crate::error::ErrorBody;
use crate::id::{DownloadId, ModelId};
use crate::validation::{Checker, FieldError, Rule};

/// Longest name of a repository, a revision or a file.
pub const LONGEST_NAME: u64 = 200;

/// A wish for a model of the hub: `POST /api/downloads`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateDownload {
    /// The repository: `owner/name`.
    pub repo: String,
    /// Its branch, tag or commit; absent means the newest files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// One `.safetensors` file of it, such as a LoRA; absent means the whole model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Whether weights in full precision are preferred, where there are both: twice the download.
    #[serde(default)]
    pub full_precision: bool,
}

impl CreateDownload {
    /// Checks what can be checked without the hub.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut check = Checker::new();
        if self.repo.trim().is_empty() {
            check.fault("repo", Rule::Required);
        }
        check.text("repo", &self.repo, LONGEST_NAME);
        for (field, text) in [("revision", &self.revision), ("file", &self.file)] {
            if let Some(text) = text {
                check.text(field, text, LONGEST_NAME);
            }
        }
        check.finish()
    }
}

/// Where a download stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DownloadStatus {
    /// Files are coming.
    Running,
    /// It was stopped, or the server was; what had arrived is kept.
    Paused,
    /// It cannot go on as it is; what had arrived is kept.
    Failed,
    /// The model is installed.
    Succeeded,
}

/// A download.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DownloadView {
    /// The download.
    pub id: DownloadId,
    /// What was asked for.
    pub wanted: CreateDownload,
    /// Where it stands.
    pub status: DownloadStatus,
    /// The file that is coming.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Bytes that are there.
    pub done_bytes: u64,
    /// Bytes in all; 0 until the hub has said.
    pub total_bytes: u64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
    /// The name under which it is installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_needs_a_name_of_sensible_length() {
        let wish: CreateDownload = serde_json::from_str(r#"{"repo": "a/b"}"#).unwrap();
        assert_eq!(wish.validate(), Ok(()));
        for repo in [String::new(), "  ".to_owned(), "x".repeat(300)] {
            let wish = CreateDownload { repo, ..Default::default() };
            assert_eq!(wish.validate().unwrap_err()[0].field, "repo");
        }
        let wish =
            CreateDownload { repo: "a/b".to_owned(), file: Some("a\0".to_owned()), ..Default::default() };
        assert_eq!(wish.validate().unwrap_err()[0].field, "file");
        assert!(serde_json::from_str::<CreateDownload>(r#"{"repo": "a/b", "token": "x"}"#).is_err());
    }
}
