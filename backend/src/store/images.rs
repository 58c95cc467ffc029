//! Pictures: whose they are, how they were made, and the name of their file.

use chapan_api::id::{GenerationId, ImageId, JobId, UserId};
use chapan_api::image::ImageRecord;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::jobs::{from_json, to_json};
use super::{Result, Store};

macro_rules! image_columns {
    () => {
        "i.id AS image_id, i.generation_id, i.sha256, i.size_bytes, i.record, i.duration_ms, \
         i.created_at_ms AS image_created_at_ms, i.deleted_at_ms"
    };
}
pub(super) use image_columns;

/// A picture to be stored with the end of its job. Its file is on disk already.
#[derive(Clone, Debug)]
pub struct NewImage {
    /// The picture.
    pub id: ImageId,
    /// Whose it is.
    pub owner: UserId,
    /// The generation that made it.
    pub generation: GenerationId,
    /// SHA-256 of the file, hexadecimal: its name.
    pub sha256: String,
    /// Size of the file.
    pub size_bytes: u64,
    /// How it was made.
    pub record: ImageRecord,
    /// How long the model worked.
    pub duration_ms: u64,
}

/// A picture, as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageRow {
    /// The picture.
    pub id: ImageId,
    /// The generation that made it.
    pub generation: GenerationId,
    /// SHA-256 of the file, hexadecimal: its name.
    pub sha256: String,
    /// Size of the file.
    pub size_bytes: u64,
    /// How it was made.
    pub record: ImageRecord,
    /// How long the model worked.
    pub duration_ms: u64,
    /// When it was made.
    pub created_at_ms: i64,
    /// When it was put into the trash.
    pub deleted_at_ms: Option<i64>,
}

impl NewImage {
    pub(super) async fn insert(&self, db: &mut SqliteConnection, job: &JobId, now_ms: i64) -> Result<()> {
        sqlx::query(
            "INSERT INTO images (id, owner_id, generation_id, job_id, sha256, size_bytes, record, duration_ms, \
             created_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(self.id.as_str())
        .bind(self.owner.as_str())
        .bind(self.generation.as_str())
        .bind(job.as_str())
        .bind(&self.sha256)
        .bind(self.size_bytes as i64)
        .bind(to_json(&self.record))
        .bind(self.duration_ms as i64)
        .bind(now_ms)
        .execute(db)
        .await?;
        Ok(())
    }
}

impl ImageRow {
    fn read(row: &SqliteRow) -> Result<Self> {
        let id: String = row.try_get("image_id")?;
        let record: String = row.try_get("record")?;
        Ok(Self {
            generation: GenerationId::new(row.try_get::<String, _>("generation_id")?),
            sha256: row.try_get("sha256")?,
            size_bytes: row.try_get::<i64, _>("size_bytes")? as u64,
            record: from_json("record", &id, &record)?,
            duration_ms: row.try_get::<i64, _>("duration_ms")? as u64,
            created_at_ms: row.try_get("image_created_at_ms")?,
            deleted_at_ms: row.try_get("deleted_at_ms")?,
            id: ImageId::new(id),
        })
    }

    /// The picture of a row that may have none.
    pub(super) fn read_optional(row: &SqliteRow) -> Result<Option<Self>> {
        let id: Option<String> = row.try_get("image_id")?;
        id.map(|_| Self::read(row)).transpose()
    }
}

impl Store {
    /// A picture of this owner, in the trash or not.
    pub async fn image(&self, owner: &UserId, id: &ImageId) -> Result<Option<ImageRow>> {
        let sql = concat!("SELECT ", image_columns!(), " FROM images i WHERE i.id = $1 AND i.owner_id = $2");
        let row =
            sqlx::query(sql).bind(id.as_str()).bind(owner.as_str()).fetch_optional(&self.reader).await?;
        row.as_ref().map(ImageRow::read).transpose()
    }

    /// Pictures of this owner, newest first, older than `before`: those in the trash, or all others.
    pub async fn images(
        &self,
        owner: &UserId,
        before: Option<&str>,
        trash: bool,
        limit: u32,
    ) -> Result<Vec<ImageRow>> {
        let sql = if trash {
            concat!(
                "SELECT ",
                image_columns!(),
                " FROM images i WHERE i.owner_id = $1 AND ($2 = '' OR i.id < $2) AND i.deleted_at_ms IS NOT NULL \
                 ORDER BY i.id DESC LIMIT $3"
            )
        } else {
            concat!(
                "SELECT ",
                image_columns!(),
                " FROM images i WHERE i.owner_id = $1 AND ($2 = '' OR i.id < $2) AND i.deleted_at_ms IS NULL \
                 ORDER BY i.id DESC LIMIT $3"
            )
        };
        let rows = sqlx::query(sql)
            .bind(owner.as_str())
            .bind(before.unwrap_or_default())
            .bind(i64::from(limit))
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(ImageRow::read).collect()
    }

    /// Puts a picture into the trash, or takes it out again. Says the picture as it is then; `None`: no such picture.
    pub async fn set_image_deleted(
        &self,
        owner: &UserId,
        id: &ImageId,
        deleted: bool,
    ) -> Result<Option<ImageRow>> {
        // Deleting twice keeps the first time.
        let sql = if deleted {
            "UPDATE images SET deleted_at_ms = $3 WHERE id = $1 AND owner_id = $2 AND deleted_at_ms IS NULL"
        } else {
            "UPDATE images SET deleted_at_ms = NULL WHERE id = $1 AND owner_id = $2 AND deleted_at_ms IS NOT NULL AND $3 > 0"
        };
        sqlx::query(sql)
            .bind(id.as_str())
            .bind(owner.as_str())
            .bind(self.now_ms())
            .execute(&self.writer)
            .await?;
        self.image(owner, id).await
    }
}
