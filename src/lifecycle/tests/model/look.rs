//! A pass up to its decision, as one move; and the ids of attempts.

use super::canon;
use super::moves::Moves;
use super::rules::Without;
use super::shell::{self, Scene, Sight};
use super::world::{Act, Deed, Fault, Numbered, Object, Stage, World, Wrong};

impl Moves {
    pub(super) fn look(&self, world: &mut World, n: usize, sight: Sight) -> Option<()> {
        let object = world.object?;
        if world.operators[n].stage != Stage::Idle {
            return None;
        }
        if sight.alien && !self.knows_its_team(world) {
            return None;
        }
        let seen = std::array::from_fn(|slot| shell::seen(&self.bounds, slot, world.machines[slot], sight));
        let private = world.operators[n].private.filter(|_| object.status.nonces == 0);
        let object = Object { status: private.unwrap_or(object.status), ..object };
        let scene = Scene {
            memory: world.operators[n].memory,
            object,
            seen,
            sight: Sight { lag: 0, young: false, ..sight },
            nonce: self.nonce(world)?,
        };
        let decided = self.decided.get(&scene, || shell::decided(&self.bounds, &self.store, &scene));
        // A liberty that made no difference is another move's.
        let lists = decided.used.lists;
        if (!decided.used.rows && sight.lag != 0) || (sight.shifts >> lists) != 0 || (sight.young && !decided.used.young) {
            return None;
        }
        for _ in 0..sight.shifts.count_ones() {
            world.take(Fault::Shift)?;
        }
        if sight.young {
            world.take(Fault::Young)?;
        }
        if sight.alien {
            world.take(Fault::Alien)?;
        }
        world.operators[n].memory = decided.memory;
        match decided.act {
            Some(act) if matches!(act.deed, Deed::Create(_) | Deed::Delete(_)) => {
                world.operators[n].stage = Stage::Call { act, age: 0 };
            }
            Some(act) => {
                world.operators[n].stage = Stage::Write(act);
                // Whether these are written at once or later makes no difference to anybody.
                if matches!(act.deed, Deed::AddFinalizer | Deed::Annotate(_)) && !world.has(Fault::Unacknowledged) {
                    return self.write(world, n, true);
                }
            }
            None if decided.on_change && (object.finalizer || !object.deleting) => world.wrong = Some(Wrong::SleepsForEver),
            None => {}
        }
        Some(())
    }

    /// Only then can a key of another team be told from its own.
    fn knows_its_team(&self, world: &World) -> bool {
        world.object.is_some_and(|o| o.address.is_some() || self.store.standing(o.status).creation.is_some())
    }

    /// A number that no attempt has which anybody knows of.
    fn nonce(&self, world: &World) -> Option<u8> {
        if self.bounds.lacks(Without::RandomId) {
            let last = world.object.and_then(|o| self.store.standing(o.status).creation).map_or(0, |c| c.attempt);
            return (last < canon::MOST_ATTEMPTS).then(|| u8::try_from(last + 1).unwrap());
        }
        let used = world.operators.iter().fold(standing(world).0, |bits, o| bits | o.memory.nonces);
        u8::try_from(used.trailing_ones()).ok()
    }
}

/// The attempts that stand in the object or in what an operator is about to do; and those of them that are open.
pub(super) fn standing(world: &World) -> (u16, u16) {
    let of_status = |s: Numbered| (s.nonces, if s.open { s.nonces } else { 0 });
    let both = |a: (u16, u16), b: (u16, u16)| (a.0 | b.0, a.1 | b.1);
    let of_act = |act: Act| match act.deed {
        Deed::WriteAhead(n) | Deed::Create(n) => both((1 << n, 1 << n), of_status(act.status)),
        _ => of_status(act.status),
    };
    let object = world.object.map_or((0, 0), |o| of_status(o.status));
    world.operators.iter().fold(object, |known, o| {
        let known = both(known, o.private.map_or((0, 0), of_status));
        let of_stage = match o.stage {
            Stage::Idle => (0, 0),
            Stage::Written { nonce, .. } => (1 << nonce, 1 << nonce),
            Stage::Write(act) | Stage::Call { act, .. } | Stage::Waiting { act, .. } => of_act(act),
        };
        both(known, of_stage)
    })
}
