//! What the figures are held to.

use serde::Serialize;

use super::figures::{Creation, Figures, Observe};

/// How many machines one call of the list gives.
pub(crate) const PAGE: usize = 120;
const MIB: f64 = 1024.0 * 1024.0;
/// The size that some bars are about, and the one that it is compared with.
const LARGE: usize = 10_000;
const SMALL: usize = 100;

/// One bar, and whether it was held.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Bar {
    pub(crate) size: usize,
    pub(crate) promise: String,
    pub(crate) figure: String,
    pub(crate) held: bool,
}

/// The bars of the sizes that were run.
pub(crate) fn check(all: &[Figures]) -> Vec<Bar> {
    let mut bars = Vec::new();
    for figures in all.iter().filter(|figures| figures.observe == Observe::Shared) {
        let mut bar = |promise: &str, figure: String, held: bool| {
            bars.push(Bar { size: figures.size, promise: promise.to_owned(), figure, held });
        };
        of_one(figures, &mut bar);
        if figures.size == LARGE {
            of_large(figures, all, &mut bar);
        }
    }
    bars
}

fn of_one(figures: &Figures, bar: &mut dyn FnMut(&str, String, bool)) {
    let idle = &figures.idle;
    let (calls, list) = (idle.calls.all() - idle.calls.hourly(), figures.size.div_ceil(PAGE) as u64);
    let due = list * u64::from(idle.polls);
    bar(
        "an idle fleet costs the pages of one list each poll interval, two calls an hour for orphans, and no other (one list more where a poll falls on the border)",
        format!("{calls} calls, {due} are due in {} intervals", idle.polls),
        calls <= due + list && calls == idle.calls.list_pages(),
    );
    bar("an idle fleet causes no Kubernetes write, leases aside", idle.requests.writes().to_string(), idle.requests.writes() == 0);
    if let Some(creation) = &figures.creation {
        of_creation(figures, creation, bar);
    }
    let restart = &figures.restart;
    let (mutations, writes) = (restart.calls.mutations(), restart.requests.writes());
    bar(
        "a restart with nothing changed changes nothing",
        format!("{mutations} calls that change something, {writes} Kubernetes writes"),
        mutations == 0 && writes == 0,
    );
}

fn of_creation(figures: &Figures, creation: &Creation, bar: &mut dyn FnMut(&str, String, bool)) {
    let size = figures.size as f64;
    let writes = creation.requests.writes() as f64 / size;
    bar("at most 7 Kubernetes writes a machine from apply to Ready, events aside", format!("{writes:.2}"), writes <= 7.0);
    let calls = creation.calls.of_machines() as f64 / size;
    bar("at most 3 API calls a machine from apply to Ready, and its share of the lists", format!("{calls:.2}"), calls <= 3.0);
    let over = creation.over_budget;
    bar(
        "the budget is never exceeded",
        format!("{} calls over, {} ms too close at most", over.calls, over.worst_milliseconds),
        over.calls == 0,
    );
    let ratio = creation.seconds / creation.bound(figures.rate);
    bar("a fleet is created within 1.15 times what its calls take at the budget", format!("{ratio:.2} times"), ratio <= 1.15);
}

fn of_large(figures: &Figures, all: &[Figures], bar: &mut dyn FnMut(&str, String, bool)) {
    let idle = &figures.idle;
    let resident = idle.resident_bytes as f64 / MIB;
    let limit = 1.5 * (idle.objects_bytes + idle.machines_bytes) as f64 / MIB + 40.0;
    bar(
        "memory is at most 1.5 times what objects and machines weigh as JSON, and 40 MiB",
        format!("{resident:.0} of {limit:.0} MiB"),
        resident <= limit,
    );
    bar("memory is under 150 MiB", format!("{resident:.0} MiB"), resident < 150.0);
    let other = |size, observe| all.iter().find(|other| other.size == size && other.observe == observe);
    if let Some(usual) = other(LARGE, Observe::PerMachine) {
        let ratio = usual.idle.calls_an_hour() / idle.calls_an_hour();
        bar("polling machine by machine costs at least 100 times as many calls", format!("{ratio:.0} times"), ratio >= 100.0);
    }
    if let Some(small) = other(SMALL, Observe::Shared) {
        let (large, small) = (figures.spec_change.p99, small.spec_change.p99);
        bar(
            "a change of a spec reaches the API within 3 times what it takes with 100 resources (p99)",
            format!("{large} ms, {small} ms with 100"),
            large <= small * 3,
        );
    }
}
