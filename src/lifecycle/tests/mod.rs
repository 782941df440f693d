//! The core, played against a small world: one resource, one account, one clock. Each test is a promise.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::unchecked_time_subtraction,
    clippy::unnecessary_wraps,
    reason = "tests: a panic is a failure, and helpers give what the field takes"
)]

mod about;
mod access;
mod accessors;
mod accessors_lost;
mod addresses;
mod adopt;
mod adopt_created;
mod allocated;
mod change;
mod chaos;
mod cloud;
mod connection;
mod create;
mod delete;
mod delete_whose;
mod estate;
mod forgotten;
mod learned;
mod let_go;
mod limit;
mod manifest;
mod model;
mod named;
mod orphans;
mod parts;
mod passes;
mod power;
mod properties;
mod resize;
mod restart;
mod restraint;
mod scripts;
mod scripts_lost;
mod silence;
mod trouble;
mod vanish;
mod world;
