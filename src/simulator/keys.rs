//! The keys that the simulator accepts, as the command line gives them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The key when none is given.
pub const DEVELOPMENT_KEY: &str = "development-key";

/// The team of keys that name none.
pub const DEVELOPMENT_TEAM: &str = "tedevelopment";

/// What a key's user is in the team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees only the machines assigned to it, creates none.
    Member,
    /// Sees and does everything.
    Admin,
    /// An admin, and the team's owner.
    Owner,
}

impl Role {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

/// A key, the id of the team that it opens, and the role of its user: `KEY`, `KEY=TEAM` or `KEY=TEAM:ROLE`.
///
/// Each key is a user of its own, so several keys of one team are several users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// The bearer token.
    pub key: String,
    /// The team's id.
    pub team: String,
    /// `admin` unless given.
    pub role: Role,
}

impl FromStr for KeySpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, rest) = text.split_once('=').map_or((text, None), |(key, rest)| (key, Some(rest)));
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("the key is empty or has characters that a header cannot carry; allowed: KEY, KEY=TEAM, KEY=TEAM:ROLE".to_owned());
        }
        let (team, role) = rest.map_or((DEVELOPMENT_TEAM, None), |rest| rest.split_once(':').map_or((rest, None), |(t, r)| (t, Some(r))));
        if team.is_empty() || !team.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Err(format!("{team:?} is no team id; allowed: letters, digits, - and _"));
        }
        let role = match role {
            None | Some("admin") => Role::Admin,
            Some("member") => Role::Member,
            Some("owner") => Role::Owner,
            Some(other) => return Err(format!("{other:?} is no role; allowed: member, admin, owner")),
        };
        Ok(Self { key: key.to_owned(), team: team.to_owned(), role })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_name_its_team_and_role() {
        let parse = |text: &str| text.parse::<KeySpec>().unwrap();
        assert_eq!(parse("k1"), KeySpec { key: "k1".into(), team: DEVELOPMENT_TEAM.into(), role: Role::Admin });
        assert_eq!(parse("k1=te2"), KeySpec { key: "k1".into(), team: "te2".into(), role: Role::Admin });
        assert_eq!(parse("k1=te2:member").role, Role::Member);
        assert_eq!(parse("k1=te2:owner").role, Role::Owner);
    }

    #[test]
    fn nonsense_is_refused_with_what_is_allowed() {
        for text in ["", "=te1", "a b", "k=", "k=te/1", "k=te1:boss"] {
            assert!(text.parse::<KeySpec>().unwrap_err().contains("allowed"), "{text}");
        }
    }
}
