//! Startup scripts. Their text goes in and never comes out again; nor does what the API says about them, which could repeat it.

use std::time::Duration;

use serde::de::IgnoredAny;
use serde_json::json;

use super::call::Call;
use super::paging::Row;
use super::types::{CreateStartupScript, StartupScript, UpdateStartupScript};
use super::{Client, Error, Permit};

impl Row for StartupScript {
    fn key(&self) -> &str {
        &self.id
    }
}

impl Client {
    /// `GET /startup-scripts`, all pages.
    pub async fn startup_scripts(&self) -> Result<Vec<StartupScript>, Error> {
        self.all_pages(|| Call::new("GET /startup-scripts", &[]).query("orderBy", "dtCreated").query("order", "asc").secret()).await
    }

    /// `GET /startup-scripts/{id}`.
    pub async fn startup_script(&self, id: &str) -> Result<StartupScript, Error> {
        self.send(Call::new("GET /startup-scripts/{id}", &[id]).secret()).await
    }

    /// `POST /startup-scripts`. Not idempotent; see [`Client::create_machine`].
    pub async fn create_startup_script(
        &self,
        permit: Permit,
        body: &CreateStartupScript,
        timeout: Duration,
    ) -> Result<StartupScript, Error> {
        self.send_now(permit, Call::new("POST /startup-scripts", &[]).json(body).secret(), timeout).await
    }

    /// `PUT /startup-scripts/{id}`: only what is set changes.
    pub async fn update_startup_script(&self, id: &str, body: &UpdateStartupScript) -> Result<StartupScript, Error> {
        self.send(Call::new("PUT /startup-scripts/{id}", &[id]).json(body).secret()).await
    }

    /// `DELETE /startup-scripts/{id}`. It can be read for some time after.
    pub async fn delete_startup_script(&self, id: &str) -> Result<(), Error> {
        let IgnoredAny = self.send(Call::new("DELETE /startup-scripts/{id}", &[id]).secret()).await?;
        Ok(())
    }

    /// `POST /startup-scripts/{id}/assign`: the machine runs it at its next start.
    pub async fn assign_startup_script(&self, id: &str, machine_id: &str) -> Result<(), Error> {
        let call = Call::new("POST /startup-scripts/{id}/assign", &[id]).json(&json!({"machineId": machine_id})).secret();
        let IgnoredAny = self.send(call).await?;
        Ok(())
    }

    /// `POST /startup-scripts/{id}/unassign`.
    pub async fn unassign_startup_script(&self, id: &str, machine_id: &str) -> Result<(), Error> {
        let call = Call::new("POST /startup-scripts/{id}/unassign", &[id]).json(&json!({"machineId": machine_id})).secret();
        let IgnoredAny = self.send(call).await?;
        Ok(())
    }
}
