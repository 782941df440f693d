//! What a person has to bring, and may be bringing: the Secret of the same commit, the script, the right to read them.
//!
//! It is waited for as for anything that passes, and after a while only a person can help: tools that wait for a resource would otherwise wait
//! for ever, and nobody be called.

use std::time::Duration;

use crate::crd::conditions::Because;
use crate::crd::reason::{Progress, Reason};

use super::pass::Pass;

/// How long a thing may be missing.
pub(super) const PATIENCE: Duration = Duration::from_mins(5);

/// What is missing.
const MISSING: [Reason; 3] = [Reason::CredentialsMissing, Reason::KubernetesUnavailable, Reason::ScriptSourceMissing];

impl Pass<'_> {
    /// Of what the conditions have called missing for long, they say that only a person can help.
    pub(super) fn lose_patience(&mut self) {
        let is_missing = |because: &Because| MISSING.contains(&because.reason);
        if !is_missing(&self.ready) && !is_missing(&self.synced) {
            self.memory.missing_since = None;
            return;
        }
        let since = *self.memory.missing_since.get_or_insert(self.o.now.mono);
        let age = self.o.now.mono.saturating_sub(since);
        if let Some(left) = PATIENCE.checked_sub(age).filter(|left| !left.is_zero()) {
            return self.again(left);
        }
        for because in [&mut self.ready, &mut self.synced] {
            if is_missing(because) {
                because.progress = Progress::Stuck;
            }
        }
    }
}
