//! The whole operator in one process and in virtual time: the real controller, fleet and client between an in-memory Kubernetes API and
//! the simulator's state machine. A seed decides a run to its last call; an hour takes milliseconds.
//!
//! | file | what |
//! |---|---|
//! | `kubernetes` | the Kubernetes API, held to a real one by `kubernetes_suite` |
//! | `world`, `gate`, `wire`, `process` | one run: its clock, the order of all calls, what carries them, operators that can die at any call |
//! | `faults`, `planted` | what goes wrong on the way; mistakes planted in the operator |
//! | `user`, `book` | what users and the console do; what was asked for, held against the truth at the end |
//! | `scenarios`, `crash_matrix` | every main path, disturbed at every remote call |
//! | `life`, `soak` | random lives of many resources |
//! | `restart` | many resources: who goes first after a restart, and that it changes nothing |
//! | `selector` | resources that are left to others |
//! | `orphans` | what the metrics say of what no resource has |
//! | `observe` | looking at each machine by itself, for comparison: the same end, at another price |
//! | `calls` | what a fleet costs from apply to Ready |
//! | `health` | what Argo CD, Flux and kstatus say of every resource that is written in any run |
//! | `outage` | Paperspace does not answer: what it costs, who is told, how it ends |
//! | `net` | every planted mistake is caught |

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs, reason = "tests")]

mod book;
mod calls;
mod crash_matrix;
mod faults;
mod gate;
mod health;
mod health_expected;
mod health_tools;
mod kubernetes;
mod kubernetes_cases;
mod kubernetes_suite;
mod life;
mod net;
mod observe;
mod orphans;
mod outage;
mod planted;
mod process;
mod rails;
mod restart;
mod scenarios;
mod selector;
mod soak;
mod user;
mod wire;
mod world;
