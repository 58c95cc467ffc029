//! The database: one module per noun, and the only room that knows SQL.
//!
//! SQLite in write-ahead mode with full synchronisation: what was acknowledged survives a power cut. Writers go one after
//! another through a pool of one connection, so nobody in this process ever sees "database is locked"; readers have
//! their own. The SQL keeps to what PostgreSQL takes as well. This room knows nothing of HTTP, of the engine or of files.

mod ballots;
mod competitions;
mod datasets;
mod enqueue;
mod error;
mod gallery;
mod generations;
mod grids;
mod held;
mod images;
mod jobs;
mod lessons;
mod queue;
mod requests;
mod sessions;
mod trainings;
mod upscales;
mod users;
mod weights;

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::clock::Clock;

pub use ballots::{BallotRow, Voted, Votes};
pub use competitions::{CompetitionRequest, CompetitionRow};
pub use datasets::{DatasetRow, NewDataset, NewPicture, PictureRow};
pub use enqueue::{NewJob, NewRequest};
pub use error::Error;
pub use gallery::Named;
pub use generations::{GenerationRow, ReproductionRow};
pub use grids::GridRow;
pub use held::{HeldPicture, PictureRole};
pub use images::{ImageFilter, ImageRow, NewImage};
pub use jobs::{Cancelled, JobRow, Lease, Place, Subject, Wanted};
pub use queue::{Claim, Claimed, Lost, MAX_LOSSES, MAX_LOSSES_IN_ONE_PLACE};
pub use requests::RequestRow;
pub use sessions::SessionStore;
pub use trainings::{Recipe, Removed, TrainingRequest, TrainingRow, Wished};
pub use upscales::UpscaleRow;
pub use users::UserRow;

/// This room's result.
pub type Result<T> = std::result::Result<T, Error>;

/// The embedded migrations: version, name, text. A migration that was ever released is never changed.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "first light", include_str!("../../migrations/0001_first_light.sql")),
    (2, "studio", include_str!("../../migrations/0002_studio.sql")),
    (3, "larger copies", include_str!("../../migrations/0003_larger_copies.sql")),
    (4, "datasets and trainings", include_str!("../../migrations/0004_datasets_and_trainings.sql")),
    (5, "competitions", include_str!("../../migrations/0005_competitions.sql")),
];

/// The database of one data folder.
#[derive(Clone)]
pub struct Store {
    reader: SqlitePool,
    writer: SqlitePool,
    clock: Arc<dyn Clock>,
}

impl Store {
    /// Opens the database file, makes it if it is missing, and brings its tables up to date.
    pub async fn open(file: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        migrator().run(&writer).await?;
        let reader = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
        let store = Self { reader, writer, clock };
        store.complete_old_images().await?;
        Ok(store)
    }

    /// Closes the connections and folds the write-ahead log into the database file.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// Whether the file is intact, in the words of SQLite: `ok`, or the first fault.
    pub async fn integrity(&self) -> Result<String> {
        Ok(sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&self.reader).await?)
    }

    /// A transaction that may write from its first statement on.
    async fn write(&self) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.iter().map(|&(version, name, text)| {
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, text.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}
