//! The imperative shell around [`crate::lifecycle`]: it reads, executes and writes, and decides nothing.
//!
//! Start with [`reconcile`]: one pass is gather (answer the core's questions), execute (at most one effect), write (status, then events).

mod awaited;
mod backlog;
mod brake;
mod config_maps;
mod context;
mod credentials;
mod error;
mod execute;
mod gather;
mod gauges;
mod line;
mod objects;
mod operator;
mod orphans;
mod own;
pub mod reconcile;
mod run;
pub mod seen;
mod served;
mod sources;
mod span;
mod tally;
mod watch;

pub use context::{Clock, Context, Nonce, Outside};
pub use error::Error;
pub(crate) use objects::all_resources;
pub use operator::Operator;
pub(crate) use run::kube_client;
pub use run::{Stopped, run};
