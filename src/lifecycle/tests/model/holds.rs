//! Worlds in which everything is promised to hold.

use super::check::holds;
use super::worlds::*;

#[test]
fn races() {
    holds(RACES);
}

#[test]
fn crashes() {
    holds(CRASHES);
}

#[test]
fn answers() {
    holds(ANSWERS);
}

#[test]
fn wipes() {
    holds(WIPES);
}

#[test]
fn shifts() {
    holds(SHIFTS);
}

#[test]
fn young() {
    holds(YOUNG);
}

#[test]
fn copies() {
    holds(COPIES);
}

#[test]
fn again() {
    holds(AGAIN);
}

#[test]
fn keys() {
    holds(KEYS);
}

#[test]
fn tombs() {
    holds(TOMBS);
}

#[test]
fn sleeps() {
    holds(SLEEPS);
}
