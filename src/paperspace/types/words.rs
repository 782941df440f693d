//! The words of the API that name one of a few things.

use serde::{Deserialize, Deserializer, Serialize};

/// An enum of the API as a Rust enum that keeps words it does not know (`Unknown`), instead of refusing the whole reply.
macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
            /// A word that the API's document does not have.
            Unknown(String),
        }
        impl $name {
            /// The word on the wire.
            pub fn as_str(&self) -> &str {
                match self { $(Self::$variant => $word,)+ Self::Unknown(word) => word }
            }
        }
        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word { $($word => Self::$variant,)+ other => Self::Unknown(other.to_owned()) }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.serialize_str(self.as_str()) }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                Ok(Self::from(String::deserialize(d)?.as_str()))
            }
        }
    };
}

wire_enum! {
    /// The state of a machine. The API has no error, failed or deleted state.
    MachineState {
        /// Powered off.
        Off = "off",
        /// On its way to `Ready`.
        Starting = "starting",
        /// On its way to `Off`.
        Stopping = "stopping",
        /// Stopping, then starting.
        Restarting = "restarting",
        /// The machine's services are up, Paperspace's agent is not yet.
        ServiceReady = "serviceready",
        /// Up, agent included.
        Ready = "ready",
        /// Its type or disk is being changed.
        Upgrading = "upgrading",
        /// Being created; most other fields are placeholders.
        Provisioning = "provisioning",
    }
}

wire_enum! {
    /// How a machine is reached from outside.
    PublicIpType {
        /// Kept by the team until released.
        Static = "static",
        /// A new one at each start.
        Dynamic = "dynamic",
        /// Not reachable.
        None = "none",
    }
}

wire_enum! {
    /// How often a snapshot is taken.
    SnapshotFrequency {
        /// Every hour.
        Hourly = "hourly",
        /// Every day.
        Daily = "daily",
        /// Every week.
        Weekly = "weekly",
        /// Every month.
        Monthly = "monthly",
    }
}

wire_enum! {
    /// When a restore point is restored.
    RestorePointFrequency {
        /// At each shutdown.
        Shutdown = "shutdown",
    }
}

wire_enum! {
    /// How far a machine event is.
    EventState {
        /// Queued.
        New = "new",
        /// Running; the word has a space.
        InProgress = "in progress",
        /// Done.
        Done = "done",
        /// Failed, with or without a text in `error`.
        Error = "error",
        /// Given up.
        Cancelled = "cancelled",
    }
}
