//! A pass over one resource. Start here to understand the operator.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;
use kube::runtime::events::{Event as KubeEvent, EventType};
use kube::{Resource, ResourceExt};
use tracing::{Instrument, debug, info, warn};

use super::awaited::Awaited;
use super::context::{Context, Slot};
use super::error::Error;
use super::execute::{Executed, execute};
use super::gather::{Gathered, Gathering};
use super::objects::Written;
use super::seen::Seen;
use super::span::ReconcileSpan;
use super::tally;
use crate::crd::PaperspaceMachine;
use crate::lifecycle::observe::Moment;
use crate::lifecycle::step::{Decision, Event, Requeue, Step};
use crate::lifecycle::{backoff, silence};
use crate::metrics::{KindLabel, StepLabel};

/// More than what follows at once from one change; a resource whose passes never end lets others go first.
const MOST_PASSES: usize = 8;

/// All that is done for a resource at one time, and in one span.
pub async fn reconcile(seen: Arc<Seen>, context: Arc<Context>) -> Result<Action, Error> {
    let mut span = ReconcileSpan::new(&seen.namespace().unwrap_or_default(), &seen.name_any(), seen.uid());
    span.has(context.slot(seen.uid()).lock().await.machine.as_deref());
    let current = span.span();
    async {
        let done = passes(&seen, &context, &mut span).await;
        if let Err(error) = &done {
            let slot = context.slot(seen.uid());
            let mut slot = slot.lock().await;
            slot.failures = slot.failures.saturating_add(1);
            warn!(%error, failures = slot.failures, "the pass failed");
            span.failed(error);
        }
        done
    }
    .instrument(current)
    .await
}

/// The passes that follow at once one from the other: between what is written down and what is sent nothing may wait, least of all for other
/// resources, since the fence counts. None at all where the machine is only waited for, and looks as it did.
async fn passes(seen: &Seen, context: &Context, span: &mut ReconcileSpan) -> Result<Action, Error> {
    let was_woken = context.lines.begins(&seen.namespace().unwrap_or_default(), &seen.name_any());
    if let Some(action) = nothing_new(seen, context, was_woken).await {
        return Ok(action);
    }
    let mut known = None;
    for _ in 0..MOST_PASSES {
        debug!("a pass");
        match Box::pin(pass(seen, context, known, span)).await? {
            Passed::On(object) => known = object,
            Passed::Through(action) => return Ok(action),
        }
    }
    Ok(Action::requeue(Duration::ZERO))
}

async fn nothing_new(seen: &Seen, context: &Context, was_woken: bool) -> Option<Action> {
    let slot = context.slot(seen.uid());
    let mut slot = slot.lock().await;
    Awaited::look(seen, context, &mut slot, was_woken).await
}

/// How a pass ended.
enum Passed {
    /// With more to do at once, on the object as it is known to be, or else on what is read anew.
    On(Option<Known>),
    /// With something to wait for.
    Through(Action),
}

/// The object as it was at some moment after this one.
struct Known {
    object: Box<PaperspaceMachine>,
    at: Moment,
    /// The pass that knows it wrote it.
    written: bool,
}

/// Reads the object, unless it is known.
async fn read(seen: &Seen, context: &Context) -> Result<Option<Known>, Error> {
    let at = context.clock.now();
    let object = context.objects.read(&seen.namespace().unwrap_or_default(), &seen.name_any()).await?;
    Ok(object.map(|object| Known { object: Box::new(object), at, written: false }))
}

/// Gathers, decides, executes, writes, and says when to look again.
async fn pass(seen: &Seen, context: &Context, known: Option<Known>, span: &mut ReconcileSpan) -> Result<Passed, Error> {
    context.metrics.reconciles.inc();
    let begun = context.clock.mono();
    let passed = take_pass(seen, context, known, span).await;
    context.metrics.reconcile_seconds.observe(context.clock.mono().saturating_sub(begun).as_secs_f64());
    passed
}

async fn take_pass(seen: &Seen, context: &Context, known: Option<Known>, span: &mut ReconcileSpan) -> Result<Passed, Error> {
    let known = match known {
        Some(known) => Some(Known { written: false, ..known }),
        None => read(seen, context).await?,
    };
    let Some(mut known) = known else {
        context.forget(seen.uid());
        return Ok(Passed::Through(Action::await_change()));
    };
    // It left what is served, or another one has its name, and the watch has not said so yet.
    if !context.served.serves(&known.object) {
        return Ok(Passed::Through(Action::await_change()));
    }
    span.has(known.object.status.as_ref().and_then(|s| s.machine_id.as_deref()));
    let slot = context.slot(&known.object.uid().unwrap_or_default());
    let mut slot = slot.lock().await;
    let nonce = (context.nonce)();
    let Gathered { decision, client, looked } = Gathering::new(context, &known.object).decide(&mut slot, known.at, &nonce).await?;
    slot.memory = decision.memory.clone();
    span.has(decision.status.machine_id.as_deref());
    if decision.step != Step::Nothing {
        info!(step = decision.step.kind().as_str(), "step");
        context.metrics.steps.get_or_create(&StepLabel { step: decision.step.kind().as_str() }).inc();
    }
    let now = context.clock.now();
    let executed = execute(context, &known.object, &decision, client.as_ref(), known.at, &mut slot).await?;
    let made = slot.memory.machine_of_reply().filter(|_| matches!(decision.step, Step::Create { .. }));
    let machine: Option<Box<str>> = made.or(decision.status.machine_id.as_deref()).map(Into::into);
    span.has(machine.as_deref());
    slot.machine = machine;
    match executed {
        Executed::Done(None) => {}
        Executed::Done(Some(object)) => known = Known { object, at: now, written: true },
        Executed::Failed | Executed::Conflict => {
            slot.failures = 0;
            return Ok(Passed::Through(Action::requeue(Duration::ZERO)));
        }
    }
    let finished = finish(context, &mut known, &decision, &mut slot).await?;
    slot.failures = 0;
    let news = client.as_ref().and_then(|client| client.budget().news(seen.uid()));
    if let Some(news) = news {
        context.publish(&kube_event(&silence::event(&news)), &known.object.object_ref(&())).await;
    }
    Ok(match (finished, &decision.step) {
        // What is sent is decided on what is there after it was written down.
        (Finished::AsDecided, Step::WriteAhead { .. }) => Passed::On(None),
        (Finished::AsDecided, _) if decision.requeue == Requeue::After(Duration::ZERO) => {
            // As it was just written it is there; while Paperspace was called it may have changed.
            Passed::On(Some(known).filter(|known| known.written))
        }
        (Finished::AsDecided, _) => {
            slot.awaited = Awaited::after(context, &known.object, &decision, looked);
            Passed::Through(when_to_look_again(context, &known.object, &decision))
        }
        (Finished::Conflict, _) => Passed::Through(Action::requeue(Duration::ZERO)),
    })
}

enum Finished {
    AsDecided,
    /// Somebody else wrote meanwhile, or the object is gone: look again.
    Conflict,
}

/// Writes the status if it differs, then publishes the events.
async fn finish(context: &Context, known: &mut Known, decision: &Decision, slot: &mut Slot) -> Result<Finished, Error> {
    let removed = decision.step == Step::RemoveFinalizer;
    let written_already = matches!(decision.step, Step::WriteAhead { .. });
    let differs = known.object.status.clone().unwrap_or_default() != decision.status;
    let mut finished = Finished::AsDecided;
    if differs && !written_already && !removed {
        context.metrics.status_writes.inc();
        tally::changed(&context.metrics, &known.object, &decision.status, &decision.memory, context.clock.now().wall);
        let (before, now) = (known.object.resource_version(), context.clock.now());
        context.own.writes(&known.object, decision);
        match context.objects.write_status(&known.object, &decision.status).await? {
            Written::As(after) => {
                let version = after.as_ref().and_then(|object| object.resource_version());
                slot.memory = std::mem::take(&mut slot.memory).wrote(before.as_deref(), version, false);
                if let Some(object) = after {
                    *known = Known { object, at: now, written: true };
                }
            }
            // What the step did is done, so its events are true; what the status says is decided again.
            Written::Conflict if decision.step == Step::Nothing => return Ok(Finished::Conflict),
            Written::Conflict => finished = Finished::Conflict,
        }
    }
    context.tally.note(&known.object.uid().unwrap_or_default(), &decision.status);
    if removed {
        context.forget(&known.object.uid().unwrap_or_default());
    }
    let about = known.object.object_ref(&());
    for event in &decision.events {
        context.publish(&kube_event(event), &about).await;
    }
    Ok(finished)
}

/// As decided; where no list tells of changes, also what waits for one looks again and again. A look that failed keeps its back-off.
fn when_to_look_again(context: &Context, object: &PaperspaceMachine, decision: &Decision) -> Action {
    let after = match decision.requeue {
        Requeue::OnChange => None,
        Requeue::After(after) => Some(after),
    };
    let failing = after.is_some() && decision.memory.failed_looks > 0;
    let every = context.keys.looks_every(&object.uid().unwrap_or_default()).filter(|_| !failing);
    after.into_iter().chain(every).min().map_or_else(Action::await_change, Action::requeue)
}

fn kube_event(event: &Event) -> KubeEvent {
    KubeEvent {
        type_: if event.warning { EventType::Warning } else { EventType::Normal },
        reason: event.reason.to_owned(),
        // The API refuses notes over 1 kB.
        note: Some(crate::paperspace::clean_text(&event.note)),
        action: "Reconcile".to_owned(),
        secondary: None,
    }
}

/// When to try again after a failure: ever more slowly, and no object in step with another.
#[expect(clippy::needless_pass_by_value, reason = "the controller calls it so")]
pub fn error_policy(seen: Arc<Seen>, error: &Error, context: Arc<Context>) -> Action {
    context.metrics.failures.get_or_create(&KindLabel { kind: error.kind() }).inc();
    let failures = context.slot(seen.uid()).try_lock().map_or(1, |slot| slot.failures);
    Action::requeue(backoff::after_failures(failures, seen.uid()))
}
