//! Requests to Paperspace: what becomes of them, and what the operator learns.

use super::canon;
use super::moves::Moves;
use super::rules::Without;
use super::shell;
use super::world::{Act, Deed, Life, Machine, Origin, Post, Stage, Way, World, Wrong};
use crate::lifecycle::memory::WriteAhead;
use crate::lifecycle::observe::Moment;
use crate::lifecycle::step::{Outcome, Step};
use crate::lifecycle::tests::cloud::{rejected, transport};
use crate::lifecycle::tests::world::spec;
use crate::paperspace::Error;

/// What becomes of a request's reply.
#[derive(Clone, Copy)]
pub(super) enum Reply {
    Comes,
    Lost,
    Young,
}

impl Moves {
    pub(super) fn send(&self, world: &mut World, n: usize, reply: Reply) -> Option<()> {
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
                called(world, n, act)
            }
            _ => unreachable!(),
        }
    }

    pub(super) fn answer(&self, world: &mut World, n: usize) -> Option<()> {
        let (act, post) = waiting(world, n)?;
        let Way::Landed(machine) = world.posts[post].state else { return None };
        let made = shell::row(machine.into(), world.machines[usize::from(machine)].origin);
        world.posts[post] = Post::NONE;
        self.learn(world, n, act, &Outcome::Machine(Box::new(made)));
        called(world, n, act)
    }

    pub(super) fn unanswered(&self, world: &mut World, n: usize) -> Option<()> {
        if self.bounds.lacks(Without::OnePost) {
            let (act, post) = waiting(world, n)?;
            unwait(&mut world.posts[post]);
            world.operators[n].stage = Stage::Call { act, age: 0 };
            return self.send(world, n, Reply::Comes);
        }
        self.give_up(world, n, transport(true), false)
    }

    /// Nobody waits any more for the create; with `undone` it is certain that nothing comes of it.
    pub(super) fn give_up(&self, world: &mut World, n: usize, error: Error, undone: bool) -> Option<()> {
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

    pub(super) fn learn(&self, world: &mut World, n: usize, act: Act, outcome: &Outcome) {
        let step = match act.deed {
            Deed::Create(nonce) => create_step(nonce),
            Deed::Delete(id) => Step::Delete { id: canon::machine(id) },
            _ => unreachable!(),
        };
        let generation = if matches!(step, Step::Delete { .. }) { 2 } else { 1 };
        let now = Moment { wall: canon::wall(canon::NOW), mono: canon::NOW };
        self.remember(world, n, act.uid, |m| *m = std::mem::take(m).learn(&step, outcome, Some(generation), now));
    }
}

pub(super) fn waiting(world: &World, n: usize) -> Option<(Act, usize)> {
    match world.operators[n].stage {
        Stage::Waiting { act, post } => Some((act, post.into())),
        _ => None,
    }
}

pub(super) fn unwait(post: &mut Post) {
    post.waited = false;
    if let Way::Landed(_) = post.state {
        *post = Post::NONE;
    }
}

pub(super) fn land(world: &mut World, slot: usize) -> Option<()> {
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
    let body = crate::lifecycle::desired::creation(&object, &crate::crd::PaperspaceMachineStatus::default(), None).unwrap();
    Step::Create { attempt: canon::nonce(nonce), body: Box::new(body), timeout: std::time::Duration::ZERO }
}

/// A call was done: the status follows, if the object is still the one that was looked at.
fn called(world: &mut World, n: usize, act: Act) -> Option<()> {
    let differs = !act.outdated && world.object.is_some_and(|o| o.status != act.status);
    world.operators[n].stage = if differs { Stage::Write(Act { deed: Deed::Status, ..act }) } else { Stage::Idle };
    Some(())
}
