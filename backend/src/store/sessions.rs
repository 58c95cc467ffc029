//! Sessions of `tower-sessions` in our own database.
//!
//! `tower-sessions-sqlx-store` 0.15 would bring a second sqlx (0.8) and belongs to an older `tower-sessions-core`; forty
//! lines here keep one database library, the injected clock and SQL that PostgreSQL takes.

use std::fmt;

use async_trait::async_trait;
use sqlx::Row;
use time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, Error as SessionError};

use super::{Result, Store};

/// Keeps sessions in the table `sessions`.
#[derive(Clone)]
pub struct SessionStore(Store);

impl SessionStore {
    /// Sessions of this database.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    async fn insert(&self, record: &Record, replace: bool) -> session_store::Result<bool> {
        let sql = if replace {
            "INSERT INTO sessions (id, data, expires_at_ms) VALUES ($1, $2, $3) \
             ON CONFLICT (id) DO UPDATE SET data = excluded.data, expires_at_ms = excluded.expires_at_ms"
        } else {
            "INSERT INTO sessions (id, data, expires_at_ms) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING"
        };
        let data =
            serde_json::to_string(&record.data).map_err(|error| SessionError::Encode(error.to_string()))?;
        let done = sqlx::query(sql)
            .bind(record.id.to_string())
            .bind(data)
            .bind(milliseconds(record.expiry_date))
            .execute(&self.0.writer)
            .await
            .map_err(backend)?;
        Ok(done.rows_affected() == 1)
    }
}

impl fmt::Debug for SessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionStore")
    }
}

#[async_trait]
impl session_store::SessionStore for SessionStore {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        while !self.insert(record, false).await? {
            record.id = Id::default();
        }
        Ok(())
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        self.insert(record, true).await.map(|_| ())
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let row =
            sqlx::query("SELECT data, expires_at_ms FROM sessions WHERE id = $1 AND expires_at_ms > $2")
                .bind(id.to_string())
                .bind(self.0.now_ms())
                .fetch_optional(&self.0.reader)
                .await
                .map_err(backend)?;
        let Some(row) = row else { return Ok(None) };
        let data: String = row.try_get("data").map_err(backend)?;
        let expires: i64 = row.try_get("expires_at_ms").map_err(backend)?;
        let data = serde_json::from_str(&data).map_err(|error| SessionError::Decode(error.to_string()))?;
        let expiry_date = OffsetDateTime::from_unix_timestamp_nanos(i128::from(expires) * 1_000_000)
            .map_err(|error| SessionError::Decode(error.to_string()))?;
        Ok(Some(Record { id: *id, data, expiry_date }))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        sqlx::query("DELETE FROM sessions WHERE id = $1")
            .bind(id.to_string())
            .execute(&self.0.writer)
            .await
            .map_err(backend)?;
        Ok(())
    }
}

impl Store {
    /// Forgets sessions whose time is over and says how many there were.
    pub async fn delete_expired_sessions(&self) -> Result<u64> {
        let done = sqlx::query("DELETE FROM sessions WHERE expires_at_ms <= $1")
            .bind(self.now_ms())
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected())
    }
}

fn milliseconds(time: OffsetDateTime) -> i64 {
    (time.unix_timestamp_nanos() / 1_000_000) as i64
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn backend(error: sqlx::Error) -> SessionError {
    SessionError::Backend(error.to_string())
}
