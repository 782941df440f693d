//! Worlds in which everything is promised to hold.

use super::check::holds;
use super::worlds::*;

#[test]
fn all_holds_while_operators_race() {
    holds(RACES.sized());
}

#[test]
fn all_holds_when_an_operator_dies() {
    holds(CRASHES.sized());
}

#[test]
fn all_holds_when_answers_say_little() {
    holds(ANSWERS.sized());
}

#[test]
fn all_holds_when_the_status_is_lost() {
    holds(WIPES.sized());
}

#[test]
fn all_holds_when_pages_shift() {
    holds(SHIFTS.sized());
}

#[test]
fn all_holds_when_young_machines_are_not_found_and_destructions_fail() {
    holds(YOUNG.sized());
}

#[test]
fn all_holds_when_machines_are_copied() {
    holds(COPIES.sized());
}

#[test]
fn all_holds_when_machines_are_renamed() {
    holds(RENAMES.sized());
}

#[test]
fn all_holds_when_the_resource_comes_again() {
    holds(AGAIN.sized());
}

#[test]
fn all_holds_under_another_teams_key() {
    holds(KEYS.sized());
}

#[test]
fn all_holds_when_the_destroyed_are_still_shown() {
    holds(TOMBS.sized());
}

#[test]
fn all_holds_when_a_computer_sleeps() {
    holds(SLEEPS.sized());
}

#[test]
fn all_holds_when_a_create_is_refused() {
    holds(REFUSALS.sized());
}

#[test]
fn all_holds_when_a_list_shows_what_is_gone() {
    holds(GHOSTS.sized());
}

#[test]
fn nothing_is_destroyed_that_is_to_be_retained() {
    holds(RETAINED.sized());
}

#[test]
fn all_holds_under_every_two_faults() {
    for world in pairs() {
        holds(world.sized());
    }
}
