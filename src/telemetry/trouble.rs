//! How often a collector that does not take traces is worth a line.

use std::time::{Duration, Instant};

/// In between, failures are counted.
const EVERY: Duration = Duration::from_mins(5);

/// Whether the last request failed, and what of that was told.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    told: Option<Instant>,
    untold: u32,
}

impl Trouble {
    /// A request failed. How many did since that was last told, where it is to be told again.
    pub(super) fn failed(&mut self, now: Instant) -> Option<u32> {
        self.untold += 1;
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }

    /// A request was taken. Whether that is news.
    pub(super) fn over(&mut self) -> bool {
        std::mem::take(self).told.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_that_is_down_is_told_at_once_then_every_five_minutes_and_once_when_it_is_back() {
        let (mut trouble, start) = (Trouble::default(), Instant::now());
        assert!(!trouble.over(), "nothing was wrong");
        let told: Vec<(u64, u32)> =
            (0..900).filter_map(|second| Some((second, trouble.failed(start + Duration::from_secs(second))?))).collect();
        assert_eq!(told, [(0, 1), (300, 300), (600, 300)]);
        assert!(trouble.over());
        assert!(!trouble.over());
        assert_eq!(trouble.failed(start + Duration::from_secs(901)), Some(1));
    }
}
