//! What a cluster's own controllers do, at once: a namespace or resource definition that ends takes all in it along, and goes with the last.

use jiff::Timestamp;

use super::Kubernetes;

pub(super) const DEFINITIONS: &str = "customresourcedefinitions";

impl Kubernetes {
    pub(super) fn run_controllers(&mut self, now: Timestamp) {
        for owner in self.ending("namespaces/") {
            let name = owner.trim_start_matches("namespaces/");
            let plurals: Vec<String> = self.kinds.values().filter(|kind| kind.namespaced).map(|kind| kind.plural.clone()).collect();
            let mut left = 0;
            for plural in plurals {
                left += self.delete_all(now, &plural, &format!("{plural}/{name}/"));
            }
            if left == 0 {
                self.store.remove(&owner);
            }
        }
        for owner in self.ending(&format!("{DEFINITIONS}/")) {
            let Some(kind) = self.kinds.values().find(|kind| owner.ends_with(&format!("/{}", kind.qualified()))).cloned() else { continue };
            if self.delete_all(now, &kind.plural, &format!("{}/", kind.plural)) == 0 {
                self.kinds.remove(&kind.plural);
                self.store.watches.end(&format!("{}/", kind.plural));
                self.store.remove(&owner);
            }
        }
    }

    fn ending(&self, prefix: &str) -> Vec<String> {
        self.store.below(prefix).filter(|(_, stored)| stored.ends()).map(|(key, _)| key.clone()).collect()
    }

    /// How many are left.
    fn delete_all(&mut self, now: Timestamp, plural: &str, prefix: &str) -> usize {
        let kind = self.kinds[plural].clone();
        let keys: Vec<String> = self.store.below(prefix).map(|(key, _)| key.clone()).collect();
        keys.iter().filter(|key| self.delete_object(now, &kind, key).is_some()).count()
    }
}
