//! What is known of an account's machines: one shared list per account, however many resources there are.
//!
//! An account is a Paperspace team. All its resources, whichever keys they use, share one budget, one list every poll interval and one
//! snapshot made from it. Only the resources whose machine changed are woken. A snapshot knows when its list *began*: what is decided on
//! says how fresh it has to be.

mod account;
mod belongings;
mod destroyed;
mod interest;
mod keys;
mod listing;
mod poll;
#[cfg(test)]
mod pressure;
mod snapshot;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;

pub use account::Account;
pub use belongings::Belongings;
pub use interest::{Interest, Seen, Wake};
pub use keys::{Keys, Opened, Setup};
pub use listing::{Complete, Listing, Listings};
pub use snapshot::{Changes, Snapshot};
