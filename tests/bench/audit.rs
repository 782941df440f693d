//! What the operator asked of Kubernetes, from the API server's audit log.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// Requests, by verb and resource such as `patch paperspacemachines/status`.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Requests {
    pub(crate) by_kind: BTreeMap<String, u64>,
    /// Those that the server refused, conflicts among them.
    pub(crate) refused: u64,
    /// When the last one that was no watch was answered.
    #[serde(skip)]
    pub(crate) last: Option<Timestamp>,
}

impl Requests {
    fn sum(&self, which: impl Fn(&str, &str) -> bool) -> u64 {
        let parts = |kind: &str| kind.split_once(' ').is_some_and(|(verb, resource)| which(verb, resource));
        self.by_kind.iter().filter(|(kind, _)| parts(kind)).map(|(_, count)| count).sum()
    }

    /// Watches that came to their end, and were begun anew.
    pub(crate) fn watches(&self) -> u64 {
        self.sum(|verb, _| verb == "watch")
    }

    /// Everything that only reads, watches aside.
    pub(crate) fn reads(&self) -> u64 {
        self.sum(|verb, _| ["get", "list"].contains(&verb))
    }

    /// Writes, events and leases aside.
    pub(crate) fn writes(&self) -> u64 {
        self.sum(|verb, resource| is_write(verb) && !["events", "leases"].contains(&resource))
    }

    /// Writes of the status.
    pub(crate) fn status_writes(&self) -> u64 {
        self.sum(|verb, resource| is_write(verb) && resource == "paperspacemachines/status")
    }

    /// Writes of finalizer and annotation.
    pub(crate) fn metadata_writes(&self) -> u64 {
        self.sum(|verb, resource| is_write(verb) && resource == "paperspacemachines")
    }

    pub(crate) fn events(&self) -> u64 {
        self.sum(|verb, resource| is_write(verb) && resource == "events")
    }

    pub(crate) fn leases(&self) -> u64 {
        self.sum(|_, resource| resource == "leases")
    }
}

fn is_write(verb: &str) -> bool {
    !["get", "list", "watch"].contains(&verb)
}

/// A reader of the log that goes on where it was.
pub(crate) struct Audit {
    path: PathBuf,
    read: u64,
}

impl Audit {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, read: 0 }
    }

    /// How long the log is by now, in bytes.
    pub(crate) fn length(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |log| log.len())
    }

    /// What was asked since the last time. The server writes a request down before it answers, so what was answered is in it.
    pub(crate) fn since(&mut self) -> Requests {
        let mut requests = Requests::default();
        // The log is there with the first request.
        let Ok(mut file) = File::open(&self.path) else { return requests };
        file.seek(SeekFrom::Start(self.read)).expect("the audit log");
        let mut lines = BufReader::new(file);
        let mut line = String::new();
        while lines.read_line(&mut line).expect("the audit log") > 0 && line.ends_with('\n') {
            self.read += line.len() as u64;
            note(&mut requests, &serde_json::from_str(&line).expect("an audit event"));
            line.clear();
        }
        requests
    }
}

fn note(requests: &mut Requests, event: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let verb = text(&event["verb"]);
    // A watch has two, one of them with its first event.
    if event["stage"] != "ResponseComplete" {
        return;
    }
    let about = &event["objectRef"];
    let resource = match about["subresource"].as_str() {
        Some(part) => format!("{}/{part}", text(&about["resource"])),
        None if about.is_null() => "else".to_owned(),
        None => text(&about["resource"]),
    };
    requests.refused += u64::from(event["responseStatus"]["code"].as_u64().is_some_and(|code| code >= 400));
    if verb != "watch" {
        requests.last = text(&event["stageTimestamp"]).parse().ok().or(requests.last);
    }
    *requests.by_kind.entry(format!("{verb} {resource}")).or_default() += 1;
}
