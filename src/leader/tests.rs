//! The election alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use jiff::Timestamp;

use super::election::{Election, Loss, Next, Record, Timing};
use crate::lifecycle::observe::Moment;

pub(super) const TIMING: Timing =
    Timing { duration: Duration::from_secs(15), deadline: Duration::from_secs(10), retry: Duration::from_secs(2) };

pub(super) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn at(seconds: u64) -> Moment {
    let mono = Duration::from_secs(seconds);
    Moment { wall: Timestamp::UNIX_EPOCH + mono, mono }
}

fn record(holder: &str, version: &str) -> Record {
    Record { holder: holder.to_owned(), duration: TIMING.duration, version: version.to_owned() }
}

/// One that has been told this at this second.
fn candidate(second: u64, record: impl Into<Option<Record>>) -> Election {
    let mut election = Election::new("me".to_owned(), TIMING);
    assert_eq!(election.next(&at(second)), Next::Look);
    election.saw(at(second), &at(second), record.into());
    election
}

/// Looks as often as it wants to, finding the same, until it wants something else: what, and when.
fn wants(election: &mut Election, record: Option<&Record>, mut second: u64) -> (u64, Next) {
    loop {
        match election.next(&at(second)) {
            Next::Look => election.saw(at(second), &at(second), record.cloned()),
            Next::Wait(wait) => second += wait.as_secs(),
            next => return (second, next),
        }
    }
}

#[test]
fn another_ones_lease_is_taken_over_when_it_was_seen_unchanged_for_its_duration() {
    let of_another = record("another", "1");
    let mut election = candidate(100, of_another.clone());
    assert_eq!(wants(&mut election, Some(&of_another), 100), (115, Next::Write));

    let mut election = candidate(100, of_another);
    election.saw(at(114), &at(114), Some(record("another", "2")));
    assert_eq!(wants(&mut election, Some(&record("another", "2")), 114), (129, Next::Write), "it was renewed");
}

#[test]
fn a_lease_that_was_given_back_is_taken_at_once_and_one_that_is_not_there_after_its_duration() {
    assert_eq!(candidate(100, record("", "1")).next(&at(100)), Next::Write);
    assert_eq!(wants(&mut candidate(100, None), None, 100), (115, Next::Write), "it may have been removed under its holder's feet");
}

#[test]
fn the_holder_writes_every_retry_period_and_makes_a_lease_anew_that_was_removed() {
    let mut election = candidate(100, record("", "1"));
    election.wrote(at(100), &at(101), "2".to_owned());
    assert_eq!(wants(&mut election, Some(&record("me", "2")), 101), (103, Next::Write));
    election.wrote(at(103), &at(103), "3".to_owned());
    assert_eq!(wants(&mut election, None, 103), (105, Next::Write));
}

#[test]
fn a_lease_that_is_not_confirmed_before_the_deadline_is_lost_counted_from_before_the_last_confirmed_write() {
    let mut election = candidate(100, record("", "1"));
    election.wrote(at(100), &at(104), "2".to_owned());
    for second in [106, 108] {
        assert_eq!(election.next(&at(second)), Next::Look, "{second}");
        election.failed(&at(second));
    }
    assert_eq!(election.next(&at(109)), Next::Wait(ms(1000)));
    assert_eq!((election.rest(&at(109)), election.rest(&at(110))), (Some(ms(1000)), None));
    assert_eq!(election.next(&at(110)), Next::Lost(Loss::Late));
}

/// The monotonic clock of a machine that was suspended stood still.
#[test]
fn the_wall_clock_alone_can_say_that_it_is_too_late() {
    let mut election = candidate(100, record("", "1"));
    election.wrote(at(100), &at(100), "2".to_owned());
    let woken = Moment { wall: at(111).wall, mono: at(101).mono };
    assert_eq!((election.rest(&woken), election.next(&woken)), (None, Next::Lost(Loss::Late)));
}

#[test]
fn a_lease_that_another_one_has_taken_is_lost() {
    let mut election = candidate(100, record("", "1"));
    election.wrote(at(100), &at(100), "2".to_owned());
    election.saw(at(102), &at(102), Some(record("another", "3")));
    assert_eq!(election.next(&at(102)), Next::Lost(Loss::Taken("another".to_owned())));
}

#[test]
fn of_several_with_the_same_identity_one_writes_and_the_others_only_look() {
    let mut election = candidate(100, record("me", "1"));
    assert_eq!(election.since(), None, "the record alone proves nothing: it may be about to be taken over");
    assert_eq!(election.next(&at(100)), Next::Write);
    election.conflicted();
    assert_eq!(election.next(&at(100)), Next::Look);
    election.saw(at(100), &at(101), Some(record("me", "2")));
    assert_eq!(election.since(), Some(at(100)), "somebody wrote it after the look that found another version was sent");
    for (second, version) in [(103, "3"), (105, "4"), (107, "5")] {
        assert!(matches!(election.next(&at(second - 1)), Next::Wait(_)));
        assert_eq!(election.next(&at(second)), Next::Look);
        election.saw(at(second), &at(second), Some(record("me", version)));
    }
    assert_eq!(election.since(), Some(at(105)));
    assert_eq!(wants(&mut election, Some(&record("me", "5")), 107), (109, Next::Write), "the others have stopped");
}

#[test]
fn patience_that_lets_two_hold_it_or_loses_it_at_once_is_refused() {
    let timing = |duration, deadline, retry| Timing { duration: ms(duration), deadline: ms(deadline), retry: ms(retry) }.check();
    assert_eq!(timing(15_000, 10_000, 2000), Ok(TIMING));
    for (wrong, flag) in [
        (timing(900, 600, 100), "--lease-duration: allowed is at least 1s"),
        (timing(10_000, 10_000, 2000), "--lease-duration: allowed is more than --renew-deadline"),
        (timing(15_000, 2400, 2000), "--renew-deadline: allowed is more than 1.2 times"),
    ] {
        assert!(wrong.as_ref().is_err_and(|error| error.starts_with(flag)), "{wrong:?}");
    }
}
