//! Who a key is, and who else is in its team.

use super::call::Call;
use super::paging::Row;
use super::types::{AccountStanding, Session, TeamUser};
use super::{Client, Error};

impl Row for TeamUser {
    fn key(&self) -> &str {
        &self.user.id
    }
}

impl Client {
    /// `GET /auth/session`. `None` for a key that is not valid: the API says 200 `null`, not 401.
    pub async fn session(&self) -> Result<Option<Session>, Error> {
        self.send(Call::new("GET /auth/session", &[])).await
    }

    /// `GET /billing/account-standing`. Not in the public description of the API, but its own command-line tool asks before it creates and
    /// starts machines: an answer is worth something, a failure says nothing.
    pub async fn account_standing(&self) -> Result<AccountStanding, Error> {
        self.send(Call::new("GET /billing/account-standing", &[])).await
    }

    /// `GET /teams/{teamId}/users`, all pages.
    pub async fn team_users(&self, team_id: &str) -> Result<Vec<TeamUser>, Error> {
        self.all_pages(|| Call::new("GET /teams/{teamId}/users", &[team_id]).query("orderBy", "dtConfirmed").query("order", "asc")).await
    }
}
