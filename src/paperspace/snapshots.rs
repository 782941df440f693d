//! Copies of machines' disks.

use super::call::Call;
use super::paging::Row;
use super::types::Snapshot;
use super::{Client, Error};

impl Row for Snapshot {
    fn key(&self) -> &str {
        &self.id
    }
}

impl Client {
    /// `GET /snapshots`, all pages: of all machines of the team, the oldest first.
    pub async fn snapshots(&self) -> Result<Vec<Snapshot>, Error> {
        self.all_pages(|| Call::new("GET /snapshots", &[]).query("orderBy", "dtCreated").query("order", "asc")).await
    }
}
