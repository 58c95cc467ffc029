//! `GET /api/me`: who is asking.

use axum::Json;
use chapan_api::user::UserView;

use super::ApiResult;
use crate::auth::CurrentUser;

/// The user of this session.
#[utoipa::path(get, path = "/api/me", tag = "user", responses((status = OK, body = UserView)))]
pub(super) async fn show_me(user: CurrentUser) -> ApiResult<Json<UserView>> {
    Ok(Json(user.view()))
}
