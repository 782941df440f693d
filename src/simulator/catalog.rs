//! What Paperspace offers: regions, machine types with their specifications and prices, and templates.
//!
//! Specifications, prices and the region matrix are the documentation's. Where it has none (type C2, GPU product names, multiples
//! that no table lists) the value is an estimate, good enough for a client that only passes it on.

/// One GiB.
pub(super) const GIB: f64 = 1_073_741_824.0;

/// A place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Region {
    /// What requests say.
    pub(super) code: &'static str,
    /// What replies say.
    pub(super) long: &'static str,
}

const NY2: Region = Region { code: "ny2", long: "East Coast (NY2)" };
const CA1: Region = Region { code: "ca1", long: "West Coast (CA1)" };
const AMS1: Region = Region { code: "ams1", long: "Europe (AMS1)" };

/// All regions.
pub(super) const REGIONS: &[Region] = &[NY2, CA1, AMS1];

/// The region by any spelling that clients are known to use: `ny2`, `NY2`, `East Coast (NY2)`.
pub(super) fn region(text: &str) -> Option<&'static Region> {
    REGIONS.iter().find(|r| r.code.eq_ignore_ascii_case(text.trim()) || r.long.eq_ignore_ascii_case(text.trim()))
}

/// Types of one group can be changed into each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Cpu,
    Maxwell,
    Pascal,
    Turing,
    Volta,
    Ampere,
    Hopper,
}

/// A machine type, in a count of GPUs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MachineType {
    pub(super) label: String,
    pub(super) group: Group,
    /// The GPU's product name and memory in GiB.
    pub(super) gpu: Option<(&'static str, f64)>,
    pub(super) count: u32,
    pub(super) cpus: u32,
    pub(super) ram_gb: f64,
    /// USD an hour.
    pub(super) price: f64,
    regions: &'static [&'static str],
}

impl MachineType {
    pub(super) fn is_offered_in(&self, region: &str) -> bool {
        self.regions.contains(&region)
    }
}

const ALL: &[&str] = &["ny2", "ca1", "ams1"];
const NY: &[&str] = &["ny2"];
const NY_AMS: &[&str] = &["ny2", "ams1"];
const NY_CA: &[&str] = &["ny2", "ca1"];

struct Cpu(&'static str, u32, f64, f64);

const CPUS: &[Cpu] = &[
    Cpu("C1", 1, 0.5, 0.0045),
    Cpu("C2", 1, 1.0, 0.009),
    Cpu("C3", 2, 2.0, 0.018),
    Cpu("C4", 2, 4.0, 0.04),
    Cpu("C5", 4, 8.0, 0.08),
    Cpu("C6", 8, 16.0, 0.16),
    Cpu("C7", 12, 30.0, 0.30),
    Cpu("C8", 16, 60.0, 0.60),
    Cpu("C9", 24, 120.0, 0.90),
    Cpu("C10", 32, 244.0, 1.60),
];

struct Gpu {
    label: &'static str,
    group: Group,
    name: &'static str,
    memory: f64,
    cpus: u32,
    ram: f64,
    price: f64,
    regions: &'static [&'static str],
    counts: &'static [u32],
}

#[rustfmt::skip]
const GPUS: &[Gpu] = &[
    Gpu { label: "GPU+", group: Group::Maxwell, name: "Quadro M4000", memory: 8.0, cpus: 8, ram: 30.0, price: 0.45, regions: NY_AMS, counts: &[1, 2, 4] },
    Gpu { label: "P4000", group: Group::Pascal, name: "Quadro P4000", memory: 8.0, cpus: 8, ram: 30.0, price: 0.51, regions: ALL, counts: &[1, 2, 4] },
    Gpu { label: "P5000", group: Group::Pascal, name: "Quadro P5000", memory: 16.0, cpus: 8, ram: 30.0, price: 0.78, regions: ALL, counts: &[1, 2, 4] },
    Gpu { label: "P6000", group: Group::Pascal, name: "Quadro P6000", memory: 24.0, cpus: 8, ram: 30.0, price: 1.10, regions: ALL, counts: &[1, 2, 4] },
    Gpu { label: "RTX4000", group: Group::Turing, name: "Quadro RTX 4000", memory: 8.0, cpus: 8, ram: 30.0, price: 0.56, regions: ALL, counts: &[1, 2, 4] },
    Gpu { label: "RTX5000", group: Group::Turing, name: "Quadro RTX 5000", memory: 16.0, cpus: 8, ram: 30.0, price: 0.82, regions: NY, counts: &[1, 2, 4] },
    Gpu { label: "A4000", group: Group::Ampere, name: "RTX A4000", memory: 16.0, cpus: 8, ram: 45.0, price: 0.76, regions: ALL, counts: &[1, 2, 4] },
    Gpu { label: "A5000", group: Group::Ampere, name: "RTX A5000", memory: 24.0, cpus: 8, ram: 45.0, price: 1.38, regions: NY_CA, counts: &[1, 2, 4] },
    Gpu { label: "A6000", group: Group::Ampere, name: "RTX A6000", memory: 48.0, cpus: 8, ram: 45.0, price: 1.89, regions: NY_CA, counts: &[1, 2, 4] },
    Gpu { label: "V100", group: Group::Volta, name: "Tesla V100", memory: 16.0, cpus: 8, ram: 30.0, price: 2.30, regions: NY_AMS, counts: &[1] },
    Gpu { label: "V100-32G", group: Group::Volta, name: "Tesla V100", memory: 32.0, cpus: 8, ram: 30.0, price: 2.30, regions: NY, counts: &[1, 2, 4] },
    Gpu { label: "A100", group: Group::Ampere, name: "A100", memory: 40.0, cpus: 12, ram: 90.0, price: 3.09, regions: NY, counts: &[1, 8] },
    Gpu { label: "A100-80G", group: Group::Ampere, name: "A100-80G", memory: 80.0, cpus: 12, ram: 90.0, price: 3.18, regions: NY, counts: &[1, 8] },
    Gpu { label: "H100", group: Group::Hopper, name: "H100", memory: 80.0, cpus: 20, ram: 250.0, price: 5.95, regions: NY, counts: &[1, 8] },
];

/// All types; there is no such endpoint, templates list the labels.
pub(super) fn machine_types() -> impl Iterator<Item = MachineType> {
    let cpus = CPUS.iter().map(|Cpu(label, cpus, ram_gb, price)| MachineType {
        label: (*label).to_owned(),
        group: Group::Cpu,
        gpu: None,
        count: 0,
        cpus: *cpus,
        ram_gb: *ram_gb,
        price: *price,
        regions: ALL,
    });
    cpus.chain(GPUS.iter().flat_map(|gpu| gpu.counts.iter().map(move |&count| gpu.times(count))))
}

impl Gpu {
    fn times(&self, count: u32) -> MachineType {
        let label = if count == 1 { self.label.to_owned() } else { format!("{}x{count}", self.label) };
        // The one multiple whose size the tables give.
        let (cpus, ram_gb) = if label == "H100x8" { (128, 2048.0) } else { (self.cpus * count, self.ram * f64::from(count)) };
        MachineType {
            label,
            group: self.group,
            gpu: Some((self.name, self.memory)),
            count,
            cpus,
            ram_gb,
            price: self.price * f64::from(count),
            regions: self.regions,
        }
    }
}

/// The type with exactly this label.
pub(super) fn machine_type(label: &str) -> Option<MachineType> {
    machine_types().find(|t| t.label == label)
}

/// USD a month for a disk of this many GB. Whether the API's `storageRate` is that is unknown.
pub(super) fn storage_rate(gb: f64) -> f64 {
    const STEPS: &[(f64, f64)] = &[(50.0, 5.0), (100.0, 7.0), (250.0, 10.0), (500.0, 25.0), (1000.0, 55.0), (2000.0, 120.0)];
    STEPS.iter().find(|(size, _)| gb <= *size).map_or(gb * 0.06, |(_, rate)| *rate)
}

/// A public template.
pub(super) struct OsTemplate {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) agent_type: &'static str,
    pub(super) os: &'static str,
    pub(super) default_size_gb: Option<u32>,
    has: fn(&MachineType) -> bool,
}

impl OsTemplate {
    /// Labels of the types that it runs on.
    pub(super) fn machine_types(&self) -> impl Iterator<Item = String> {
        machine_types().filter(self.has).map(|t| t.label)
    }

    pub(super) fn runs_on(&self, label: &str) -> bool {
        machine_type(label).is_some_and(|t| (self.has)(&t))
    }
}

/// The public templates whose ids clients are known to use.
pub(super) const OS_TEMPLATES: &[OsTemplate] = &[
    OsTemplate {
        id: "t0nspur5",
        name: "Ubuntu 22.04",
        agent_type: "LinuxHeadless",
        os: "Ubuntu 22.04 Server",
        default_size_gb: Some(50),
        has: |_| true,
    },
    OsTemplate {
        id: "tz0ireoj",
        name: "Ubuntu 20.04 Desktop",
        agent_type: "LinuxDesktop",
        os: "Ubuntu 20.04 Desktop",
        default_size_gb: Some(50),
        has: |t| t.group != Group::Hopper,
    },
    OsTemplate {
        id: "t9taj00e",
        name: "CentOS 7",
        agent_type: "LinuxHeadless",
        os: "CentOS 7 Server",
        default_size_gb: None,
        has: |t| t.group != Group::Hopper,
    },
    OsTemplate {
        id: "tkni3aa4",
        name: "ML-in-a-Box",
        agent_type: "LinuxHeadless",
        os: "Ubuntu 22.04 ML-in-a-Box",
        default_size_gb: Some(100),
        has: |t| !matches!(t.group, Group::Hopper | Group::Cpu),
    },
    OsTemplate {
        id: "tiq8mhti",
        name: "ML-in-a-Box H100",
        agent_type: "LinuxHeadless",
        os: "Ubuntu 22.04 ML-in-a-Box",
        default_size_gb: Some(100),
        has: |t| t.label == "H100",
    },
    OsTemplate {
        id: "tvimtol9",
        name: "ML-in-a-Box H100x8",
        agent_type: "LinuxHeadless",
        os: "Ubuntu 22.04 ML-in-a-Box",
        default_size_gb: Some(250),
        has: |t| t.label == "H100x8",
    },
];

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn regions_have_many_spellings() {
        for text in ["ny2", "NY2", "East Coast (NY2)", " east coast (ny2) "] {
            assert_eq!(region(text).unwrap().code, "ny2");
        }
        assert_eq!(region("nyc"), None);
    }

    #[test]
    fn the_verified_labels_exist() {
        for label in ["C1", "C2", "P4000", "P4000x2", "A4000x4", "V100-32Gx4", "A100-80Gx8", "H100x8", "GPU+", "RTX4000"] {
            assert_eq!(machine_type(label).unwrap().label, label);
        }
        assert_eq!(machine_type("c1"), None);
        assert_eq!(machine_type("H100x8").unwrap().cpus, 128);
        assert!((machine_type("H100x8").unwrap().price - 47.60).abs() < 1e-9);
    }

    #[test]
    fn the_matrix_is_as_documented() {
        assert!(machine_type("C5").unwrap().is_offered_in("ams1"));
        assert!(!machine_type("A100-80G").unwrap().is_offered_in("ca1"));
        assert!(!machine_type("GPU+").unwrap().is_offered_in("ca1"));
        assert!(machine_type("A5000").unwrap().is_offered_in("ca1"));
    }

    #[test]
    fn disks_have_prices() {
        assert!((storage_rate(50.0) - 5.0).abs() < 1e-9);
        assert!((storage_rate(60.0) - 7.0).abs() < 1e-9);
        assert!((storage_rate(4000.0) - 240.0).abs() < 1e-9);
    }
}
