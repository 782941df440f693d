//! Client of the Paperspace API, version 1. Knows nothing of Kubernetes.

pub mod error;
pub mod types;

pub use error::Error;

/// The public API.
pub const DEFAULT_URL: &str = "https://api.paperspace.com/v1";
