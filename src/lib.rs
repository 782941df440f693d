//! Kubernetes operator for Paperspace machines.
//!
//! A `PaperspaceMachine` resource declares a machine; the operator creates, starts, stops, changes and destroys machines through the
//! Paperspace API until the cloud matches, and reports on the resource.
//!
//! # Data flow
//!
//! ```text
//!   watch event | fleet change | key change | requeue
//!        |
//!        v
//!   controller::reconcile          one pass over one resource
//!        |  1 gather               the object, fresh; answers to the core's questions ----> fleet ----> paperspace ----> API
//!        |  2 decide               lifecycle::decide: pure; a step, the whole status, events, when to look again
//!        |  3 execute              at most one effect on Kubernetes or Paperspace
//!        |  4 write                status if it differs, then events
//!        v  5 requeue
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`crd`] | the Kubernetes API: schema, CEL rules, conditions; no behaviour |
//! | [`lifecycle`] | the pure core: what to do, decided from values |
//! | [`controller`] | the imperative shell around it |
//! | [`command`] | the subcommands that ask once and end: orphans, manifests to adopt, the log |
//! | [`fleet`] | what is known of an account's machines: one shared list |
//! | [`paperspace`] | the API client; knows nothing of Kubernetes |
//! | [`simulator`] | a faithful Paperspace API to develop and test against |
//! | [`leader`] | who of several operators may act |
//! | [`shard`] | which resources are this operator's, of several |
//! | `selector` | label selectors as people write them |
//! | [`args`], [`server`], [`metrics`], [`telemetry`], [`admin`] | command line, probes, counters, logs and traces, who changes the logs |
//!
//! To understand the operator read [`controller::reconcile`], then [`lifecycle::decide`].

pub mod admin;
pub mod args;
pub mod command;
pub mod controller;
pub mod crd;
pub mod fleet;
pub mod leader;
pub mod lifecycle;
pub mod metrics;
pub mod paperspace;
#[cfg(test)]
mod properties;
mod selector;
pub mod server;
pub mod shard;
pub mod simulator;
pub mod telemetry;
