//! The noun `user`: who is asking.

use serde::{Deserialize, Serialize};

use crate::id::UserId;

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Makes pictures and hands in work.
    Student,
    /// Sets exercises and reviews work.
    Teacher,
    /// Looks after the server.
    Admin,
}

/// The signed-in user: `GET /api/me`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserView {
    /// The user.
    pub id: UserId,
    /// The name to show.
    pub name: String,
    /// What the user may do.
    pub roles: Vec<Role>,
    /// Whether the server runs for one local person without accounts.
    pub solo: bool,
}
