//! Lists, read to their end.

use std::borrow::Borrow;
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
        self.all_pages_as(call, |row: T| row).await
    }

    /// The same, each row kept as `keep` makes of it: only one page at a time is held as it was read.
    pub(super) async fn all_pages_as<'a, T: Row, R: Borrow<T>>(
        &self,
        call: impl Fn() -> Call<'a>,
        keep: impl Fn(T) -> R,
    ) -> Result<Vec<R>, Error> {
        self.pages(call, keep, |_| true).await
    }

    /// The pages up to the first whose last row is not wanted any more, in the list's order.
    pub(super) async fn pages_while<'a, T: Row>(&self, call: impl Fn() -> Call<'a>, wanted: impl Fn(&T) -> bool) -> Result<Vec<T>, Error> {
        self.pages(call, |row: T| row, wanted).await
    }

    async fn pages<'a, T: Row, R: Borrow<T>>(
        &self,
        call: impl Fn() -> Call<'a>,
        keep: impl Fn(T) -> R,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<Vec<R>, Error> {
        let mut rows: Vec<R> = Vec::new();
        let mut cursors: HashSet<String> = HashSet::new();
        let mut after: Option<String> = None;
        loop {
            let call = call().query("limit", PAGE_SIZE);
            let route = call.route;
            let call = if let Some(cursor) = &after { call.query("after", cursor) } else { call };
            let page: Page<T> = self.send(call).await?;
            let enough = page.items.last().is_some_and(|row| !wanted(row));
            rows.extend(page.items.into_iter().map(&keep));
            if !page.has_more || enough {
                return Ok(once(rows));
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

/// Each row once: where it came first, as it was seen last.
fn once<T: Row, R: Borrow<T>>(rows: Vec<R>) -> Vec<R> {
    let mut first: HashMap<&str, usize> = HashMap::with_capacity(rows.len());
    let mut places = Vec::with_capacity(rows.len());
    for row in &rows {
        let next = first.len();
        places.push(*first.entry(row.borrow().key()).or_insert(next));
    }
    let mut kept: Vec<R> = Vec::with_capacity(first.len());
    drop(first);
    for (row, place) in rows.into_iter().zip(places) {
        match kept.get_mut(place) {
            Some(known) => *known = row,
            None => kept.push(row),
        }
    }
    kept
}
