//! Every rule is needed: leaving out any one of them brings a violation back, in a world in which all holds with it.
//!
//! What an earlier wording of the protocol came to grief over is among these, each by its shortest way:
//!
//! | trace | rule |
//! |---|---|
//! | A1 the acknowledgement is slow | `FenceFromBefore` |
//! | A2 one 404 is believed | `MissingSettle` |
//! | A3 408 and 499 are taken for refusals | `Ambiguity` |
//! | A4 the status is wiped | `Placeholder` |
//! | A4n the attempt's number is its identity | `RandomId`, `FirstSight` |
//! | A5 lists are made too early, and a page shifts | `LateLists` |
//! | A6 a stale list resolves a later attempt | `BindConfirmed`, `OwnReply` |
//! | absence of memory is timed in memory alone | `PlaceholderWritten` |
//! | A7 no precondition | `Precondition` |
//! | A8 a freeze between check and request | [`super::timing`] |
//! | an operator that settled an attempt deletes during the next | `FirstSight`, `EvidenceKey` |
//! | deletion during an attempt; with one list; after a 404 to DELETE | `Hold`, `TwoLists`, `AcceptedFirst` |
//!
//! Rules that are not here, because this world has not what they are for: that a 200 in between starts a vanished machine's settle again
//! (only young machines answer 404 falsely); that a proxy's 404 is none (an error's kind, told apart by the client); that a session is read
//! again before a finalizer goes (a key opens one team for ever); that a mutation starts within 20 s of the look at its object (a deletion
//! is never taken back, and a create has its fence); that an attempt's age is not taken from the status (clocks do not differ); what holds a
//! deletion by the spec or by the CRD.

use super::check::{DESTROYED, GOES, LEAK, STAYS, TWICE, breaks};
use super::rules::Without;
use super::worlds::*;

macro_rules! needed {
    ($($name:ident: $rule:ident in $world:ident breaks $($property:ident),+;)*) => {
        $(#[test] fn $name() { breaks($world, Without::$rule, &[$($property),+]); })*
    };
}

needed! {
    look_first_is_needed: LookFirst in SHIFTS breaks TWICE;
    bind_confirmed_is_needed: BindConfirmed in GHOSTS breaks LEAK;
    deleted_rows_is_needed: DeletedRows in TOMBS breaks STAYS, GOES;
    random_id_is_needed: RandomId in WIPES breaks TWICE, LEAK;
    first_sight_is_needed: FirstSight in RACES breaks TWICE, LEAK;
    evidence_key_is_needed: EvidenceKey in SHIFTS breaks TWICE;
    own_reply_is_needed: OwnReply in REFUSALS breaks LEAK;
    one_post_is_needed: OnePost in ANSWERS breaks TWICE;
    one_request_is_needed: OneRequest in ANSWERS breaks TWICE;
    precondition_is_needed: Precondition in RACES breaks TWICE, LEAK;
    acknowledged_is_needed: Acknowledged in RACES breaks TWICE, LEAK;
    placeholder_is_needed: Placeholder in WIPES breaks TWICE, LEAK;
    placeholder_written_is_needed: PlaceholderWritten in WIPES breaks TWICE, LEAK;
    fence_from_before_is_needed: FenceFromBefore in RACES breaks TWICE, LEAK;
    fence_is_needed: Fence in RACES breaks TWICE, LEAK;
    wall_clock_is_needed: WallClock in SLEEPS breaks TWICE;
    ambiguity_is_needed: Ambiguity in ANSWERS breaks LEAK;
    settle_is_needed: Settle in ANSWERS breaks TWICE, LEAK;
    late_lists_is_needed: LateLists in SHIFTS breaks TWICE, LEAK;
    two_lists_is_needed: TwoLists in SHIFTS breaks TWICE, LEAK;
    missing_settle_is_needed: MissingSettle in YOUNG breaks TWICE, LEAK;
    hold_is_needed: Hold in ANSWERS breaks LEAK;
    accepted_first_is_needed: AcceptedFirst in YOUNG breaks GOES;
    known_gone_is_needed: KnownGone in SHIFTS breaks LEAK;
    known_destroyed_is_needed: KnownDestroyed in RENAMES breaks LEAK;
    created_window_is_needed: CreatedWindow in COPIES breaks DESTROYED;
    removal_test_is_needed: RemovalTest in AGAIN breaks LEAK;
    whose_eyes_is_needed: WhoseEyes in KEYS breaks TWICE, LEAK;
}
