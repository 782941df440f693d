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

/// Everything, or the end of the pass with what is missing.
pub(super) fn all(p: &mut Pass) -> Flow<Prepared> {
    templates::resolve(p)?;
    networks::resolve(p)?;
    addresses::available(p)?;
    let accessors = accessors::resolve(p)?;
    let script = scripts::before_creating(p)?;
    Ok(Prepared { accessors, script })
}
