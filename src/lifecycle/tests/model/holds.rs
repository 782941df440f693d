//! Worlds in which everything is promised to hold.

use super::check::holds;
use super::rules::Bounds;
use super::world::Fault;

#[test]
fn one_operator_creates_and_deletes() {
    let bounds = Bounds { operators: 1, ..Bounds::new("one operator") };
    holds(bounds.with(Fault::Delete, 1));
}

#[test]
fn two_operators_create_and_delete() {
    holds(Bounds::new("two operators").with(Fault::Delete, 1));
}

#[test]
fn one_operator_dies_and_loses_replies() {
    let bounds = Bounds { operators: 1, ..Bounds::new("one operator dies") };
    holds(
        bounds
            .with(Fault::Delete, 1)
            .with(Fault::Crash, 1)
            .with(Fault::LostReply, 1)
            .with(Fault::Dropped, 1)
            .with(Fault::Unacknowledged, 1),
    );
}
