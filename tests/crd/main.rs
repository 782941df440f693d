//! The resource and what ships it: the CRD file, every rule of the schema with what it accepts and refuses, the examples, `deploy/`, and
//! the command line's answers to wrong values.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod admission;
mod answers;
mod chart_rights;
mod chart_values;
mod charts;
mod command_line;
mod deploy;
mod drift;
mod examples;
mod manifest;
mod monitoring;
mod reference;
mod roles;
mod schema;
mod table;
mod yaml;

// Helm itself.
#[path = "../helm/mod.rs"]
mod helm;
