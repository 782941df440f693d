//! Bringing a machine to its spec: what differs is reported, then mended in place, or while it is off.

use jiff::Timestamp;

use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::crd::{Drift, DriftAction, ResizePolicy, status::time};
use crate::paperspace::types::{Machine, MachineState, PublicIpType};

use super::diff::{self, Difference, Mend};
use super::pass::{Flow, Pass};
use super::resize::refused_resize;
use super::step::{Step, StepKind};
use super::{addresses, attached, power};

/// After so many updates that were accepted and did not show, a person should know: about two minutes.
pub(super) const UNHEARD: u32 = 4;

/// Most entries of `status.drift`, as its schema allows.
const MOST_DRIFT: usize = 32;

/// Whether differences are drift: at this generation the machine was as it should be, or drift was seen already.
pub(super) fn is_drift(p: &Pass) -> bool {
    p.old().and_then(|s| s.condition(crate::crd::conditions::SYNCED)).is_some_and(|synced| {
        synced.observed_generation == p.generation() && (synced.status == "True" || synced.reason == Reason::Drifted.as_str())
    })
}

/// Puts the differences into the status, and what they mean into `Synced`.
pub(super) fn report(p: &mut Pass, machine: &Machine, differences: &[Difference]) {
    let drifted = is_drift(p);
    let now = p.o.now.wall;
    let old = p.old().map(|s| s.drift.clone()).unwrap_or_default();
    p.status.drift = differences.iter().take(MOST_DRIFT).map(|d| entry(d, &old, now)).collect();
    let new: Vec<String> = differences.iter().filter(|d| !old.iter().any(|o| o.field == d.field)).map(ToString::to_string).collect();
    if drifted && !new.is_empty() && !p.observes() {
        p.warning("DriftDetected", format!("machine {} was changed behind the resource's back: {}", machine.id, new.join("; ")));
    }
    p.synced = synced(p, machine, differences, drifted);
}

fn entry(difference: &Difference, old: &[Drift], now: Timestamp) -> Drift {
    let known = old.iter().find(|o| o.field == difference.field);
    Drift {
        field: difference.field.to_owned(),
        desired: difference.desired.clone(),
        observed: difference.observed.clone(),
        since: known.map_or_else(|| time(now), |o| o.since.clone()),
        action: match difference.mend {
            Mend::InPlace | Mend::Apart => DriftAction::Correct,
            Mend::AfterStop => DriftAction::NeedsStop,
            Mend::Never => DriftAction::Report,
        },
    }
}

fn synced(p: &Pass, machine: &Machine, differences: &[Difference], drifted: bool) -> Because {
    if p.observes() {
        return Because::new(Reason::Observed, format!("machine {} is only read", machine.id));
    }
    let said = |mend: Mend| differences.iter().filter(|d| d.mend == mend).map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let has = |mend: Mend| differences.iter().any(|d| d.mend == mend);
    if has(Mend::Never) {
        return Because::new(
            Reason::Unmendable,
            format!(
                "this cannot be changed on machine {}: {}. Make the spec say what the machine is, or create another one",
                machine.id,
                said(Mend::Never)
            ),
        );
    }
    if let Some(error) = refused_resize(p).filter(|_| has(Mend::AfterStop)) {
        return Because::new(Reason::UpdateRejected, format!("{}: {error}", said(Mend::AfterStop)));
    }
    if has(Mend::InPlace) || has(Mend::Apart) {
        let reason = if drifted { Reason::Drifted } else { Reason::Applying };
        let now = differences.iter().filter(|d| matches!(d.mend, Mend::InPlace | Mend::Apart)).map(ToString::to_string);
        return Because::new(reason, format!("being changed: {}", now.collect::<Vec<_>>().join("; ")));
    }
    if has(Mend::AfterStop) {
        if machine.state == MachineState::Off || p.spec().resize_policy == ResizePolicy::StopAndStart {
            return Because::new(Reason::Applying, format!("being changed: {}", said(Mend::AfterStop)));
        }
        return Because::new(
            Reason::PendingStop,
            format!(
                "waits until the machine is off: {}. Stop it (powerState: Stopped), or set resizePolicy: StopAndStart",
                said(Mend::AfterStop)
            ),
        );
    }
    Because::new(Reason::Synced, format!("machine {} is what the spec says", machine.id))
}

/// Whether an update may be sent in this state.
pub(super) fn settled(machine: &Machine) -> bool {
    matches!(machine.state, MachineState::Off | MachineState::Ready)
}

/// One update for everything that can be changed at any time.
pub(super) fn in_place(p: &mut Pass, machine: &Machine, differences: &[Difference]) -> Flow<()> {
    let mut mendable: Vec<&Difference> = differences.iter().filter(|d| d.mend == Mend::InPlace).collect();
    if mendable.iter().any(|d| d.field == "publicIp") && !addresses::may_allocate(p) {
        mendable.retain(|d| d.field != "publicIp");
    }
    if mendable.is_empty() {
        p.memory.troubles.remove(&StepKind::Update);
        p.memory.sent.remove(&StepKind::Update);
        return Ok(());
    }
    if !settled(machine) {
        return Ok(());
    }
    if let Some((because, left)) = p.blocked(StepKind::Update) {
        p.synced = because;
        p.again(left);
        return Ok(());
    }
    let body = diff::update(p.object(), machine, &mendable);
    let written = p.old().and_then(|s| s.applied.as_ref()).and_then(|a| a.allocated_ip.clone());
    if body.public_ip_type.is_some() && p.applied().allocated_ip != written {
        // The address that the machine has is written down before it is taken from it: afterwards nobody could tell whose it was.
        p.again(std::time::Duration::ZERO);
        return Err(p.end(Step::Nothing));
    }
    let has_address = p.applied().allocated_ip.is_some();
    if body.public_ip_type == Some(PublicIpType::Static) && (has_address || !p.applied().static_ip_requested) {
        // The address of before is not needed any more, and this one is written down first: one that comes without a reply must still be
        // known as the operator's.
        attached::release_address(p)?;
        (p.applied().static_ip_requested, p.applied().named_ip) = (true, None);
        p.again(std::time::Duration::ZERO);
        return Err(p.end(Step::Nothing));
    }
    let sent = p.memory.sent.get(&StepKind::Update).map_or(0, |(count, _)| *count);
    let second_step = sent == 1 && two_steps(machine, &mendable);
    let list = mendable.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if sent > 0 {
        if sent >= UNHEARD {
            let message = format!("Paperspace accepts this change and does not make it, tried again ever more slowly: {list}");
            p.synced = Because::new(Reason::UpdateRejected, message);
        }
        // An update that queued work shows only when that is done; one that did not take is sent again, ever more slowly.
        let events = p.machine_events(&machine.id)?;
        if power::unfinished(events).is_some() {
            p.again(p.o.settings.transition);
            return Ok(());
        }
        if let Some(left) = p.sent_recently(StepKind::Update).filter(|_| !second_step) {
            p.again(left);
            return Ok(());
        }
    }
    if sent == 0 || second_step {
        let (reason, what) = if p.synced.reason == Reason::Drifted { ("DriftCorrected", "set back") } else { ("Updated", "changed") };
        p.normal(reason, format!("machine {}: {what} {list}", machine.id));
    }
    p.again(std::time::Duration::ZERO);
    Err(p.end(Step::Update { id: machine.id.clone(), body: Box::new(body), resize: false }))
}

/// Whether this is the second step of a change that takes two: auto-shutdown was disabled to be enabled anew.
fn two_steps(machine: &Machine, differences: &[&Difference]) -> bool {
    !machine.auto_shutdown_enabled && differences.iter().any(|d| d.field == "autoShutdown" && d.desired != "off")
}
