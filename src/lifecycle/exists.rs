//! A resource that has its machine: what is seen of it, whether it is still ours, and the order in which it is brought to its spec.

use std::time::Duration;

use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::crd::{ADDRESS_OF_MACHINE, Hardware, RECONCILE_REQUESTED, status::time};
use crate::paperspace::types::{Machine, MachineState};

use super::looks::not_observed;
use super::names::{self, Mark};
use super::pass::{End, Flow, Pass};
use super::step::Step;
use super::{about, accessors, addresses, attached, change, connection, create, diff, networks, power, resize, restart, scripts, vanish};

/// For how long a machine on its way need not be thought about while it looks the same.
const LOOKS_ALIKE: Duration = Duration::from_mins(1);

/// A bound machine.
pub(super) fn decide(p: &mut Pass, id: &str, team: &str) -> End {
    match run(p, id, team) {
        Err(end) => end,
    }
}

fn run(p: &mut Pass, id: &str, team: &str) -> Flow<std::convert::Infallible> {
    let asked_now = p.annotation(RECONCILE_REQUESTED).filter(|a| p.status.handled_reconcile_at.as_deref() != Some(a)).map(str::to_owned);
    // What is quiet is read from the account's list, unless that is older than what is known; what is happening or was asked about is
    // looked at.
    let begun_after = match (&asked_now, p.is_idle()) {
        (Some(_), _) => p.o.began.mono,
        (None, true) => p.memory.looked,
        (None, false) => p.o.began.mono.saturating_sub(p.o.settings.transition),
    };
    let Some(machine) = p.machine(id, begun_after)? else { return Err(vanish::decide(p, id)) };
    p.memory.missing.clear();
    if p.unseen_too_long() && p.look.as_ref().is_some_and(|(_, began, _)| p.o.now.mono.saturating_sub(*began) > p.o.unobserved_for / 2) {
        return Err(p.wait(not_observed(), Some(Duration::from_mins(1))));
    }
    p.status.account = Some(p.account(team));
    p.describe(machine);
    p.memory.looked = p.look.as_ref().map_or(p.memory.looked, |(_, began, _)| p.memory.looked.max(*began));
    if !p.observes() {
        still_ours(p, machine)?;
    }
    if machine.state == MachineState::Provisioning {
        let because = Because::new(Reason::Provisioning, format!("Paperspace is creating machine {id}"));
        p.again_when_different(LOOKS_ALIKE);
        return Err(p.wait(because, None));
    }
    p.status.handled_reconcile_at = asked_now.or(p.status.handled_reconcile_at.take());
    about::look(p, machine)?;
    let unresolved = networks::follow(p)?;
    let differences =
        if p.observes() { Vec::new() } else { diff::diff(p.object(), &p.status, p.o.settings.cluster_id.as_deref(), machine) };
    p.ready = power::view(p, machine);
    change::report(p, machine, &differences);
    if let Some(because) = unresolved {
        p.synced = because;
    }
    report_duplicates(p, id);
    connection::publish(p, machine)?;
    if !p.read_only() {
        change::in_place(p, machine, &differences)?;
        addresses::follow(p, machine)?;
        accessors::follow(p, id)?;
        scripts::follow(p)?;
        attached::scripts(p, id)?;
        scripts::retire(p)?;
        attached::addresses(p, machine)?;
        resize::resize(p, machine, &differences)?;
        restart::decide(p, machine)?;
        power::decide(p, machine)?;
    }
    // A machine that is off and may not be started stays off until somebody else does something, which the list shows.
    let waits = p.read_only() && machine.state == MachineState::Off;
    if p.ready.progress == crate::crd::reason::Progress::Working && !waits {
        if power::is_moving(&machine.state) {
            p.again_when_different(LOOKS_ALIKE);
        } else {
            p.again(p.o.settings.transition);
        }
    }
    if let Some(left) = power::comes_up_in_passing(p, machine) {
        p.again_when_different(left);
        return Err(p.end_quietly(Step::Nothing));
    }
    p.again_before_unseen();
    Err(p.end(Step::Nothing))
}

/// The mark on the machine is this resource's, or was lost (which is drift). Another one's means that it was taken over.
fn still_ours(p: &mut Pass, machine: &Machine) -> Flow<()> {
    if let Some(other) = Mark::of_name(&machine.name).filter(|m| *m != p.mark) {
        let (id, name) = (&machine.id, &machine.name);
        let ways = if p.copied_from() == Some(other.as_str()) {
            "This object was restored from that resource, with its status: delete it, which only drops its finalizer, and restore it without".to_owned()
        } else {
            format!(
                "If it is this resource's, remove that mark from its name ({name}) on Paperspace; else delete this resource, which then only drops its finalizer"
            )
        };
        let because = Because::new(
            Reason::OwnershipLost,
            format!("machine {id} carries the mark {other} of another resource and is not touched any more. {ways}"),
        );
        return Err(p.wait(because, None));
    }
    if let Some(other) = p.copied_from().filter(|_| Mark::of_name(&machine.name).is_none()) {
        let because = Because::new(
            Reason::Restored,
            format!(
                "this object was copied or restored from one with the mark {other}, whose machine {} carries no mark: it is not touched. To bring this object to it, create it with spec.adopt: {{machineId: {}}}",
                machine.id, machine.id
            ),
        );
        return Err(p.wait(because, None));
    }
    let Some(team) = p.status.account.as_ref().map(|a| a.team.clone()) else { return Ok(()) };
    let address = names::address(&team, &machine.id, &p.mark);
    if !p.read_only() && p.annotation(ADDRESS_OF_MACHINE) != Some(&address) {
        // Nothing follows at once on a machine that was just made.
        match machine.state {
            MachineState::Provisioning => p.again_when_different(LOOKS_ALIKE),
            _ => p.again(Duration::ZERO),
        }
        return Err(p.end_quietly(Step::Annotate { address }));
    }
    Ok(())
}

fn report_duplicates(p: &mut Pass, id: &str) {
    let others: Vec<String> =
        create::marked(p.o.marked, &p.mark).iter().filter(|m| m.id != id).map(|m| format!("{} ({})", m.id, m.state)).collect();
    if !others.is_empty() && !p.observes() {
        p.synced = Because::new(
            Reason::Duplicate,
            format!(
                "other machines carry this resource's mark: {}. None is destroyed while the resource lives; destroy or rename what you do not need. Deleting the resource destroys those that it may have made",
                others.join(", ")
            ),
        );
    }
}

impl Pass<'_> {
    /// Puts what is seen of the machine into the status, and says when it came up or went off.
    pub(super) fn describe(&mut self, machine: &Machine) {
        let before = self.old().and_then(|s| s.state.clone());
        let was = |state: &MachineState| before.as_deref() == Some(state.as_str());
        if machine.state == MachineState::Ready && !was(&MachineState::Ready) {
            self.status.started_at = Some(time(self.o.now.wall));
            self.normal("Started", format!("machine {} is on", machine.id));
        }
        if machine.state == MachineState::Off && !was(&MachineState::Off) {
            self.status.stopped_at = Some(time(self.o.now.wall));
            if before.is_some() && !was(&MachineState::Provisioning) {
                self.normal("Stopped", format!("machine {} is off", machine.id));
            }
        }
        let status = &mut self.status;
        status.machine_name = Some(machine.name.clone());
        status.state = Some(machine.state.to_string());
        status.power_state = Some(power::word(&machine.state).to_owned());
        status.public_ip.clone_from(&machine.public_ip);
        status.private_ip.clone_from(&machine.private_ip);
        status.network_id.clone_from(&machine.network_id);
        // While provisioning the hardware is a placeholder.
        if machine.ram > 0 {
            status.hardware = Some(hardware(machine));
        }
        status.hourly_rate_usd = machine.usage_rate.filter(|rate| rate.is_finite()).map(decimal);
        about::note(status, machine);
        addresses::note(self, machine);
    }
}

fn hardware(machine: &Machine) -> Hardware {
    #[expect(clippy::cast_possible_truncation, reason = "a count of CPUs")]
    let cpus = machine.cpus as i32;
    Hardware {
        cpus,
        memory: quantity(machine.ram),
        storage: quantity(machine.storage_total),
        accelerators: machine.accelerators.iter().take(16).map(|a| format!("{}x {}", a.count, a.name)).collect(),
    }
}

/// Bytes as a Kubernetes quantity.
fn quantity(bytes: u64) -> String {
    for (unit, size) in [("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)] {
        if bytes >= size && bytes.is_multiple_of(size) {
            return format!("{}{unit}", bytes / size);
        }
    }
    bytes.to_string()
}

/// Dollars without the noise of binary fractions.
pub(crate) fn decimal(rate: f64) -> String {
    let text = format!("{rate:.4}");
    let short = text.trim_end_matches('0');
    let whole = short.trim_end_matches('.');
    match short.split_once('.') {
        Some((_, cents)) if cents.len() == 1 => format!("{short}0"),
        _ => whole.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_as_prices() {
        for (rate, text) in [(0.51, "0.51"), (0.0045, "0.0045"), (47.6, "47.60"), (3.0, "3"), (0.1 + 0.2, "0.30")] {
            assert_eq!(decimal(rate), text);
        }
    }

    #[test]
    fn bytes_read_as_quantities() {
        for (bytes, text) in [(32_212_254_720, "30Gi"), (536_870_912, "512Mi"), (2048, "2Ki"), (1000, "1000"), (0, "0")] {
            assert_eq!(quantity(bytes), text);
        }
    }
}
