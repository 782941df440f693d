//! The subcommands that ask once and print what they found: Paperspace and Kubernetes, where they change nothing, and a running operator.

mod account;
mod adopt_manifest;
mod log;
mod orphans;
mod table;

pub use adopt_manifest::run as adopt_manifest;
pub use log::run as log;
pub use orphans::run as orphans;

/// What a subcommand has to say.
#[derive(Debug)]
pub struct Printed {
    /// For stdout.
    pub result: String,
    /// For stderr, a line each.
    pub notes: Vec<String>,
}
