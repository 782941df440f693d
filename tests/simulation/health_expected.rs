//! What a person would say of a machine's health: by what the reasons mean, not by the conditions that the operator makes of them.

use paperspace_operator::crd::reason::Reason;
use serde_json::Value;

/// In Argo CD's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Health {
    Healthy,
    Progressing,
    Suspended,
    Degraded,
}

/// What a reason says of the resource that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// It is as it should be.
    Good,
    /// It gets there by itself.
    Comes,
    /// Somebody wants nothing to be done.
    Rests,
    /// Somebody has to do something.
    Stuck,
    /// It may get there by itself, for example from the same commit; after a while somebody has to do something.
    ComesOrIsStuck,
    /// It is being deleted.
    Goes,
}

/// Every reason has to be here: a new one does not compile without a decision.
#[expect(clippy::match_same_arms, reason = "what is alike for different causes is told apart")]
pub(crate) fn of(reason: Reason) -> Says {
    use Reason as R;
    match reason {
        // A machine that is off because it should be off is as good as one that is on.
        R::Running | R::Stopped | R::ManualOff | R::Synced | R::Observed => Says::Good,
        R::Creating | R::Provisioning | R::Starting | R::Stopping | R::Restarting | R::Upgrading | R::WaitingForAddress => Says::Comes,
        R::Drifted | R::Applying => Says::Comes,
        // Paperspace's doing, and tried until it works.
        R::OutOfCapacity | R::MachineNotFound | R::UnknownState | R::NotObserved => Says::Comes,
        R::ApiUnavailable | R::PaperspaceUnavailable | R::RateLimited => Says::Comes,
        // Its owner chose that a change waits for a stop, and may never stop it: a StatefulSet with OnDelete is healthy, too.
        R::PendingStop => Says::Good,
        // From the same commit, or never.
        R::CredentialsMissing | R::KubernetesUnavailable | R::ScriptSourceMissing => Says::ComesOrIsStuck,
        R::NotCreated => Says::Rests,
        R::SecretNotLabelled | R::CredentialsRejected | R::CredentialsNotAdmin | R::AccountMismatch | R::DefaultKeyNotAllowed => {
            Says::Stuck
        }
        R::CreateRejected | R::TemplateNotFound | R::MachineTypeNotOffered | R::NetworkNotFound | R::UserNotFound => Says::Stuck,
        R::AddressUnavailable | R::QuotaReached | R::AccountNotInGoodStanding | R::MachineTypeNotApproved => Says::Stuck,
        R::MachineTypeNotInRegion | R::UpdateRejected | R::Unmendable | R::ConnectionNotWritten | R::Duplicate => Says::Stuck,
        // Whoever stopped the operator has to let it go on; what is asked for does not come by itself.
        R::DryRun | R::EmergencyStop => Says::Stuck,
        // The operator asks before it touches or makes what may be another's.
        R::Restored | R::MachineMissing | R::OwnedElsewhere | R::OwnershipLost | R::AdoptedDiffers => Says::Stuck,
        R::Deleting | R::DeletionProtected | R::DeletionHeld | R::DestroysLimited => Says::Goes,
    }
}

/// What may be said of this resource.
pub(crate) fn expected(object: &Value) -> &'static [Health] {
    let (metadata, status) = (&object["metadata"], &object["status"]);
    let going = !metadata["deletionTimestamp"].is_null();
    if going || status["observedGeneration"] != metadata["generation"] {
        return &[Health::Progressing];
    }
    let said: Vec<Says> = ["Ready", "Synced"].iter().filter_map(|kind| reason_of(object, kind)).map(of).collect();
    let suspended = object["spec"]["suspend"] == true;
    let any = |says| said.contains(&says);
    match () {
        () if said.len() < 2 => &[],
        () if any(Says::Goes) => &[],
        () if any(Says::Stuck) => &[Health::Degraded],
        () if any(Says::ComesOrIsStuck) && suspended => &[Health::Suspended, Health::Degraded],
        () if any(Says::ComesOrIsStuck) => &[Health::Progressing, Health::Degraded],
        () if suspended => &[Health::Suspended],
        // Only who suspends it wants no machine.
        () if any(Says::Rests) => &[],
        () if any(Says::Comes) => &[Health::Progressing],
        () => &[Health::Healthy],
    }
}

/// The reason of a condition, if it is one of the table.
pub(crate) fn reason_of(object: &Value, kind: &str) -> Option<Reason> {
    let condition = object["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == kind)?;
    Reason::ALL.iter().copied().find(|reason| condition["reason"] == reason.as_str())
}
