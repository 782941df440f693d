//! Startup scripts that the operator makes.

use super::pass::{Flow, Pass};

/// The startup script that a machine is created with; ends the pass while it still has to be made.
pub(super) fn before_creating(p: &mut Pass) -> Flow<Option<String>> {
    Ok(p.spec().startup_script.as_ref().and_then(|s| s.script_id.clone()))
}

/// Keeps the script of a machine that exists up to date.
pub(super) fn follow(_: &mut Pass, _id: &str) -> Flow<()> {
    Ok(())
}

/// Removes what was made for a resource that goes, once its machine is gone.
pub(super) fn remove(_: &mut Pass) -> Flow<()> {
    Ok(())
}
