//! The scale card: Markdown for people, JSON for programs, both in target/bench.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::bars::Bar;
use super::calls::TRANSIT_MILLISECONDS;
use super::figures::{Creation, Figures, Latency, Observe};
use super::settings::Settings;

const MIB: f64 = 1024.0 * 1024.0;

/// A row: what it is, and how a run's figure is shown.
type Row = (&'static str, fn(&Figures) -> String);

const ROWS: &[Row] = &[
    ("**Idle**", |_| String::new()),
    ("API calls an hour", |f| grouped(f.idle.calls_an_hour())),
    ("Kubernetes requests an hour (reads / watches begun anew)", |f| {
        let an_hour = |n: u64| grouped(n as f64 * 3600.0 / f.idle.seconds);
        format!("{} / {}", an_hour(f.idle.requests.reads()), an_hour(f.idle.requests.watches()))
    }),
    ("Kubernetes writes an hour (leases)", |f| {
        let an_hour = |n: u64| grouped(n as f64 * 3600.0 / f.idle.seconds);
        format!("{} ({})", an_hour(f.idle.requests.writes() + f.idle.requests.events()), an_hour(f.idle.requests.leases()))
    }),
    ("CPU, of one core", |f| format!("{:.2} %", f.idle.cpu_seconds * 100.0 / f.idle.seconds)),
    ("memory (its peak so far)", |f| format!("{} ({})", mib(f.idle.resident_bytes), mib(f.idle.peak_bytes))),
    ("memory a resource", |f| kib(f.idle.resident_bytes / f.size as u64)),
    ("its object and machine as JSON", |f| kib((f.idle.objects_bytes + f.idle.machines_bytes) / f.size as u64)),
    ("**Changes**", |_| String::new()),
    ("spec changed until the API is called (p50 / p99)", |f| latency(&f.spec_change)),
    ("machine changed until its status says so (p50 / p99)", |f| latency(&f.cloud_change)),
    ("**From apply to Ready, a machine**", |_| String::new()),
    ("Kubernetes writes", |f| made(f, |c| per(c.requests.writes(), f))),
    ("of the status / of finalizer and annotation", |f| {
        made(f, |c| format!("{} / {}", per(c.requests.status_writes(), f), per(c.requests.metadata_writes(), f)))
    }),
    ("Kubernetes events", |f| made(f, |c| per(c.requests.events(), f))),
    ("Kubernetes reads", |f| made(f, |c| per(c.requests.reads(), f))),
    ("API calls about it", |f| made(f, |c| per(c.calls.of_machines(), f))),
    ("its share of all others, the pages of lists among them", |f| made(f, |c| per(c.calls.all() - c.calls.of_machines(), f))),
    ("**The whole fleet**", |_| String::new()),
    ("budget, API calls a second", |f| f.rate.to_string()),
    ("calls over it", |f| made(f, |c| c.over_budget.calls.to_string())),
    ("until all are ready", |f| made(f, |c| seconds(c.seconds))),
    ("what its calls take at the budget", |f| made(f, |c| seconds(c.bound(f.rate)))),
    ("how long the API server took to store the resources before", |f| made(f, |c| seconds(c.stored_seconds))),
    ("CPU meanwhile: operator / simulator / Kubernetes", |f| made(f, cpu)),
    ("**A restart with nothing changed**", |_| String::new()),
    ("API calls (those that change something)", |f| format!("{} ({})", grouped(f.restart.calls.all() as f64), f.restart.calls.mutations())),
    ("Kubernetes reads / writes", |f| {
        format!("{} / {}", grouped(f.restart.requests.reads() as f64), f.restart.requests.writes() + f.restart.requests.events())
    }),
    ("until it is quiet", |f| f.restart.seconds.map_or_else(|| "never; in 60 s".to_owned(), seconds)),
    ("memory then", |f| mib(f.restart.resident_bytes)),
];

/// A figure of a fleet that was made in this run.
fn made(figures: &Figures, show: impl Fn(&Creation) -> String) -> String {
    figures.creation.as_ref().map_or_else(|| "-".to_owned(), show)
}

fn cpu(creation: &Creation) -> String {
    let of = |name: &str| creation.cpu_seconds.iter().find(|(n, _)| n == name).map_or(0.0, |(_, cpu)| *cpu);
    let all: f64 = creation.cpu_seconds.iter().map(|(_, cpu)| cpu).sum();
    let (operator, simulator) = (of("operator"), of("simulator"));
    format!("{operator:.0} / {simulator:.0} / {:.0} s", all - operator - simulator)
}

/// The card.
pub(crate) fn markdown(settings: &Settings, all: &[Figures], bars: &[Bar]) -> String {
    let title = |figures: &Figures| {
        let one_by_one = if figures.observe == Observe::PerMachine { ", one by one" } else { "" };
        format!("{}{one_by_one}", grouped(figures.size as f64))
    };
    let mut lines = vec![row("", all.iter().map(title)), format!("|---{}|", "|---:".repeat(all.len()))];
    lines.extend(ROWS.iter().map(|(what, show)| row(what, all.iter().map(show))));
    lines.extend([String::new(), how(settings, all), String::new()]);
    lines.extend(["| resources | bar | figure | |".to_owned(), "|---:|---|---|---|".to_owned()]);
    let held = |bar: &Bar| (if bar.held { "pass" } else { "**FAIL**" }).to_owned();
    lines.extend(bars.iter().map(|bar| row(&grouped(bar.size as f64), [bar.promise.clone(), bar.figure.clone(), held(bar)].into_iter())));
    lines.join("\n")
}

fn row(first: &str, cells: impl Iterator<Item = String>) -> String {
    format!("| {} |", std::iter::once(first.to_owned()).chain(cells).collect::<Vec<_>>().join(" | "))
}

/// How it was measured.
fn how(settings: &Settings, all: &[Figures]) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let idle = settings.polls() * 30;
    let compared = if all.iter().any(|figures| figures.observe == Observe::PerMachine) {
        "\"One by one\" is the same operator polling each machine by itself, as is usual; a large fleet is not made anew for it"
    } else {
        "SKIPPED: polling each machine by itself, to compare with"
    };
    let pace = |f: &Figures| format!("{} times and {} ms with {}", f.time_scale, f.transition_milliseconds, grouped(f.size as f64));
    let mut paces: Vec<String> = all.iter().map(pace).collect();
    paces.dedup();
    format!(
        "{cores} cores for the operator, the Kubernetes API, etcd, the simulated Paperspace and the measuring together: times are those of a crowded \
         machine. {compared}. Idle means {idle} seconds, whole poll intervals of 30 s that begin between two polls; figures an hour follow from \
         that. Machines come up faster than in life, and are looked at as much more often meanwhile ({}): as in life there is time for 14 looks \
         from the request to Ready, and the budget, not the last machine, decides how long a fleet takes. The operator is started when all \
         resources are stored. The budget is checked for every window, by when calls arrived; {TRANSIT_MILLISECONDS} ms may be lost on the way. A \
         change of a spec is one of `autoSnapshot.keep`, mended by one PUT, every 400 ms, and its time is from before it is sent. Changes of \
         machines are spread over two poll intervals.",
        paces.join(", ")
    )
}

/// Puts the card where people find it: for a run of all sizes on a machine that has nothing else to do.
pub(crate) fn into_readme(card: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/README.md");
    let text = fs::read_to_string(path).expect("tests/bench/README.md");
    let (before, _) = text.split_once("## The card\n").expect("a heading for the card");
    fs::write(path, format!("{before}## The card\n\n{card}\n")).expect("tests/bench/README.md");
}

/// Writes both forms.
pub(crate) fn write(settings: &Settings, all: &[Figures], bars: &[Bar]) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory").join("bench");
    fs::create_dir_all(&target).expect("target/bench");
    fs::write(target.join("card.md"), markdown(settings, all, bars)).expect("target/bench/card.md");
    let json = json!({"idleSeconds": settings.polls() * 30, "runs": all, "bars": bars});
    fs::write(target.join("card.json"), format!("{json:#}\n")).expect("target/bench/card.json");
}

fn per(count: u64, figures: &Figures) -> String {
    format!("{:.2}", count as f64 / figures.size as f64)
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.1} s")
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / MIB)
}

fn kib(bytes: u64) -> String {
    format!("{:.1} KiB", bytes as f64 / 1024.0)
}

fn latency(latency: &Latency) -> String {
    let show = |milliseconds: i64| {
        if milliseconds < 1000 { format!("{milliseconds} ms") } else { format!("{:.1} s", milliseconds as f64 / 1000.0) }
    };
    format!("{} / {}", show(latency.p50), show(latency.p99))
}

/// A whole number with commas.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
