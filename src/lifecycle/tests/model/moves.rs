//! What may happen next, and what comes of it.

use super::calls::{Reply, land, unwait, waiting};
use super::memo::Memo;
use super::rules::{Bounds, Without};
use super::shell::{self, Decided, Scene, Sight};
use super::store::Store;
use super::world::{Deed, Fault, Life, MACHINES, Machine, Numbered, Object, Operator, POSTS, Post, Stage, Way, World};
use crate::crd::PaperspaceMachineStatus;
use crate::lifecycle::memory::Memory;
use crate::lifecycle::tests::cloud::rejected;

/// One thing that happens. Operators, machines and creates by their slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Move {
    /// Time passes.
    Tick,
    /// Time passes, but not on this operator's monotonic clock.
    Asleep(usize),
    /// An operator reads the object, asks, and decides.
    Look(usize, Sight),
    /// It writes to Kubernetes what it decided; but for a write-ahead the acknowledgement comes at once.
    Write(usize),
    /// The same, and the acknowledgement never comes.
    WriteUnacknowledged(usize),
    /// The acknowledgement of a write-ahead comes.
    Acknowledge(usize),
    /// It never comes.
    Unacknowledged(usize),
    /// The request goes out.
    Send(usize),
    /// The same, and the reply is lost.
    SendUnanswered(usize),
    /// The request finds no machine, because that is young.
    SendYoung(usize),
    /// A create is done.
    Land(usize),
    /// It never is.
    Drop(usize),
    /// Its reply comes.
    Answer(usize),
    /// Its reply is lost, or took too long.
    Unanswered(usize),
    /// It is refused: 400.
    Refuse(usize),
    /// It is answered 408.
    Ambiguous(usize),
    Crash(usize),
    /// A machine that was going is gone.
    Finish(usize),
    /// It comes back: its destruction failed.
    Undo(usize),
    Console(usize),
    Rename(usize),
    Copy,
    Wipe,
    Delete,
    Again,
}

/// The world's rules.
pub(super) struct Moves {
    pub(super) bounds: Bounds,
    pub(super) store: Store,
    pub(super) decided: Memo<Scene, Decided>,
    /// A memory and a status with nothing in them.
    pub(super) nothing: (Numbered, Numbered),
}

impl Moves {
    pub(super) fn new(bounds: Bounds) -> Self {
        let store = Store::new(bounds);
        let nothing = (store.memory(Memory::default()), store.status(&PaperspaceMachineStatus::default()));
        Self { bounds, store, decided: Memo::default(), nothing }
    }

    /// How many different decisions were made.
    pub(super) fn decisions(&self) -> usize {
        self.decided.len()
    }

    /// A new object, and what has happened to it before.
    pub(super) fn start(&self) -> World {
        let mut world = World {
            object: Some(self.fresh_object(0)),
            operators: [self.fresh_operator(); 2],
            machines: [Machine::NONE; MACHINES],
            posts: [Post::NONE; POSTS],
            left: self.bounds.faults,
            uid: 0,
            wrong: None,
        };
        for happens in self.bounds.before {
            self.make(&mut world, *happens).unwrap_or_else(|| panic!("{happens:?} cannot happen: {}", self.tell(&world)));
            self.tidy(&mut world);
        }
        self.sort(&mut world);
        world
    }

    pub(super) fn fresh_object(&self, uid: u8) -> Object {
        Object { uid, status: self.nothing.1, finalizer: false, deleting: false, address: None }
    }

    pub(super) fn fresh_operator(&self) -> Operator {
        Operator { memory: self.nothing.0, private: None, stage: Stage::Idle }
    }

    /// What may happen now. Some of it turns out to change nothing.
    pub(super) fn possible(&self, world: &World, moves: &mut Vec<Move>) {
        if world.wrong.is_some() {
            return;
        }
        for (slot, post) in world.posts.iter().enumerate() {
            if post.state == Way::Flying {
                moves.push(Move::Land(slot));
                if !post.waited {
                    moves.push(Move::Drop(slot));
                }
            }
        }
        for (slot, machine) in world.machines.iter().enumerate() {
            match machine.state {
                Life::Going => moves.extend([Move::Finish(slot), Move::Undo(slot)]),
                Life::Alive => moves.extend([Move::Console(slot), Move::Rename(slot)]),
                Life::Gone => {}
            }
        }
        for (n, operator) in world.operators.iter().enumerate().take(self.bounds.operators) {
            match operator.stage {
                Stage::Idle => self.looks(world, n, moves),
                Stage::Write(_) => moves.extend([Move::Write(n), Move::WriteUnacknowledged(n)]),
                Stage::Written { .. } => moves.extend([Move::Acknowledge(n), Move::Unacknowledged(n)]),
                Stage::Call { act, .. } if matches!(act.deed, Deed::Create(_)) => moves.push(Move::Send(n)),
                Stage::Call { .. } => moves.extend([Move::Send(n), Move::SendUnanswered(n), Move::SendYoung(n)]),
                Stage::Waiting { .. } => moves.extend([Move::Answer(n), Move::Unanswered(n), Move::Refuse(n), Move::Ambiguous(n)]),
            }
            moves.extend([Move::Crash(n), Move::Asleep(n)]);
        }
        moves.extend([Move::Copy, Move::Wipe, Move::Delete, Move::Again, Move::Tick]);
        moves.retain(|m| m.fault().is_none_or(|fault| world.has(fault)));
    }

    /// All that a pass may see.
    fn looks(&self, world: &World, operator: usize, moves: &mut Vec<Move>) {
        let unsure = (0..world.machines.len()).filter(|m| shell::uncertain(&self.bounds, world.machines[*m]));
        let unsure = unsure.fold(0_u8, |bits, m| bits | (1 << m));
        let young = world.has(Fault::Young) && world.machines.iter().any(|m| shell::is_young(&self.bounds, *m));
        let anything = world.machines.iter().any(|m| m.exists());
        for lag in 0..=unsure {
            if lag & !unsure != 0 {
                continue;
            }
            for shifts in 0..8_u8 {
                if shifts.count_ones() > u32::from(world.left[Fault::Shift as usize]) || (shifts > 0 && !anything) {
                    continue;
                }
                for young in [false, true].into_iter().take(if young { 2 } else { 1 }) {
                    for alien in [false, true].into_iter().take(if world.has(Fault::Alien) { 2 } else { 1 }) {
                        moves.push(Move::Look(operator, Sight { lag, shifts, young, alien }));
                    }
                }
            }
        }
    }

    /// What comes of it; nothing, if it cannot happen or changes nothing.
    pub(super) fn made(&self, before: &World, happens: Move) -> Option<World> {
        let mut world = *before;
        self.make(&mut world, happens)?;
        self.tidy(&mut world);
        self.sort(&mut world);
        (world != *before).then_some(world)
    }

    fn make(&self, world: &mut World, happens: Move) -> Option<()> {
        if let Some(fault) = happens.fault() {
            world.take(fault)?;
        }
        match happens {
            Move::Tick => self.tick(world, None),
            Move::Asleep(n) => self.tick(world, Some(n)),
            Move::Look(n, sight) => self.look(world, n, sight),
            Move::Write(n) => self.write(world, n, true),
            Move::WriteUnacknowledged(n) => self.write(world, n, false),
            Move::Acknowledge(n) => self.acknowledge(world, n),
            Move::Unacknowledged(n) => self.unacknowledged(world, n),
            Move::Send(n) => self.send(world, n, Reply::Comes),
            Move::SendUnanswered(n) => self.send(world, n, Reply::Lost),
            Move::SendYoung(n) => self.send(world, n, Reply::Young),
            Move::Land(post) => land(world, post),
            Move::Drop(post) => {
                world.posts[post] = Post::NONE;
                Some(())
            }
            Move::Answer(n) => self.answer(world, n),
            Move::Unanswered(n) => self.unanswered(world, n),
            Move::Refuse(n) => self.give_up(world, n, rejected(400, "no"), true),
            Move::Ambiguous(n) => {
                let status = if self.bounds.lacks(Without::Ambiguity) { 400 } else { 408 };
                self.give_up(world, n, rejected(status, "took too long"), false)
            }
            Move::Crash(n) => {
                if let Some((_, post)) = waiting(world, n) {
                    unwait(&mut world.posts[post]);
                }
                world.operators[n] = self.fresh_operator();
                Some(())
            }
            Move::Finish(m) | Move::Console(m) => {
                (world.machines[m].state, world.machines[m].gone) = (Life::Gone, 0);
                Some(())
            }
            Move::Undo(m) => {
                world.machines[m].state = Life::Alive;
                Some(())
            }
            Move::Rename(m) => {
                let known = world.object.is_some_and(|o| o.deleting && o.status.machines & (1 << m) != 0);
                known.then(|| world.machines[m].marked = false)
            }
            Move::Copy => self.copy(world),
            Move::Wipe => self.wipe(world),
            Move::Delete => self.delete(world),
            Move::Again => self.again(world),
        }
    }
}

impl Move {
    /// What goes wrong in it.
    fn fault(self) -> Option<Fault> {
        Some(match self {
            Self::Asleep(_) => Fault::Asleep,
            Self::WriteUnacknowledged(_) | Self::Unacknowledged(_) => Fault::Unacknowledged,
            Self::SendUnanswered(_) | Self::Unanswered(_) => Fault::LostReply,
            Self::SendYoung(_) => Fault::Young,
            Self::Drop(_) => Fault::Dropped,
            Self::Refuse(_) => Fault::Refused,
            Self::Ambiguous(_) => Fault::Ambiguous,
            Self::Crash(_) => Fault::Crash,
            Self::Undo(_) => Fault::Undone,
            Self::Console(_) => Fault::Console,
            Self::Rename(_) => Fault::Rename,
            Self::Copy => Fault::Copy,
            Self::Wipe => Fault::Wipe,
            Self::Delete => Fault::Delete,
            Self::Again => Fault::Again,
            // The look takes what it sees wrongly itself.
            Self::Look(..) => return None,
            Self::Tick | Self::Write(_) | Self::Acknowledge(_) | Self::Send(_) | Self::Land(_) | Self::Answer(_) | Self::Finish(_) => {
                return None;
            }
        })
    }
}
