//! Objects, versions, and the history since the last compaction.

use std::collections::BTreeMap;

use serde_json::Value;

use super::apply::Managers;
use super::watch::Watches;

/// Versions begin above this; lower ones count as compacted.
const FIRST: u64 = 100;

/// An object, and who owns which of its fields.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) object: Value,
    pub(super) managers: Managers,
    /// It is not stored as it is read: without defaults, or with empty metadata. The next write changes that even where it says nothing new.
    pub(super) reads_otherwise: bool,
}

/// A write.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) key: String,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
}

#[derive(Debug)]
pub(super) struct Store {
    objects: BTreeMap<String, Stored>,
    version: u64,
    /// What is asked of a version before this one is too old.
    compacted: u64,
    history: Vec<Change>,
    pub(super) watches: Watches,
}

impl Default for Store {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), version: FIRST, compacted: FIRST, history: Vec::new(), watches: Watches::default() }
    }
}

/// Sorts as etcd does.
pub(super) fn key(plural: &str, namespace: &str, name: &str) -> String {
    if namespace.is_empty() { format!("{plural}/{name}") } else { format!("{plural}/{namespace}/{name}") }
}

impl Store {
    /// That of the last write.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn compacted(&self) -> u64 {
        self.compacted
    }

    pub(super) fn get(&self, key: &str) -> Option<&Stored> {
        self.objects.get(key)
    }

    pub(super) fn below<'s>(&'s self, prefix: &'s str) -> impl Iterator<Item = (&'s String, &'s Stored)> {
        self.objects.range(prefix.to_owned()..).take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// Stores it under a new version, and returns it with that.
    pub(super) fn put(&mut self, key: String, mut stored: Stored) -> Value {
        self.version += 1;
        stored.object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let object = stored.object.clone();
        let before = self.objects.insert(key.clone(), stored).map(|stored| stored.object);
        self.tell(Change { version: self.version, key, before, after: Some(object.clone()) });
        object
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Some(stored) = self.objects.remove(key) {
            self.version += 1;
            self.tell(Change { version: self.version, key: key.to_owned(), before: Some(stored.object), after: None });
        }
    }

    fn tell(&mut self, change: Change) {
        self.watches.tell(&change);
        self.history.push(change);
    }

    /// What was written after a version; nothing where that is too old.
    pub(super) fn since(&self, version: u64) -> Option<impl Iterator<Item = &Change>> {
        (version >= self.compacted).then(|| self.history.iter().filter(move |change| change.version > version))
    }

    /// The objects as they were at a version; nothing where that is too old.
    pub(super) fn at(&self, version: u64, prefix: &str) -> Option<BTreeMap<String, Value>> {
        let changes: Vec<&Change> = self.since(version)?.collect();
        let mut objects: BTreeMap<String, Value> = self.below(prefix).map(|(key, stored)| (key.clone(), stored.object.clone())).collect();
        for change in changes.iter().rev().filter(|change| change.key.starts_with(prefix)) {
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), before.clone()),
                None => objects.remove(&change.key),
            };
        }
        Some(objects)
    }

    pub(super) fn compact(&mut self) {
        self.compacted = self.version;
        self.history.clear();
        self.watches.expire(self.version);
    }
}
