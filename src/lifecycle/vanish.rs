//! A machine that Paperspace does not find any more.
//!
//! One 404 proves little (a lagging replica, a proxy, another key), and the next step would be a second machine: only 404s for the whole
//! settling time and then two complete lists without it count. A 200 in between starts again.

use std::time::Duration;

use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::crd::{ADDRESS_OF_MACHINE, CreationOutcome, status::time};

use super::pass::{End, Pass};
use super::step::Step;
use super::{adopt, create};

/// The look at the machine was answered with the API's own 404.
pub(super) fn decide(p: &mut Pass, id: &str) -> End {
    let since = *p.memory.missing.entry(id.to_owned()).or_insert(p.o.now.mono);
    if p.spec().adopt.is_some() && p.status.adopted_at.is_none() {
        return adopt::missing(p, id);
    }
    let settled = since + p.o.settings.settle;
    if let Some(left) = settled.checked_sub(p.o.now.mono).filter(|left| !left.is_zero()) {
        return p.wait(not_found(id), Some(left.min(p.o.settings.transition)));
    }
    // The look that brought us here may be older than that: 404 must still be the answer.
    match p.direct(id, settled) {
        Err(end) => return end,
        Ok(Some(_)) => {
            p.memory.missing.clear();
            p.again(Duration::ZERO);
            return p.end_quietly(Step::Nothing);
        }
        Ok(None) => {}
    }
    let mark = p.mark.clone();
    match p.absent_from_two_lists(&format!("machine {id}"), settled, |m| m.id == id || create::carries(m, &mark)) {
        Err(end) => return end,
        Ok(Some(found)) if found.id == id => return p.wait(not_found(id), Some(p.o.settings.transition)),
        // Another machine with the mark is bound by the look that precedes every new attempt.
        Ok(_) => {}
    }
    match p.access(true) {
        Ok(team) => p.status.account = Some(p.account(&team)),
        Err(end) => return end,
    }
    if p.spec().adopt.is_some() || p.observes() {
        return adopt::missing(p, id);
    }
    if p.is_suspended() {
        let because =
            Because::new(Reason::MachineMissing, format!("machine {id} is gone; spec.suspend keeps a new one from being created"));
        return p.wait(because, Some(Duration::from_mins(1)));
    }
    if let Some(other) = p.copied_from() {
        return p.wait(machine_of_another(id, other), Some(Duration::from_mins(1)));
    }
    forget(p, id)
}

/// A backup that has the status restores the id of a machine that this object never had: its end is no reason for a new one.
fn machine_of_another(id: &str, mark: &str) -> Because {
    let message = format!(
        "this object was copied or restored from one with the mark {mark}, whose machine {id} is gone; none is created for it. For a new machine, \
         remove the annotation {ADDRESS_OF_MACHINE}"
    );
    Because::new(Reason::Restored, message)
}

fn not_found(id: &str) -> Because {
    Because::new(Reason::MachineNotFound, format!("Paperspace does not find machine {id}; making sure that it is gone"))
}

/// The machine is gone: the next pass begins a new attempt.
fn forget(p: &mut Pass, id: &str) -> End {
    let now = p.o.now.wall;
    let status = &mut p.status;
    if let Some(creation) = &mut status.creation {
        creation.outcome = CreationOutcome::Expired;
        creation.closed_at = Some(time(now));
    }
    status.machine_id = None;
    status.machine_name = None;
    status.state = None;
    status.power_state = None;
    status.public_ip = None;
    status.private_ip = None;
    status.network_id = None;
    status.hardware = None;
    status.hourly_rate_usd = None;
    (status.os, status.agent_type, status.desktop, status.snapshots, status.updates_pending) = (None, None, None, None, false);
    status.started_at = None;
    status.stopped_at = None;
    status.drift.clear();
    status.operation = None;
    p.memory.missing.clear();
    p.warning("MachineVanished", format!("machine {id} was destroyed behind the resource's back; a new one is created"));
    p.ready = Because::new(Reason::Creating, format!("machine {id} is gone; a new one is created"));
    p.synced = p.ready.clone();
    p.again(Duration::ZERO);
    p.end(Step::Nothing)
}
