//! Whose static addresses are, and the one that the team owns already and the spec names.
//!
//! An address that the operator had allocated is released when it is no longer needed; one that was the team's before never is, since it
//! cannot be had back. What tells them apart is written down: `allocatedIp` and `staticIpRequested` for the one, `namedIp` for the other. It
//! rests on this:
//!
//! - An address that the spec names, or named last, is never taken for the allocated one, and if it was that before, it no longer is.
//! - Only one of both is on its way at a time. No address is given while an allocation may still come to something, and none is asked for
//!   while a named one may still arrive: until then the first static address that shows after a request is the one that was asked for.
//! - What is asked for is written down before it is asked for, so that nothing of this is lost with a reply or a process.
//! - Addresses are given, taken and released on a list of the team's addresses that was made just now. What another machine has is neither
//!   taken from it nor released.

use std::time::Duration;

use crate::crd::PublicIpKind;
use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::paperspace;
use crate::paperspace::types::{Machine, PublicIp};

use super::attached;
use super::change::{self, UNHEARD};
use super::desired::named_address;
use super::diff::static_address;
use super::looks::trouble_with;
use super::names::{Mark, region_code};
use super::observe::Listing;
use super::pass::{Flow, Pass};
use super::step::{Step, StepKind};

/// How often an address that cannot be had is looked at.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// So many of the team's free addresses are named in a message.
const MOST_SHOWN: usize = 8;

/// Remembers whose the machine's static address is.
pub(super) fn note(p: &mut Pass, machine: &Machine) {
    if let Some(named) = named_address(p.spec()).filter(|_| !p.observes() || p.status.applied.is_some()) {
        let applied = p.applied();
        if applied.allocated_ip.as_deref() == Some(named) || applied.allocated_ip == applied.named_ip {
            (applied.allocated_ip, applied.static_ip_requested) = (None, applied.static_ip_requested && applied.allocated_ip.is_none());
        }
        applied.named_ip = Some(named.to_owned());
    }
    let Some(applied) = &mut p.status.applied else { return };
    let address = static_address(machine).filter(|address| applied.named_ip.as_deref() != Some(address));
    // The first static address after this resource asked for one is the one that was allocated for it.
    if applied.static_ip_requested && applied.allocated_ip.is_none() {
        applied.allocated_ip = address.map(str::to_owned);
    }
}

/// Whether an address may be asked for: not while one that the spec named may still arrive.
pub(super) fn may_allocate(p: &mut Pass) -> bool {
    let asks = p.spec().public_ip.as_ref().is_some_and(|ip| ip.kind == PublicIpKind::Static);
    let waits = asks && p.applied().named_ip.is_some() && !p.nothing_is_on_its_way();
    if waits {
        p.again(p.o.settings.transition);
    }
    !waits
}

/// Ends the pass where the address that the spec names cannot be given to a machine that is to be created.
pub(super) fn available(p: &mut Pass) -> Flow<()> {
    let Some(named) = named_address(p.spec()) else { return Ok(()) };
    let list = p.listing(Listing::PublicIps, p.just_now(), |facts| &facts.public_ips)?;
    match obstacle(&list.items, named, &p.spec().region, None) {
        None => Ok(()),
        Some(why) => Err(p.wait(Because::new(Reason::AddressUnavailable, why), Some(LOOK_AGAIN))),
    }
}

/// Gives the address that the spec names to the machine; then what was allocated before is no longer needed. What stands in the way stops
/// nothing else.
pub(super) fn follow(p: &mut Pass, machine: &Machine) -> Flow<()> {
    let Some(named) = named_address(p.spec()) else { return Ok(()) };
    if p.applied().static_ip_requested && p.applied().allocated_ip.is_none() {
        if !p.nothing_is_on_its_way() {
            p.again(p.o.settings.transition);
            return Ok(());
        }
        p.applied().static_ip_requested = false;
    }
    if static_address(machine) == Some(named) {
        p.memory.troubles.remove(&StepKind::AssignIp);
        p.memory.sent.remove(&StepKind::AssignIp);
        return attached::release_address(p);
    }
    if !change::settled(machine) {
        return Ok(());
    }
    if let Some((because, left)) = p.blocked(StepKind::AssignIp) {
        p.synced = because;
        p.again(left);
        return Ok(());
    }
    let list = match all(p)? {
        Ok(list) => list,
        Err(error) => {
            p.synced = trouble_with(error);
            p.again(LOOK_AGAIN);
            return Ok(());
        }
    };
    if let Some(why) = obstacle(list, named, &p.spec().region, Some(&machine.id)) {
        p.synced = Because::new(Reason::AddressUnavailable, why);
        p.again(LOOK_AGAIN);
        return Ok(());
    }
    give(p, machine, named)
}

fn give(p: &mut Pass, machine: &Machine, named: &str) -> Flow<()> {
    let written = p.old().and_then(|s| s.applied.clone()).unwrap_or_default();
    if *p.applied() != written {
        // Whose the addresses are is written down before they change: afterwards nobody could tell.
        p.again(Duration::ZERO);
        return Err(p.end(Step::Nothing));
    }
    let sent = p.memory.sent.get(&StepKind::AssignIp).map_or(0, |(count, _)| *count);
    if sent >= UNHEARD {
        let message = format!("Paperspace accepts that machine {} is to have {named} and does not do it; tried again slowly", machine.id);
        p.synced = Because::new(Reason::UpdateRejected, message);
    }
    if let Some(left) = p.sent_recently(StepKind::AssignIp) {
        p.again(left);
        return Ok(());
    }
    if sent == 0 {
        let (reason, what) = if p.synced.reason == Reason::Drifted { ("DriftCorrected", "again") } else { ("Updated", "now") };
        p.normal(reason, format!("machine {}: static address {named}, {what}", machine.id));
    }
    p.again(Duration::ZERO);
    Err(p.end(Step::AssignIp { ip: named.to_owned(), machine: Some(machine.id.clone()) }))
}

/// Takes the address that the spec names, or named last, from a machine that is to be destroyed, so that it is the team's to use at once.
/// It is the team's anyway: a refusal keeps no machine.
pub(super) fn give_back(p: &mut Pass, machine: &Machine) -> Flow<()> {
    let named = named_address(p.spec()).map(str::to_owned).or_else(|| p.applied().named_ip.clone());
    let Some(ip) = static_address(machine).filter(|ip| named.as_deref() == Some(ip)) else { return Ok(()) };
    let refused = p.memory.troubles.get(&StepKind::UnassignIp).is_some_and(|t| t.error.is_refusal());
    if refused || p.sent_recently(StepKind::UnassignIp).is_some() {
        return Ok(());
    }
    if let Some((because, left)) = p.blocked(StepKind::UnassignIp) {
        return Err(p.wait(because, Some(left)));
    }
    let list = match all(p)? {
        Ok(list) => list,
        Err(error) if error.is_refusal() => return Ok(()),
        Err(error) => return Err(p.look_failed(error)),
    };
    let has_it = list.iter().any(|row| row.ip == ip && row.assigned_machine_id.as_ref() == Some(&machine.id));
    if !has_it {
        return Ok(());
    }
    p.again(Duration::ZERO);
    Err(p.end(Step::AssignIp { ip: ip.to_owned(), machine: None }))
}

/// Why an address that the operator allocated must not be released: another machine has it by now, or that cannot be told.
pub(super) fn keeper(p: &mut Pass, ip: &str) -> Flow<Option<String>> {
    let list = match all(p)? {
        Ok(list) => list,
        Err(error) if error.is_refusal() => return Ok(Some(format!("whether another machine has it cannot be told: {error}"))),
        Err(error) => return Err(p.look_failed(error)),
    };
    let Some(id) = list.iter().find(|row| row.ip == ip).and_then(|row| row.assigned_machine_id.as_ref()) else { return Ok(None) };
    if p.status.machine_id.as_ref() == Some(id) || p.memory.accepted.contains(id) {
        return Ok(None);
    }
    // It may be one of ours that is gone, or goes. The look is no look at the resource's machine.
    let look = p.look.take();
    let other = p.direct(id, p.o.began.mono);
    p.look = look;
    let other = other?.filter(|m| Mark::of_name(&m.name).as_ref() != Some(&p.mark));
    Ok(other.map(|m| format!("machine {} ({}) has it", m.id, m.name)))
}

/// The team's addresses as they are now, or why they could not be read.
fn all<'a>(p: &mut Pass<'a>) -> Flow<Result<&'a [PublicIp], &'a paperspace::Error>> {
    if let Some(Err(error)) = &p.o.facts.public_ips {
        return Ok(Err(error));
    }
    let list = p.listing(Listing::PublicIps, p.just_now(), |facts| &facts.public_ips)?;
    Ok(Ok(&list.items))
}

/// Why the address cannot be given to this machine, or to one that is still to be made; what could is said too.
fn obstacle(all: &[PublicIp], named: &str, region: &str, machine: Option<&str>) -> Option<String> {
    let region = region_code(region);
    let why = match all.iter().find(|row| row.ip == named) {
        None => format!("static address {named} is not the team's"),
        Some(row) if region_code(&row.region) != region => {
            format!("static address {named} is in {}, the machine in {region}", region_code(&row.region))
        }
        Some(row) => match &row.assigned_machine_id {
            Some(other) if machine != Some(other) => format!("machine {other} has static address {named}, and it is not taken from it"),
            _ => return None,
        },
    };
    let free: Vec<&str> = all
        .iter()
        .filter(|row| row.assigned_machine_id.is_none() && region_code(&row.region) == region)
        .map(|row| row.ip.as_str())
        .collect();
    let shown = free.iter().take(MOST_SHOWN).copied().collect::<Vec<_>>().join(", ");
    let free = match free.len() {
        0 => format!("the team has no free address in {region}"),
        n if n > MOST_SHOWN => format!("free in {region}: {shown} and {} more", n - MOST_SHOWN),
        _ => format!("free in {region}: {shown}"),
    };
    Some(format!("{why}; {free}. Name another in spec.publicIp.address, or leave it out to have one allocated"))
}
