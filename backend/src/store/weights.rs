//! Hashes of weight files, remembered: a large model takes a minute to read.

use super::{Result, Store};

impl Store {
    /// The hash of weights with this stamp, if it has been computed.
    pub async fn weight_hash(&self, stamp: &str) -> Result<Option<String>> {
        Ok(sqlx::query_scalar("SELECT sha256 FROM weight_hashes WHERE stamp = $1")
            .bind(stamp)
            .fetch_optional(&self.reader)
            .await?)
    }

    /// Remembers the hash of weights with this stamp.
    pub async fn remember_weight_hash(&self, stamp: &str, sha256: &str) -> Result<()> {
        sqlx::query(
            "INSERT INTO weight_hashes (stamp, sha256) VALUES ($1, $2) \
             ON CONFLICT (stamp) DO UPDATE SET sha256 = excluded.sha256",
        )
        .bind(stamp)
        .bind(sha256)
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}
