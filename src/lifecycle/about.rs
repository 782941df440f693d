//! What is worth knowing of a machine besides what is compared with the spec. Nothing here stands in the way of anything: what cannot be read
//! is not known, and asked about again later.

use std::time::Duration;

use crate::crd::{Desktop, PaperspaceMachineStatus, Snapshots};
use crate::paperspace::types::{self, Machine, MachineState};

use super::diff::address_due;
use super::looks::A_WHILE;
use super::observe::{Listing, Question};
use super::pass::{Flow, Pass};

/// After a list of snapshots that failed.
const AFTER_FAILURE: Duration = Duration::from_mins(1);

/// What every look at a machine shows.
pub(super) fn note(status: &mut PaperspaceMachineStatus, machine: &Machine) {
    let said = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    status.os = said(&machine.os);
    status.agent_type = said(&machine.agent_type);
    status.updates_pending = machine.updates_pending;
}

/// What takes a question of its own: the desktop, and the snapshots.
pub(super) fn look(p: &mut Pass, machine: &Machine) -> Flow<()> {
    desktop(p, machine)?;
    snapshots(p, machine)
}

/// Asked once for each start and address, of machines that have a desktop; the answer holds until the machine is not on any more.
fn desktop(p: &mut Pass, machine: &Machine) -> Flow<()> {
    if machine.state != MachineState::Ready || !machine.agent_type.contains("Desktop") {
        p.status.desktop = None;
        return Ok(());
    }
    let old = p.old().filter(|old| old.state.as_deref() == Some("ready") && old.public_ip == p.status.public_ip);
    if old.is_some_and(|old| old.desktop.is_some()) || address_due(machine) && machine.public_ip.is_none() {
        return Ok(());
    }
    let key = format!("{:?} {:?}", p.status.started_at.as_ref().map(|at| at.0), machine.public_ip);
    let asked = p.memory.desktop_asked.as_ref().filter(|(asked, _)| *asked == key).map(|(_, at)| *at);
    if let Some(left) = asked.and_then(|at| (at + A_WHILE).checked_sub(p.o.now.mono)).filter(|_| p.o.facts.desktop.is_none()) {
        p.again(left);
        return Ok(());
    }
    p.status.desktop = match &p.o.facts.desktop {
        None => {
            p.memory.desktop_asked = Some((key, p.o.now.mono));
            return Err(p.ask(Question::Desktop { id: machine.id.clone() }));
        }
        Some(Ok(found)) => found.as_ref().and_then(reached),
        Some(Err(_)) => None,
    };
    if p.status.desktop.is_none() {
        p.again(A_WHILE);
    }
    Ok(())
}

fn reached(desktop: &types::Desktop) -> Option<Desktop> {
    let (protocol, place) = match (&desktop.vnc, &desktop.windows) {
        (Some(vnc), _) => ("VNC", vnc),
        (None, Some(rdp)) => ("RDP", rdp),
        (None, None) => return None,
    };
    Some(Desktop { protocol: protocol.to_owned(), host: place.hostname.clone(), port: place.port.into() })
}

/// How many snapshots there are, where the spec asks for any. The list is the whole account's, oldest first.
fn snapshots(p: &mut Pass, machine: &Machine) -> Flow<()> {
    let spec = p.spec();
    if spec.auto_snapshot.is_none() && spec.restore_point.is_none() && !spec.take_initial_snapshot {
        p.status.snapshots = None;
        return Ok(());
    }
    let failed = p.memory.snapshots_failed.and_then(|at| (at + AFTER_FAILURE).checked_sub(p.o.now.mono));
    if let Some(left) = failed {
        p.again(left);
        return Ok(());
    }
    if let Some(Err(_)) = &p.o.facts.snapshots {
        p.memory.snapshots_failed = Some(p.o.now.mono);
        p.again(AFTER_FAILURE);
        return Ok(());
    }
    let asked_now = p.old().is_some_and(|old| old.handled_reconcile_at != p.status.handled_reconcile_at);
    let since = if asked_now { p.o.began.mono } else { p.a_while_ago() };
    let list = p.listing(Listing::Snapshots, since, |facts| &facts.snapshots)?;
    p.memory.snapshots_failed = None;
    let own: Vec<_> = list.items.iter().filter(|snapshot| snapshot.machine_id == machine.id).collect();
    p.status.snapshots =
        Some(Snapshots { count: i32::try_from(own.len()).unwrap_or(i32::MAX), newest_id: own.last().map(|snapshot| snapshot.id.clone()) });
    Ok(())
}
