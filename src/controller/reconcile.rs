//! A pass over one resource. Start here to understand the operator.

use std::sync::Arc;
use std::time::Duration;

use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::runtime::events::{Event as KubeEvent, EventType};
use kube::{Resource, ResourceExt};
use tracing::{Instrument, info, info_span, warn};

use super::context::{Context, Slot};
use super::error::Error;
use super::execute::{Executed, execute};
use super::gather::{Gathered, Gathering};
use super::objects::Written;
use crate::crd::PaperspaceMachine;
use crate::lifecycle::backoff;
use crate::lifecycle::step::{Decision, Event, Requeue, Step};
use crate::metrics::{KindLabel, StepLabel};

/// A resource as the watch gives it: one that cannot be read must not stop the others.
pub type Watched = DeserializeGuard<PaperspaceMachine>;

/// One pass, and one more where the first wrote down what is to be sent: between the two nothing may wait, least of all for other
/// resources, since the fence counts.
pub async fn reconcile(watched: Arc<Watched>, context: Arc<Context>) -> Result<Action, Error> {
    let (namespace, name) = (watched.namespace().unwrap_or_default(), watched.name_any());
    let span = info_span!("reconcile", namespace, name, machine = tracing::field::Empty);
    async {
        let (wrote_ahead, action) = pass(&watched, &context).await?;
        if wrote_ahead { Ok(pass(&watched, &context).await?.1) } else { Ok(action) }
    }
    .instrument(span)
    .await
}

/// Gathers, decides, executes, writes, and says when to look again; and whether a request was written down that is still to be sent.
async fn pass(watched: &Watched, context: &Context) -> Result<(bool, Action), Error> {
    let (namespace, name) = (watched.namespace().unwrap_or_default(), watched.name_any());
    context.metrics.reconciles.inc();
    let uid = watched.uid().unwrap_or_default();
    let began = context.clock.now();
    let Some(object) = context.objects.read(&namespace, &name).await? else {
        context.forget(&uid);
        return Ok((false, Action::await_change()));
    };
    if let Some(machine) = object.status.as_ref().and_then(|s| s.machine_id.as_deref()) {
        tracing::Span::current().record("machine", machine);
    }
    let slot = context.slot(&object.uid().unwrap_or_default());
    let mut slot = slot.lock().await;
    let nonce = (context.nonce)();
    let Gathered { decision, client } = Gathering::new(context, &object).decide(&mut slot, began, &nonce).await?;
    slot.memory = decision.memory.clone();
    if decision.step != Step::Nothing {
        info!(step = decision.step.kind().as_str(), "step");
        context.metrics.steps.get_or_create(&StepLabel { step: decision.step.kind().as_str() }).inc();
    }
    let executed = execute(context, &object, &decision, client.as_ref(), began, &mut slot).await?;
    let wrote_ahead = matches!((&decision.step, &executed), (Step::WriteAhead { .. }, Executed::Done(_)));
    let action = match executed {
        Executed::Done(version) => finish(context, &object, &decision, version, &mut slot).await?,
        Executed::Failed | Executed::Conflict => Action::requeue(Duration::ZERO),
    };
    slot.failures = 0;
    Ok((wrote_ahead, action))
}

/// Writes the status if it differs, then publishes the events, and says when to look again.
async fn finish(
    context: &Context,
    object: &PaperspaceMachine,
    decision: &Decision,
    version: Option<String>,
    slot: &mut Slot,
) -> Result<Action, Error> {
    let removed = decision.step == Step::RemoveFinalizer;
    let written_already = matches!(decision.step, Step::WriteAhead { .. });
    let differs = object.status.clone().unwrap_or_default() != decision.status;
    let mut action = when_to_look_again(context, object, decision);
    if differs && !written_already && !removed {
        context.metrics.status_writes.inc();
        match context.objects.write_status(object, version.as_deref(), &decision.status).await? {
            Written::As(after) => slot.memory = std::mem::take(&mut slot.memory).wrote(version.as_deref(), after, false),
            // What the step did is done, so its events are true; what the status says is decided again.
            Written::Conflict if decision.step == Step::Nothing => return Ok(Action::requeue(Duration::ZERO)),
            Written::Conflict => action = Action::requeue(Duration::ZERO),
        }
    }
    if removed {
        context.forget(&object.uid().unwrap_or_default());
    }
    let about = object.object_ref(&());
    for event in &decision.events {
        context.publish(&kube_event(event), &about).await;
    }
    Ok(action)
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
pub fn error_policy(watched: Arc<Watched>, error: &Error, context: Arc<Context>) -> Action {
    context.metrics.failures.get_or_create(&KindLabel { kind: error.kind() }).inc();
    let uid = watched.uid().unwrap_or_default();
    let failures = match context.slot(&uid).try_lock() {
        Ok(mut slot) => {
            slot.failures = slot.failures.saturating_add(1);
            slot.failures
        }
        Err(_) => 1,
    };
    warn!(namespace = watched.namespace().unwrap_or_default(), name = watched.name_any(), %error, failures, "the pass failed");
    Action::requeue(backoff::after_failures(failures, &uid))
}
