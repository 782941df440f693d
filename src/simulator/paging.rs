//! Pages of lists: `after`, `limit`, `order`, `orderBy`.

use serde_json::{Value, json};

use super::choices;
use super::errors::Refusal;
use super::requests::Query;

/// What the document allows.
const LIMITS: std::ops::RangeInclusive<usize> = 1..=120;

/// How a list is asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Ask {
    after: Option<String>,
    limit: usize,
    pub(super) order_by: String,
    descending: bool,
}

impl Ask {
    /// Of a query; the first of `orders` is the default.
    pub(super) fn read(query: &Query, orders: &[&str], filters: &[&str]) -> Result<Self, Refusal> {
        let unknown = query.names().find(|n| !["after", "limit", "orderBy", "order"].contains(n) && !filters.contains(n));
        if let Some(name) = unknown.filter(|_| !choices::UNKNOWN_QUERY_IS_IGNORED) {
            return Err(Refusal::field(name, format!("Unrecognized key(s) in object: '{name}'")));
        }
        let limit = match query.get("limit") {
            None => choices::DEFAULT_LIMIT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|n| LIMITS.contains(n))
                .ok_or_else(|| Refusal::field("limit", format!("Number must be between {} and {}", LIMITS.start(), LIMITS.end())))?,
        };
        let order_by = query.get("orderBy").unwrap_or(orders[0]);
        if !orders.contains(&order_by) {
            return Err(Refusal::field("orderBy", format!("Invalid enum value. Expected '{}'", orders.join("' | '"))));
        }
        let descending = match query.get("order") {
            None | Some("desc") => true,
            Some("asc") => false,
            Some(_) => return Err(Refusal::field("order", "Invalid enum value. Expected 'asc' | 'desc'")),
        };
        Ok(Self { after: query.get("after").map(str::to_owned), limit, order_by: order_by.to_owned(), descending })
    }
}

/// A row of a list: where it stands and whether the caller may see it. Rows that are gone stand as well, so that a cursor that
/// points at one still works.
pub(super) struct Row<T> {
    pub(super) id: String,
    /// What is ordered by; empty for the date of creation, which `seq` is the order of.
    pub(super) key: String,
    pub(super) seq: u64,
    pub(super) shown: bool,
    pub(super) item: T,
}

/// One page.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    next: Option<String>,
}

impl<T> Page<T> {
    /// The page that is asked for. The cursor is the id of the last row that was shown. `repeats`: that row comes again.
    pub(super) fn of(mut rows: Vec<Row<T>>, ask: &Ask, repeats: bool) -> Result<Self, Refusal> {
        rows.sort_by(|a, b| (&a.key, a.seq).cmp(&(&b.key, b.seq)));
        if ask.descending {
            rows.reverse();
        }
        let mut from = 0;
        if let Some(after) = &ask.after {
            let at = rows.iter().position(|r| r.id == *after).ok_or_else(|| Refusal::field("after", "Invalid cursor"))?;
            from = if repeats { at } else { at + 1 };
        }
        // A repeated row comes on top, so that a page of one still gets further.
        let limit = ask.limit + usize::from(repeats && ask.after.is_some());
        Ok(Self::first(limit, rows.into_iter().skip(from).filter(|r| r.shown).map(|r| (r.id, r.item))))
    }

    /// The first of these rows.
    fn first(limit: usize, shown: impl Iterator<Item = (String, T)>) -> Self {
        let mut shown = shown.peekable();
        let (mut items, mut last) = (Vec::new(), None);
        while items.len() < limit {
            let Some((id, item)) = shown.next() else { break };
            last = Some(id);
            items.push(item);
        }
        Self { items, next: last.filter(|_| shown.peek().is_some()) }
    }

    /// The page that is asked for, of rows that lie in the order of their creation: only its own rows are looked at. `at` finds a
    /// cursor, `shown` the row at a position, if the caller may see it.
    pub(super) fn in_order(
        ask: &Ask,
        len: usize,
        at: impl Fn(&str) -> Option<usize>,
        shown: impl Fn(usize) -> Option<(String, T)>,
    ) -> Result<Self, Refusal> {
        let after = match &ask.after {
            Some(id) => Some(at(id).ok_or_else(|| Refusal::field("after", "Invalid cursor"))?),
            None => None,
        };
        Ok(if ask.descending {
            Self::first(ask.limit, (0..after.unwrap_or(len)).rev().filter_map(shown))
        } else {
            Self::first(ask.limit, (after.map_or(0, |at| at + 1)..len).filter_map(shown))
        })
    }

    /// As the API sends it.
    pub(super) fn body(self, item: impl FnMut(T) -> Value) -> Value {
        let mut body = json!({ "hasMore": self.next.is_some(), "items": self.items.into_iter().map(item).collect::<Vec<_>>() });
        if self.next.is_some() || choices::NULL_NEXT_PAGE_AT_END {
            body["nextPage"] = self.next.into();
        }
        body
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn rows() -> Vec<Row<u64>> {
        let row = |n: u64| Row { id: format!("id{n}"), key: String::new(), seq: n, shown: n != 3, item: n };
        (1..=5).map(row).collect()
    }

    fn page(query: &str, repeats: bool) -> Value {
        let ask = Ask::read(&Query::parse(query), &["dtCreated"], &[]).unwrap();
        Page::of(rows(), &ask, repeats).unwrap().body(Value::from)
    }

    #[test]
    fn newest_first_and_hidden_rows_left_out() {
        assert_eq!(page("", false), json!({"hasMore": false, "items": [5, 4, 2, 1]}));
        assert_eq!(page("order=asc", false)["items"], json!([1, 2, 4, 5]));
    }

    #[test]
    fn the_cursor_walks_through() {
        assert_eq!(page("limit=2", false), json!({"hasMore": true, "items": [5, 4], "nextPage": "id4"}));
        assert_eq!(page("limit=2&after=id4", false), json!({"hasMore": false, "items": [2, 1]}));
    }

    #[test]
    fn a_cursor_at_a_row_that_is_gone_still_works() {
        assert_eq!(page("after=id3", false)["items"], json!([2, 1]));
    }

    #[test]
    fn a_list_that_repeats_still_ends() {
        assert_eq!(page("limit=1&after=id5", true), json!({"hasMore": true, "items": [5, 4], "nextPage": "id4"}));
        assert_eq!(page("limit=1&after=id2", true), json!({"hasMore": false, "items": [2, 1]}));
    }

    #[test]
    fn what_the_document_does_not_allow_is_refused() {
        for query in ["limit=0", "limit=121", "limit=x", "order=up", "orderBy=colour"] {
            assert_eq!(Ask::read(&Query::parse(query), &["dtCreated"], &[]).unwrap_err().status, 400, "{query}");
        }
        let ask = Ask::read(&Query::parse("after=nothing"), &["dtCreated"], &[]).unwrap();
        assert_eq!(Page::of(rows(), &ask, false).unwrap_err().status, 400);
    }
}
