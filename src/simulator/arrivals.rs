//! When which call arrived: `GET /_sim/calls`. Only the last ones are kept.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde_json::{Value, json};

/// How many are kept.
const KEPT: usize = 200_000;

/// The last calls of the API.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// How many there were before those that are kept.
    dropped: usize,
    calls: VecDeque<Arrival>,
}

/// One call.
#[derive(Debug)]
struct Arrival {
    at: Timestamp,
    method: String,
    template: &'static str,
    /// What the path has for the template's first hole.
    param: Option<String>,
}

impl Arrivals {
    pub(super) fn add(&mut self, at: Timestamp, method: &str, template: &'static str, param: Option<String>) {
        if self.calls.len() == KEPT {
            self.calls.pop_front();
            self.dropped += 1;
        }
        self.calls.push_back(Arrival { at, method: method.to_owned(), template, param });
    }

    /// Those after the first `after`, and with how many they end: the next `after`. Where some are no longer kept, `dropped` says how many.
    pub(super) fn after(&self, after: usize) -> Value {
        let skip = after.saturating_sub(self.dropped);
        let calls = self.calls.iter().skip(skip);
        let rows = calls.map(|c| json!([c.at.as_millisecond(), format!("{} {}", c.method, c.template), c.param]));
        json!({
            "next": self.dropped + self.calls.len(),
            "dropped": self.dropped.saturating_sub(after),
            "calls": rows.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_kept_and_what_is_lost_is_said() {
        let mut arrivals = Arrivals::default();
        for n in 0..KEPT + 2 {
            arrivals.add(Timestamp::UNIX_EPOCH, "GET", "/machines/{id}", Some(format!("ps{n}")));
        }
        let all = arrivals.after(0);
        assert_eq!((&all["next"], &all["dropped"], &all["calls"][0][2]), (&json!(KEPT + 2), &json!(2), &json!("ps2")));
        let last = arrivals.after(KEPT + 1);
        assert_eq!(last, json!({"next": KEPT + 2, "dropped": 0, "calls": [[0, "GET /machines/{id}", format!("ps{}", KEPT + 1)]]}));
        assert_eq!(arrivals.after(KEPT + 2)["calls"], json!([]));
    }
}
