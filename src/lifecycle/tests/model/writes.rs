//! Writes to Kubernetes: each for the version that was looked at.

use super::canon;
use super::moves::Moves;
use super::rules::Without;
use super::shell;
use super::world::{Act, Deed, Stage, World};
use crate::lifecycle::memory::{Memory, WriteAhead};
use crate::lifecycle::observe::Moment;

impl Moves {
    pub(super) fn write(&self, world: &mut World, n: usize, acknowledged: bool) -> Option<()> {
        let Stage::Write(act) = world.operators[n].stage else { return None };
        if act.deed == Deed::RemoveFinalizer {
            world.operators[n].stage = Stage::Idle;
            let object = world.object.as_mut()?;
            object.finalizer = false;
            if object.deleting {
                world.object = None;
            }
            self.moved(world, Some(n));
            return Some(());
        }
        let object = world.object.as_mut().filter(|o| o.uid == act.uid)?;
        if self.bounds.lacks(Without::PlaceholderWritten)
            && act.deed == Deed::Status
            && object.status.nonces == 0
            && act.status.machines == 0
        {
            // What it holds of the attempt that it made up is its own affair.
            world.operators[n].private = Some(act.status);
            world.operators[n].stage = Stage::Idle;
            return Some(());
        }
        match act.deed {
            Deed::Status | Deed::WriteAhead(_) => object.status = act.status,
            Deed::AddFinalizer => object.finalizer = true,
            Deed::Annotate(machine) => object.address = Some(machine),
            Deed::RemoveFinalizer | Deed::Create(_) | Deed::Delete(_) => unreachable!(),
        }
        self.moved(world, Some(n));
        if !acknowledged {
            self.unchain(world, n);
            world.operators[n].stage = Stage::Idle;
            return Some(());
        }
        if let Deed::WriteAhead(nonce) = act.deed {
            world.operators[n].stage = Stage::Written { nonce, age: 0 };
            return Some(());
        }
        world.operators[n].stage = Stage::Idle;
        let added = act.deed == Deed::AddFinalizer;
        self.remember(world, n, act.uid, |m| *m = wrote(m, added));
        Some(())
    }

    pub(super) fn acknowledge(&self, world: &mut World, n: usize) -> Option<()> {
        let Stage::Written { nonce, age } = world.operators[n].stage else { return None };
        let sent = canon::ago(if self.bounds.lacks(Without::FenceFromBefore) { 0 } else { age });
        world.operators[n].stage = Stage::Idle;
        let uid = world.uid;
        self.remember(world, n, uid, |m| {
            m.write_ahead = Some(WriteAhead { id: canon::nonce(nonce), sent: Moment { wall: canon::wall(sent), mono: sent } });
            m.reply = None;
            *m = wrote(m, false);
        });
        Some(())
    }

    pub(super) fn unacknowledged(&self, world: &mut World, n: usize) -> Option<()> {
        let Stage::Written { nonce, .. } = world.operators[n].stage else { return None };
        let object = world.object?;
        self.unchain(world, n);
        let act = Act { deed: Deed::WriteAhead(nonce), status: object.status, uid: object.uid, outdated: true };
        world.operators[n].stage = self.failed(act.deed, act);
        Some(())
    }

    /// Changes what the operator remembers of the object with this uid.
    pub(super) fn remember(&self, world: &mut World, n: usize, uid: u8, change: impl FnOnce(&mut Memory)) {
        if world.object.is_some_and(|o| o.uid == uid) {
            world.operators[n].memory = self.store.edit(world.operators[n].memory, change);
        }
    }

    pub(super) fn unchain(&self, world: &mut World, n: usize) {
        world.operators[n].memory = self.store.memory_unchained(world.operators[n].memory);
    }

    /// The object has another version now: by this operator's write, or somebody else's.
    pub(super) fn moved(&self, world: &mut World, by: Option<usize>) {
        for n in (0..world.operators.len()).filter(|n| Some(*n) != by) {
            self.unchain(world, n);
            let operator = &mut world.operators[n];
            match &mut operator.stage {
                Stage::Write(act) if self.is_unconditional(act.deed) => act.outdated = true,
                Stage::Write(act) => operator.stage = self.failed(act.deed, *act),
                Stage::Call { act, .. } | Stage::Waiting { act, .. } => act.outdated = true,
                Stage::Idle | Stage::Written { .. } => {}
            }
        }
    }

    fn is_unconditional(&self, deed: Deed) -> bool {
        let removal = deed == Deed::RemoveFinalizer;
        self.bounds.lacks(Without::Precondition) && !removal || self.bounds.lacks(Without::RemovalTest) && removal
    }

    /// What follows a write that met a conflict or was not acknowledged: a new look. The conflict may be told at once, whenever the write
    /// would have gone out: it is as if it had not been decided.
    pub(super) fn failed(&self, deed: Deed, act: Act) -> Stage {
        match deed {
            Deed::WriteAhead(n) if self.bounds.lacks(Without::Acknowledged) => {
                Stage::Call { act: Act { deed: Deed::Create(n), outdated: true, ..act }, age: 0 }
            }
            _ => Stage::Idle,
        }
    }
}

fn wrote(memory: &mut Memory, added: bool) -> Memory {
    std::mem::take(memory).wrote(Some(shell::VERSION), Some(shell::VERSION.to_owned()), added)
}
