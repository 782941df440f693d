//! Whose eyes: a key may be used for a resource only if it opens the resource's team and sees all of its machines.
//!
//! With any other key nothing is created, changed or destroyed, and no absence counts: a member sees only some machines, and a machine of
//! another team looks as if it were gone.

use std::time::Duration;

use crate::crd;
use crate::crd::conditions::Because;
use crate::crd::reason::Reason;

use super::names;
use super::observe::{Access, KeySource, Question};
use super::pass::{End, Flow, Pass};
use super::patience::PATIENCE;

/// How soon a key that was not accepted is tried again: one bad answer may be the API's own trouble, and nothing tells of its end.
const REJECTED: Duration = Duration::from_mins(1);

/// Why a key cannot be used.
pub(super) enum Unusable {
    /// It may not be, or it is not there.
    Because(Because),
    /// Paperspace could not be asked about it.
    Unknown(crate::paperspace::Error),
}

impl Pass<'_> {
    /// The team that the resource's own key opens, if that key may be used for it.
    pub(super) fn access(&mut self, reread: bool) -> Flow<String> {
        match self.try_key(KeySource::Own, reread)? {
            Ok(team) => Ok(team),
            Err(unusable) => Err(self.no_access(unusable)),
        }
    }

    /// Ends the pass for want of a usable key.
    pub(super) fn no_access(&mut self, unusable: Unusable) -> End {
        match unusable {
            Unusable::Unknown(error) => self.look_failed(&error),
            Unusable::Because(because) if because.reason == Reason::CredentialsRejected => self.wait(because, Some(REJECTED)),
            // A session may change without anything that is watched (a user is made an admin): ask again, slowly.
            Unusable::Because(because) => self.wait(because, Some(PATIENCE)),
        }
    }

    /// What this key opens, or why it cannot be used for this resource.
    pub(super) fn try_key(&mut self, key: KeySource, reread: bool) -> Flow<Result<String, Unusable>> {
        let access = match self.o.facts.access.get(&key) {
            Some((access, read_now)) if *read_now || !reread => access,
            _ => return Err(self.ask(Question::Access { key, reread })),
        };
        Ok(match access {
            Access::Open { team, admin } => self.judge(team, *admin).map_err(Unusable::Because),
            Access::Missing(message) => Err(Unusable::Because(Because::new(Reason::CredentialsMissing, message.clone()))),
            Access::NotLabelled(message) => Err(Unusable::Because(Because::new(Reason::SecretNotLabelled, message.clone()))),
            Access::NotAllowed(message) => Err(Unusable::Because(Because::new(Reason::DefaultKeyNotAllowed, message.clone()))),
            Access::Rejected => Err(Unusable::Because(Because::new(
                Reason::CredentialsRejected,
                "Paperspace does not accept the API key: put a valid one into the Secret (or the operator's key file)",
            ))),
            Access::Unknown(error) => Err(Unusable::Unknown(error.clone())),
        })
    }

    fn judge(&self, team: &str, admin: bool) -> Result<String, Because> {
        let endpoint = &self.o.settings.endpoint;
        // An attempt and the machine's address know the team too, should the account have been lost.
        let script = self.status.owned_script.as_ref().and_then(|o| o.creation.as_ref());
        let attempt = self.status.creation.as_ref().or(script).map(|c| c.account.as_str());
        let address = self.annotation(crd::ADDRESS_OF_MACHINE).and_then(names::parse_address).filter(|a| a.2 == self.mark.as_str());
        let lost = || attempt.or(address.map(|(team, _, _)| team)).map(|team| self.account(team));
        let mut known = self.status.account.clone().or_else(lost).into_iter().chain(attempt.map(|team| self.account(team)));
        if let Some(account) = known.find(|a| a.team != team || a.endpoint != *endpoint) {
            return Err(Because::new(
                Reason::AccountMismatch,
                format!(
                    "the machine belongs to team {} at {}, the API key opens team {team} at {endpoint}: nothing is done with it. Use a key of that team",
                    account.team, account.endpoint
                ),
            ));
        }
        if !admin {
            return Err(Because::new(
                Reason::CredentialsNotAdmin,
                format!("the API key's user is no admin of team {team} and sees only machines assigned to them: use an admin's key"),
            ));
        }
        Ok(team.to_owned())
    }

    /// The account of this resource, with this team.
    pub(super) fn account(&self, team: &str) -> crd::Account {
        crd::Account { endpoint: self.o.settings.endpoint.clone(), team: team.to_owned() }
    }
}
