//! What an account has that belongs to no living resource of this cluster: shown and counted, never acted on.
//!
//! Whether something belongs to a resource is asked generously: what is called an orphan, somebody may destroy by hand.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::names::{self, Mark, region_code};
use crate::crd::{ADDRESS_OF_MACHINE, PaperspaceMachine};
use crate::paperspace::types::{Machine, MachineState, PublicIp, StartupScript};

/// Something on Paperspace that a resource has or names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// A machine's id.
    Machine(Box<str>),
    /// The mark on the names of what was made for it.
    Mark(Mark),
    /// A startup script's id.
    Script(Box<str>),
    /// A static address.
    Address(Box<str>),
}

/// What the resource has or names. One that is being deleted has it until it is gone.
pub fn named_by(object: &PaperspaceMachine) -> Box<[Named]> {
    let (spec, status) = (&object.spec, object.status.as_ref());
    let applied = status.and_then(|s| s.applied.as_ref());
    // One that was restored has another uid and no status: its machine waits for it.
    let address = object.metadata.annotations.as_ref().and_then(|a| a.get(ADDRESS_OF_MACHINE));
    let address = address.and_then(|address| names::parse_address(address));
    let machines =
        [status.and_then(|s| s.machine_id.as_deref()), spec.adopt.as_ref().map(|a| &*a.machine_id), address.map(|(_, id, _)| id)];
    let marks = [object.metadata.uid.as_deref().map(Mark::of_uid), address.and_then(|(_, _, mark)| Mark::of_name(&format!("-{mark}")))];
    let scripts = [
        spec.startup_script.as_ref().and_then(|s| s.script_id.as_deref()),
        applied.and_then(|a| a.startup_script_id.as_deref()),
        status.and_then(|s| s.owned_script.as_ref()?.script_id.as_deref()),
    ];
    let addresses = [spec.public_ip.as_ref().and_then(|ip| ip.address.as_deref()), applied.and_then(|a| a.allocated_ip.as_deref())];
    let all = machines.into_iter().flatten().map(|id| Named::Machine(id.into()));
    let all = all.chain(marks.into_iter().flatten().map(Named::Mark));
    let all = all.chain(scripts.into_iter().flatten().map(|id| Named::Script(id.into())));
    let all: BTreeSet<Named> = all.chain(addresses.into_iter().flatten().map(|ip| Named::Address(ip.into()))).collect();
    all.into_iter().collect()
}

/// What the living resources have or name.
#[derive(Clone, Debug, Default)]
pub struct Living {
    machines: BTreeSet<String>,
    marks: BTreeSet<Mark>,
    scripts: BTreeSet<String>,
    addresses: BTreeSet<String>,
}

impl Living {
    /// Of these resources.
    pub fn of<'a>(objects: impl IntoIterator<Item = &'a PaperspaceMachine>) -> Self {
        let mut living = Self::default();
        for object in objects {
            living.add(&named_by(object));
        }
        living
    }

    /// What one more resource has or names.
    pub fn add(&mut self, named: &[Named]) {
        for one in named {
            match one {
                Named::Machine(id) => drop(self.machines.insert(id.to_string())),
                Named::Mark(mark) => drop(self.marks.insert(mark.clone())),
                Named::Script(id) => drop(self.scripts.insert(id.to_string())),
                Named::Address(ip) => drop(self.addresses.insert(ip.to_string())),
            }
        }
    }

    /// What these have or name, too.
    pub fn extend(&mut self, other: Self) {
        let Self { machines, marks, scripts, addresses } = other;
        self.machines.extend(machines);
        self.marks.extend(marks);
        self.scripts.extend(scripts);
        self.addresses.extend(addresses);
    }

    fn has_machine(&self, id: &str, name: &str) -> bool {
        self.machines.contains(id) || self.has_mark(name)
    }

    fn has_mark(&self, name: &str) -> bool {
        Mark::of_name(name).is_some_and(|mark| self.marks.contains(&mark))
    }
}

/// What an orphan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A machine.
    Machine,
    /// A startup script that an operator made.
    Script,
    /// A static address that no machine has.
    Address,
}

impl Kind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Script => "script",
            Self::Address => "address",
        }
    }
}

/// Why it belongs to no resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It carries no mark: made by hand.
    Unmarked,
    /// It carries a mark, with this cluster's id where that is known: its resource is gone.
    Marked,
    /// It carries a mark without this cluster's id: another cluster's, or made before this one had an id.
    OtherCluster,
    /// An address that no machine has.
    Unassigned,
}

impl Why {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unmarked, Self::Marked, Self::OtherCluster, Self::Unassigned];

    fn of(name: &str, cluster_id: Option<&str>) -> Self {
        match (Mark::of_name(name), cluster_id) {
            (None, _) => Self::Unmarked,
            (Some(mark), Some(cluster)) if !name.ends_with(&format!("-{cluster}-{mark}")) => Self::OtherCluster,
            (Some(_), _) => Self::Marked,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unmarked => "unmarked",
            Self::Marked => "marked",
            Self::OtherCluster => "other-cluster",
            Self::Unassigned => "unassigned",
        }
    }
}

/// Something that belongs to no living resource. Ordered by kind, name and id.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Orphan {
    /// What it is.
    pub kind: Kind,
    /// Its name on Paperspace; an address has none.
    pub name: String,
    /// Paperspace's id; of an address itself.
    pub id: String,
    /// Why nobody has it.
    pub why: Why,
    /// Of a machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_type: Option<String>,
    /// The region's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Of a machine, Paperspace's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Of a machine: USD for an hour of use, as Paperspace states it.
    #[serde(rename = "hourlyRateUSD", skip_serializing_if = "Option::is_none")]
    pub hourly_rate: Option<f64>,
    /// When it was made, where Paperspace says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

impl Orphan {
    fn new(kind: Kind, id: &str, name: &str, why: Why) -> Self {
        let (id, name) = (id.to_owned(), name.to_owned());
        Self { kind, name, id, why, machine_type: None, region: None, state: None, hourly_rate: None, created_at: None }
    }

    /// Whether it is a machine that is off.
    pub fn is_off(&self) -> bool {
        self.state.as_deref() == Some(MachineState::Off.as_str())
    }
}

/// The machines of a complete list that no resource has.
pub fn machines<'a>(machines: impl IntoIterator<Item = &'a Machine>, living: &Living, cluster_id: Option<&str>) -> Vec<Orphan> {
    let nobodys = |m: &&Machine| m.dt_deleted.is_none() && !living.has_machine(&m.id, &m.name);
    let orphan = |m: &Machine| Orphan {
        machine_type: Some(m.machine_type.clone()),
        region: Some(region_code(&m.region)),
        state: Some(m.state.to_string()),
        hourly_rate: m.usage_rate.filter(|rate| rate.is_finite()),
        created_at: Some(m.dt_created),
        ..Orphan::new(Kind::Machine, &m.id, &m.name, Why::of(&m.name, cluster_id))
    };
    sorted(machines.into_iter().filter(nobodys).map(orphan).collect())
}

/// The operators' own startup scripts of a complete list that no resource has: those that end in a mark. One that a resource's machine runs
/// is in use, whoever made it.
pub fn scripts(scripts: &[StartupScript], living: &Living, cluster_id: Option<&str>) -> Vec<Orphan> {
    let in_use = |s: &StartupScript| {
        living.has_mark(&s.name) || living.scripts.contains(&s.id) || s.assigned_machine_ids.iter().any(|id| living.machines.contains(id))
    };
    let nobodys = |s: &&StartupScript| s.dt_deleted.is_none() && Mark::of_name(&s.name).is_some() && !in_use(s);
    let orphan = |s: &StartupScript| Orphan {
        created_at: Some(s.dt_created),
        ..Orphan::new(Kind::Script, &s.id, &s.name, Why::of(&s.name, cluster_id))
    };
    sorted(scripts.iter().filter(nobodys).map(orphan).collect())
}

/// The static addresses of a complete list that neither a machine nor a resource has.
pub fn addresses<'a>(addresses: &[PublicIp], machines: impl IntoIterator<Item = &'a Machine>, living: &Living) -> Vec<Orphan> {
    let taken: BTreeSet<&str> = machines.into_iter().filter_map(|m| m.public_ip.as_deref()).collect();
    let in_use = |ip: &PublicIp| ip.assigned_machine_id.is_some() || taken.contains(&*ip.ip) || living.addresses.contains(&ip.ip);
    let orphan =
        |ip: &PublicIp| Orphan { region: Some(region_code(&ip.region)), ..Orphan::new(Kind::Address, &ip.ip, "", Why::Unassigned) };
    sorted(addresses.iter().filter(|ip| !in_use(ip)).map(orphan).collect())
}

fn sorted(mut orphans: Vec<Orphan>) -> Vec<Orphan> {
    orphans.sort_by(|a, b| (a.kind, &a.name, &a.id).cmp(&(b.kind, &b.name, &b.id)));
    orphans
}

/// What machines cost in an hour of use, as Paperspace states it: all of these, and of that those that are off.
pub fn hourly_rates(orphans: &[Orphan]) -> (f64, f64) {
    // To a hundredth of a cent, without the noise of binary fractions.
    let sum = |all: &mut dyn Iterator<Item = &Orphan>| (all.filter_map(|o| o.hourly_rate).sum::<f64>() * 1e4).round() / 1e4 + 0.0;
    (sum(&mut orphans.iter()), sum(&mut orphans.iter().filter(|o| o.is_off())))
}
