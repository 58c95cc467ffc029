//! Identifiers: opaque strings made by the server, one type per noun so that they cannot be mixed up.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text of an identifier; only the server makes new ones.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text, for an address or a query.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    )*};
}

ids! {
    /// A person.
    UserId,
    /// A piece of work in the queue.
    JobId,
    /// A model on its way from a hub.
    DownloadId,
    /// One request for pictures and what came of it.
    GenerationId,
    /// One request for a larger copy of a picture.
    UpscaleId,
    /// One request for a grid of pictures.
    GridId,
    /// Pictures to learn from, with their captions.
    DatasetId,
    /// One training of a LoRA.
    TrainingId,
    /// Rounds of training, drawing and scoring.
    CompetitionId,
    /// Two pictures of a competition that a person is asked to choose from.
    BallotId,
    /// A stored picture.
    ImageId,
    /// A folder of the gallery.
    FolderId,
    /// An installed model: the name of its folder.
    ModelId,
}
