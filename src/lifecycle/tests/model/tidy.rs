//! The one form of worlds that are the same.

use super::look::standing;
use super::moves::Moves;
use super::rules::Without;
use super::world::{Deed, FAULTS, Fault, Life, Machine, Operator, Stage, Way, World};

impl Moves {
    /// Brings the world into its one form.
    pub(super) fn tidy(&self, world: &mut World) {
        if world.object.is_none() {
            // Nobody reads it again: what was remembered of it goes.
            for operator in &mut world.operators {
                (operator.memory, operator.private) = (self.nothing.0, None);
                match operator.stage {
                    Stage::Write(act) if self.bounds.lacks(Without::RemovalTest) && act.deed == Deed::RemoveFinalizer => {}
                    Stage::Write(_) | Stage::Written { .. } => operator.stage = Stage::Idle,
                    Stage::Idle | Stage::Call { .. } | Stage::Waiting { .. } => {}
                }
            }
        }
        if !self.bounds.remembers_all() {
            let (nonces, open) = standing(world);
            for operator in &mut world.operators {
                if operator.memory.nonces != 0 {
                    operator.memory = self.store.memory_kept(operator.memory, nonces, open);
                }
            }
        }
        forget_faults(world);
        self.free_slots(world);
    }

    /// One operator is the same as the other: worlds that differ by their order alone are one.
    pub(super) fn sort(&self, world: &mut World) {
        if self.bounds.operators == 2 && world.operators[1] < world.operators[0] {
            world.operators.swap(0, 1);
        }
    }

    /// A machine that is gone, also from every list, and that nobody names, makes room.
    fn free_slots(&self, world: &mut World) {
        let known = |bits: u8, o: &Operator| {
            let act = match o.stage {
                Stage::Write(act) | Stage::Call { act, .. } | Stage::Waiting { act, .. } => Some(act),
                Stage::Idle | Stage::Written { .. } => None,
            };
            let of_act = act.map_or(0, |a| {
                let deed = match a.deed {
                    Deed::Annotate(m) | Deed::Delete(m) => 1 << m,
                    _ => 0,
                };
                deed | a.status.machines
            });
            bits | of_act | o.memory.machines
        };
        let object = world.object.map_or(0, |o| o.status.machines | o.address.map_or(0, |m| 1 << m));
        let mut named = world.operators.iter().fold(object, known);
        for post in &world.posts {
            if let Way::Landed(machine) = post.state {
                named |= 1 << machine;
            }
        }
        for (slot, machine) in world.machines.iter_mut().enumerate() {
            if machine.state == Life::Gone && machine.gone > self.bounds.lag && named & (1 << slot) == 0 {
                *machine = Machine::NONE;
            }
        }
    }
}

/// Faults that can make no difference any more are as good as past.
fn forget_faults(world: &mut World) {
    let may_create = |s: Stage| match s {
        Stage::Idle => false,
        Stage::Write(act) | Stage::Call { act, .. } => matches!(act.deed, Deed::Create(_) | Deed::WriteAhead(_)),
        Stage::Written { .. } | Stage::Waiting { .. } => true,
    };
    let creates = world.posts.iter().any(|p| p.state != Way::Free) || world.operators.iter().any(|o| may_create(o.stage));
    let comes = world.has(Fault::Again) || world.object.is_some_and(|o| !o.deleting);
    if !creates && !comes {
        for fault in [Fault::Refused, Fault::Ambiguous, Fault::Dropped] {
            world.left[fault as usize] = 0;
        }
        if world.object.is_none() && world.operators.iter().all(|o| o.stage == Stage::Idle) {
            world.left = [0; FAULTS];
        }
    }
}
