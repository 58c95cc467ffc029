//! Data folders of earlier versions are taken over.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use chapan::clock::ManualClock;
use chapan::store::{ImageFilter, Store};
use chapan_api::id::{GenerationId, UserId};
use chapan_api::image::ImageKind;
use chapan_api::job::JobStatus;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{AssertSqlSafe, SqlSafeStr};

const RECORD: &str = r#"{"prompt":"A Topknot","model":"m","seed":11,"num_inference_steps":2,"guidance_scale":5.0,"width":72,
    "height":64,"scheduler":"euler","device":"cpu","dtype":"f32","version":"0.1.0"}"#;

/// A database as the first version left it: one picture, made; one job, waiting.
async fn first_version(file: &Path) {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true).foreign_keys(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let text = include_str!("../../migrations/0001_first_light.sql").into_sql_str();
    let first = Migration::new(1, Cow::Borrowed("first light"), MigrationType::Simple, text, false);
    Migrator::with_migrations(vec![first]).run(&pool).await.unwrap();
    let parameters =
        r#"{"prompt":"A Topknot","num_inference_steps":2,"guidance_scale":5.0,"width":72,"height":64}"#;
    for statement in [
        "INSERT INTO users VALUES ('local', 'Local', '[]', 1)".to_owned(),
        format!("INSERT INTO generations VALUES ('g1', 'local', '{parameters}', 5), ('g2', 'local', '{parameters}', 6)"),
        "INSERT INTO jobs (id, owner_id, kind, subject_id, model, state, result_id, created_at_ms) VALUES \
         ('j1', 'local', 'generation', 'g1', 'm', 'succeeded', 'i1', 5), ('j2', 'local', 'generation', 'g2', 'm', 'queued', NULL, 6)"
            .to_owned(),
        format!("INSERT INTO images VALUES ('i1', 'local', 'g1', 'j1', 'aa', 9, '{RECORD}', 3, 7, NULL)"),
    ] {
        sqlx::query(AssertSqlSafe(statement)).execute(&pool).await.unwrap();
    }
    pool.close().await;
}

#[tokio::test]
async fn pictures_and_jobs_of_the_first_version_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chapan.db");
    first_version(&file).await;
    let store = Store::open(&file, Arc::new(ManualClock::new(10))).await.unwrap();
    assert_eq!(store.integrity().await.unwrap(), "ok");
    let owner = UserId::new("local");
    let filter = ImageFilter { search: Some("topKNOT".to_owned()), limit: 10, ..ImageFilter::default() };
    let images = store.images(&owner, &filter).await.unwrap();
    let [image] = &images[..] else { panic!("{images:?}") };
    assert_eq!((image.kind, image.width, image.height, image.starred), (ImageKind::Made, 72, 64, false));
    assert_eq!(image.record.as_ref().unwrap().seed, 11);

    let done = store.generation(&owner, &GenerationId::new("g1")).await.unwrap().unwrap();
    assert_eq!((done.images.len(), done.parameters.num_images_per_prompt), (1, 1));
    let waiting = store.generation(&owner, &GenerationId::new("g2")).await.unwrap().unwrap();
    assert_eq!((waiting.job.status, waiting.images.len()), (JobStatus::Queued, 0));
    assert_eq!(store.queue_order().await.unwrap(), [waiting.job.id]);
    store.close().await;
    // And once more, as at every later start.
    let store = Store::open(&file, Arc::new(ManualClock::new(10))).await.unwrap();
    assert_eq!(store.images(&owner, &filter).await.unwrap().len(), 1);
}
