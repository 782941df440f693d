//! Taking over a machine that exists: nothing is written to it before it is known to be free and, with `onDifference: Hold`, equal to the spec.
//!
//! The first write is the claim: this resource's mark on its name.

use std::time::Duration;

use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::crd::{Adopt, OnDifference, PowerState, status::time};
use crate::paperspace::types::{Machine, MachineState, UpdateMachine};

use super::desired;
use super::diff::{self, Difference, Mend};
use super::looks::A_WHILE;
use super::names::Mark;
use super::pass::{End, Flow, Pass};
use super::step::{Step, StepKind};
use super::{accessors, change, networks, power, script_attempt, scripts};

/// Naming a machine takes a key of one's own, to take it over and to look at it alike. Ends the pass where that is missing.
pub(super) fn allowed(p: &mut Pass) -> Flow<()> {
    if p.spec().credentials_ref.is_some() || p.o.settings.adopt_with_default_key {
        return Ok(());
    }
    let message = "naming a machine with the operator's own key would let anyone who may create resources take over or look at any machine of the team: \
                   set spec.credentialsRef, or run the operator with --allow-adopt-with-default-key";
    Err(p.wait(Because::new(Reason::DefaultKeyNotAllowed, message), None))
}

/// A resource that adopts and has not claimed its machine yet.
pub(super) fn decide(p: &mut Pass, adopt: &Adopt, team: &str) -> End {
    let machine = match p.machine(&adopt.machine_id, p.o.began.mono.saturating_sub(p.o.settings.transition)) {
        Err(end) => return end,
        Ok(None) => return missing(p, &adopt.machine_id),
        Ok(Some(machine)) => machine,
    };
    p.status.account = Some(p.account(team));
    p.status.machine_id = Some(machine.id.clone());
    p.describe(machine);
    // Coming up and going off before it was ours is not this resource's story.
    p.events.clear();
    p.ready = power::view(p, machine);
    match Mark::of_name(&machine.name) {
        Some(mark) if mark == p.mark => return claimed(p, machine),
        Some(mark) if adopt.replace_mark.as_deref() != Some(mark.as_str()) => return owned_elsewhere(p, machine, &mark),
        _ => {}
    }
    if machine.state == MachineState::Provisioning || p.is_suspended() {
        let because = Because::new(Reason::Applying, format!("machine {} is not claimed yet", machine.id));
        p.synced = because;
        if !p.is_suspended() {
            p.again(p.o.settings.transition);
        }
        return p.end(Step::Nothing);
    }
    let unresolved = match networks::follow(p) {
        Ok(unresolved) => unresolved,
        Err(end) => return end,
    };
    if let Some(because) = unresolved {
        p.synced = because;
        return p.end(Step::Nothing);
    }
    if let Some(end) = held_back(p, adopt, machine) {
        return end;
    }
    if let Some((because, left)) = p.blocked(StepKind::Update) {
        p.synced = because;
        p.again(left);
        return p.end(Step::Nothing);
    }
    let name = desired::full_name(p.object(), p.o.settings.cluster_id.as_deref(), &machine.name);
    p.synced = Because::new(Reason::Applying, format!("claiming machine {} by naming it {name}", machine.id));
    if let Some(left) = p.sent_recently(StepKind::Update) {
        p.again(left);
        return p.end(Step::Nothing);
    }
    p.again(Duration::ZERO);
    p.end(Step::Update {
        id: machine.id.clone(),
        body: Box::new(UpdateMachine { name: Some(name), ..UpdateMachine::default() }),
        resize: false,
    })
}

/// The end of the pass, if the spec differs in a way that forbids any write.
fn held_back(p: &mut Pass, adopt: &Adopt, machine: &Machine) -> Option<End> {
    let mut differences = diff::diff(p.object(), &p.status, p.o.settings.cluster_id.as_deref(), machine);
    differences.retain(|d| d.field != "machineName" || p.spec().machine_name.is_some() && !only_the_mark(p, machine));
    differences.extend(power_difference(p, machine));
    let hold = adopt.on_difference == OnDifference::Hold;
    differences.retain(|d| hold || d.mend == Mend::Never);
    let mut again = p.o.settings.transition.max(Duration::from_secs(30));
    if hold && differences.is_empty() {
        match accessors::difference(p, &machine.id) {
            Ok(people) => differences.extend(people),
            Err(end) => return Some(end),
        }
        // No list of machines shows who may use one.
        again = A_WHILE;
    }
    change::report(p, machine, &differences);
    if differences.is_empty() {
        return None;
    }
    let list = differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let way_on = if hold {
        "Nothing is written until the spec equals the machine"
    } else {
        "These cannot be changed: make the spec equal the machine"
    };
    p.synced = Because::new(Reason::AdoptedDiffers, format!("machine {} differs: {list}. {way_on}", machine.id));
    p.again(again);
    Some(p.end(Step::Nothing))
}

/// Whether the machine's name is the one asked for, but for the mark that the claim adds.
fn only_the_mark(p: &Pass, machine: &Machine) -> bool {
    super::names::base_of(&machine.name, p.o.settings.cluster_id.as_deref()) == desired::base_name(p.object())
}

/// Power counts too: a machine that is off would be started.
fn power_difference(p: &Pass, machine: &Machine) -> Option<Difference> {
    let (desired, equal) = match p.spec().power_state {
        PowerState::Manual => return None,
        PowerState::Running => ("Running", !matches!(machine.state, MachineState::Off | MachineState::Stopping)),
        PowerState::Stopped => ("Stopped", matches!(machine.state, MachineState::Off | MachineState::Stopping)),
    };
    (!equal).then(|| Difference {
        field: "powerState",
        desired: desired.to_owned(),
        observed: power::word(&machine.state).to_owned(),
        mend: Mend::InPlace,
    })
}

fn claimed(p: &mut Pass, machine: &Machine) -> End {
    if p.status.owned_script.is_none() && !scripts::none_was_tried(p) {
        // It may have been claimed before, and have got a startup script then.
        let team = p.status.account.as_ref().map(|a| a.team.clone()).unwrap_or_default();
        p.status.owned_script = Some(script_attempt::placeholder(p, &team, None));
    }
    p.status.adopted_at = Some(time(p.o.now.wall));
    p.status.handled_restart_at = p.annotation(crate::crd::RESTART_REQUESTED).map(str::to_owned);
    p.status.handled_reconcile_at = p.annotation(crate::crd::RECONCILE_REQUESTED).map(str::to_owned);
    p.status.drift.clear();
    p.normal("Adopted", format!("machine {} ({}) is managed by this resource now", machine.id, machine.name));
    p.synced = Because::new(Reason::Applying, format!("machine {} was claimed", machine.id));
    p.again(Duration::ZERO);
    p.end(Step::Nothing)
}

fn owned_elsewhere(p: &mut Pass, machine: &Machine, mark: &Mark) -> End {
    let because = Because::new(
        Reason::OwnedElsewhere,
        format!(
            "machine {} ({}) carries the mark {mark} of another resource. If that resource is gone or gives it up, create this one with adopt.replaceMark: {mark}",
            machine.id, machine.name
        ),
    );
    p.wait(because, Some(Duration::from_mins(1)))
}

/// There is no such machine: nothing is created in its place.
pub(super) fn missing(p: &mut Pass, id: &str) -> End {
    let because = Because::new(
        Reason::MachineMissing,
        format!(
            "Paperspace has no machine {id} in this account. An adopted or observed machine is not created anew: correct adopt.machineId, or delete the resource"
        ),
    );
    p.wait(because, Some(Duration::from_mins(1)))
}
