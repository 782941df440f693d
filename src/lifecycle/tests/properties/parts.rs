//! The parts that are functions of values: differences and updates, names, waits.

use std::time::Duration;

use super::super::cloud::{Cloud, wall};
use super::super::world::UID;
use super::answers;
use super::anything;
use crate::crd::{Applied, PaperspaceMachine};
use crate::lifecycle::diff::{Difference, Mend, diff, update};
use crate::lifecycle::names::{self, Mark};
use crate::lifecycle::step::Step;
use crate::lifecycle::{backoff, desired};
use crate::paperspace::types::{Machine, MachineState, PublicIpType};
use crate::properties::{Dice, check};

#[derive(Debug)]
struct Pair {
    object: PaperspaceMachine,
    applied: Applied,
    machine: Machine,
    change: usize,
}

impl Pair {
    fn diff(&self, machine: &Machine) -> Vec<Difference> {
        let status = crate::crd::PaperspaceMachineStatus { applied: Some(self.applied.clone()), ..Default::default() };
        diff(&self.object, &status, None, machine)
    }
}

/// An object and a machine that is what it asks for.
fn pair(d: &mut Dice) -> Pair {
    let now = wall(Duration::ZERO);
    let mut object = PaperspaceMachine::new("train", anything::valid_spec(d));
    object.metadata.uid = Some(UID.to_owned());
    let any = answers::machine(d, "ps1".to_owned(), now);
    let machine = answers::agreeing(d, &object, any);
    Pair { applied: anything::applied(d), machine, change: d.below(CHANGES.len()), object }
}

/// Whether the field is compared, for this object with this applied.
type Compared = fn(&PaperspaceMachine, &Applied) -> bool;

/// A field that can be read, a change of the machine that shows in it alone, and when it is looked at.
type Change = (&'static str, fn(&mut Machine), Compared);

const CHANGES: [Change; 12] = [
    ("machineName", |m| m.name = "else".to_owned(), |_, _| true),
    ("machineType", |m| m.machine_type = "Z9".to_owned(), |_, _| true),
    ("region", |m| m.region = "Far away (XX1)".to_owned(), |_, _| true),
    ("diskSizeGB", |m| m.storage_total = 321 << 30, |_, _| true),
    ("networkId", |m| m.network_id = None, |o, _| o.spec.network_id.is_some()),
    ("networkId", |m| m.network_id = Some("n9".to_owned()), |o, _| o.spec.network_id.is_some()),
    ("publicIp", |m| m.public_ip_type = PublicIpType::Unknown("v6".to_owned()), |o, _| o.spec.public_ip.is_some()),
    ("autoShutdown", |m| m.auto_shutdown_enabled = !m.auto_shutdown_enabled, shutdown),
    (
        "autoSnapshot",
        |m| m.auto_snapshot_enabled = !m.auto_snapshot_enabled,
        |o, a| o.spec.adopt.is_none() || a.auto_snapshot || o.spec.auto_snapshot.is_some(),
    ),
    (
        "restorePoint",
        |m| m.restore_point_enabled = !m.restore_point_enabled,
        |o, a| o.spec.adopt.is_none() || a.restore_point || o.spec.restore_point.is_some(),
    ),
    ("autoShutdown", |m| m.auto_shutdown_timeout = Some(99.0), |o, _| o.spec.auto_shutdown.is_some()),
    ("autoSnapshot", |m| m.auto_snapshot_save_count = Some(99.0), |o, _| o.spec.auto_snapshot.is_some()),
];

fn shutdown(object: &PaperspaceMachine, applied: &Applied) -> bool {
    object.spec.adopt.is_none() || applied.auto_shutdown || object.spec.auto_shutdown.is_some()
}

fn fields(pair: &Pair) -> Vec<&'static str> {
    pair.diff(&pair.machine).iter().map(|d| d.field).collect()
}

#[test]
fn what_differs_is_reported_and_nothing_else() {
    check(2000, pair, |mut pair| {
        if !fields(&pair).is_empty() {
            return Err(format!("equal, and differs in {:?}", fields(&pair)));
        }
        let (field, change, compared) = CHANGES[pair.change];
        change(&mut pair.machine);
        let expected = if compared(&pair.object, &pair.applied) { vec![field] } else { vec![] };
        if fields(&pair) == expected { Ok(()) } else { Err(format!("{field} changed, differs in {:?}", fields(&pair))) }
    });
}

#[test]
fn what_cannot_be_compared_is_never_reported() {
    check(
        1000,
        |d| (pair(d), answers::machine(d, "other".to_owned(), wall(Duration::from_secs(9)))),
        |(mut pair, other)| {
            let same = pair.machine.clone();
            pair.machine = Machine {
                name: same.name,
                machine_type: same.machine_type,
                storage_total: same.storage_total,
                region: same.region,
                network_id: same.network_id,
                public_ip: same.public_ip,
                public_ip_type: same.public_ip_type,
                auto_shutdown_enabled: same.auto_shutdown_enabled,
                auto_shutdown_timeout: same.auto_shutdown_timeout,
                auto_shutdown_force: same.auto_shutdown_force,
                auto_snapshot_enabled: same.auto_snapshot_enabled,
                auto_snapshot_frequency: same.auto_snapshot_frequency,
                auto_snapshot_save_count: same.auto_snapshot_save_count,
                restore_point_enabled: same.restore_point_enabled,
                restore_point_snapshot_id: same.restore_point_snapshot_id,
                ..other
            };
            if fields(&pair).is_empty() { Ok(()) } else { Err(format!("differs in {:?}", fields(&pair))) }
        },
    );
}

#[test]
fn an_update_mends_what_it_is_made_for_and_touches_nothing_else() {
    check(
        1000,
        |d| (pair(d), answers::machine(d, "ps1".to_owned(), wall(Duration::ZERO))),
        |(mut pair, other)| {
            pair.machine = Machine { state: MachineState::Off, ..other };
            let all = pair.diff(&pair.machine);
            let not_so = |d: &Difference| matches!(d.mend, Mend::Never | Mend::Apart);
            let never: Vec<&str> = all.iter().filter(|d| not_so(d)).map(|d| d.field).collect();
            let mut cloud = Cloud::default();
            cloud.machines.push(pair.machine.clone());
            // Auto-shutdown takes two.
            for _ in 0..2 {
                let all = pair.diff(&cloud.machines[0]);
                let mendable: Vec<_> = all.iter().filter(|d| !not_so(d)).collect();
                let body = update(&pair.object, &cloud.machines[0], &mendable);
                cloud.call(&Step::Update { id: "ps1".to_owned(), body: Box::new(body), resize: false }).map_err(|e| e.to_string())?;
            }
            pair.machine = cloud.machines[0].clone();
            if fields(&pair) == never { Ok(()) } else { Err(format!("still differs in {:?}, for ever in {never:?}", fields(&pair))) }
        },
    );
}

fn hex(d: &mut Dice) -> String {
    (0..40).map(|n| if n == 8 { '-' } else { d.pick(&['0', '9', 'a', 'F', 'f', 'c']) }).collect()
}

#[test]
fn a_machine_is_found_again_by_the_name_that_was_made_for_it() {
    check(
        2000,
        |d| (hex(d), format!("n{}", d.text()), d.text(), d.maybe(|d| d.word(&["prod", "a-b", ""]))),
        |(uid, namespace, name, cluster)| {
            let (mark, cluster) = (Mark::of_uid(&uid), cluster.as_deref());
            let base = names::default_base(&namespace, &name);
            let full = names::machine_name(&base, cluster, &mark);
            let short = full.chars().count() <= 100 + 1 + cluster.map_or(0, |c| c.chars().count() + 1) + 12;
            let found = Mark::of_name(&full).as_ref() == Some(&mark) && names::base_of(&full, cluster) == base;
            if short && found && mark.as_str().len() == 12 { Ok(()) } else { Err(format!("{full:?} of {base:?}, {mark}")) }
        },
    );
}

#[test]
fn a_name_that_was_given_once_is_kept() {
    check(
        2000,
        |d| (pair(d), d.text(), d.maybe(|d| d.word(&["prod", ""]))),
        |(pair, observed, cluster)| {
            let once = desired::full_name(&pair.object, cluster.as_deref(), &observed);
            let twice = desired::full_name(&pair.object, cluster.as_deref(), &once);
            let marked = Mark::of_name(&once) == Some(desired::mark(&pair.object));
            if once == twice && marked { Ok(()) } else { Err(format!("{once:?}, then {twice:?}")) }
        },
    );
}

#[test]
fn any_text_is_read_as_a_name_an_address_a_region_or_is_none() {
    check(
        2000,
        |d| (d.text(), d.text(), hex(d), d.text()),
        |(one, two, uid, any)| {
            let mark = Mark::of_uid(&uid);
            let address = names::address(&one, &two, &mark);
            let read = names::parse_address(&address);
            let whole = !one.contains('/') && !two.contains('/');
            let right = read == whole.then_some((one.as_str(), two.as_str(), mark.as_str()));
            let _ = (names::parse_address(&any), Mark::of_name(&any), names::base_of(&any, Some(&one)), Mark::of_uid(&any));
            let code = names::region_code(&any);
            let region = names::region_code(&code) == code && names::region_code(&any.to_ascii_lowercase()) == code;
            if right && region { Ok(()) } else { Err(format!("{read:?} {code:?}")) }
        },
    );
}

/// A wait by its count, and the seconds that it begins and ends with.
type Wait = (&'static str, fn(u32, &str) -> Duration, u64, u64);

#[test]
fn waits_grow_and_stay_within_their_bounds() {
    check(
        2000,
        |d| (d.pick(&[0, 1, 2, 5, 16, 17, 31, 32, 33, 64, u32::MAX - 1]), d.text()),
        |(count, uid)| {
            let waits: [Wait; 4] = [
                ("failures", backoff::after_failures, 1, 300),
                ("refusals", backoff::after_refusals, 60, 1800),
                ("start", |n, _| backoff::before_start(n), 60, 1800),
                ("repeat", |n, _| backoff::before_repeat(n), 10, 300),
            ];
            for (name, wait, first, last) in waits {
                let (this, next) = (wait(count, &uid), wait(count + 1, &uid));
                let bounded = this >= Duration::from_secs(first) && this <= Duration::from_secs(last).mul_f64(1.2);
                if this > next || !bounded {
                    return Err(format!("{name}: {this:?}, then {next:?}"));
                }
            }
            let (base, spread) = (Duration::from_secs(100), backoff::jittered(Duration::from_secs(100), &uid));
            let fraction = backoff::fraction(&uid);
            let fair = spread >= base && spread <= base.mul_f64(1.2) && (0.0..=1.0).contains(&fraction);
            if fair { Ok(()) } else { Err(format!("{spread:?} {fraction}")) }
        },
    );
}
