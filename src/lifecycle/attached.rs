//! What is attached to a machine: its startup script and its static address.

use crate::crd::{PublicIpKind, ReclaimPolicy};
use crate::paperspace::types::{Machine, PublicIpType};

use super::addresses;
use super::diff::static_address;
use super::pass::{Flow, Pass};
use super::scripts::{self, Wanted};
use super::step::{Step, StepKind};

/// The startup script, which cannot be read back from the machine: what was applied is in the status.
pub(super) fn scripts(p: &mut Pass, id: &str) -> Flow<()> {
    let wanted = match scripts::wanted(p) {
        Wanted::Nothing => None,
        Wanted::Script(id) => Some(id),
        // What the machine has stays until there is something to put in its place.
        Wanted::NotYet => return Ok(()),
    };
    let applied = p.applied().startup_script_id.clone();
    if wanted == applied {
        return Ok(());
    }
    let machine = id.to_owned();
    let (step, note) = match (applied, &wanted) {
        (Some(script), _) => (Step::UnassignScript { script: script.clone(), machine }, format!("startup script {script} unassigned")),
        (None, Some(script)) => {
            (Step::AssignScript { script: script.clone(), machine }, format!("startup script {script} assigned; it runs at the next start"))
        }
        (None, None) => return Ok(()),
    };
    if let Some((because, left)) = p.blocked(step.kind()) {
        p.synced = because;
        p.again(left);
        return Ok(());
    }
    // What was assigned is replaced in two steps.
    p.applied().startup_script_id = wanted.filter(|_| matches!(step, Step::AssignScript { .. }));
    p.normal("Updated", format!("machine {id}: {note}"));
    p.again(std::time::Duration::ZERO);
    Err(p.end(step))
}

/// What was set once and is turned off when its field goes; and static addresses that are no longer needed.
pub(super) fn addresses(p: &mut Pass, machine: &Machine) -> Flow<()> {
    let spec = p.spec();
    if p.status.adopted_at.is_some() {
        let applied = p.applied();
        applied.auto_shutdown = spec.auto_shutdown.is_some() || (applied.auto_shutdown && machine.auto_shutdown_enabled);
        applied.auto_snapshot = spec.auto_snapshot.is_some() || (applied.auto_snapshot && machine.auto_snapshot_enabled);
        applied.restore_point = spec.restore_point.is_some() || (applied.restore_point && machine.restore_point_enabled);
    }
    let settled = p.nothing_is_on_its_way();
    if settled && super::desired::named_address(spec).is_none() && p.applied().named_ip.as_deref() != static_address(machine) {
        // What was named once is the team's own, whatever was thought of it before.
        let named = p.applied().named_ip.take();
        if named.is_some() && p.applied().allocated_ip == named {
            forget_address(p);
        }
    }
    if let Some(ip) = spec.public_ip.as_ref().filter(|ip| ip.kind == PublicIpKind::Static) {
        p.applied().retain_ip = ip.reclaim_policy == Some(ReclaimPolicy::Retain);
        return Ok(());
    }
    // A request for an address that came to nothing: one that comes when nothing of ours can be on its way is somebody else's.
    if settled && machine.public_ip_type != PublicIpType::Static && p.applied().allocated_ip.is_none() {
        p.applied().static_ip_requested = false;
    }
    let left_static = spec.public_ip.is_some() && machine.public_ip_type != PublicIpType::Static;
    if left_static { release_address(p) } else { Ok(()) }
}

/// Gives the address back that the operator allocated and that is no longer needed, or leaves it with the team, as `reclaimPolicy` says.
pub(super) fn release_address(p: &mut Pass) -> Flow<()> {
    let Some(ip) = p.applied().allocated_ip.clone() else { return Ok(()) };
    // It is the team's own, whatever was thought of it before.
    if super::desired::named_address(p.spec()) == Some(ip.as_str()) || p.applied().named_ip.as_ref() == Some(&ip) {
        forget_address(p);
        return Ok(());
    }
    let asked = p.spec().public_ip.as_ref().is_some_and(|ip| ip.reclaim_policy == Some(ReclaimPolicy::Retain));
    let retain = p.applied().retain_ip || asked;
    let refused = p.memory.troubles.get(&StepKind::ReleaseIp).filter(|t| t.error.is_refusal()).map(|t| t.error.to_string());
    if let (false, None, Some((because, left))) = (retain, &refused, p.blocked(StepKind::ReleaseIp)) {
        return Err(p.wait(because, Some(left)));
    }
    let kept_by = if retain || refused.is_some() { None } else { addresses::keeper(p, &ip)? };
    forget_address(p);
    if let Some(why) = kept_by {
        p.warning("AddressNotReleased", format!("static address {ip} stays with the team, which goes on paying for it: {why}"));
        return Ok(());
    }
    if retain {
        p.normal("Retained", format!("static address {ip} stays with the team, which goes on paying for it"));
        return Ok(());
    }
    if let Some(error) = refused {
        p.memory.troubles.remove(&StepKind::ReleaseIp);
        p.warning("AddressNotReleased", format!("static address {ip} stays with the team, which goes on paying for it: {error}"));
        return Ok(());
    }
    p.normal("AddressReleased", format!("static address {ip} is no longer needed and is released"));
    p.again(std::time::Duration::ZERO);
    Err(p.end(Step::ReleaseIp { ip }))
}

fn forget_address(p: &mut Pass) {
    let applied = p.applied();
    (applied.allocated_ip, applied.static_ip_requested, applied.retain_ip) = (None, false, false);
}
