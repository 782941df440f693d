//! What no list of machines says of a machine, and is worth knowing.

use crate::paperspace::types::Machine;

use super::pass::{Flow, Pass};

/// Puts it into the status.
pub(super) fn look(_: &mut Pass, _machine: &Machine) -> Flow<()> {
    Ok(())
}
