//! What is promised of addresses, and of what is published of them.

use std::time::Duration;

use super::cases::{Case, Decided, before, deleting, ensure, is_anothers, is_ours, seen};
use crate::crd::*;
use crate::lifecycle::decide::deletion_policy;
use crate::lifecycle::desired::named_address;
use crate::lifecycle::observe::ConfigMapLook;
use crate::lifecycle::step::Step;
use crate::paperspace::clean_text;

pub(super) fn an_address_is_given_back_only_if_it_was_allocated_here_and_is_not_needed_any_more(
    case: &Case,
    decided: &Decided,
) -> Result<(), String> {
    let Step::ReleaseIp { ip } = &decided.decision.step else { return Ok(()) };
    let spec = &case.object.spec;
    let applied = before(case).applied.unwrap_or_default();
    let allocated = applied.allocated_ip.as_ref() == Some(ip);
    let on_a_machine = applied.static_ip_requested
        && decided
            .facts
            .direct
            .values()
            .chain(decided.facts.machines.values())
            .any(|look| look.as_ref().is_ok_and(|l| l.machine.as_ref().is_some_and(|m| m.public_ip.as_ref() == Some(ip))));
    ensure(allocated || on_a_machine, "not the operator's")?;
    let asked = spec.public_ip.as_ref().is_some_and(|ip| ip.reclaim_policy == Some(ReclaimPolicy::Retain));
    ensure(!applied.retain_ip && !asked, "retained")?;
    ensure(!deleting(case) || deletion_policy(spec) == DeletionPolicy::Delete && !spec.deletion_protection, "held")?;
    let status = &decided.decision.status;
    ensure(status.applied.as_ref().is_none_or(|a| a.allocated_ip.is_none()), "would be given back again")?;
    // The machine at hand has an address of another kind, or there is none, or it goes.
    let keeps = before(case).machine_id.and_then(|id| seen(decided, &id).cloned());
    let still =
        keeps.is_some_and(|m| m.public_ip.as_ref() == Some(ip) && m.public_ip_type == crate::paperspace::types::PublicIpType::Static);
    ensure(deleting(case) || !still, "in use by the machine")?;
    ensure(named_address(spec) != Some(ip) && applied.named_ip.as_ref() != Some(ip), "the team's own")?;
    let list = decided.facts.public_ips.as_ref().and_then(|l| l.as_ref().ok()).ok_or("the team's addresses were not looked at")?;
    let Some(other) = list.items.iter().find(|row| row.ip == *ip).and_then(|row| row.assigned_machine_id.as_ref()) else { return Ok(()) };
    let known = before(case).machine_id.as_ref() == Some(other) || case.memory.accepted.contains(other);
    let direct = decided.facts.direct.get(other).and_then(|look| look.as_ref().ok()).and_then(|look| look.machine.as_ref());
    ensure(known || direct.is_none_or(|m| m.dt_deleted.is_some() || is_ours(m)), "another machine has it")
}

pub(super) fn an_address_of_the_teams_own_goes_only_to_and_from_the_resources_machine(
    case: &Case,
    decided: &Decided,
) -> Result<(), String> {
    let Step::AssignIp { ip, machine } = &decided.decision.step else { return Ok(()) };
    let (spec, status) = (&case.object.spec, before(case));
    let list = decided.facts.public_ips.as_ref().and_then(|l| l.as_ref().ok()).ok_or("the team's addresses were not looked at")?;
    ensure(list.began + Duration::from_secs(5) >= case.began.mono, "an old list")?;
    let row = list.items.iter().find(|row| row.ip == *ip).ok_or("not the team's")?;
    let applied = status.applied.clone().unwrap_or_default();
    let Some(id) = machine else {
        let from = row.assigned_machine_id.as_ref().ok_or("nobody has it")?;
        ensure(deleting(case) && deletion_policy(spec) == DeletionPolicy::Delete, "the machine is not to go")?;
        ensure(seen(decided, from).is_some_and(|m| !is_anothers(m) && m.public_ip.as_ref() == Some(ip)), "another machine has it")?;
        return ensure(named_address(spec) == Some(ip) || applied.named_ip.as_ref() == Some(ip), "not named");
    };
    ensure(named_address(spec) == Some(ip) && !deleting(case), "not asked for")?;
    ensure(seen(decided, id).is_some_and(|m| !is_anothers(m)), "another's machine")?;
    ensure(row.assigned_machine_id.as_ref().is_none_or(|other| other == id), "another machine has it")?;
    ensure(applied.named_ip.as_ref() == Some(ip) && applied.allocated_ip.as_ref() != Some(ip), "not written down")?;
    ensure(!applied.static_ip_requested || applied.allocated_ip.is_some(), "an allocation may still come")
}

pub(super) fn what_the_spec_names_is_never_taken_for_what_was_allocated(case: &Case, decided: &Decided) -> Result<(), String> {
    let allocated = |s: &PaperspaceMachineStatus| s.applied.as_ref().and_then(|a| a.allocated_ip.clone());
    let (old, new) = (allocated(&before(case)), allocated(&decided.decision.status));
    let named = named_address(&case.object.spec).map(str::to_owned);
    ensure(new.is_none() || new != named || new == old, "it is")?;
    ensure(
        !(named.is_some() && matches!(decided.decision.step, Step::Update { ref body, .. } if body.public_ip_type.is_some())),
        "allocates",
    )
}

pub(super) fn a_config_map_is_only_written_where_it_is_the_resources(case: &Case, decided: &Decided) -> Result<(), String> {
    let wanted = case.object.spec.write_connection_to.as_ref().map(|to| &to.config_map_name);
    let published = before(case).applied.and_then(|a| a.connection);
    match &decided.decision.step {
        Step::WriteConfigMap { name, data } => {
            ensure(wanted == Some(name) && published.as_ref() == Some(name) && !deleting(case), "not asked for, or not written down")?;
            ensure(matches!(decided.facts.config_maps.get(name), Some(ConfigMapLook::Absent | ConfigMapLook::Ours { .. })), "another's")?;
            let known = ["host", "privateIp", "user", "machineId"];
            ensure(data.iter().all(|(k, v)| known.contains(&k.as_str()) && *v == clean_text(v)), "other keys, or text as it came")
        }
        Step::DeleteConfigMap { name } => {
            ensure(wanted != Some(name) && published.as_ref() == Some(name) && !deleting(case), "still asked for, or never published")?;
            ensure(matches!(decided.facts.config_maps.get(name), Some(ConfigMapLook::Ours { .. })), "another's")
        }
        _ => Ok(()),
    }
}
