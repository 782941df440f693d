//! Client of the Paperspace API, version 1. Knows nothing of Kubernetes.
//!
//! [`Client`] has one method per call of the API, and one private `send` that all of them go through: it waits for the account's
//! [`Budget`], hands the request to a [`Transport`], reads the reply into a value or an [`Error`] that says what the
//! failure proves, and tells the [`CallObserver`]. It never repeats a request, follows no redirect and caches nothing.

mod account;
pub mod budget;
mod call;
mod client;
pub mod error;
mod machines;
mod networks;
pub mod observe;
pub mod options;
mod paging;
#[cfg(test)]
mod properties;
mod rate;
mod reply;
mod scripts;
mod snapshots;
mod spans;
mod templates;
pub mod text;
pub mod transport;
pub mod types;

pub use budget::{Budget, Permit, Priority, Silence};
pub use client::Client;
pub use error::Error;
pub use observe::{CallObserver, CallRecord};
pub use options::{ClientOptions, ConfigError, DEFAULT_URL};
pub use rate::Rate;
pub use text::clean_text;
pub use transport::{Reply, Transport, install_crypto_provider};
