//! Why nothing is sent for an account for a while.

use std::fmt;
use std::time::Duration;

/// What an account is silent about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Several calls in a row were not answered: one look now and then, and nothing else, is sent until one is.
    Unavailable,
    /// The API said 429 and how long to wait.
    RateLimited,
}

/// Nothing is sent for an account, or nothing but the look that finds out whether something may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Why.
    pub cause: Cause,
    /// What the last of the failures was; the same for as long as it lasts.
    pub why: String,
    /// For how long there has been no answer.
    pub lasted: Duration,
    /// When it may be over.
    pub retry_after: Duration,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cause, why, lasted, retry_after } = self;
        let (lasted, retry_after) = (lasted.as_secs(), retry_after.as_secs());
        match cause {
            Cause::Unavailable => write!(f, "not sent: no answer for {lasted} s ({why}); a look is tried in {retry_after} s"),
            Cause::RateLimited => write!(f, "not sent: asked to slow down {lasted} s ago, for another {retry_after} s"),
        }
    }
}
