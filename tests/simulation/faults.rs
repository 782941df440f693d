//! What may go wrong with a call on its way, and who decides that.

use super::gate::mix;
use super::wire::Call;

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives, and so does its reply.
    Arrives,
    /// The operator dies just before it.
    CrashBefore,
    /// The operator dies just after its effect.
    CrashAfter,
    /// It takes effect and its reply is lost.
    LoseReply,
    /// It does not arrive, which the operator cannot tell.
    Drop,
    /// Kubernetes answers with this status instead of doing it.
    Answer(u16),
}

impl std::fmt::Display for Fate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Arrives => Ok(()),
            Self::CrashAfter => f.write_str(", dies after it"),
            Self::LoseReply => f.write_str(", reply lost"),
            other => write!(f, ", {other:?}"),
        }
    }
}

/// The faults of the crash matrix, in its order.
pub(crate) const CRASHES: [Fate; 3] = [Fate::CrashBefore, Fate::CrashAfter, Fate::LoseReply];

/// Who decides.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// Nothing goes wrong.
    Calm,
    /// These, by the number of calls since the plan was made.
    Exact(Vec<(u64, Fate)>),
    /// Of a thousand calls to Kubernetes so many meet something; the seed says which.
    Kubernetes {
        /// Of a thousand.
        permille: u64,
    },
}

impl Plan {
    /// `number` counts the calls since the plan was made, `call` is what is called.
    pub(crate) fn fate(&self, seed: u64, number: u64, call: &Call) -> Fate {
        match self {
            Self::Exact(all) => all.iter().find(|(at, _)| *at == number).map_or(Fate::Arrives, |(_, fate)| *fate),
            Self::Kubernetes { permille } if call.is_kubernetes() && mix(seed, number, 5) % 1000 < *permille => {
                match mix(seed, number, 6) % 7 {
                    0 => Fate::Drop,
                    1 => Fate::LoseReply,
                    2 => Fate::Answer(500),
                    3 => Fate::Answer(503),
                    4 => Fate::Answer(429),
                    5 if call.writes() => Fate::Answer(409),
                    _ => Fate::Answer(504),
                }
            }
            Self::Calm | Self::Kubernetes { .. } => Fate::Arrives,
        }
    }
}
