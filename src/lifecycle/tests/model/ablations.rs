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

use super::check::{DESTROYED, GOES, LEAK, STAYS, TWICE, breaks};
use super::rules::Without;
use super::worlds::*;

macro_rules! needed {
    ($($name:ident: $rule:ident in $world:ident breaks $($property:ident),+;)*) => {
        $(#[test] fn $name() { breaks($world, Without::$rule, &[$($property),+]); })*
    };
}

needed! {
    look_first: LookFirst in SHIFTS breaks TWICE;
    bind_confirmed: BindConfirmed in GHOSTS breaks LEAK;
    deleted_rows: DeletedRows in TOMBS breaks STAYS, GOES;
    random_id: RandomId in WIPES breaks TWICE, LEAK;
    first_sight: FirstSight in RACES breaks TWICE, LEAK;
    evidence_key: EvidenceKey in SHIFTS breaks TWICE;
    own_reply: OwnReply in REFUSALS breaks LEAK;
    one_post: OnePost in ANSWERS breaks TWICE;
    one_request: OneRequest in ANSWERS breaks TWICE;
    precondition: Precondition in RACES breaks TWICE, LEAK;
    acknowledged: Acknowledged in RACES breaks TWICE, LEAK;
    placeholder: Placeholder in WIPES breaks TWICE, LEAK;
    placeholder_written: PlaceholderWritten in WIPES breaks TWICE, LEAK;
    fence_from_before: FenceFromBefore in RACES breaks TWICE, LEAK;
    fence: Fence in RACES breaks TWICE, LEAK;
    wall_clock: WallClock in SLEEPS breaks TWICE;
    ambiguity: Ambiguity in ANSWERS breaks LEAK;
    settle: Settle in ANSWERS breaks TWICE, LEAK;
    late_lists: LateLists in SHIFTS breaks TWICE, LEAK;
    two_lists: TwoLists in SHIFTS breaks TWICE, LEAK;
    missing_settle: MissingSettle in YOUNG breaks TWICE, LEAK;
    hold: Hold in ANSWERS breaks LEAK;
    accepted_first: AcceptedFirst in YOUNG breaks GOES;
    known_gone: KnownGone in SHIFTS breaks LEAK;
    known_destroyed: KnownDestroyed in RENAMES breaks LEAK;
    created_window: CreatedWindow in COPIES breaks DESTROYED;
    removal_test: RemovalTest in AGAIN breaks LEAK;
    whose_eyes: WhoseEyes in KEYS breaks TWICE, LEAK;
}
