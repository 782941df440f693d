//! A faithful Paperspace API, version 1, to develop and test against: `paperspace-operator simulate`.
//!
//! Made from the public documents of the API and from what its clients are known to rely on, not from the client in this crate,
//! of which it is an independent check. Whatever is not known of the real service is one constant in `choices`.
//!
//! [`Simulator`] is a pure state machine that is given the time with each call; [`serve`] puts it on a socket. Timestamps are the
//! caller's (on a socket: wall-clock) time, since clients compare them with their own clock. The time scale divides durations
//! only: how long a start takes, when auto-shutdown comes.
//!
//! `/v1` is the service, `/_sim` shows and changes it behind everybody's back, injected faults included (see `sim_routes`, `faults`).
//!
//! Not simulated: shared drives, projects and everything else that is no machine; snapshots taken by schedule; bills.

mod addresses;
mod agenda;
mod api;
mod arrivals;
mod catalog;
mod choices;
mod connection;
mod copy_routes;
mod create;
mod errors;
mod faults;
mod keys;
mod machine;
mod machine_routes;
mod machines;
mod network_routes;
mod paging;
mod persist;
mod power;
mod requests;
mod resources;
mod rng;
mod routes;
mod script_routes;
mod server;
mod sim_routes;
mod team_routes;
mod timing;
mod update;
mod wire;
mod world;

#[cfg(test)]
mod tests;

pub use api::{Reply, Request, Simulator};
pub use keys::{DEVELOPMENT_KEY, DEVELOPMENT_TEAM, KeySpec, Role};
pub use server::{Error, Options, Server, serve};
