//! The pure core: what to do about one resource, decided from values alone.
//!
//! No async, no clock, no randomness, no clients. [`decide::decide`] looks at an [`observe::Observation`] and either asks the shell one
//! [`observe::Question`] (a read) or says what to do: at most one [`step::Step`], the whole status, events, and when to look again.
//! The shell answers, asks again, executes, and tells [`memory::Memory`] what came of it.
//!
//! ```text
//!              +--------------------- answer ---------------------+
//!              v                                                  |
//! object, clocks, memory, facts --> decide --> Ask(question) --> shell reads
//!                                     |
//!                                     +--> Act { step, status, events, requeue, memory } --> shell executes
//! ```
//!
//! # Creating exactly once
//!
//! Paperspace has no idempotency key, so a machine is created by a protocol, and every rule of it is needed: the model in `tests/model` finds
//! a duplicate or a leak for each rule that is left out.
//!
//! 1. **Mark**: the machine's name ends in the resource's uid ([`names`]), so that it can be found again whatever was lost.
//! 2. **Look first**: no create without a complete list, begun after the previous attempt was closed, that lacks the mark.
//! 3. **Write ahead**: the attempt is in the status, under a random id, before its one request is sent; the write is conditional on the
//!    version that was looked at, and a write without acknowledgement is never followed by the request.
//! 4. **Fence**: the request starts within [`observe::Settings::fence`] of the moment before the write was sent.
//! 5. **Ambiguity is not failure**: only an answer that proves that nothing was done closes an attempt at once. Otherwise it stays open
//!    until this process has seen it open for [`observe::Settings::settle`] and then two complete lists lacked the mark.
//!
//! Absence of memory is not proof either: an object with a finalizer and no attempt in its status gets one written down that is never
//! sent, and settled, unless this process itself added the finalizer and nobody else wrote since.

mod about;
mod accessors;
mod account;
mod addresses;
mod adopt;
mod attached;
pub mod backoff;
mod change;
mod connection;
mod create;
pub mod decide;
mod delete;
pub mod desired;
mod destroy;
pub mod diff;
mod exists;
pub mod limit;
mod looks;
pub mod manifest;
pub mod memory;
pub mod names;
mod networks;
pub mod observe;
pub mod orphans;
mod pass;
mod patience;
mod power;
mod prepare;
mod resize;
mod restart;
pub mod restraint;
mod script_attempt;
mod script_removal;
pub mod script_text;
mod scripts;
mod shown;
pub mod silence;
pub mod step;
mod templates;
#[cfg(test)]
mod tests;
mod trouble;
mod vanish;

pub(crate) use exists::decimal;
