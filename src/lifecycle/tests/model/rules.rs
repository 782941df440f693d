//! The bounds of a run, and the rules that can be left out of it.

use std::time::Duration;

use super::moves::Move;
use super::world::{FAULTS, Fault};

/// One tick of the world. With the settle that the bounds give, fence and time-out are what `Settings` makes of it.
pub(super) const TICK: Duration = Duration::from_secs(15);

/// The size of a world: times in ticks, and how often each thing may happen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) name: &'static str,
    pub(super) operators: usize,
    /// The settle, in ticks.
    pub(super) settle: u8,
    /// For how long a create is waited for.
    pub(super) patience: u8,
    /// How much later a create may still be done once nobody waits for it.
    pub(super) late: u8,
    /// How old what a list shows may be.
    pub(super) lag: u8,
    /// For how long a machine may not be found that was just made.
    pub(super) young: u8,
    /// For how long an operator may freeze between decision and request.
    pub(super) freeze: u8,
    /// Destroyed machines are still shown, as deleted.
    pub(super) tombstones: bool,
    /// The resource's `deletionPolicy` is Retain.
    pub(super) retain: bool,
    pub(super) faults: [u8; FAULTS],
    /// What has happened before the exploration begins.
    pub(super) before: &'static [Move],
    pub(super) without: Option<Without>,
}

impl Bounds {
    /// Two operators, nothing goes wrong.
    pub(super) const fn new(name: &'static str) -> Self {
        Self {
            name,
            operators: 2,
            settle: 4,
            patience: 1,
            late: 1,
            lag: 1,
            young: 0,
            freeze: 0,
            tombstones: false,
            retain: false,
            faults: [0; FAULTS],
            before: &[],
            without: None,
        }
    }

    /// This may happen so often.
    pub(super) const fn with(mut self, fault: Fault, times: u8) -> Self {
        self.faults[fault as usize] = times;
        self
    }

    /// As large as is asked for: by hand with a second operator, or where there are two already, with one that dies.
    pub(super) fn sized(mut self) -> Self {
        if std::env::var("MODEL_BOUND").is_ok_and(|size| size == "large") {
            self.faults[Fault::Crash as usize] += u8::from(self.operators == 2);
            self.operators = 2;
        }
        self
    }

    /// The same world without one rule.
    pub(super) const fn without(mut self, rule: Without) -> Self {
        self.without = Some(rule);
        self
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.faults[fault as usize] > 0
    }

    /// What may happen, for people.
    pub(super) fn told_faults(&self) -> String {
        let told = Fault::ALL.iter().filter(|f| self.has(**f)).map(|f| format!("{f:?} {}", self.faults[*f as usize]));
        format!(" ({} operators; {})", self.operators, told.collect::<Vec<_>>().join(", "))
    }

    /// Whether what was remembered of an attempt means something although by the rules nothing comes of it any more.
    pub(super) fn remembers_all(&self) -> bool {
        use Without::{EvidenceKey, Fence, FirstSight, OwnReply, RandomId, WallClock};
        self.without.is_some_and(|w| matches!(w, RandomId | FirstSight | EvidenceKey | OwnReply | Fence | WallClock))
    }

    pub(super) fn lacks(&self, rule: Without) -> bool {
        self.without == Some(rule)
    }
}

/// The rules that can be left out. The core has no switches: the shell lies to it about exactly what a rule relies on (see
/// [`super::lies`]), or does what the rule forbids the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Without {
    /// 7.2 A complete list precedes every attempt.
    LookFirst,
    /// 7.2 What a list shows is bound only once a GET shows it too.
    BindConfirmed,
    /// 7.2 Rows that are shown as deleted do not count.
    DeletedRows,
    /// 7.3 An attempt's id is random; without, it is the attempt's number.
    RandomId,
    /// 7.3 First sight is remembered by the attempt's id.
    FirstSight,
    /// 7.3 Lists that lacked the mark are remembered by the attempt's id.
    EvidenceKey,
    /// 7.3 A reply binds or closes only its own attempt.
    OwnReply,
    /// 7.3 One request for each id: the client does not retry.
    OnePost,
    /// 7.3 And it sends one request for each write-ahead.
    OneRequest,
    /// 7.3 Writes carry the version that was looked at.
    Precondition,
    /// 7.3 A write-ahead without acknowledgement is not followed by the request.
    Acknowledged,
    /// 7.3 Absence of memory is not proof.
    Placeholder,
    /// 7.3 It is written down; without, each operator settles it for itself.
    PlaceholderWritten,
    /// 7.4 The fence counts from before the write-ahead was sent; without, from its acknowledgement.
    FenceFromBefore,
    /// 7.4 There is a fence at all.
    Fence,
    /// 7.4 The fence is measured by the wall clock too.
    WallClock,
    /// 7.5 What may have been done leaves the attempt open; without, 408 counts as 400.
    Ambiguity,
    /// 7.5 An attempt is watched for the settle before another follows.
    Settle,
    /// 7.5 Lists count only if they began after that.
    LateLists,
    /// 7.5, 9, 10 Two of them.
    TwoLists,
    /// 9, 10 A machine that answers 404 is gone only when it has done so for the settle.
    MissingSettle,
    /// 10 While an attempt is open the finalizer is held for the settle.
    Hold,
    /// 10 A 404 at once is believed only of what was accepted to be destroyed; without, a 404 to DELETE is acceptance.
    AcceptedFirst,
    /// 10 Every known machine answers 404 in the end.
    KnownGone,
    /// 10 The machine in the status is destroyed, whatever it is called.
    KnownDestroyed,
    /// 10 Only what an attempt can have made is destroyed.
    CreatedWindow,
    /// 10 The finalizer is taken off by uid and version.
    RemovalTest,
    /// 7.2, 11 Nothing is believed that a key of another team shows.
    WhoseEyes,
}
