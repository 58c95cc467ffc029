//! Datasets: pictures with captions, and what was seen in them.

use chapan_api::analysis::{Analysis, PictureAnalysis};
use chapan_api::dataset::UpdateDataset;
use chapan_api::id::{DatasetId, ImageId, JobId, UserId};
use chapan_api::training::Finding;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::jobs::{JobRow, Lease, from_json, to_json};
use super::{NewImage, Result, Store};

/// A dataset to be stored.
#[derive(Clone, Debug)]
pub struct NewDataset {
    /// The dataset.
    pub id: DatasetId,
    /// Whose it is.
    pub owner: UserId,
    /// What it is called.
    pub name: String,
    /// The word that will call what is learnt.
    pub trigger_word: Option<String>,
    /// What was found when its archive was read.
    pub findings: Vec<Finding>,
    /// Its pictures.
    pub pictures: Vec<NewPicture>,
}

/// A picture for a dataset.
#[derive(Clone, Debug)]
pub struct NewPicture {
    /// The picture.
    pub image: ImageId,
    /// The row that is stored with it, where it comes in with its dataset.
    pub row: Option<Box<NewImage>>,
    /// The name of the file that it came from.
    pub name: String,
    /// What is said about it.
    pub caption: String,
    /// Whether it is only measured with.
    pub held_out: bool,
}

/// A dataset as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetRow {
    /// The dataset.
    pub id: DatasetId,
    /// What it is called.
    pub name: String,
    /// The word that will call what is learnt.
    pub trigger_word: Option<String>,
    /// What was found when its archive was read.
    pub findings: Vec<Finding>,
    /// What its pictures show together; its own list of pictures is empty.
    pub analysis: Option<Analysis>,
    /// Its pictures, in order.
    pub pictures: Vec<PictureRow>,
    /// The newest job that looked, or looks, at its pictures.
    pub analysis_job: Option<JobRow>,
    /// When it was made.
    pub created_at_ms: i64,
}

/// A picture of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct PictureRow {
    /// The picture.
    pub image: ImageId,
    /// The name of the file that it came from.
    pub name: String,
    /// What is said about it.
    pub caption: String,
    /// Whether it is only measured with.
    pub held_out: bool,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// SHA-256 of its file.
    pub sha256: String,
    /// What it shows.
    pub analysis: Option<PictureAnalysis>,
}

impl Store {
    /// Stores a dataset with its pictures: all or nothing.
    pub async fn add_dataset(&self, new: &NewDataset) -> Result<()> {
        let now = self.now_ms();
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO datasets (id, owner_id, name, trigger_word, findings, created_at_ms) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(new.id.as_str())
        .bind(new.owner.as_str())
        .bind(&new.name)
        .bind(new.trigger_word.as_deref())
        .bind(to_json(&new.findings))
        .bind(now)
        .execute(&mut *tx)
        .await?;
        insert_pictures(&mut tx, &new.id, &new.pictures, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Adds pictures to a dataset; those that it has stay as they are. What was seen in all together no longer holds.
    pub async fn add_pictures(&self, dataset: &DatasetId, pictures: &[NewPicture]) -> Result<()> {
        let mut tx = self.write().await?;
        insert_pictures(&mut tx, dataset, pictures, self.now_ms()).await?;
        forget_summary(&mut tx, dataset).await?;
        tx.commit().await?;
        Ok(())
    }

    /// A dataset of this owner.
    pub async fn dataset(&self, owner: &UserId, id: &DatasetId) -> Result<Option<DatasetRow>> {
        let row = sqlx::query("SELECT * FROM datasets WHERE id = $1 AND owner_id = $2")
            .bind(id.as_str())
            .bind(owner.as_str())
            .fetch_optional(&self.reader)
            .await?;
        match row {
            Some(row) => self.read_dataset(owner, &row).await.map(Some),
            None => Ok(None),
        }
    }

    /// Datasets of this owner, newest first, older than `before`.
    pub async fn datasets(
        &self,
        owner: &UserId,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DatasetRow>> {
        let rows = sqlx::query(
            "SELECT * FROM datasets WHERE owner_id = $1 AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT $3",
        )
        .bind(owner.as_str())
        .bind(before.unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await?;
        let mut datasets = Vec::with_capacity(rows.len());
        for row in &rows {
            datasets.push(self.read_dataset(owner, row).await?);
        }
        Ok(datasets)
    }

    async fn read_dataset(&self, owner: &UserId, row: &SqliteRow) -> Result<DatasetRow> {
        let id: String = row.try_get("id")?;
        let findings: String = row.try_get("findings")?;
        let analysis: Option<String> = row.try_get("analysis")?;
        let pictures = sqlx::query(
            "SELECT p.image_id, p.name, p.caption, p.held_out, p.analysis, i.width, i.height, i.sha256 \
             FROM dataset_pictures p JOIN images i ON i.id = p.image_id WHERE p.dataset_id = $1 ORDER BY p.place",
        )
        .bind(&id)
        .fetch_all(&self.reader)
        .await?;
        let job: Option<String> = sqlx::query_scalar(
            "SELECT id FROM jobs WHERE kind = 'analysis' AND subject_id LIKE $1 ORDER BY id DESC LIMIT 1",
        )
        .bind(format!("{id}:%"))
        .fetch_optional(&self.reader)
        .await?;
        let analysis_job = match job {
            Some(job) => self.job(owner, &JobId::new(job)).await?,
            None => None,
        };
        Ok(DatasetRow {
            name: row.try_get("name")?,
            trigger_word: row.try_get("trigger_word")?,
            findings: from_json("findings", &id, &findings)?,
            analysis: analysis.map(|text| from_json("analysis", &id, &text)).transpose()?,
            pictures: pictures.iter().map(PictureRow::read).collect::<Result<_>>()?,
            analysis_job,
            created_at_ms: row.try_get("created_at_ms")?,
            id: DatasetId::new(id),
        })
    }

    /// Changes names, words and captions: all or nothing. `Some`: the dataset has no such picture.
    pub async fn change_dataset(&self, id: &DatasetId, change: &UpdateDataset) -> Result<Option<ImageId>> {
        let mut tx = self.write().await?;
        let trigger = change.trigger_word.as_deref().map(str::trim);
        sqlx::query(
            "UPDATE datasets SET name = COALESCE($2, name), \
             trigger_word = CASE WHEN $3 IS NULL THEN trigger_word WHEN $3 = '' THEN NULL ELSE $3 END WHERE id = $1",
        )
        .bind(id.as_str())
        .bind(change.name.as_deref().map(str::trim))
        .bind(trigger)
        .execute(&mut *tx)
        .await?;
        for picture in &change.pictures {
            let done = sqlx::query(
                "UPDATE dataset_pictures SET caption = COALESCE($3, caption), held_out = COALESCE($4, held_out) \
                 WHERE dataset_id = $1 AND image_id = $2",
            )
            .bind(id.as_str())
            .bind(picture.image.as_str())
            .bind(picture.caption.as_deref().map(str::trim))
            .bind(picture.held_out.map(i64::from))
            .execute(&mut *tx)
            .await?;
            if done.rows_affected() == 0 {
                return Ok(Some(picture.image.clone()));
            }
        }
        tx.commit().await?;
        Ok(None)
    }

    /// Takes a picture out of a dataset. Says whether it was in there.
    pub async fn remove_picture(&self, dataset: &DatasetId, image: &ImageId) -> Result<bool> {
        let mut tx = self.write().await?;
        let done = sqlx::query("DELETE FROM dataset_pictures WHERE dataset_id = $1 AND image_id = $2")
            .bind(dataset.as_str())
            .bind(image.as_str())
            .execute(&mut *tx)
            .await?;
        discard(&mut tx, std::slice::from_ref(image), self.now_ms()).await?;
        forget_summary(&mut tx, dataset).await?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Removes a dataset; pictures that came for it go into the trash. Says whether that was possible: not while a training or a
    /// competition of it waits or runs.
    pub async fn remove_dataset(&self, id: &DatasetId) -> Result<bool> {
        let mut tx = self.write().await?;
        let needed: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM jobs j WHERE j.state IN ('queued', 'running') AND j.subject_id IN ( \
                SELECT id FROM trainings WHERE dataset_id = $1 UNION ALL \
                SELECT id FROM competitions WHERE dataset_id = $1)",
        )
        .bind(id.as_str())
        .fetch_one(&mut *tx)
        .await?;
        if needed > 0 {
            return Ok(false);
        }
        let images: Vec<String> =
            sqlx::query_scalar("SELECT image_id FROM dataset_pictures WHERE dataset_id = $1")
                .bind(id.as_str())
                .fetch_all(&mut *tx)
                .await?;
        let images: Vec<ImageId> = images.into_iter().map(ImageId::new).collect();
        sqlx::query("DELETE FROM dataset_pictures WHERE dataset_id = $1")
            .bind(id.as_str())
            .execute(&mut *tx)
            .await?;
        discard(&mut tx, &images, self.now_ms()).await?;
        sqlx::query("DELETE FROM datasets WHERE id = $1").bind(id.as_str()).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends the job that looked at a dataset's pictures with what it saw, picture by picture and together. What changed
    /// meanwhile is left alone: pictures that are gone stay gone, and a summary of other pictures is not kept.
    pub async fn succeed_analysis(
        &self,
        lease: &Lease,
        dataset: &DatasetId,
        seen: &[(ImageId, PictureAnalysis)],
        together: &Analysis,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        self.mark_succeeded(&mut tx, lease, None).await?;
        for (image, picture) in seen {
            sqlx::query("UPDATE dataset_pictures SET analysis = $3 WHERE dataset_id = $1 AND image_id = $2")
                .bind(dataset.as_str())
                .bind(image.as_str())
                .bind(to_json(picture))
                .execute(&mut *tx)
                .await?;
        }
        let now: Vec<String> =
            sqlx::query_scalar("SELECT image_id FROM dataset_pictures WHERE dataset_id = $1 ORDER BY place")
                .bind(dataset.as_str())
                .fetch_all(&mut *tx)
                .await?;
        if now.iter().map(String::as_str).eq(seen.iter().map(|(image, _)| image.as_str())) {
            sqlx::query("UPDATE datasets SET analysis = $2 WHERE id = $1")
                .bind(dataset.as_str())
                .bind(to_json(together))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

impl PictureRow {
    fn read(row: &SqliteRow) -> Result<Self> {
        let image: String = row.try_get("image_id")?;
        let analysis: Option<String> = row.try_get("analysis")?;
        Ok(Self {
            name: row.try_get("name")?,
            caption: row.try_get("caption")?,
            held_out: row.try_get::<i64, _>("held_out")? != 0,
            width: row.try_get::<i64, _>("width")? as u32,
            height: row.try_get::<i64, _>("height")? as u32,
            sha256: row.try_get("sha256")?,
            analysis: analysis.map(|text| from_json("analysis", &image, &text)).transpose()?,
            image: ImageId::new(image),
        })
    }
}

async fn insert_pictures(
    db: &mut SqliteConnection,
    dataset: &DatasetId,
    pictures: &[NewPicture],
    now_ms: i64,
) -> Result<()> {
    for picture in pictures {
        if let Some(row) = &picture.row {
            row.insert(&mut *db, None, 0, now_ms).await?;
        }
        sqlx::query(
            "INSERT INTO dataset_pictures (dataset_id, image_id, place, name, caption, held_out) VALUES ($1, $2, \
             (SELECT COALESCE(MAX(place), -1) + 1 FROM dataset_pictures WHERE dataset_id = $1), $3, $4, $5) \
             ON CONFLICT (dataset_id, image_id) DO NOTHING",
        )
        .bind(dataset.as_str())
        .bind(picture.image.as_str())
        .bind(&picture.name)
        .bind(&picture.caption)
        .bind(i64::from(picture.held_out))
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

async fn forget_summary(db: &mut SqliteConnection, dataset: &DatasetId) -> Result<()> {
    sqlx::query("UPDATE datasets SET analysis = NULL WHERE id = $1")
        .bind(dataset.as_str())
        .execute(db)
        .await?;
    Ok(())
}

/// Puts pictures that came for a dataset, and are in none now, into the trash: no list shows them, so nobody else could.
async fn discard(db: &mut SqliteConnection, images: &[ImageId], now_ms: i64) -> Result<()> {
    for image in images {
        sqlx::query(
            "UPDATE images SET deleted_at_ms = COALESCE(deleted_at_ms, $2) WHERE id = $1 AND kind = 'reference' \
             AND NOT EXISTS (SELECT 1 FROM dataset_pictures p WHERE p.image_id = images.id)",
        )
        .bind(image.as_str())
        .bind(now_ms)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}
