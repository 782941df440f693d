//! What there is: the object, its operators, the machines, the requests under way, and what may still go wrong. Small, so that it is
//! cheap to copy and to hash: memories and statuses are numbers of the [`super::store::Store`].

/// Slots for machines; one is free again when nobody knows the machine any more.
pub(super) const MACHINES: usize = 4;
/// Slots for creates under way.
pub(super) const POSTS: usize = 3;
/// Kinds of [`Fault`].
pub(super) const FAULTS: usize = 17;

/// What goes wrong, or is done from outside: each at most as often as the bounds say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// An operator dies; its memory is lost.
    Crash,
    /// A write to Kubernetes lands, and its acknowledgement never comes.
    Unacknowledged,
    /// A request to Paperspace is done (or will be), and its reply never comes.
    LostReply,
    /// A create that nobody waits for any more is never done.
    Dropped,
    /// A create is refused: 400.
    Refused,
    /// A create is answered 408; it may be done or not.
    Ambiguous,
    /// A list misses a machine, because pages shifted.
    Shift,
    /// A young machine answers 404 to the looks of a pass, or to a DELETE.
    Young,
    /// Somebody renames the machine of a resource that is being deleted, so that its mark is lost.
    Rename,
    /// Somebody empties the status.
    Wipe,
    /// Somebody destroys a machine at the console.
    Console,
    /// Somebody copies the machine at the console, mark and all.
    Copy,
    /// A DELETE that was accepted fails later.
    Undone,
    /// A pass uses a key of another team.
    Alien,
    /// An operator's computer sleeps for a tick: its monotonic clock stands still.
    Asleep,
    /// `kubectl delete`.
    Delete,
    /// The user creates the resource again, by the same name.
    Again,
}

impl Fault {
    pub(super) const ALL: [Self; FAULTS] = [
        Self::Crash,
        Self::Unacknowledged,
        Self::LostReply,
        Self::Dropped,
        Self::Refused,
        Self::Ambiguous,
        Self::Shift,
        Self::Young,
        Self::Rename,
        Self::Wipe,
        Self::Console,
        Self::Copy,
        Self::Undone,
        Self::Alien,
        Self::Asleep,
        Self::Delete,
        Self::Again,
    ];
}

/// A memory or a status: its number, and which attempts and machines it names, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Numbered {
    pub(super) number: u32,
    /// Of a status: whether its attempt is open.
    pub(super) open: bool,
    pub(super) nonces: u16,
    pub(super) machines: u8,
}

/// The state of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) object: Option<Object>,
    pub(super) operators: [Operator; 2],
    pub(super) machines: [Machine; MACHINES],
    pub(super) posts: [Post; POSTS],
    /// Faults that may still happen.
    pub(super) left: [u8; FAULTS],
    /// The uid of the last object by this name.
    pub(super) uid: u8,
    /// What no decision may do was done.
    pub(super) wrong: Option<Wrong>,
}

/// What is wrong by itself, whatever follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Wrong {
    /// A machine was destroyed that nobody asked to destroy.
    Destroyed,
    /// A pass neither did anything nor wants to look again.
    SleepsForEver,
}

/// The resource as it stands in Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Object {
    pub(super) uid: u8,
    pub(super) status: Numbered,
    pub(super) finalizer: bool,
    pub(super) deleting: bool,
    /// The machine in the annotation.
    pub(super) address: Option<u8>,
}

/// One operator: no leader is elected, so there may be two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Operator {
    pub(super) memory: Numbered,
    /// A placeholder that it keeps for itself, where a rule is left out.
    pub(super) private: Option<Numbered>,
    pub(super) stage: Stage,
}

/// How far the pass is that an operator runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Stage {
    /// None runs.
    Idle,
    /// It decided to write to Kubernetes, and has not yet.
    Write(Act),
    /// The write-ahead landed this many ticks ago; the acknowledgement has not come.
    Written { nonce: u8, age: u8 },
    /// It decided on a request to Paperspace this many ticks ago, and has not sent it yet.
    Call { act: Act, age: u8 },
    /// It sent a create and waits for the reply.
    Waiting { act: Act, post: u8 },
}

/// What a pass decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Act {
    pub(super) deed: Deed,
    /// The status that is written after it.
    pub(super) status: Numbered,
    /// Of the object that was looked at.
    pub(super) uid: u8,
    /// The object has changed since it was looked at.
    pub(super) outdated: bool,
}

/// A step, small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Deed {
    /// The status alone.
    Status,
    AddFinalizer,
    RemoveFinalizer,
    Annotate(u8),
    WriteAhead(u8),
    Create(u8),
    Delete(u8),
}

/// A machine of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Machine {
    pub(super) origin: Origin,
    pub(super) state: Life,
    pub(super) marked: bool,
    /// Ticks since it was made, and since it went; counted only as far as they mean something.
    pub(super) age: u8,
    pub(super) gone: u8,
}

/// Where a machine came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// The slot is free.
    Nowhere,
    /// From a create for the object with this uid.
    Made(u8),
    /// Copied at the console from that object's machine: it carries the mark.
    Copied(u8),
}

/// Whether a machine lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Life {
    Alive,
    /// Its DELETE was accepted.
    Going,
    Gone,
}

/// A create under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Post {
    pub(super) state: Way,
    pub(super) uid: u8,
    /// An operator still waits for its reply.
    pub(super) waited: bool,
    pub(super) age: u8,
}

/// How far a create is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// The slot is free.
    Free,
    Flying,
    /// It made this machine; the reply is under way.
    Landed(u8),
}

impl Machine {
    pub(super) const NONE: Self = Self { origin: Origin::Nowhere, state: Life::Gone, marked: false, age: 0, gone: 0 };

    pub(super) fn exists(self) -> bool {
        self.state != Life::Gone
    }
}

impl Post {
    pub(super) const NONE: Self = Self { state: Way::Free, uid: 0, waited: false, age: 0 };
}

impl World {
    /// Whether there is such a fault left; takes it.
    pub(super) fn take(&mut self, fault: Fault) -> Option<()> {
        let left = &mut self.left[fault as usize];
        *left = left.checked_sub(1)?;
        Some(())
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.left[fault as usize] > 0
    }

    /// Whether the object's status names a machine that lives.
    pub(super) fn is_bound(&self) -> bool {
        let bound = self.object.map_or(0, |o| o.status.machines);
        (0..MACHINES).any(|m| bound & (1 << m) != 0 && self.machines[m].state == Life::Alive)
    }

    /// How many machines there are that were made for this uid.
    pub(super) fn made_for(&self, uid: u8) -> usize {
        self.machines.iter().filter(|m| m.origin == Origin::Made(uid) && m.exists()).count()
    }
}
