//! Watches: what each is told of every write, and how it begins and ends.

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use serde_json::{Value, json};

use super::Kubernetes;
use super::errors::Refusal;
use super::reads::metadata_only;
use super::routes::Target;
use super::selectors::Selector;
use super::store::Change;

/// One that is open.
#[derive(Debug)]
pub(super) struct Watch {
    prefix: String,
    selector: Selector,
    metadata_only: bool,
    /// For bookmarks, where those are allowed: kind and API version.
    bookmarks: Option<(String, String)>,
    lines: UnboundedSender<Vec<u8>>,
}

#[derive(Debug, Default)]
pub(super) struct Watches(Vec<Watch>);

impl Watch {
    /// Whether there is still somebody who reads.
    fn send(&self, event: &str, object: Value) -> bool {
        let object = if self.metadata_only && event != "ERROR" { metadata_only(object) } else { object };
        let mut line = json!({"type": event, "object": object}).to_string().into_bytes();
        line.push(b'\n');
        self.lines.unbounded_send(line).is_ok()
    }

    /// Tells of a write what it is within the selection: an object that leaves it is gone, and shows as it was when it was last in it.
    fn tell(&self, change: &Change) -> bool {
        if !change.key.starts_with(&self.prefix) {
            return !self.lines.is_closed();
        }
        let before = change.before.as_ref().filter(|object| self.selector.matches(object));
        let after = change.after.as_ref().filter(|object| self.selector.matches(object));
        match (before, after) {
            (None, None) => !self.lines.is_closed(),
            (None, Some(after)) => self.send("ADDED", after.clone()),
            (Some(_), Some(after)) => self.send("MODIFIED", after.clone()),
            (Some(before), None) => {
                let mut last = before.clone();
                last["metadata"]["resourceVersion"] = change.version.to_string().into();
                self.send("DELETED", last)
            }
        }
    }

    fn expire(&self, asked: u64, oldest: u64) {
        self.send("ERROR", too_old(asked, oldest).status());
    }
}

pub(super) fn too_old(asked: u64, oldest: u64) -> Refusal {
    Refusal::expired(format!("too old resource version: {asked} ({oldest})"))
}

impl Watches {
    pub(super) fn tell(&mut self, change: &Change) {
        self.0.retain(|watch| watch.tell(change));
    }

    /// Of the keys that begin so.
    pub(super) fn end(&mut self, prefix: &str) {
        self.0.retain(|watch| !watch.prefix.starts_with(prefix));
    }

    pub(super) fn expire(&mut self, version: u64) {
        for watch in self.0.drain(..) {
            watch.expire(version.saturating_sub(1), version);
        }
    }

    pub(super) fn bookmark(&mut self, version: u64) {
        self.0.retain(|watch| match &watch.bookmarks {
            None => !watch.lines.is_closed(),
            Some((kind, api_version)) => {
                let metadata = json!({"resourceVersion": version.to_string(), "creationTimestamp": null});
                watch.send("BOOKMARK", json!({"kind": kind, "apiVersion": api_version, "metadata": metadata}))
            }
        });
    }
}

impl Kubernetes {
    pub(super) fn watch(&mut self, target: &Target) -> Result<UnboundedReceiver<Vec<u8>>, Refusal> {
        let version = match target.param("resourceVersion") {
            None | Some("0") => None,
            Some(text) => Some(text.parse().map_err(|_| Refusal::bad_request(format!("Invalid resource version: {text:?}")))?),
        };
        let (lines, stream) = unbounded();
        let watch = Watch {
            prefix: target.prefix(),
            selector: Selector::of(target)?,
            metadata_only: target.metadata_only,
            bookmarks: target.flag("allowWatchBookmarks").then(|| (target.kind.name.clone(), target.kind.api_version())),
            lines,
        };
        if let Some(version) = version {
            let Some(changes) = self.store.since(version) else {
                // Told within the stream: a client that resumes a watch takes any other error for one that passes.
                watch.expire(version, self.store.compacted());
                return Ok(stream);
            };
            changes.for_each(|change| _ = watch.tell(change));
        } else {
            // The present state, as if it had just come to be.
            for (_, stored) in self.store.below(&watch.prefix).filter(|(_, stored)| watch.selector.matches(&stored.object)) {
                watch.send("ADDED", stored.object.clone());
            }
        }
        self.store.watches.0.push(watch);
        Ok(stream)
    }
}
