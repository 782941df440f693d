//! What has to be known, and made, before a machine can be asked for: what names in the spec mean, and the startup script.

use super::pass::{Flow, Pass};
use super::{accessors, addresses, networks, scripts, templates};

/// What goes into the request that creates the machine, besides what the spec says itself and what `status.resolved` says.
pub(super) struct Prepared {
    /// Ids of the users who may use the machine.
    pub(super) accessors: Vec<String>,
    /// The startup script.
    pub(super) script: Option<String>,
}

/// What names in the spec mean, or the end of the pass with what is missing. Nothing is made for it: a new resource is looked through before
/// it gets its finalizer, so that whoever corrects a mistake in it is not taken for somebody who may have lost an attempt.
pub(super) fn names(p: &mut Pass) -> Flow<Vec<String>> {
    templates::resolve(p)?;
    networks::resolve(p)?;
    addresses::available(p)?;
    accessors::resolve(p)
}

/// Everything, or the end of the pass with what is missing.
pub(super) fn all(p: &mut Pass) -> Flow<Prepared> {
    let accessors = names(p)?;
    let script = scripts::before_creating(p)?;
    Ok(Prepared { accessors, script })
}
