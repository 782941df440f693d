//! Executes one step. Every choice was made before.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;

use super::context::{Context, Slot};
use super::credentials::unreachable;
use super::error::Error;
use super::objects::Written;
use crate::crd::PaperspaceMachine;
use crate::fleet::Account;
use crate::lifecycle::memory::WriteAhead;
use crate::lifecycle::observe::Moment;
use crate::lifecycle::step::{Decision, Outcome, Step};
use crate::metrics::OutcomeLabel;
use crate::paperspace::types::{CreateStartupScript, UpdateStartupScript};
use crate::paperspace::{self, Client};

/// How old the look at the object may be that justifies a change on Paperspace.
const STALE: Duration = Duration::from_secs(20);

/// What came of a step.
pub(super) enum Executed {
    /// It was done; with the object as it is now, where the step wrote that.
    Done(Option<Box<PaperspaceMachine>>),
    /// Paperspace did not do it, or it cannot be told: the next pass decides on that.
    Failed,
    /// The object changed meanwhile, or is gone: look again.
    Conflict,
}

/// Executes the step and remembers what came of it.
pub(super) async fn execute(
    context: &Context,
    object: &PaperspaceMachine,
    decision: &Decision,
    client: Option<&Client>,
    began: Moment,
    slot: &mut Slot,
) -> Result<Executed, Error> {
    let version = object.resource_version();
    let written = match &decision.step {
        Step::Nothing => return Ok(Executed::Done(None)),
        Step::AddFinalizer => {
            context.own.writes(object, decision);
            context.objects.add_finalizer(object).await?
        }
        Step::RemoveFinalizer => context.objects.remove_finalizer(object).await?,
        Step::Annotate { address } => {
            context.own.writes(object, decision);
            context.objects.annotate(object, address).await?
        }
        Step::WriteAhead { id, create } => {
            // The place in the budget first: between the write and the request nothing may wait.
            let permit = match client.filter(|_| *create) {
                Some(client) => match client.budget().acquire().await {
                    Ok(permit) => Some(permit),
                    // Nothing is written down that is not to be sent now.
                    Err(_) => return Ok(Executed::Failed),
                },
                None => None,
            };
            let sent = context.clock.now();
            context.own.writes(object, decision);
            let written = context.objects.write_status(object, &decision.status).await?;
            if matches!(written, Written::As(_)) {
                slot.memory.write_ahead = Some(WriteAhead { id: id.clone(), sent });
                slot.memory.reply = None;
                slot.permit = permit;
            }
            written
        }
        Step::WriteConfigMap { name, data } => {
            let written = context.objects.write_config_map(object, name, data).await;
            return Ok(beside(context, object, &decision.step, written, slot));
        }
        Step::DeleteConfigMap { name } => {
            let written = context.objects.delete_config_map(object, name).await;
            return Ok(beside(context, object, &decision.step, written, slot));
        }
        Step::Delete { id } if !has_a_place(context, object, id) => return Ok(Executed::Conflict),
        step => {
            return Ok(match ready_client(context, step, client, began).await {
                Ready::Client(client) => call(context, object, step, &client, slot).await,
                Ready::TooLate => Executed::Conflict,
                Ready::NotNow => Executed::Failed,
            });
        }
    };
    Ok(match written {
        Written::Conflict => Executed::Conflict,
        Written::As(after) => {
            let added = decision.step == Step::AddFinalizer;
            let now = after.as_ref().and_then(|object| object.resource_version());
            slot.memory = std::mem::take(&mut slot.memory).wrote(version.as_deref(), now, added);
            Executed::Done(after)
        }
    })
}

/// Whether one more machine of the account may be destroyed: the decision looked, but others may have been faster.
fn has_a_place(context: &Context, object: &PaperspaceMachine, id: &str) -> bool {
    let account = account(context, object);
    account.is_none_or(|account| account.may_destroy(id, context.settings.max_destroys, context.clock.now()))
}

fn account(context: &Context, object: &PaperspaceMachine) -> Option<Arc<Account>> {
    context.keys.known_account(&object.status.as_ref()?.account.as_ref()?.team)
}

/// What came of a write to another object than the resource, whose version stays as it was. A quota or a right that is missing there is a
/// trouble of that step alone.
fn beside(context: &Context, object: &PaperspaceMachine, step: &Step, written: Result<Written, Error>, slot: &mut Slot) -> Executed {
    let outcome = match written {
        Ok(Written::As(_)) => Outcome::Done,
        Ok(Written::Conflict) => return Executed::Conflict,
        Err(error) => {
            tracing::warn!(step = step.kind().as_str(), %error, "Kubernetes did not do it");
            Outcome::Failed(unreachable(&error))
        }
    };
    slot.memory = std::mem::take(&mut slot.memory).learn(step, &outcome, object.metadata.generation, context.clock.now());
    if outcome == Outcome::Done { Executed::Done(None) } else { Executed::Failed }
}

/// The client with its place in the budget taken, unless waiting for it made the look at the object too old to act on. A create has its
/// place already.
async fn ready_client(context: &Context, step: &Step, client: Option<&Client>, began: Moment) -> Ready {
    let Some(client) = client else { return Ready::TooLate };
    let client = match step {
        Step::Create { .. } | Step::CreateScript { .. } => client.clone(),
        // Written down: that it is not sent is to be remembered.
        Step::Restart { .. } => match client.budget().acquire().await {
            Ok(permit) => client.spending(permit),
            Err(_) => client.clone(),
        },
        _ => match client.budget().acquire().await {
            Ok(permit) => client.spending(permit),
            Err(_) => return Ready::NotNow,
        },
    };
    if context.clock.now().at_most_since(&began) < STALE { Ready::Client(client) } else { Ready::TooLate }
}

/// Whether a change can be made.
enum Ready {
    /// Now, with this client.
    Client(Client),
    /// What justifies it is too old by now.
    TooLate,
    /// Nothing is sent for the account now; the next decision is told why.
    NotNow,
}

async fn call(context: &Context, object: &PaperspaceMachine, step: &Step, client: &Client, slot: &mut Slot) -> Executed {
    let data =
        |result: Result<paperspace::types::MachineAndEvent, paperspace::Error>| result.map(|reply| Outcome::Machine(Box::new(reply.data)));
    let done = |result: Result<(), paperspace::Error>| result.map(|()| Outcome::Done);
    let result = match step {
        Step::Create { attempt: _, body, timeout } => {
            // Without the place that was taken before the write-ahead the request would have to wait: the attempt is settled instead.
            let Some(permit) = slot.permit.take() else {
                slot.memory.write_ahead = None;
                return Executed::Conflict;
            };
            data(client.create_machine(permit, body, *timeout).await)
        }
        Step::CreateScript { attempt: _, name, text, run_once, timeout } => {
            let Some(permit) = slot.permit.take() else {
                slot.memory.write_ahead = None;
                return Executed::Conflict;
            };
            let body = CreateStartupScript { name: name.clone(), script: text.secret(), is_run_once: *run_once };
            client.create_startup_script(permit, &body, *timeout).await.map(|script| Outcome::Script(Box::new(script)))
        }
        Step::UpdateScript { script, text, run_once } => {
            let body = UpdateStartupScript { script: Some(text.secret()), is_run_once: Some(*run_once), ..UpdateStartupScript::default() };
            client.update_startup_script(script, &body).await.map(|script| Outcome::Script(Box::new(script)))
        }
        Step::DeleteScript { script } => done(client.delete_startup_script(script).await),
        Step::AddAccessor { machine, user } => done(client.add_accessor(machine, user).await.map(|_| ())),
        Step::RemoveAccessor { machine, user } => done(client.remove_accessor(machine, user).await.map(|_| ())),
        Step::AssignIp { ip, machine } => done(client.assign_public_ip(ip, machine.as_deref()).await.map(|_| ())),
        Step::Update { id, body, resize: _ } => data(client.update_machine(id, body).await),
        Step::Start { id } | Step::Restart { id, operation: _, off: true } => data(client.start_machine(id).await),
        Step::Stop { id } => data(client.stop_machine(id).await),
        Step::Restart { id, operation: _, off: false } => data(client.restart_machine(id).await),
        Step::AssignScript { script, machine } => done(client.assign_startup_script(script, machine).await),
        Step::UnassignScript { script, machine } => done(client.unassign_startup_script(script, machine).await),
        Step::ReleaseIp { ip } => done(client.release_public_ip(ip).await),
        Step::Delete { id } => data(client.delete_machine(id).await),
        Step::Nothing
        | Step::AddFinalizer
        | Step::RemoveFinalizer
        | Step::Annotate { .. }
        | Step::WriteAhead { .. }
        | Step::WriteConfigMap { .. }
        | Step::DeleteConfigMap { .. } => Ok(Outcome::Done),
    };
    let outcome = Outcome::of_call(step, result);
    if let Step::Create { .. } = step {
        context.metrics.creates.get_or_create(&OutcomeLabel { outcome: came_to(&outcome) }).inc();
    }
    slot.memory = std::mem::take(&mut slot.memory).learn(step, &outcome, object.metadata.generation, context.clock.now());
    match outcome {
        Outcome::Failed(error) => {
            if let (Step::Delete { id }, true, Some(account)) = (step, error.proves_nothing_done(), account(context, object)) {
                account.did_not_destroy(id);
            }
            tracing::info!(step = step.kind().as_str(), %error, "Paperspace did not do it");
            Executed::Failed
        }
        Outcome::Done | Outcome::Machine(_) | Outcome::Script(_) => Executed::Done(None),
    }
}

/// What came of a create, in a word.
fn came_to(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Failed(error) if error.proves_nothing_done() => "refused",
        Outcome::Failed(_) => "unclear",
        Outcome::Done | Outcome::Machine(_) | Outcome::Script(_) => "created",
    }
}
