//! Worlds in which everything is promised to hold.

use super::check::holds;
use super::worlds::*;

#[test]
fn races() {
    holds(RACES.sized());
}

#[test]
fn crashes() {
    holds(CRASHES.sized());
}

#[test]
fn answers() {
    holds(ANSWERS.sized());
}

#[test]
fn wipes() {
    holds(WIPES.sized());
}

#[test]
fn shifts() {
    holds(SHIFTS.sized());
}

#[test]
fn young() {
    holds(YOUNG.sized());
}

#[test]
fn copies() {
    holds(COPIES.sized());
}

#[test]
fn renames() {
    holds(RENAMES.sized());
}

#[test]
fn again() {
    holds(AGAIN.sized());
}

#[test]
fn keys() {
    holds(KEYS.sized());
}

#[test]
fn tombs() {
    holds(TOMBS.sized());
}

#[test]
fn sleeps() {
    holds(SLEEPS.sized());
}

#[test]
fn refusals() {
    holds(REFUSALS.sized());
}

#[test]
fn ghosts() {
    holds(GHOSTS.sized());
}

#[test]
fn retained() {
    holds(RETAINED.sized());
}
