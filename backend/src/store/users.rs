//! People.

use chapan_api::id::UserId;
use chapan_api::user::Role;
use sqlx::Row;

use super::{Error, Result, Store};

/// A person, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    /// The person.
    pub id: UserId,
    /// The name to show.
    pub name: String,
    /// What the person may do.
    pub roles: Vec<Role>,
}

impl Store {
    /// The person with this identifier.
    pub async fn user(&self, id: &UserId) -> Result<Option<UserRow>> {
        let row = sqlx::query("SELECT id, name, roles FROM users WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| {
            let roles: String = row.try_get("roles")?;
            let roles = serde_json::from_str(&roles).map_err(|source| Error::Corrupt {
                column: "roles",
                id: id.to_string(),
                source,
            })?;
            Ok(UserRow { id: id.clone(), name: row.try_get("name")?, roles })
        })
        .transpose()
    }

    /// Adds a person; an existing one with this identifier stays as it is.
    pub async fn add_user(&self, user: &UserRow) -> Result<()> {
        sqlx::query(
            "INSERT INTO users (id, name, roles, created_at_ms) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
        )
        .bind(user.id.as_str())
        .bind(&user.name)
        .bind(serde_json::to_string(&user.roles).expect("roles are plain names"))
        .bind(self.now_ms())
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}
