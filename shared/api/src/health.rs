//! Whether the server works: `GET /api/health`.

use serde::{Deserialize, Serialize};

/// The server's word on itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HealthView {
    /// Whether it can answer and reach its database.
    pub ok: bool,
    /// Version of the studio.
    pub version: String,
    /// Jobs that wait for a device.
    pub waiting: u32,
}
