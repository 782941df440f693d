//! The subcommands that ask Paperspace and Kubernetes once, print what they found, and change nothing.

mod account;
mod adopt_manifest;
mod orphans;
mod table;

pub use adopt_manifest::run as adopt_manifest;
pub use orphans::run as orphans;

/// What a subcommand has to say.
#[derive(Debug)]
pub struct Printed {
    /// For stdout.
    pub result: String,
    /// For stderr, a line each.
    pub notes: Vec<String>,
}
