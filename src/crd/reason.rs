//! The one table of condition reasons. The README's table is printed from it.
//!
//! A reason belongs to one of two axes. `Ready` says whether the machine exists, is usable and is in the power state asked for. `Synced` says
//! whether the spec is applied. How it goes on ([`Progress`]) is a property of the reason, so that `Reconciling` and `Stalled` can never
//! contradict the reasons that they come from.

/// How it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// Nothing to do.
    Settled,
    /// The operator is working on it, or waits for something that passes.
    Working,
    /// Only a person can help; the message says how.
    Stuck,
}

/// What a condition's status is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// True.
    True,
    /// False.
    False,
    /// Unknown.
    Unknown,
}

impl Truth {
    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident { $ready:ident, $synced:ident, $progress:ident, $meaning:literal })+) => {
        /// Why a condition is what it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $(#[doc = $meaning] $name,)+ }
        impl Reason {
            /// Every reason, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
            /// The word in the condition.
            pub fn as_str(self) -> &'static str { match self { $(Self::$name => stringify!($name),)+ } }
            /// `Ready`'s status under this reason; `None` if it is a reason of `Synced` alone.
            pub fn ready(self) -> Option<Truth> { match self { $(Self::$name => reasons!(@ $ready),)+ } }
            /// `Synced`'s status under this reason.
            pub fn synced(self) -> Option<Truth> { match self { $(Self::$name => reasons!(@ $synced),)+ } }
            /// How it goes on.
            pub fn progress(self) -> Progress { match self { $(Self::$name => Progress::$progress,)+ } }
            /// The sentence of the table.
            pub fn meaning(self) -> &'static str { match self { $(Self::$name => $meaning,)+ } }
        }
    };
    (@ T) => { Some(Truth::True) };
    (@ F) => { Some(Truth::False) };
    (@ U) => { Some(Truth::Unknown) };
    (@ N) => { None };
}

// name { Ready, Synced, how it goes on, meaning }: T true, F false, U unknown, N not a reason of that condition.
reasons! {
    Running { T, N, Settled, "The machine is on and usable." }
    Stopped { T, N, Settled, "The machine is off, as asked, or is only observed." }
    ManualOff { T, N, Settled, "The machine is off and powerState is Manual: it is left so." }
    Creating { F, F, Working, "A machine is being asked for, or an earlier attempt is being resolved." }
    Provisioning { F, F, Working, "Paperspace is creating the machine." }
    Starting { F, N, Working, "The machine is coming up." }
    Stopping { F, N, Working, "The machine is going off." }
    Restarting { F, N, Working, "The machine is restarting." }
    Upgrading { F, N, Working, "The machine's type or disk is being changed." }
    WaitingForAddress { F, N, Working, "The machine is on, its public address is not there yet." }
    OutOfCapacity { F, N, Working, "Paperspace has no capacity for this type in this region; starting is retried." }
    MachineNotFound { U, U, Working, "Paperspace does not find the machine; it is being made sure that it is gone." }
    UnknownState { U, N, Working, "Paperspace says a state that this operator does not know; it waits." }
    NotObserved { U, U, Working, "The machine has not been seen for ten minutes." }
    ApiUnavailable { U, U, Working, "Paperspace's API does not answer, and there is something to do." }
    PaperspaceUnavailable { U, U, Working, "Paperspace's API did not answer several times in a row, and there is something to do: nothing is sent but a look now and then, until one is answered." }
    RateLimited { U, U, Working, "Paperspace asks to slow down." }
    CredentialsMissing { U, U, Working, "No API key was found; Stalled after five minutes." }
    KubernetesUnavailable { U, U, Working, "What the resource needs in Kubernetes (its Secret or ConfigMap, labels of its namespace) cannot be read, for want of a right or of an answer; Stalled after five minutes." }
    NotCreated { F, F, Settled, "There is no machine, and suspend keeps one from being created." }
    SecretNotLabelled { U, U, Stuck, "The Secret is not labelled for use by the operator." }
    CredentialsRejected { U, U, Stuck, "Paperspace does not accept the API key." }
    CredentialsNotAdmin { U, U, Stuck, "The key's user is no admin of the team and sees only some machines; nothing is concluded from that." }
    AccountMismatch { U, U, Stuck, "The key belongs to another team than the machine." }
    DefaultKeyNotAllowed { U, U, Stuck, "The operator's own key may not be used here (or not to adopt or observe); credentialsRef is needed." }
    CreateRejected { F, F, Stuck, "Paperspace refused to create the machine; retried slowly, and at once when the spec changes." }
    TemplateNotFound { F, F, Stuck, "The template that the spec names is not there, or there are several." }
    MachineTypeNotOffered { F, F, Stuck, "The template is not offered for the machine type." }
    NetworkNotFound { F, F, Stuck, "The private network that the spec names is not there, or there are several." }
    UserNotFound { F, F, Stuck, "A user that the spec names is not in the team." }
    AddressUnavailable { F, F, Stuck, "The static address that the spec names is not the team's, in another region, or another machine has it." }
    ScriptSourceMissing { F, F, Working, "The ConfigMap or Secret with the startup script is not there, or lacks the key; Stalled after five minutes." }
    QuotaReached { F, F, Stuck, "The team has as many machines as it may have." }
    AccountNotInGoodStanding { F, F, Stuck, "Paperspace does nothing for the account until a person has settled something, such as a payment." }
    MachineTypeNotApproved { F, F, Stuck, "The team needs Paperspace's approval for the machine type." }
    MachineTypeNotInRegion { F, F, Stuck, "The region does not have the machine type." }
    Restored { F, F, Stuck, "The resource was copied or restored from one that has a machine; none is created." }
    MachineMissing { F, F, Stuck, "The machine to adopt or observe is not there." }
    OwnedElsewhere { F, F, Stuck, "The machine to adopt carries the mark of another resource." }
    OwnershipLost { F, F, Stuck, "Another resource put its mark on the machine; this one does not touch it any more." }
    Deleting { F, F, Working, "The resource is being deleted." }
    DeletionProtected { N, N, Stuck, "The resource is being deleted, and deletionProtection keeps the machine." }
    DeletionHeld { N, N, Stuck, "The resource is being deleted, and suspend or a disappearing CRD keeps the machine." }
    DestroysLimited { N, N, Working, "The resource is being deleted, and as many machines of the account as may be were destroyed in the last hour." }
    DryRun { N, F, Stuck, "The operator runs with --dry-run: the message says what it would do." }
    EmergencyStop { N, F, Stuck, "The operator's emergency stop is on: nothing is written to Paperspace; the message says what is not done." }
    Synced { N, T, Settled, "The machine is what the spec says." }
    Observed { N, T, Settled, "managementPolicy Observe: nothing is compared or changed." }
    Drifted { N, F, Working, "The machine differs from the spec and is being mended." }
    Applying { N, F, Working, "A change of the spec is being applied." }
    PendingStop { N, F, Settled, "A change of type or disk waits until somebody stops the machine, as resizePolicy says." }
    UpdateRejected { N, F, Stuck, "Paperspace refused a change; retried slowly, and at once when the spec changes." }
    AdoptedDiffers { N, F, Stuck, "The adopted machine differs from the spec, and onDifference Hold writes nothing until they are equal." }
    Unmendable { N, F, Stuck, "The machine differs in a field that cannot be changed." }
    ConnectionNotWritten { N, F, Stuck, "The ConfigMap for the connection exists and is somebody else's." }
    Duplicate { N, F, Stuck, "Several machines carry this resource's mark." }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The table in Markdown, for the README. kstatus (Flux, `kubectl` plug-ins) reads `Reconciling` and `Stalled`; Argo CD the same two
/// through its health script.
pub fn markdown_table() -> String {
    use std::fmt::Write as _;
    let cell = |truth: Option<Truth>| truth.map_or("", Truth::as_str);
    let mut out = String::from("| reason | Ready | Synced | with | kstatus | Argo CD health | meaning |\n|---|---|---|---|---|---|---|\n");
    for reason in Reason::ALL {
        let (with, kstatus, argo) = match reason.progress() {
            Progress::Settled => ("", "Current", "Healthy"),
            Progress::Working => ("Reconciling", "InProgress", "Progressing"),
            Progress::Stuck => ("Stalled", "Failed", "Degraded"),
        };
        let (kstatus, argo) = match reason {
            Reason::NotCreated => ("InProgress", "Suspended"),
            // Of what is being deleted both say so, whatever its conditions are.
            Reason::Deleting | Reason::DeletionProtected | Reason::DeletionHeld | Reason::DestroysLimited => ("Terminating", "Progressing"),
            _ => (kstatus, argo),
        };
        let (ready, synced) = (cell(reason.ready()), cell(reason.synced()));
        let _ = writeln!(out, "| {reason} | {ready} | {synced} | {with} | {kstatus} | {argo} | {} |", reason.meaning());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settled_reason_never_says_false_except_where_someone_asked_for_it() {
        let asked_for = [Reason::NotCreated, Reason::PendingStop];
        for reason in Reason::ALL.iter().filter(|r| r.progress() == Progress::Settled && !asked_for.contains(r)) {
            assert!(reason.ready() != Some(Truth::False) && reason.synced() != Some(Truth::False), "{reason}");
        }
        for reason in Reason::ALL.iter().filter(|r| r.progress() != Progress::Settled) {
            assert!(reason.ready() != Some(Truth::True) && reason.synced() != Some(Truth::True), "{reason}");
        }
    }
}
