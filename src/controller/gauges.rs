//! What `/metrics` shows of the fleet, counted when somebody asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::Context;
use crate::fleet::Account;
use crate::metrics::{MachineLabel, Metrics, NamespaceLabel, ReasonLabel};
use crate::paperspace::types::{Machine, MachineState};

/// So many kinds of machines are told apart. Paperspace says what there is, and may say anything.
const MOST_KINDS: usize = 300;

/// Brings the gauges up to date.
pub(super) fn refresh(context: &Context) {
    let (accounts, metrics) = (context.keys.all_accounts(), &context.metrics);
    let resources: usize = accounts.iter().map(|account| account.counts().1).sum();
    metrics.resources.set(whole(resources));
    let age = accounts.iter().filter(|account| account.counts().1 > 0).map(|account| account.unobserved_for()).max();
    metrics.list_age_seconds.set(age.unwrap_or_default().as_secs_f64());
    machines(metrics, &accounts);
    hourly(metrics, &accounts);
    context.tally.count(metrics, context.clock.now().wall);
    metrics.restrained.clear();
    if let Some(restraint) = context.brake.restraint() {
        metrics.restrained.get_or_create(&ReasonLabel { reason: restraint.reason().as_str() }).set(1);
    }
}

fn machines(metrics: &Metrics, accounts: &[Arc<Account>]) {
    let mut kinds: BTreeMap<MachineLabel, usize> = BTreeMap::new();
    for snapshot in accounts.iter().filter_map(|account| account.snapshot()) {
        for machine in snapshot.machines() {
            let label = kind(machine);
            let label = if kinds.len() < MOST_KINDS || kinds.contains_key(&label) { label } else { other() };
            *kinds.entry(label).or_default() += 1;
        }
    }
    metrics.machines.clear();
    for (label, count) in kinds {
        metrics.machines.get_or_create(&label).set(whole(count));
    }
}

fn kind(machine: &Machine) -> MachineLabel {
    let short = |text: &str| text.chars().take(63).collect();
    MachineLabel { state: short(machine.state.as_str()), machine_type: short(&machine.machine_type), region: short(&machine.region) }
}

fn other() -> MachineLabel {
    let other = || "other".to_owned();
    MachineLabel { state: other(), machine_type: other(), region: other() }
}

fn hourly(metrics: &Metrics, accounts: &[Arc<Account>]) {
    let mut rates: BTreeMap<String, f64> = BTreeMap::new();
    for account in accounts {
        account.each_machine(|namespace, machine| {
            let rate = machine.usage_rate.filter(|rate| rate.is_finite() && machine.state != MachineState::Off).unwrap_or_default();
            match rates.get_mut(namespace) {
                Some(sum) => *sum += rate,
                None => drop(rates.insert(namespace.to_owned(), rate)),
            }
        });
    }
    metrics.hourly_usd.clear();
    for (namespace, rate) in rates {
        // To a hundredth of a cent, without the noise of binary fractions.
        metrics.hourly_usd.get_or_create(&NamespaceLabel { namespace }).set((rate * 1e4).round() / 1e4);
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
