//! What can go wrong in the database. "Not found" is not an error: lookups answer with an `Option`.

/// A fault of the database or of what it holds.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lease on a job is no longer held: another attempt has it, or it has ended. The late write did nothing.
    #[error("the lease on job `{job}` is no longer held")]
    LeaseLost {
        /// The job.
        job: String,
    },
    /// The owner has as many jobs waiting as one person may.
    #[error("{waiting} jobs are waiting already")]
    QueueFull {
        /// How many wait.
        waiting: u32,
    },
    /// The disk is full.
    #[error("the disk is full")]
    Full(#[source] sqlx::Error),
    /// No connection became free, or another program holds the file.
    #[error("the database is busy")]
    Busy(#[source] sqlx::Error),
    /// A row holds something that this version cannot read.
    #[error("`{column}` of `{id}` cannot be read: {source}")]
    Corrupt {
        /// The column.
        column: &'static str,
        /// The row.
        id: String,
        /// What was wrong.
        source: serde_json::Error,
    },
    /// A migration failed; the database may belong to a newer version.
    #[error("the database cannot be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// Any other fault.
    #[error("database: {0}")]
    Database(#[source] sqlx::Error),
}

/// SQLite's result codes, as text in `code()`; extended codes keep the base code in their low byte.
const SQLITE_BUSY: i64 = 5;
const SQLITE_FULL: i64 = 13;

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let code = match &error {
            sqlx::Error::Database(fault) => fault.code().and_then(|code| code.parse::<i64>().ok()),
            _ => None,
        };
        match code.map(|code| code & 0xff) {
            Some(SQLITE_FULL) => Self::Full(error),
            Some(SQLITE_BUSY) => Self::Busy(error),
            _ if matches!(error, sqlx::Error::PoolTimedOut) => Self::Busy(error),
            _ => Self::Database(error),
        }
    }
}
