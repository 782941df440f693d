//! What may happen next, and what comes of it.

use super::canon;
use super::rules::{Bounds, Without};
use super::shell::{self, Decided, Scene, Sight};
use super::store::Store;
use super::world::{Act, Deed, FAULTS, Fault, Life, Machine, Numbered, Object, Operator, Origin, POSTS, Post, Stage, Way, World, Wrong};
use crate::crd::PaperspaceMachineStatus;
use crate::lifecycle::memory::{Memory, WriteAhead};
use crate::lifecycle::observe::Moment;
use crate::lifecycle::step::{Outcome, Step};
use crate::lifecycle::tests::cloud::{rejected, transport};
use crate::lifecycle::tests::world::spec;
use crate::paperspace::Error;

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
    decided: super::memo::Memo<Scene, Decided>,
    nothing: (Numbered, Numbered),
}

impl Moves {
    pub(super) fn new(bounds: Bounds) -> Self {
        let store = Store::new(bounds);
        let nothing = (store.memory(Memory::default()), store.status(&PaperspaceMachineStatus::default()));
        Self { bounds, store, decided: super::memo::Memo::default(), nothing }
    }

    /// How many different decisions were made.
    pub(super) fn decisions(&self) -> usize {
        self.decided.len()
    }

    /// Whether the object's status names a machine that lives.
    pub(super) fn is_bound(&self, world: &World) -> bool {
        let bound = world.object.map_or(0, |o| o.status.machines);
        (0..world.machines.len()).any(|m| bound & (1 << m) != 0 && world.machines[m].state == Life::Alive)
    }

    /// For people.
    pub(super) fn tell(&self, world: &World) -> String {
        let object = world.object.map_or("gone".to_owned(), |o| {
            let s = &self.store.standing(o.status);
            let creation = s.creation.as_ref().map(|c| format!("{} {:?}", c.id, c.outcome));
            let marks = [(o.finalizer, "finalizer"), (o.deleting, "deleting"), (o.address.is_some(), "annotated")];
            let marks: Vec<&str> = marks.into_iter().filter(|m| m.0).map(|m| m.1).collect();
            format!("{} {} {}", marks.join(" "), creation.unwrap_or_default(), s.machine_id.as_deref().unwrap_or("unbound"))
        });
        let machines = world.machines.iter().enumerate().filter(|(_, m)| m.origin != Origin::Nowhere);
        let machines: Vec<String> = machines.map(|(n, m)| format!("ps{n} {:?} {:?} {}", m.origin, m.state, m.age.max(m.gone))).collect();
        let posts: Vec<String> =
            world.posts.iter().filter(|p| p.state != Way::Free).map(|p| format!("POST {:?} {}", p.state, p.age)).collect();
        let operators: Vec<String> = world.operators.iter().take(self.bounds.operators).map(|o| self.tell_operator(o)).collect();
        format!("{object} | {} | {}\n        {}", machines.join(", "), posts.join(", "), operators.join("\n        "))
    }

    fn tell_operator(&self, operator: &Operator) -> String {
        let m = self.store.remembered(operator.memory);
        let ago = |at: &std::time::Duration| canon::NOW.as_secs().abs_diff(at.as_secs()) / super::rules::TICK.as_secs();
        let missing: Vec<String> = m.missing.iter().map(|(id, at)| format!("{id} missing {}", ago(at))).collect();
        format!(
            "{:?}; {} {} {} {} {} accepted {:?} {}",
            operator.stage,
            m.chain.as_ref().map_or("", |_| "chain"),
            m.attempt.as_ref().map_or(String::new(), |a| format!("{} {:?} seen {}", a.id, a.outcome, ago(&a.since))),
            m.write_ahead.as_ref().map_or(String::new(), |w| format!("may send {} {}", w.id, ago(&w.sent.mono))),
            m.reply.as_ref().map_or("", |_| "reply"),
            m.evidence.as_ref().map_or(String::new(), |e| format!("{} lists for {} since {}", e.lists.len(), e.key, ago(&e.since))),
            m.accepted,
            missing.join(", "),
        )
    }

    /// A new object, and what has happened to it before.
    pub(super) fn start(&self) -> World {
        let mut world = World {
            object: Some(Object { uid: 0, status: self.nothing.1, finalizer: false, deleting: false, address: None }),
            operators: [Operator { memory: self.nothing.0, private: None, stage: Stage::Idle }; 2],
            machines: [Machine::NONE; super::world::MACHINES],
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

    /// What may happen now. Some of it turns out to change nothing.
    pub(super) fn possible(&self, world: &World, moves: &mut Vec<Move>) {
        if world.wrong.is_some() {
            return;
        }
        let mut maybe = |fault, happens| {
            if world.has(fault) {
                moves.push(happens);
            }
        };
        for (slot, machine) in world.machines.iter().enumerate() {
            match machine.state {
                Life::Going => maybe(Fault::Undone, Move::Undo(slot)),
                Life::Alive => {
                    maybe(Fault::Console, Move::Console(slot));
                    maybe(Fault::Rename, Move::Rename(slot));
                }
                Life::Gone => {}
            }
        }
        for (slot, post) in world.posts.iter().enumerate() {
            if post.state == Way::Flying && !post.waited {
                maybe(Fault::Dropped, Move::Drop(slot));
            }
        }
        for (n, operator) in world.operators.iter().enumerate().take(self.bounds.operators) {
            match operator.stage {
                Stage::Idle => {}
                Stage::Write(_) => maybe(Fault::Unacknowledged, Move::WriteUnacknowledged(n)),
                Stage::Written { .. } => maybe(Fault::Unacknowledged, Move::Unacknowledged(n)),
                Stage::Call { act, .. } if matches!(act.deed, Deed::Delete(_)) => {
                    maybe(Fault::LostReply, Move::SendUnanswered(n));
                    maybe(Fault::Young, Move::SendYoung(n));
                }
                Stage::Call { .. } => {}
                Stage::Waiting { .. } => {
                    maybe(Fault::LostReply, Move::Unanswered(n));
                    maybe(Fault::Refused, Move::Refuse(n));
                    maybe(Fault::Ambiguous, Move::Ambiguous(n));
                }
            }
            maybe(Fault::Crash, Move::Crash(n));
            maybe(Fault::Asleep, Move::Asleep(n));
        }
        maybe(Fault::Copy, Move::Copy);
        maybe(Fault::Wipe, Move::Wipe);
        maybe(Fault::Delete, Move::Delete);
        maybe(Fault::Again, Move::Again);
        self.goes_on(world, moves);
    }

    /// What happens without anything going wrong.
    fn goes_on(&self, world: &World, moves: &mut Vec<Move>) {
        let flying = |post: &usize| world.posts[*post].state == Way::Flying;
        moves.extend((0..POSTS).filter(flying).map(Move::Land));
        let going = |machine: &usize| world.machines[*machine].state == Life::Going;
        moves.extend((0..world.machines.len()).filter(going).map(Move::Finish));
        for (n, operator) in world.operators.iter().enumerate().take(self.bounds.operators) {
            match operator.stage {
                Stage::Idle => self.looks(world, n, moves),
                Stage::Write(_) => moves.push(Move::Write(n)),
                Stage::Written { .. } => moves.push(Move::Acknowledge(n)),
                Stage::Call { .. } => moves.push(Move::Send(n)),
                Stage::Waiting { .. } => moves.push(Move::Answer(n)),
            }
        }
        moves.push(Move::Tick);
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
        match happens {
            Move::Tick => self.tick(world, None),
            Move::Asleep(n) => {
                world.take(Fault::Asleep)?;
                self.tick(world, Some(n))
            }
            Move::Look(n, sight) => self.look(world, n, sight),
            Move::Write(n) => self.write(world, n, true),
            Move::WriteUnacknowledged(n) => {
                world.take(Fault::Unacknowledged)?;
                self.write(world, n, false)
            }
            Move::Acknowledge(n) => self.acknowledge(world, n),
            Move::Unacknowledged(n) => {
                let Stage::Written { nonce, .. } = world.operators[n].stage else { return None };
                let object = world.object?;
                self.unchain(world, n);
                let act = Act { deed: Deed::WriteAhead(nonce), status: object.status, uid: object.uid, outdated: true };
                world.operators[n].stage = self.failed(act.deed, act);
                world.take(Fault::Unacknowledged)?;
                Some(())
            }
            Move::Send(n) => self.send(world, n, Reply::Comes),
            Move::SendUnanswered(n) => {
                world.take(Fault::LostReply)?;
                self.send(world, n, Reply::Lost)
            }
            Move::SendYoung(n) => {
                world.take(Fault::Young)?;
                self.send(world, n, Reply::Young)
            }
            Move::Land(post) => land(world, post),
            Move::Drop(post) => {
                world.take(Fault::Dropped)?;
                world.posts[post] = Post::NONE;
                Some(())
            }
            Move::Answer(n) => {
                let (act, post) = waiting(world, n)?;
                let Way::Landed(machine) = world.posts[post].state else { return None };
                let made = shell::row(machine.into(), world.machines[usize::from(machine)].origin);
                world.posts[post] = Post::NONE;
                self.learn(world, n, act, &Outcome::Machine(Box::new(made)));
                self.called(world, n, act)
            }
            Move::Unanswered(n) => {
                world.take(Fault::LostReply)?;
                if self.bounds.lacks(Without::OnePost) {
                    let (act, post) = waiting(world, n)?;
                    unwait(&mut world.posts[post]);
                    world.operators[n].stage = Stage::Call { act, age: 0 };
                    return self.send(world, n, Reply::Comes);
                }
                self.give_up(world, n, transport(true), false)
            }
            Move::Refuse(n) => {
                world.take(Fault::Refused)?;
                self.give_up(world, n, rejected(400, "no"), true)
            }
            Move::Ambiguous(n) => {
                world.take(Fault::Ambiguous)?;
                self.give_up(world, n, rejected(if self.bounds.lacks(Without::Ambiguity) { 400 } else { 408 }, "took too long"), false)
            }
            Move::Crash(n) => {
                world.take(Fault::Crash)?;
                if let Some((_, post)) = waiting(world, n) {
                    unwait(&mut world.posts[post]);
                }
                world.operators[n] = Operator { memory: self.nothing.0, private: None, stage: Stage::Idle };
                Some(())
            }
            Move::Finish(m) => {
                let machine = &mut world.machines[m];
                (machine.state == Life::Going).then(|| (machine.state, machine.gone) = (Life::Gone, 0))
            }
            Move::Undo(m) => {
                world.take(Fault::Undone)?;
                world.machines[m].state = Life::Alive;
                Some(())
            }
            Move::Console(m) => {
                world.take(Fault::Console)?;
                (world.machines[m].state, world.machines[m].gone) = (Life::Gone, 0);
                Some(())
            }
            Move::Rename(m) => {
                world.take(Fault::Rename)?;
                let known = world.object.is_some_and(|o| o.deleting && o.status.machines & (1 << m) != 0);
                known.then(|| world.machines[m].marked = false)
            }
            Move::Copy => self.copy(world),
            Move::Wipe => {
                world.take(Fault::Wipe)?;
                world.object.as_mut()?.status = self.nothing.1;
                self.moved(world, None);
                Some(())
            }
            Move::Delete => {
                world.take(Fault::Delete)?;
                self.delete(world)
            }
            Move::Again => {
                world.take(Fault::Again)?;
                if world.object.is_some() {
                    return None;
                }
                world.uid += 1;
                world.object = Some(Object { uid: world.uid, status: self.nothing.1, finalizer: false, deleting: false, address: None });
                Some(())
            }
        }
    }

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

    fn look(&self, world: &mut World, n: usize, sight: Sight) -> Option<()> {
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
        let used = world.operators.iter().fold(self.standing(world).0, |bits, o| bits | o.memory.nonces);
        u8::try_from(used.trailing_ones()).ok()
    }

    /// The attempts that stand in the object or in what an operator is about to do; and those of them that are open.
    fn standing(&self, world: &World) -> (u16, u16) {
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

    fn write(&self, world: &mut World, n: usize, acknowledged: bool) -> Option<()> {
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

    fn acknowledge(&self, world: &mut World, n: usize) -> Option<()> {
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

    fn send(&self, world: &mut World, n: usize, reply: Reply) -> Option<()> {
        let Stage::Call { act, .. } = world.operators[n].stage else { return None };
        match act.deed {
            Deed::Create(_) => {
                let post = world.posts.iter().position(|p| p.state == Way::Free)?;
                world.posts[post] = Post { state: Way::Flying, uid: act.uid, waited: true, age: 0 };
                world.operators[n].stage = Stage::Waiting { act, post: u8::try_from(post).unwrap() };
                matches!(reply, Reply::Comes).then_some(())
            }
            Deed::Delete(id) => {
                let machine = world.machines[usize::from(id)];
                let lost = matches!(reply, Reply::Young);
                if lost && !shell::is_young(&self.bounds, machine) {
                    return None;
                }
                let found = machine.exists() && !lost;
                if found {
                    if self.bounds.retain || !asked_for(world, machine) {
                        world.wrong = Some(Wrong::Destroyed);
                    }
                    world.machines[usize::from(id)].state = Life::Going;
                }
                let outcome = match reply {
                    Reply::Lost => Outcome::Failed(transport(true)),
                    _ if found => Outcome::Machine(Box::new(shell::row(id.into(), machine.origin))),
                    _ => Outcome::Failed(rejected(404, "no such machine")),
                };
                let failed = matches!(outcome, Outcome::Failed(_));
                if failed && !found && self.bounds.lacks(Without::AcceptedFirst) {
                    self.remember(world, n, act.uid, |m| m.accepted.extend([canon::machine(id)]));
                }
                self.learn(world, n, act, &outcome);
                if failed {
                    world.operators[n].stage = Stage::Idle;
                    return Some(());
                }
                self.called(world, n, act)
            }
            _ => unreachable!(),
        }
    }

    /// A call was done: the status follows, if the object is still the one that was looked at.
    fn called(&self, world: &mut World, n: usize, act: Act) -> Option<()> {
        let differs = !act.outdated && world.object.is_some_and(|o| o.status != act.status);
        world.operators[n].stage = if differs { Stage::Write(Act { deed: Deed::Status, ..act }) } else { Stage::Idle };
        Some(())
    }

    /// Nobody waits any more for the create; with `undone` it is certain that nothing comes of it.
    fn give_up(&self, world: &mut World, n: usize, error: Error, undone: bool) -> Option<()> {
        let (act, post) = waiting(world, n)?;
        if undone {
            if world.posts[post].state != Way::Flying {
                return None;
            }
            world.posts[post] = Post::NONE;
        } else {
            unwait(&mut world.posts[post]);
        }
        self.learn(world, n, act, &Outcome::Failed(error));
        if let (Deed::Create(nonce), true) = (act.deed, self.bounds.lacks(Without::OneRequest)) {
            let sent = Moment { wall: canon::wall(canon::NOW), mono: canon::NOW };
            self.remember(world, n, act.uid, |m| m.write_ahead = Some(WriteAhead { id: canon::nonce(nonce), sent }));
        }
        world.operators[n].stage = Stage::Idle;
        Some(())
    }

    fn learn(&self, world: &mut World, n: usize, act: Act, outcome: &Outcome) {
        let step = match act.deed {
            Deed::Create(nonce) => create_step(nonce),
            Deed::Delete(id) => Step::Delete { id: canon::machine(id) },
            _ => unreachable!(),
        };
        let generation = if matches!(step, Step::Delete { .. }) { 2 } else { 1 };
        let now = Moment { wall: canon::wall(canon::NOW), mono: canon::NOW };
        self.remember(world, n, act.uid, |m| *m = std::mem::take(m).learn(&step, outcome, Some(generation), now));
    }

    /// Changes what the operator remembers of the object with this uid.
    fn remember(&self, world: &mut World, n: usize, uid: u8, change: impl FnOnce(&mut Memory)) {
        if world.object.is_some_and(|o| o.uid == uid) {
            world.operators[n].memory = self.store.edit(world.operators[n].memory, change);
        }
    }

    fn unchain(&self, world: &mut World, n: usize) {
        world.operators[n].memory = self.store.memory_unchained(world.operators[n].memory);
    }

    /// The object has another version now: by this operator's write, or somebody else's.
    fn moved(&self, world: &mut World, by: Option<usize>) {
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
    fn failed(&self, deed: Deed, act: Act) -> Stage {
        match deed {
            Deed::WriteAhead(n) if self.bounds.lacks(Without::Acknowledged) => {
                Stage::Call { act: Act { deed: Deed::Create(n), outdated: true, ..act }, age: 0 }
            }
            _ => Stage::Idle,
        }
    }

    fn copy(&self, world: &mut World) -> Option<()> {
        world.take(Fault::Copy)?;
        let object = world.object?;
        let status = &self.store.standing(object.status);
        let closed = status.creation.as_ref().and_then(|c| c.closed_at.as_ref()).filter(|_| status.machine_id.is_some())?;
        // Within the settle an attempt could have made it.
        if closed.0 >= canon::wall(canon::ago(self.bounds.settle)) {
            return None;
        }
        let slot = world.machines.iter().position(|m| m.origin == Origin::Nowhere)?;
        world.machines[slot] =
            Machine { origin: Origin::Copied(object.uid), state: Life::Alive, marked: true, age: self.bounds.lag + 1, gone: 0 };
        Some(())
    }

    /// Time passes, unless something has to happen first.
    fn tick(&self, world: &mut World, asleep: Option<usize>) -> Option<()> {
        let bounds = &self.bounds;
        for post in &mut world.posts {
            match post.state {
                Way::Free => continue,
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

    /// Brings the world into its one form.
    fn tidy(&self, world: &mut World) {
        if world.object.is_none() {
            // Nobody reads it again: what was remembered of it goes.
            for operator in &mut world.operators {
                operator.memory = self.nothing.0;
                match operator.stage {
                    Stage::Write(act) if self.bounds.lacks(Without::RemovalTest) && act.deed == Deed::RemoveFinalizer => {}
                    Stage::Write(_) | Stage::Written { .. } => operator.stage = Stage::Idle,
                    Stage::Idle | Stage::Call { .. } | Stage::Waiting { .. } => {}
                }
            }
        }
        if !self.bounds.remembers_all() {
            let (nonces, open) = self.standing(world);
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
    fn sort(&self, world: &mut World) {
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

/// What becomes of a request's reply.
#[derive(Clone, Copy)]
enum Reply {
    Comes,
    Lost,
    Young,
}

fn wrote(memory: &mut Memory, added: bool) -> Memory {
    std::mem::take(memory).wrote(Some(shell::VERSION), Some(shell::VERSION.to_owned()), added)
}

fn waiting(world: &World, n: usize) -> Option<(Act, usize)> {
    match world.operators[n].stage {
        Stage::Waiting { act, post } => Some((act, post.into())),
        _ => None,
    }
}

fn unwait(post: &mut Post) {
    post.waited = false;
    if let Way::Landed(_) = post.state {
        *post = Post::NONE;
    }
}

fn land(world: &mut World, slot: usize) -> Option<()> {
    let post = world.posts[slot];
    if post.state != Way::Flying {
        return None;
    }
    let free = world.machines.iter().position(|m| m.origin == Origin::Nowhere)?;
    world.machines[free] = Machine { origin: Origin::Made(post.uid), state: Life::Alive, marked: true, age: 0, gone: 0 };
    let landed = Post { state: Way::Landed(u8::try_from(free).unwrap()), ..post };
    world.posts[slot] = if post.waited { landed } else { Post::NONE };
    Some(())
}

/// Whether somebody asked for this machine to be destroyed: by deleting the resource that it was made for.
fn asked_for(world: &World, machine: Machine) -> bool {
    match machine.origin {
        Origin::Made(uid) => world.object.is_none_or(|o| o.uid != uid || o.deleting),
        Origin::Copied(_) | Origin::Nowhere => false,
    }
}

fn create_step(nonce: u8) -> Step {
    let object = crate::crd::PaperspaceMachine::new("train", spec());
    let body = crate::lifecycle::desired::creation(&object, None).unwrap();
    Step::Create { attempt: canon::nonce(nonce), body: Box::new(body), timeout: std::time::Duration::ZERO }
}
