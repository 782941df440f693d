//! Client of the Paperspace API, version 1. Knows nothing of Kubernetes.

pub mod error;
pub mod types;

pub use error::Error;
