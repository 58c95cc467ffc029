//! The order that an owner keeps: folders, stars, the trash and its end.

use chapan_api::folder::FolderView;
use chapan_api::id::{FolderId, ImageId, UserId};
use chapan_api::image::{ChangedImages, ImageChange};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::images::ImageRow;
use super::{Result, Store};

/// What became of a wish to name a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// It has this name now.
    Done,
    /// Another folder of this owner has it.
    Taken,
    /// There is no such folder.
    Missing,
}

impl Store {
    /// The folders of an owner, by name.
    pub async fn folders(&self, owner: &UserId) -> Result<Vec<FolderView>> {
        let rows = sqlx::query(
            "SELECT f.id, f.name, (SELECT COUNT(*) FROM images i WHERE i.folder_id = f.id AND i.deleted_at_ms IS NULL) \
             AS images FROM folders f WHERE f.owner_id = $1 ORDER BY f.name, f.id",
        )
        .bind(owner.as_str())
        .fetch_all(&self.reader)
        .await?;
        let read = |row: &sqlx::sqlite::SqliteRow| -> Result<FolderView> {
            Ok(FolderView {
                id: FolderId::new(row.try_get::<String, _>("id")?),
                name: row.try_get("name")?,
                images: row.try_get::<i64, _>("images")? as u64,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Makes a folder.
    pub async fn add_folder(&self, owner: &UserId, id: &FolderId, name: &str) -> Result<Named> {
        let done = sqlx::query(
            "INSERT INTO folders (id, owner_id, name, created_at_ms) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (owner_id, name) DO NOTHING",
        )
        .bind(id.as_str())
        .bind(owner.as_str())
        .bind(name)
        .bind(self.now_ms())
        .execute(&self.writer)
        .await?;
        Ok(if done.rows_affected() == 1 { Named::Done } else { Named::Taken })
    }

    /// Gives a folder another name.
    pub async fn rename_folder(&self, owner: &UserId, id: &FolderId, name: &str) -> Result<Named> {
        let mut tx = self.write().await?;
        let holder: Option<String> =
            sqlx::query_scalar("SELECT id FROM folders WHERE owner_id = $1 AND name = $2")
                .bind(owner.as_str())
                .bind(name)
                .fetch_optional(&mut *tx)
                .await?;
        if holder.as_deref().is_some_and(|holder| holder != id.as_str()) {
            return Ok(Named::Taken);
        }
        let done = sqlx::query("UPDATE folders SET name = $3 WHERE id = $1 AND owner_id = $2")
            .bind(id.as_str())
            .bind(owner.as_str())
            .bind(name)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(if done.rows_affected() == 1 { Named::Done } else { Named::Missing })
    }

    /// Removes a folder; its pictures stay, in no folder. Says whether there was one.
    pub async fn remove_folder(&self, owner: &UserId, id: &FolderId) -> Result<bool> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE images SET folder_id = NULL WHERE folder_id = $1 AND owner_id = $2")
            .bind(id.as_str())
            .bind(owner.as_str())
            .execute(&mut *tx)
            .await?;
        let done = sqlx::query("DELETE FROM folders WHERE id = $1 AND owner_id = $2")
            .bind(id.as_str())
            .bind(owner.as_str())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Whether an owner has this folder.
    pub async fn has_folder(&self, owner: &UserId, id: &FolderId) -> Result<bool> {
        let found: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM folders WHERE id = $1 AND owner_id = $2")
            .bind(id.as_str())
            .bind(owner.as_str())
            .fetch_one(&self.reader)
            .await?;
        Ok(found == 1)
    }

    /// Changes several pictures of one owner, all at once. A folder must be the owner's.
    pub async fn change_images(
        &self,
        owner: &UserId,
        images: &[ImageId],
        change: &ImageChange,
    ) -> Result<ChangedImages> {
        let mut tx = self.write().await?;
        let mut done = ChangedImages::default();
        for id in images {
            let found = self.change_image(&mut tx, owner, id, change).await?;
            let list = if found { &mut done.changed } else { &mut done.missing };
            list.push(id.clone());
        }
        tx.commit().await?;
        Ok(done)
    }

    /// Puts a picture into the trash, or takes it out again. Says the picture as it is then; `None`: no such picture.
    pub async fn set_image_deleted(
        &self,
        owner: &UserId,
        id: &ImageId,
        deleted: bool,
    ) -> Result<Option<ImageRow>> {
        let change = if deleted { ImageChange::Delete } else { ImageChange::Restore };
        self.change_images(owner, std::slice::from_ref(id), &change).await?;
        self.image(owner, id).await
    }

    async fn change_image(
        &self,
        db: &mut SqliteConnection,
        owner: &UserId,
        id: &ImageId,
        change: &ImageChange,
    ) -> Result<bool> {
        let query = match change {
            // Deleting twice keeps the first time.
            ImageChange::Delete => sqlx::query(
                "UPDATE images SET deleted_at_ms = COALESCE(deleted_at_ms, $3) WHERE id = $1 AND owner_id = $2",
            )
            .bind(id.as_str())
            .bind(owner.as_str())
            .bind(self.now_ms()),
            ImageChange::Restore => {
                sqlx::query("UPDATE images SET deleted_at_ms = NULL WHERE id = $1 AND owner_id = $2")
                    .bind(id.as_str())
                    .bind(owner.as_str())
            }
            ImageChange::Star(starred) => {
                sqlx::query("UPDATE images SET starred = $3 WHERE id = $1 AND owner_id = $2")
                    .bind(id.as_str())
                    .bind(owner.as_str())
                    .bind(i64::from(*starred))
            }
            ImageChange::Move(folder) => {
                sqlx::query("UPDATE images SET folder_id = $3 WHERE id = $1 AND owner_id = $2")
                    .bind(id.as_str())
                    .bind(owner.as_str())
                    .bind(folder.as_ref().map(FolderId::as_str))
            }
        };
        Ok(query.execute(db).await?.rows_affected() == 1)
    }

    /// Removes what lies in an owner's trash for good and says how many pictures that were.
    pub async fn empty_trash(&self, owner: &UserId) -> Result<u64> {
        self.remove_deleted(owner.as_str(), i64::MAX).await
    }

    /// Removes, for good and for everybody, what was put into the trash before a time.
    pub async fn remove_deleted_before(&self, before_ms: i64) -> Result<u64> {
        self.remove_deleted("", before_ms).await
    }

    async fn remove_deleted(&self, owner: &str, before_ms: i64) -> Result<u64> {
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO doomed_files (sha256, since_ms) SELECT DISTINCT sha256, $3 FROM images \
             WHERE deleted_at_ms < $2 AND ($1 = '' OR owner_id = $1) \
             AND NOT EXISTS (SELECT 1 FROM dataset_pictures p WHERE p.image_id = images.id) \
             ON CONFLICT (sha256) DO UPDATE SET since_ms = excluded.since_ms",
        )
        .bind(owner)
        .bind(before_ms)
        .bind(self.now_ms())
        .execute(&mut *tx)
        .await?;
        // Pictures of a dataset stay in the trash until they leave it.
        let done = sqlx::query(
            "DELETE FROM images WHERE deleted_at_ms < $2 AND ($1 = '' OR owner_id = $1) \
             AND NOT EXISTS (SELECT 1 FROM dataset_pictures p WHERE p.image_id = images.id)",
        )
        .bind(owner)
        .bind(before_ms)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected())
    }

    /// Files that have been without a picture since before a time. Those that have one again, or are held by a training, are
    /// forgotten.
    pub async fn files_without_image(&self, before_ms: i64) -> Result<Vec<String>> {
        sqlx::query(
            "DELETE FROM doomed_files WHERE EXISTS (SELECT 1 FROM images i WHERE i.sha256 = doomed_files.sha256) \
             OR EXISTS (SELECT 1 FROM held_pictures h WHERE h.sha256 = doomed_files.sha256)",
        )
        .execute(&self.writer)
        .await?;
        Ok(sqlx::query_scalar("SELECT sha256 FROM doomed_files WHERE since_ms < $1 ORDER BY sha256")
            .bind(before_ms)
            .fetch_all(&self.reader)
            .await?)
    }

    /// Whether a picture has this file, or a training holds it.
    pub async fn has_image_with_file(&self, sha256: &str) -> Result<bool> {
        let sql = "SELECT (SELECT COUNT(*) FROM images WHERE sha256 = $1) \
             + (SELECT COUNT(*) FROM held_pictures WHERE sha256 = $1)";
        let found: i64 = sqlx::query_scalar(sql).bind(sha256).fetch_one(&self.writer).await?;
        Ok(found > 0)
    }

    /// Notes that a file has been dealt with.
    pub async fn forget_file(&self, sha256: &str) -> Result<()> {
        sqlx::query("DELETE FROM doomed_files WHERE sha256 = $1").bind(sha256).execute(&self.writer).await?;
        Ok(())
    }
}
