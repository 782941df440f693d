//! The worlds that are explored. Each has the faults that some rules are for, and no more of them than it takes.

use super::rules::Bounds;
use super::world::Fault::*;

const ONE: Bounds = Bounds { operators: 1, ..Bounds::new("") };

/// Two operators, and a user who deletes. Acknowledgements take as long as they like.
pub(super) const RACES: Bounds = Bounds::new("races").with(Delete, 1);

/// An operator that dies.
pub(super) const CRASHES: Bounds =
    Bounds { name: "crashes", ..ONE }.with(Delete, 1).with(Crash, 2).with(LostReply, 1).with(Dropped, 1).with(Unacknowledged, 1);

/// Answers to creates that say less than they seem to.
pub(super) const ANSWERS: Bounds =
    Bounds { name: "answers", ..ONE }.with(Delete, 1).with(LostReply, 1).with(Ambiguous, 1).with(Dropped, 1).with(Refused, 1);

/// A status that is lost.
pub(super) const WIPES: Bounds = Bounds::new("wipes").with(Delete, 1).with(Wipe, 1);

/// Pages that shift.
pub(super) const SHIFTS: Bounds = Bounds { name: "shifts", ..ONE }.with(Delete, 1).with(LostReply, 1).with(Shift, 2);

/// Machines that are not found while they are young, and DELETEs that fail later.
pub(super) const YOUNG: Bounds = Bounds { name: "young", ..ONE }.with(Delete, 1).with(LostReply, 1).with(Young, 2).with(Undone, 1);

/// Somebody at the console, who copies.
pub(super) const COPIES: Bounds = Bounds { name: "copies", ..ONE }.with(Delete, 1).with(Copy, 1);

/// The user deletes the resource, and creates another by the same name.
pub(super) const AGAIN: Bounds = Bounds::new("again").with(Delete, 2).with(Again, 1);

/// Keys of another team.
pub(super) const KEYS: Bounds = Bounds { name: "keys", ..ONE }.with(Delete, 1).with(Alien, 3);

/// Somebody at the console, who destroys; and what is destroyed is still shown.
pub(super) const TOMBS: Bounds = Bounds { name: "tombs", tombstones: true, ..ONE }.with(Delete, 1).with(Console, 1);

/// An operator's computer that sleeps.
pub(super) const SLEEPS: Bounds = Bounds::new("sleeps").with(Asleep, 4);
