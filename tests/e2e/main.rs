//! The whole operator from outside: a real Kubernetes API, kubectl, the operator's binary with the rights of `deploy/`, and the simulated
//! Paperspace, all as separate processes. How a case is written: see [`harness`].

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, clippy::print_stdout, missing_docs, reason = "tests")]

mod cases_about;
mod cases_accessors;
mod cases_addresses;
mod cases_adopt;
mod cases_change;
mod cases_connection;
mod cases_create;
mod cases_delete;
mod cases_deletion;
mod cases_drift;
mod cases_faults;
mod cases_gitops;
mod cases_helm;
mod cases_helm_values;
mod cases_keys;
mod cases_kubernetes;
mod cases_leader;
mod cases_log;
mod cases_log_lines;
mod cases_monitoring;
mod cases_names;
mod cases_orphans;
mod cases_policies;
mod cases_power;
mod cases_rails;
mod cases_restore;
mod cases_restraint;
mod cases_roles;
mod cases_scale;
mod cases_scripts;
mod cases_secrets;
mod cases_selector;
mod cases_server;
mod cases_shards;
mod cases_storm;
mod cases_storm_frozen;
mod cases_storm_servers;
mod cases_traces;
mod harness;
mod helm_release;
mod on_server;

// The table that `tests/crd` asks of the schema without a server.
#[path = "../crd/table.rs"]
mod table;

// What the API of the simulation is held to.
#[path = "../simulation/kubernetes_suite/mod.rs"]
mod kubernetes_suite;

// And that API itself.
#[path = "../simulation/kubernetes/mod.rs"]
mod kubernetes;

// Helm itself.
#[path = "../helm/mod.rs"]
mod helm;

// And which of its charts' values are tried together.
#[path = "../helm/pairs.rs"]
mod pairs;
