//! The core, checked exhaustively against a small world.
#![allow(clippy::print_stdout, reason = "the tests say how much they explored")]

mod ablations;
mod calm;
mod canon;
mod check;
mod holds;
mod lies;
mod memo;
mod moves;
mod rules;
mod shell;
mod store;
mod world;
mod worlds;
