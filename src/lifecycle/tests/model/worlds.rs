//! The worlds that are explored. Each has the faults that some rules are for, and no more of them than it takes.

use super::moves::Move;
use super::rules::Bounds;
use super::shell::Sight;
use super::world::Fault::{self, *};

const PLAIN: Sight = Sight { lag: 0, shifts: 0, young: false, alien: false };

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

/// Somebody at the console, who renames.
pub(super) const RENAMES: Bounds = Bounds { name: "renames", ..ONE }.with(Delete, 1).with(Rename, 1).with(Crash, 1);

/// The user deletes the resource, and creates another by the same name.
pub(super) const AGAIN: Bounds = Bounds::new("again").with(Delete, 2).with(Again, 1);

/// Keys of another team.
pub(super) const KEYS: Bounds = Bounds { name: "keys", ..ONE }.with(Delete, 1).with(Alien, 3);

/// Somebody at the console, who destroys; and what is destroyed is still shown.
pub(super) const TOMBS: Bounds = Bounds { name: "tombs", tombstones: true, ..ONE }.with(Delete, 1).with(Console, 1);

/// An operator's computer that sleeps.
pub(super) const SLEEPS: Bounds = Bounds::new("sleeps").with(Asleep, 4);

/// Two operators, and a create that is refused.
pub(super) const REFUSALS: Bounds = Bounds::new("refusals").with(Delete, 1).with(Refused, 1);

/// Two operators have bound a machine and then, when it was young, not found it. Somebody destroys it at the console.
pub(super) const GHOSTS: Bounds = Bounds {
    before: &[
        Move::Look(0, PLAIN),
        Move::Look(0, PLAIN),
        Move::Write(0),
        Move::Acknowledge(0),
        Move::Look(0, PLAIN),
        Move::Send(0),
        Move::Land(0),
        Move::Answer(0),
        Move::Look(0, PLAIN),
        Move::Write(0),
        Move::Look(0, PLAIN),
        Move::Look(0, Sight { young: true, lag: 1, ..PLAIN }),
        Move::Look(1, Sight { young: true, lag: 1, ..PLAIN }),
    ],
    ..Bounds::new("ghosts").with(Delete, 1).with(Young, 2).with(Console, 1)
};

/// The resource's machine is to stay.
pub(super) const RETAINED: Bounds =
    Bounds { name: "retained", retain: true, ..ONE }.with(Delete, 1).with(LostReply, 1).with(Crash, 1).with(Wipe, 1);

/// One operator and one lost reply, with times to be set.
pub(super) const TIMES: Bounds = Bounds { name: "times", ..ONE }.with(Delete, 1).with(LostReply, 1);

/// One operator, a user who deletes, and every two faults together. Left out are those that the protocol cannot stand: a mark that is lost
/// from the machine's name and from the status; copies where it is no longer known (or not yet) when the last attempt was closed; keys of
/// another team where it is not known any more which team it was.
pub(super) fn pairs() -> impl Iterator<Item = Bounds> {
    const FAULTS: [Fault; 14] =
        [Crash, Unacknowledged, LostReply, Dropped, Refused, Ambiguous, Shift, Young, Rename, Wipe, Console, Undone, Alien, Copy];
    let pairs = FAULTS.iter().enumerate().flat_map(|(n, one)| FAULTS[n..].iter().map(move |other| (*one, *other)));
    let stands = |pair: &(Fault, Fault)| !matches!(pair, (Rename, Wipe) | (Wipe, Alien | Copy) | (Console | Copy, Copy));
    pairs.filter(stands).map(|(one, other)| {
        let world = Bounds { name: "pairs", ..ONE }.with(Delete, 1);
        if one == other { world.with(one, 2) } else { world.with(one, 1).with(other, 1) }
    })
}
