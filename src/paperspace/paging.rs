//! Lists, read to their end.

use std::collections::{HashMap, HashSet};

use serde::de::DeserializeOwned;

use super::call::Call;
use super::types::Page;
use super::{Client, Error};

/// The most that the API gives at once.
pub(super) const PAGE_SIZE: &str = "120";

/// 120,000 rows: no team has so many, so it is a list without an end.
const MAX_PAGES: usize = 1000;

/// A row of a list.
pub(super) trait Row: DeserializeOwned {
    /// What tells rows apart.
    fn key(&self) -> &str;
}

impl Client {
    /// All pages or an error, never a part. `call` makes the call for each page.
    ///
    /// Rows that come twice (the list shifts under the pages, and the API is known to repeat some) are kept once, as seen last.
    pub(super) async fn all_pages<'a, T: Row>(&self, call: impl Fn() -> Call<'a>) -> Result<Vec<T>, Error> {
        let mut rows: Vec<T> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut cursors: HashSet<String> = HashSet::new();
        let mut after: Option<String> = None;
        loop {
            let call = call().query("limit", PAGE_SIZE);
            let route = call.route;
            let call = if let Some(cursor) = &after { call.query("after", cursor) } else { call };
            let page: Page<T> = self.send(call).await?;
            for row in page.items {
                if let Some(&place) = places.get(row.key()) {
                    rows[place] = row;
                } else {
                    places.insert(row.key().to_owned(), rows.len());
                    rows.push(row);
                }
            }
            if !page.has_more {
                return Ok(rows);
            }
            let broken = |message: &str| Error::BadPayload { route, path: "nextPage".to_owned(), message: message.to_owned() };
            let cursor = page.next_page.filter(|cursor| !cursor.is_empty()).ok_or_else(|| broken("missing although hasMore is true"))?;
            if !cursors.insert(cursor.clone()) {
                return Err(broken("the same page again"));
            }
            if cursors.len() >= MAX_PAGES {
                return Err(broken("the list does not end"));
            }
            after = Some(cursor);
        }
    }
}
