//! The core, played against a small world: one resource, one account, one clock. Each test is a promise.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod access;
mod adopt;
mod change;
mod cloud;
mod create;
mod delete;
mod parts;
mod passes;
mod power;
mod restart;
mod vanish;
mod world;
