//! Which startup scripts are this resource's, and removing them. None is touched that carries another mark, or that no attempt can have made.

use std::time::Duration;

use crate::crd::reason::Reason;
use crate::crd::{Creation, CreationOutcome, OwnedScript};
use crate::paperspace::types::StartupScript;

use super::destroy::made_then;
use super::names::Mark;
use super::pass::{Flow, Pass};
use super::script_attempt;
use super::scripts::Wait;
use super::step::{Step, StepKind};

/// Whether this is a script with this mark that one of the attempts can have made. Rows with a deletion time do not count.
pub(super) fn belongs(row: &StartupScript, mark: &Mark, creation: Option<&Creation>, settle: Duration) -> bool {
    row.dt_deleted.is_none() && Mark::of_name(&row.name).as_ref() == Some(mark) && made_then(creation, settle, row.dt_created)
}

/// By what a script is known to be this resource's.
pub(super) struct Ours {
    mark: Mark,
    owned: OwnedScript,
    settle: Duration,
    /// The object is a copy of one that had a machine.
    copied: bool,
    /// The script that the spec names by its id: that one is neither changed nor removed, whatever it was before.
    named: Option<String>,
}

impl Ours {
    pub(super) fn of(p: &Pass, owned: &OwnedScript) -> Self {
        let named = p.spec().startup_script.as_ref().and_then(|s| s.script_id.clone());
        Self { mark: p.mark.clone(), owned: owned.clone(), settle: p.o.settings.settle, copied: p.copied_from().is_some(), named }
    }

    /// One that an attempt can have made, or the one that was bound: somebody may have taken the mark off its name.
    pub(super) fn has(&self, row: &StartupScript) -> bool {
        let bound = row.dt_deleted.is_none() && self.owned.script_id.as_ref() == Some(&row.id);
        let known = bound && Mark::of_name(&row.name).map_or(!self.copied, |mark| mark == self.mark);
        let made = known || belongs(row, &self.mark, self.owned.creation.as_ref(), self.settle);
        made && self.named.as_ref() != Some(&row.id)
    }
}

/// Removes every script of the resource, each once, and waits for its end: two complete lists without them, begun after the last was removed
/// and after nothing could come any more. An open attempt is waited for first: what it may still make would be left behind.
pub(super) fn removed(p: &mut Pass) -> Flow<Result<(), Wait>> {
    let now = p.o.now.mono;
    script_attempt::answered(p);
    let Some(owned) = p.status.owned_script.clone() else { return Ok(Ok(())) };
    let mut since = *p.memory.scripts.unwanted.get_or_insert(now);
    if owned.creation.as_ref().is_none_or(|c| c.outcome == CreationOutcome::Open) {
        let seen = p.memory.scripts.attempt.as_ref().map_or(since, |a| a.since);
        since = since.max(seen + p.o.settings.settle);
        if let Some(left) = since.checked_sub(now).filter(|left| !left.is_zero()) {
            let message = "an attempt to make a startup script may still bring one about; it is waited for, so that none is left behind";
            return Ok(Err(Wait::new(Reason::Deleting, message, left)));
        }
    }
    since = p.memory.scripts.deleted.values().copied().fold(since, Duration::max);
    let id = owned.creation.as_ref().map_or("", |c| c.id.as_str());
    let ours = Ours::of(p, &owned);
    let Some(row) = p.absent_from_two_script_lists(&format!("script removal {id}"), since, |row| ours.has(row))? else {
        p.memory.scripts.unwanted = None;
        p.memory.scripts.deleted.clear();
        return Ok(Ok(()));
    };
    let transition = p.o.settings.transition;
    let sent = p.memory.scripts.deleted.get(&row.id).map(|at| now.saturating_sub(*at));
    if let Some(left) = sent.and_then(|age| p.o.settings.settle.checked_sub(age)).filter(|left| !left.is_zero()) {
        let message = format!("startup script {} is removed and still listed", row.id);
        return Ok(Err(Wait::new(Reason::Deleting, message, left.min(transition))));
    }
    if let Some((because, after)) = p.blocked(StepKind::DeleteScript) {
        return Ok(Err(Wait { because, after, blind: false }));
    }
    let reason = if p.object().metadata.deletion_timestamp.is_some() { "Deleting" } else { "Updated" };
    p.normal(reason, format!("startup script {} ({}) is not needed any more and is removed", row.id, row.name));
    p.again(Duration::ZERO);
    Err(p.end(Step::DeleteScript { script: row.id.clone() }))
}
