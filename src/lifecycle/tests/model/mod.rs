//! The core, checked exhaustively against a small world: [`crate::lifecycle::decide::decide`] itself, not a copy of it.
//!
//! A world ([`world`]) is one resource, one or two operators without leader election, the machines and the creates under way. What may happen
//! next ([`moves`]) happens in every order: an operator looks and decides (one move, [`shell`]), then does what it decided (others), and
//! between them time passes, the other operator acts, an operator dies, replies are lost, the user deletes. Every world that can be reached
//! is visited; in each these must hold ([`check`]):
//!
//! - S1 there are never two machines for one resource; S2 none is left once it is gone; S3 none is destroyed that nobody asked to destroy;
//! - L1 a resource that stays can get its machine and L2 one that is deleted can go: from every world there is a way on which nothing goes
//!   wrong any more ([`calm`]); L3 a pass that does nothing says when to look again, unless there is nothing to come back for.
//!
//! The worlds are in [`worlds`]; all holds in them ([`holds`]), and no longer when any one rule is left out ([`ablations`], [`lies`]).
//! How long the settle has to be is in [`timing`].
//!
//! # What is bounded
//!
//! Each fault happens at most as often as its world says. A tick is 15 s and a settle four of them (other figures in [`timing`]), so that
//! the fence (5 s) is over within the tick; a create's time-out, its late effect and the lag of lists are a tick each. Acknowledgements of
//! writes take as long as they like. All worlds together have about 1.5 million states. `MODEL_BOUND=large` gives each of [`holds`] a second
//! operator, or where there are two already one that dies: tens of times as many, for runs by hand. `MODEL_STORY=1` prints how each rule
//! that is left out leads to its violation.
//!
//! # What is left out
//!
//! - Spec, power, drift, scripts, addresses, adoption, `suspend`, protection and the CRD's end: machines are as the spec says and on.
//! - Conditions and all else in the status that is for people ([`canon`]): a write that changes nothing else is none. So a resource is never
//!   quiet, and its machine is looked at in each pass.
//! - Back-offs and requeues: a pass may come at any time. What is remembered of failures is kept only as far as it holds a create back.
//! - Failing reads (they end a pass without a decision), keys that are missing, and more than one account per resource.
//! - A read of the object is never old: the shell reads it afresh, or has just written it, and what it decides from it is written conditionally.
//!   A create comes after a read. That a mutation
//!   starts within 20 s of that read is not needed here: a deletion is never taken back, and a create has its fence.
//! - The lists of one pass lag alike, except for pages that shift; a GET lags only for a machine that was made within the fence. A GET that
//!   still finds what is gone, and 404s that come and go for old machines (a 200 in between starts their settle again), do not occur.
//! - Wall clocks that differ between operators. First sight is each process's own; only how young a bound machine is, when a refusal's
//!   back-off is over and which machines an attempt can have made is told by times that another may have written.
#![allow(clippy::print_stdout, reason = "the tests say how much they explored")]

mod ablations;
mod calls;
mod calm;
mod canon;
mod check;
mod holds;
mod lies;
mod look;
mod memo;
mod moves;
mod people;
mod rules;
mod shell;
mod store;
mod story;
mod tidy;
mod time;
mod timing;
mod world;
mod worlds;
mod writes;
