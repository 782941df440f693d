//! A static address that the team owns already.

use crate::paperspace::types::Machine;

use super::pass::{Flow, Pass};

/// Ends the pass where the address that the spec names cannot be given to a machine that is to be created.
pub(super) fn available(_: &mut Pass) -> Flow<()> {
    Ok(())
}

/// Gives the address that the spec names to the machine.
pub(super) fn follow(_: &mut Pass, _machine: &Machine) -> Flow<()> {
    Ok(())
}

/// Takes the address that the spec names from a machine that is to be destroyed, so that it is the team's to use at once.
pub(super) fn give_back(_: &mut Pass, _machine: &Machine) -> Flow<()> {
    Ok(())
}
