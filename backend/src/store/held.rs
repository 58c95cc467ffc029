//! Pictures as they were when long work on them was accepted: whatever becomes of a dataset, the work goes on with these.

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::jobs::{from_word, to_word};
use super::{Result, Store};

/// What a held picture is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PictureRole {
    /// It is learnt.
    Reference,
    /// It shows what must stay.
    Class,
    /// It is only measured with.
    HeldOut,
}

/// A picture that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldPicture {
    /// What it is there for.
    pub role: PictureRole,
    /// SHA-256 of its file: its name among the blobs.
    pub sha256: String,
    /// What is said about it; nothing: the template says all.
    pub caption: Option<String>,
}

impl Store {
    /// The pictures that a training or competition holds, in order.
    pub async fn held_pictures(&self, holder: &str) -> Result<Vec<HeldPicture>> {
        let rows = sqlx::query(
            "SELECT role, sha256, caption FROM held_pictures WHERE holder_id = $1 ORDER BY role, place",
        )
        .bind(holder)
        .fetch_all(&self.reader)
        .await?;
        let read = |row: &sqlx::sqlite::SqliteRow| -> Result<HeldPicture> {
            let role: String = row.try_get("role")?;
            Ok(HeldPicture {
                role: from_word("role", holder, &role)?,
                sha256: row.try_get("sha256")?,
                caption: row.try_get("caption")?,
            })
        };
        rows.iter().map(read).collect()
    }
}

/// Holds pictures for a training or competition, from the transaction that accepts it on.
pub(super) async fn hold(db: &mut SqliteConnection, holder: &str, pictures: &[HeldPicture]) -> Result<()> {
    for (place, picture) in pictures.iter().enumerate() {
        sqlx::query(
            "INSERT INTO held_pictures (holder_id, role, place, sha256, caption) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(holder)
        .bind(to_word(&picture.role))
        .bind(place as i64)
        .bind(&picture.sha256)
        .bind(picture.caption.as_deref())
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// Lets them go; files that nobody else needs are looked at later.
pub(super) async fn let_go(db: &mut SqliteConnection, holder: &str, now_ms: i64) -> Result<()> {
    sqlx::query(
        "INSERT INTO doomed_files (sha256, since_ms) SELECT DISTINCT sha256, $2 FROM held_pictures WHERE holder_id = $1 \
         ON CONFLICT (sha256) DO UPDATE SET since_ms = excluded.since_ms",
    )
    .bind(holder)
    .bind(now_ms)
    .execute(&mut *db)
    .await?;
    sqlx::query("DELETE FROM held_pictures WHERE holder_id = $1").bind(holder).execute(&mut *db).await?;
    Ok(())
}
