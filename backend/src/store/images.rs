//! Pictures: whose they are, where they came from, how they were made, and the name of their file.

use chapan_api::id::{FolderId, GenerationId, GridId, ImageId, JobId, UpscaleId, UserId};
use chapan_api::image::{ImageKind, ImageRecord};
use chapan_api::metadata::Imported;
use chapan_api::upscale::UpscaleRecord;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::jobs::{Subject, from_json, from_word, to_json, to_word};
use super::{Result, Store};

macro_rules! image_columns {
    () => {
        "i.id AS image_id, i.kind AS image_kind, i.generation_id, i.upscale_id, i.grid_id, i.sha256, i.size_bytes, \
         i.width, i.height, i.record, i.enlargement, i.imported, i.duration_ms, i.starred, i.folder_id, \
         i.created_at_ms AS image_created_at_ms, i.deleted_at_ms"
    };
}
pub(super) use image_columns;

/// A picture to be stored. Its file is on disk already.
#[derive(Clone, Debug)]
pub struct NewImage {
    /// The picture.
    pub id: ImageId,
    /// Whose it is.
    pub owner: UserId,
    /// Where it came from.
    pub kind: ImageKind,
    /// The request that it answers, if any.
    pub subject: Option<Subject>,
    /// SHA-256 of the file, hexadecimal: its name.
    pub sha256: String,
    /// Size of the file.
    pub size_bytes: u64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// How it was made here.
    pub record: Option<ImageRecord>,
    /// How it was made larger; then the record is that of the picture that was enlarged.
    pub enlargement: Option<UpscaleRecord>,
    /// What its file says about its making elsewhere.
    pub imported: Option<Imported>,
    /// Words to find it by, when nothing is known about its making.
    pub caption: Option<String>,
    /// How long the model worked.
    pub duration_ms: u64,
}

/// A picture, as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageRow {
    /// The picture.
    pub id: ImageId,
    /// Where it came from.
    pub kind: ImageKind,
    /// The generation that made it.
    pub generation: Option<GenerationId>,
    /// The request for a larger copy that made it.
    pub upscale: Option<UpscaleId>,
    /// The grid that it belongs to.
    pub grid: Option<GridId>,
    /// SHA-256 of the file, hexadecimal: its name.
    pub sha256: String,
    /// Size of the file.
    pub size_bytes: u64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// How it was made here.
    pub record: Option<ImageRecord>,
    /// How it was made larger; then the record is that of the picture that was enlarged.
    pub enlargement: Option<UpscaleRecord>,
    /// What its file says about its making elsewhere.
    pub imported: Option<Imported>,
    /// How long the model worked.
    pub duration_ms: u64,
    /// Whether it has a star.
    pub starred: bool,
    /// The folder that it lies in.
    pub folder: Option<FolderId>,
    /// When it was made.
    pub created_at_ms: i64,
    /// When it was put into the trash.
    pub deleted_at_ms: Option<i64>,
}

/// Which pictures of an owner to list.
#[derive(Clone, Debug, Default)]
pub struct ImageFilter {
    /// Only those older than this one.
    pub before: Option<String>,
    /// Those in the trash instead of all others.
    pub trash: bool,
    /// Only those whose prompts hold this text, in any case.
    pub search: Option<String>,
    /// Only those with a star.
    pub starred: bool,
    /// Only those in this folder.
    pub folder: Option<FolderId>,
    /// Only those of this kind; absent means all but masks, references and pictures made again.
    pub kind: Option<ImageKind>,
    /// Most pictures of one answer.
    pub limit: u32,
}

/// What a search looks in: the prompts, in small letters.
fn words(record: Option<&ImageRecord>, imported: Option<&Imported>, caption: Option<&str>) -> String {
    let made = record.map(|record| (record.prompt.as_str(), record.negative_prompt.as_deref()));
    let brought =
        imported.map(|said| (said.parameters.prompt.as_str(), said.parameters.negative_prompt.as_deref()));
    let (prompt, negative) = made.or(brought).unwrap_or((caption.unwrap_or_default(), None));
    format!("{prompt}\n{}", negative.unwrap_or_default()).to_lowercase().trim().to_owned()
}

/// The pattern that finds a text anywhere.
fn pattern(search: &str) -> String {
    let mut pattern = String::from("%");
    for letter in search.trim().to_lowercase().chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

impl NewImage {
    pub(super) async fn insert(
        &self,
        db: &mut SqliteConnection,
        job: Option<&JobId>,
        place: usize,
        now_ms: i64,
    ) -> Result<()> {
        let subject = self.subject.as_ref();
        sqlx::query(
            "INSERT INTO images (id, owner_id, kind, generation_id, upscale_id, grid_id, job_id, place, sha256, \
             size_bytes, width, height, record, imported, words, duration_ms, starred, created_at_ms, enlargement) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0, $17, $18)",
        )
        .bind(self.id.as_str())
        .bind(self.owner.as_str())
        .bind(to_word(&self.kind))
        .bind(subject.and_then(Subject::generation).map(GenerationId::as_str))
        .bind(subject.and_then(Subject::upscale).map(UpscaleId::as_str))
        .bind(subject.and_then(Subject::grid).map(GridId::as_str))
        .bind(job.map(JobId::as_str))
        .bind(place as i64)
        .bind(&self.sha256)
        .bind(self.size_bytes as i64)
        .bind(i64::from(self.width))
        .bind(i64::from(self.height))
        .bind(self.record.as_ref().map(to_json))
        .bind(self.imported.as_ref().map(to_json))
        .bind(words(self.record.as_ref(), self.imported.as_ref(), self.caption.as_deref()))
        .bind(self.duration_ms as i64)
        .bind(now_ms)
        .bind(self.enlargement.as_ref().map(to_json))
        .execute(db)
        .await?;
        Ok(())
    }
}

impl ImageRow {
    pub(super) fn read(row: &SqliteRow) -> Result<Self> {
        let id: String = row.try_get("image_id")?;
        let kind: String = row.try_get("image_kind")?;
        let text = |column: &'static str| -> Result<Option<String>> { Ok(row.try_get(column)?) };
        let number = |column: &'static str| -> Result<i64> { Ok(row.try_get(column)?) };
        let record = text("record")?.map(|json| from_json("record", &id, &json)).transpose()?;
        let enlargement =
            text("enlargement")?.map(|json| from_json("enlargement", &id, &json)).transpose()?;
        let imported = text("imported")?.map(|json| from_json("imported", &id, &json)).transpose()?;
        Ok(Self {
            kind: from_word("kind", &id, &kind)?,
            generation: text("generation_id")?.map(GenerationId::new),
            upscale: text("upscale_id")?.map(UpscaleId::new),
            grid: text("grid_id")?.map(GridId::new),
            sha256: row.try_get("sha256")?,
            size_bytes: number("size_bytes")? as u64,
            width: number("width")? as u32,
            height: number("height")? as u32,
            record,
            enlargement,
            imported,
            duration_ms: number("duration_ms")? as u64,
            starred: number("starred")? != 0,
            folder: text("folder_id")?.map(FolderId::new),
            created_at_ms: number("image_created_at_ms")?,
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
    /// Adds a picture that no job made.
    pub async fn add_image(&self, image: &NewImage) -> Result<()> {
        let mut tx = self.write().await?;
        image.insert(&mut tx, None, 0, self.now_ms()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// A picture of this owner, in the trash or not.
    pub async fn image(&self, owner: &UserId, id: &ImageId) -> Result<Option<ImageRow>> {
        let sql = concat!("SELECT ", image_columns!(), " FROM images i WHERE i.id = $1 AND i.owner_id = $2");
        let row =
            sqlx::query(sql).bind(id.as_str()).bind(owner.as_str()).fetch_optional(&self.reader).await?;
        row.as_ref().map(ImageRow::read).transpose()
    }

    /// A picture of this owner with this file, the newest first.
    pub async fn image_with_file(&self, owner: &UserId, sha256: &str) -> Result<Option<ImageRow>> {
        let sql = concat!(
            "SELECT ",
            image_columns!(),
            " FROM images i WHERE i.sha256 = $1 AND i.owner_id = $2 ORDER BY i.id DESC LIMIT 1"
        );
        let row = sqlx::query(sql).bind(sha256).bind(owner.as_str()).fetch_optional(&self.reader).await?;
        row.as_ref().map(ImageRow::read).transpose()
    }

    /// The pictures of a job, in order.
    pub async fn images_of_job(&self, job: &JobId) -> Result<Vec<ImageRow>> {
        let sql = concat!("SELECT ", image_columns!(), " FROM images i WHERE i.job_id = $1 ORDER BY i.place");
        let rows = sqlx::query(sql).bind(job.as_str()).fetch_all(&self.reader).await?;
        rows.iter().map(ImageRow::read).collect()
    }

    /// Pictures of this owner, newest first.
    pub async fn images(&self, owner: &UserId, filter: &ImageFilter) -> Result<Vec<ImageRow>> {
        let search = filter.search.as_deref().filter(|text| !text.trim().is_empty());
        let sql = concat!(
            "SELECT ",
            image_columns!(),
            " FROM images i WHERE i.owner_id = $1 AND ($2 = '' OR i.id < $2) \
             AND (i.deleted_at_ms IS NOT NULL) = ($3 = 1) AND ($4 = '' OR i.words LIKE $4 ESCAPE '\\') \
             AND ($5 = 0 OR i.starred = 1) AND ($6 = '' OR i.folder_id = $6) \
             AND (($7 = '' AND i.kind NOT IN ('mask', 'reference', 'again')) OR i.kind = $7) ORDER BY i.id DESC LIMIT $8"
        );
        let rows = sqlx::query(sql)
            .bind(owner.as_str())
            .bind(filter.before.as_deref().unwrap_or_default())
            .bind(i64::from(filter.trash))
            .bind(search.map(pattern).unwrap_or_default())
            .bind(i64::from(filter.starred))
            .bind(filter.folder.as_ref().map(FolderId::as_str).unwrap_or_default())
            .bind(filter.kind.map(|kind| to_word(&kind)).unwrap_or_default())
            .bind(i64::from(filter.limit))
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(ImageRow::read).collect()
    }

    /// Reads the sizes and words of pictures from before they had columns. To be called once, at the start.
    pub(super) async fn complete_old_images(&self) -> Result<()> {
        let mut tx = self.write().await?;
        let rows = sqlx::query("SELECT id, record FROM images WHERE width = 0 AND record IS NOT NULL")
            .fetch_all(&mut *tx)
            .await?;
        for row in &rows {
            let id: String = row.try_get("id")?;
            let json: String = row.try_get("record")?;
            let record: ImageRecord = from_json("record", &id, &json)?;
            sqlx::query("UPDATE images SET width = $2, height = $3, words = $4 WHERE id = $1")
                .bind(&id)
                .bind(i64::from(record.width))
                .bind(i64::from(record.height))
                .bind(words(Some(&record), None, None))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_takes_its_text_as_it_is() {
        assert_eq!(pattern(" Қызыл 100% a_b\\"), "%қызыл 100\\% a\\_b\\\\%");
    }
}
