//! What machines are made from.

use super::call::Call;
use super::paging::Row;
use super::types::{CustomTemplate, OsTemplate};
use super::{Client, Error};

impl Row for OsTemplate {
    fn key(&self) -> &str {
        &self.id
    }
}

impl Row for CustomTemplate {
    fn key(&self) -> &str {
        &self.id
    }
}

impl Client {
    /// `GET /os-templates`, all pages: Paperspace's own. There is no call for a single one.
    pub async fn os_templates(&self) -> Result<Vec<OsTemplate>, Error> {
        self.all_pages(|| Call::new("GET /os-templates", &[]).query("orderBy", "name").query("order", "asc")).await
    }

    /// `GET /custom-templates`, all pages: the team's, each bound to a region.
    pub async fn custom_templates(&self) -> Result<Vec<CustomTemplate>, Error> {
        self.all_pages(|| Call::new("GET /custom-templates", &[]).query("orderBy", "dtCreated").query("order", "asc")).await
    }
}
