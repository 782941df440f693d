//! What people do: to the object, and at the console.

use super::canon;
use super::moves::Moves;
use super::world::{Life, Machine, Origin, World};

impl Moves {
    /// `kubectl delete`: what has no finalizer is gone at once.
    pub(super) fn delete(&self, world: &mut World) -> Option<()> {
        let object = world.object.as_mut().filter(|o| !o.deleting)?;
        object.deleting = true;
        if !object.finalizer {
            world.object = None;
        }
        self.moved(world, None);
        Some(())
    }

    pub(super) fn again(&self, world: &mut World) -> Option<()> {
        if world.object.is_some() {
            return None;
        }
        world.uid += 1;
        world.object = Some(self.fresh_object(world.uid));
        Some(())
    }

    pub(super) fn wipe(&self, world: &mut World) -> Option<()> {
        world.object.as_mut()?.status = self.nothing.1;
        self.moved(world, None);
        Some(())
    }

    pub(super) fn copy(&self, world: &mut World) -> Option<()> {
        let object = world.object?;
        let status = &self.store.standing(object.status);
        let closed = status.creation.as_ref().and_then(|c| c.closed_at.as_ref()).filter(|_| status.machine_id.is_some())?;
        // Within the settle an attempt could have made it.
        if closed.0 >= canon::wall(canon::ago(self.bounds.settle)) {
            return None;
        }
        let slot = world.machines.iter().position(|m| m.origin == Origin::Nowhere)?;
        let age = self.bounds.lag + 1;
        world.machines[slot] = Machine { origin: Origin::Copied(object.uid), state: Life::Alive, marked: true, age, gone: 0 };
        Some(())
    }
}
