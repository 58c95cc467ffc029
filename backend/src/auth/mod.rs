//! Who is asking: a session in a cookie, and the user it belongs to.
//!
//! Every handler that touches anybody's rows takes a [`CurrentUser`]. In solo mode a request without a session is given
//! one for the local user; a class with accounts changes this room only.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chapan_api::error::ErrorCode;
use chapan_api::id::UserId;
use chapan_api::user::{Role, UserView};
use time::Duration;
use tower_sessions::cookie::SameSite;
use tower_sessions::{Expiry, Session, SessionManagerLayer};

use crate::api::{ApiError, AppState};
use crate::store::{SessionStore, Store, UserRow};

/// The name of the cookie.
pub const COOKIE: &str = "chapan_session";

/// The one user of a server without accounts.
pub const LOCAL_USER: &str = "local";

const USER_KEY: &str = "user";
const SESSION_LASTS: Duration = Duration::days(30);

/// The person who asks.
#[derive(Clone, Debug)]
pub struct CurrentUser {
    /// The person.
    pub id: UserId,
    /// The name to show.
    pub name: String,
    /// What the person may do.
    pub roles: Vec<Role>,
}

impl CurrentUser {
    /// The person as a page shows it.
    pub fn view(&self) -> UserView {
        UserView { id: self.id.clone(), name: self.name.clone(), roles: self.roles.clone(), solo: true }
    }
}

/// Sessions in the database. The cookie is not readable by scripts and not sent along by other sites. It is not marked
/// `Secure`, because loopback speaks plain HTTP.
pub fn session_layer(store: Store) -> SessionManagerLayer<SessionStore> {
    SessionManagerLayer::new(SessionStore::new(store))
        .with_name(COOKIE)
        .with_http_only(true)
        .with_same_site(SameSite::Strict)
        .with_secure(false)
        .with_path("/")
        .with_expiry(Expiry::OnInactivity(SESSION_LASTS))
}

/// Makes sure that the local user exists.
pub async fn add_local_user(store: &Store) -> crate::store::Result<()> {
    let roles = vec![Role::Student, Role::Teacher, Role::Admin];
    let user = UserRow { id: UserId::new(LOCAL_USER), name: "Local".to_owned(), roles };
    store.add_user(&user).await
}

impl FromRequestParts<AppState> for CurrentUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        let session = parts.extensions.get::<Session>().cloned();
        let session = session.ok_or_else(|| ApiError::internal("the route has no session layer"))?;
        let known: Option<UserId> = session.get(USER_KEY).await.map_err(ApiError::internal)?;
        let id = if let Some(id) = known {
            id
        } else {
            let id = UserId::new(LOCAL_USER);
            session.insert(USER_KEY, &id).await.map_err(ApiError::internal)?;
            id
        };
        // The row is read each time: a change of roles, or the end of an account, counts from the next request on.
        match app.store.user(&id).await? {
            Some(user) => Ok(Self { id: user.id, name: user.name, roles: user.roles }),
            None => Err(ApiError::new(
                ErrorCode::Unauthenticated,
                "the account of this session no longer exists",
                "sign in again",
            )),
        }
    }
}
