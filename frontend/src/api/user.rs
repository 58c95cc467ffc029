//! Routes of the noun `user`.

use chapan_api::user::UserView;

use super::{Failure, client};

/// Who is asking; also the cheapest way to see whether the server is there.
pub async fn me() -> Result<UserView, Failure> {
    client::get("/api/me").await
}
