//! The client over HTTP: against hand-made servers that misbehave in every way, and against the simulator.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, reason = "tests")]

mod failures;
mod lists;
mod machines;
mod requests;
mod resources;
mod secrets;
mod server;
mod simulated;
