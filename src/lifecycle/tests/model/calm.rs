//! What becomes of a world in which nothing goes wrong any more. It is one path, so that it need not be searched: who is known to reach the
//! goal makes everybody who comes by there reach it too.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use super::moves::{Move, Moves};
use super::shell::Sight;
use super::world::{Life, Stage, Way, World};

/// Far more than any path takes.
const LONGEST: usize = 2000;

/// The worlds that are known to end well.
#[derive(Default)]
pub(super) struct Calm(Mutex<HashSet<u64>>);

impl Calm {
    /// Whether, with nothing going wrong any more, a resource that stays gets its machine, and one that is deleted goes.
    pub(super) fn ends_well(&self, moves: &Moves, world: &World) -> bool {
        let (mut path, mut here) = (Vec::new(), *world);
        loop {
            let print = fingerprint(&here);
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if is_goal(&here) || known.contains(&print) {
                known.extend(path);
                return true;
            }
            drop(known);
            path.push(print);
            match next(moves, &here) {
                Some((_, next)) if path.len() < LONGEST => here = next,
                _ => return false,
            }
        }
    }
}

/// The object has its machine, or is gone.
fn is_goal(world: &World) -> bool {
    world.object.is_none_or(|o| !o.deleting && world.is_bound())
}

/// What happens next when nothing goes wrong: what was begun ends, then everybody looks, then time passes.
pub(super) fn next(moves: &Moves, world: &World) -> Option<(Move, World)> {
    let posts = (0..world.posts.len()).filter(|p| world.posts[*p].state == Way::Flying).map(Move::Land);
    let going = (0..world.machines.len()).filter(|m| world.machines[*m].state == Life::Going).map(Move::Finish);
    let stages = (0..moves.bounds.operators).map(|n| match world.operators[n].stage {
        Stage::Idle => Move::Look(n, Sight::default()),
        Stage::Write(_) => Move::Write(n),
        Stage::Written { .. } => Move::Acknowledge(n),
        Stage::Call { .. } => Move::Send(n),
        Stage::Waiting { .. } => Move::Answer(n),
    });
    posts.chain(going).chain(stages).chain([Move::Tick]).find_map(|m| Some((m, moves.made(world, m)?)))
}

fn fingerprint(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}
