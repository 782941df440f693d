//! Which filter is in force, and until when. What time it is, is told.

use std::time::{Duration, Instant};

use super::LogFilter;

/// The filter of the start, and what was asked for since.
#[derive(Clone, Debug)]
pub struct Levels {
    usual: LogFilter,
    asked: Option<(LogFilter, Option<Instant>)>,
}

impl Levels {
    /// As it is at the start.
    pub fn new(usual: LogFilter) -> Self {
        Self { usual, asked: None }
    }

    /// The filter in force.
    pub fn in_force(&self) -> &LogFilter {
        self.asked.as_ref().map_or(&self.usual, |(filter, _)| filter)
    }

    /// Another filter, for a while or until another one is asked for. What was asked for before is forgotten, its end too.
    pub fn ask(&mut self, filter: LogFilter, lasts: Option<Duration>, now: Instant) {
        self.asked = Some((filter, lasts.map(|lasts| now + lasts)));
    }

    /// When the filter of the start is due again.
    pub fn until(&self) -> Option<Instant> {
        self.asked.as_ref()?.1
    }

    /// Back to the filter of the start, if that is due. Whether it was.
    pub fn expire(&mut self, now: Instant) -> bool {
        let due = self.until().is_some_and(|until| until <= now);
        if due {
            self.asked = None;
        }
        due
    }

    /// For people: the filter in a line of its own, and then what comes after it.
    pub fn describe(&self, now: Instant) -> String {
        let Self { usual, .. } = self;
        match &self.asked {
            None => format!("{usual}\n"),
            Some((filter, None)) => format!("{filter}\nuntil it is changed or the process ends; it was started with {usual}\n"),
            Some((filter, Some(until))) => {
                // In whole seconds, and never none.
                let left = Duration::from_secs((until.saturating_duration_since(now) + Duration::from_millis(999)).as_secs());
                format!("{filter}\nfor {}, then {usual}\n", humantime::format_duration(left))
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn filter(text: &str) -> LogFilter {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_asked_for_a_while_goes_back_to_the_filter_of_the_start() {
        let (mut levels, start) = (Levels::new(filter("info")), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!((levels.describe(start).as_str(), levels.until()), ("info\n", None));
        levels.ask(filter("trace"), Some(Duration::from_mins(10)), start);
        assert_eq!(levels.describe(after(1)), "trace\nfor 9m 59s, then info\n");
        assert!(!levels.expire(after(599)));
        assert_eq!(levels.in_force(), &filter("trace"));
        assert!(levels.expire(after(600)));
        assert_eq!(levels.describe(after(600)), "info\n");
        assert!(!levels.expire(after(601)), "once");
    }

    #[test]
    fn the_last_one_asked_for_counts_and_its_end() {
        let (mut levels, start) = (Levels::new(filter("info")), Instant::now());
        levels.ask(filter("trace"), Some(Duration::from_secs(1)), start);
        levels.ask(filter("debug"), None, start);
        assert!(!levels.expire(start + Duration::from_hours(9)), "without an end it stays");
        assert_eq!(levels.describe(start), "debug\nuntil it is changed or the process ends; it was started with info\n");
        levels.ask(filter("warn"), Some(Duration::from_secs(9)), start);
        assert!(levels.expire(start + Duration::from_secs(9)));
        assert_eq!(levels.in_force(), &filter("info"), "not what was before");
    }
}
