//! Users and their teams.

use serde::Deserialize;

use super::read::{nullable, optional_number};

/// Who a key is: its user and its team. A key belongs to one team.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Session {
    /// The key's user.
    pub user: SessionUser,
    /// The team that the key opens.
    pub team: SessionTeam,
}

/// The user of a session.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionUser {
    /// The user's id.
    pub id: String,
    /// The teams that the user belongs to, and as what.
    #[serde(default, deserialize_with = "nullable")]
    pub team_memberships: Vec<TeamMembership>,
}

/// What a user is in a team.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TeamMembership {
    /// The team.
    pub team: TeamRef,
    /// Whether the user owns it.
    #[serde(default, deserialize_with = "nullable")]
    pub is_owner: bool,
    /// Whether the user administers it.
    #[serde(default, deserialize_with = "nullable")]
    pub is_admin: bool,
}

/// A team by id.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct TeamRef {
    /// The team's id.
    pub id: String,
}

/// The team of a session.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionTeam {
    /// The team's id.
    pub id: String,
    /// Its short name.
    #[serde(default, deserialize_with = "nullable")]
    pub namespace: String,
    /// Its quota of machines.
    #[serde(default, deserialize_with = "optional_number")]
    pub max_machines: Option<f64>,
}

impl Session {
    /// How many machines the team may have, if the session says so in a number that makes sense.
    pub fn max_machines(&self) -> Option<usize> {
        let max = self.team.max_machines.filter(|max| max.is_finite() && *max >= 0.0 && max.fract() == 0.0)?;
        format!("{max:.0}").parse().ok()
    }

    /// Whether the user sees all machines of the team: members see only those assigned to them.
    pub fn is_admin(&self) -> bool {
        self.user.team_memberships.iter().any(|m| m.team.id == self.team.id && (m.is_admin || m.is_owner))
    }
}

/// A user as others see them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct User {
    /// The user's id.
    pub id: String,
    /// The user's address.
    #[serde(default, deserialize_with = "nullable")]
    pub email: String,
}

/// One member of a team.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TeamUser {
    /// Who.
    pub user: User,
    /// Whether the user owns the team.
    #[serde(default, deserialize_with = "nullable")]
    pub is_owner: bool,
    /// Whether the user administers it.
    #[serde(default, deserialize_with = "nullable")]
    pub is_admin: bool,
}

/// Whether Paperspace does anything for the account.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountStanding {
    /// Whether nothing is in the way.
    pub is_in_good_standing: bool,
    /// Whether Paperspace has locked the account.
    #[serde(default, deserialize_with = "nullable")]
    pub is_admin_locked: bool,
    /// Whether there is a way to pay.
    #[serde(default, deserialize_with = "nullable")]
    pub has_payment_method: bool,
    /// What is in the way, in Paperspace's words.
    #[serde(default, deserialize_with = "nullable")]
    pub messages: Vec<String>,
}
