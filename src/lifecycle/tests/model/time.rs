//! Time passes.

use super::moves::Moves;
use super::world::{Origin, Stage, Way, World};

impl Moves {
    /// Time passes, unless something has to happen first.
    pub(super) fn tick(&self, world: &mut World, asleep: Option<usize>) -> Option<()> {
        let bounds = &self.bounds;
        for post in &mut world.posts {
            match post.state {
                Way::Free => {}
                _ if post.waited && post.age >= bounds.patience => return None,
                Way::Flying if post.age >= bounds.patience + bounds.late => return None,
                _ => post.age += 1,
            }
        }
        for machine in &mut world.machines {
            if machine.origin != Origin::Nowhere {
                machine.age = (machine.age + 1).min(bounds.lag + 1);
                machine.gone = if machine.exists() { 0 } else { (machine.gone + 1).min(bounds.lag + 1) };
            }
        }
        for (n, operator) in world.operators.iter_mut().enumerate() {
            match &mut operator.stage {
                Stage::Call { age, .. } if *age >= bounds.freeze => return None,
                Stage::Call { age, .. } => *age += 1,
                Stage::Written { age, .. } => *age = 1,
                Stage::Idle | Stage::Write(_) | Stage::Waiting { .. } => {}
            }
            operator.memory =
                if asleep == Some(n) { self.store.memory_slept(operator.memory) } else { self.store.memory_ticked(operator.memory) };
            if let Stage::Write(act) | Stage::Call { act, .. } | Stage::Waiting { act, .. } = &mut operator.stage {
                act.status = self.store.status_ticked(act.status);
            }
            operator.private = operator.private.map(|s| self.store.status_ticked(s));
        }
        if let Some(object) = &mut world.object {
            object.status = self.store.status_ticked(object.status);
        }
        Some(())
    }
}
