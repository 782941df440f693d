//! Every rule is needed: leaving out any one of them brings a violation back.

use super::check::explore;
use super::rules::{Bounds, Without};
use super::worlds::*;

fn is_needed(world: Bounds, rule: Without) {
    let found = explore(world.without(rule));
    let found = found.unwrap_or_else(|| panic!("{}: nothing is violated without {rule:?}", world.name));
    if std::env::var_os("MODEL_STORY").is_some() {
        println!("{}", found.story);
    }
}

macro_rules! needed {
    ($($name:ident: $rule:ident in $world:ident;)*) => {
        $(#[test] fn $name() { is_needed($world, Without::$rule); })*
    };
}

needed! {
    look_first: LookFirst in SHIFTS;
    bind_confirmed: BindConfirmed in TOMBS;
    deleted_rows: DeletedRows in TOMBS;
    random_id: RandomId in WIPES;
    first_sight: FirstSight in RACES;
    evidence_key: EvidenceKey in SHIFTS;
    own_reply: OwnReply in RACES;
    one_post: OnePost in ANSWERS;
    precondition: Precondition in RACES;
    acknowledged: Acknowledged in RACES;
    placeholder: Placeholder in WIPES;
    fence_from_before: FenceFromBefore in RACES;
    fence: Fence in RACES;
    wall_clock: WallClock in SLEEPS;
    ambiguity: Ambiguity in ANSWERS;
    settle: Settle in ANSWERS;
    late_lists: LateLists in SHIFTS;
    two_lists: TwoLists in SHIFTS;
    missing_settle: MissingSettle in YOUNG;
    hold: Hold in ANSWERS;
    accepted_first: AcceptedFirst in YOUNG;
    known_gone: KnownGone in SHIFTS;
    created_window: CreatedWindow in COPIES;
    removal_test: RemovalTest in AGAIN;
    whose_eyes: WhoseEyes in KEYS;
}
