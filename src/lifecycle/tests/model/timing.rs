//! How long the settle has to be: longer than freeze, time-out, late effect and lag together. (The fence is shorter than a tick.)

use super::check::{LEAK, TWICE, explore, holds};
use super::rules::Bounds;
use super::worlds::TIMES;

/// All that a create may take until every list shows it.
fn worst(times: Bounds) -> u8 {
    times.freeze + times.patience + times.late + times.lag
}

fn sweep() -> impl Iterator<Item = Bounds> {
    let all = (0..=1).flat_map(|freeze| (0..=2).flat_map(move |late| (0..=1).map(move |lag| (freeze, late, lag))));
    all.map(|(freeze, late, lag)| Bounds { late, lag, freeze, ..TIMES })
}

#[test]
fn a_settle_longer_than_all_that_may_come_together_is_enough() {
    for times in sweep() {
        holds(Bounds { settle: worst(times) + 1, ..times });
    }
}

#[test]
fn a_settle_as_long_is_not_enough() {
    for times in sweep() {
        let explored = explore(Bounds { settle: worst(times), ..times }, &[TWICE, LEAK]);
        assert_eq!(explored.violated.len(), 2, "{times:?}");
    }
}
