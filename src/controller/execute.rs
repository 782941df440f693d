//! Executes one step. Every choice was made before.

use kube::ResourceExt;

use super::context::{Context, Slot};
use super::error::Error;
use super::objects::Written;
use crate::crd::PaperspaceMachine;
use crate::lifecycle::memory::WriteAhead;
use crate::lifecycle::step::{Decision, Outcome, Step};
use crate::paperspace::{self, Client};

/// What came of a step.
pub(super) enum Executed {
    /// It was done, and the object's version is this now.
    Done(Option<String>),
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
    slot: &mut Slot,
) -> Result<Executed, Error> {
    let version = object.resource_version();
    let written = match &decision.step {
        Step::Nothing => return Ok(Executed::Done(version)),
        Step::AddFinalizer => context.objects.add_finalizer(object).await?,
        Step::RemoveFinalizer => context.objects.remove_finalizer(object).await?,
        Step::Annotate { address } => context.objects.annotate(object, address).await?,
        Step::WriteAhead { id, create } => {
            // The place in the budget first: between the write and the request nothing may wait.
            let permit = match client.filter(|_| *create) {
                Some(client) => Some(client.budget().acquire().await),
                None => None,
            };
            let sent = context.clock.now();
            let written = context.objects.write_status(object, version.as_deref(), &decision.status).await?;
            if matches!(written, Written::As(_)) {
                slot.memory.write_ahead = Some(WriteAhead { id: id.clone(), sent });
                slot.memory.reply = None;
                slot.permit = permit;
            }
            written
        }
        step => return Ok(call(context, object, step, client, slot).await),
    };
    Ok(match written {
        Written::Conflict => Executed::Conflict,
        Written::As(after) => {
            let added = decision.step == Step::AddFinalizer;
            slot.memory = std::mem::take(&mut slot.memory).wrote(version.as_deref(), after.clone(), added);
            Executed::Done(after)
        }
    })
}

async fn call(context: &Context, object: &PaperspaceMachine, step: &Step, client: Option<&Client>, slot: &mut Slot) -> Executed {
    let Some(client) = client else { return Executed::Conflict };
    let data = |result: Result<paperspace::types::MachineAndEvent, paperspace::Error>| result.map(|reply| Some(reply.data));
    let result = match step {
        Step::Create { attempt: _, body, timeout } => {
            // Without the place that was taken before the write-ahead the request would have to wait: the attempt is settled instead.
            let Some(permit) = slot.permit.take() else {
                slot.memory.write_ahead = None;
                return Executed::Conflict;
            };
            data(client.create_machine(permit, body, *timeout).await)
        }
        Step::Update { id, body, resize: _ } => data(client.update_machine(id, body).await),
        Step::Start { id } | Step::Restart { id, operation: _, off: true } => data(client.start_machine(id).await),
        Step::Stop { id } => data(client.stop_machine(id).await),
        Step::Restart { id, operation: _, off: false } => data(client.restart_machine(id).await),
        Step::AssignScript { script, machine } => client.assign_startup_script(script, machine).await.map(|()| None),
        Step::UnassignScript { script, machine } => client.unassign_startup_script(script, machine).await.map(|()| None),
        Step::ReleaseIp { ip } => client.release_public_ip(ip).await.map(|()| None),
        Step::Delete { id } => data(client.delete_machine(id).await),
        Step::Nothing | Step::AddFinalizer | Step::RemoveFinalizer | Step::Annotate { .. } | Step::WriteAhead { .. } => Ok(None),
    };
    let outcome = Outcome::of_call(step, result);
    slot.memory = std::mem::take(&mut slot.memory).learn(step, &outcome, object.metadata.generation, context.clock.now());
    match outcome {
        Outcome::Failed(error) => {
            tracing::info!(step = step.kind().as_str(), %error, "Paperspace did not do it");
            Executed::Failed
        }
        Outcome::Done | Outcome::Machine(_) => Executed::Done(object.resource_version()),
    }
}
