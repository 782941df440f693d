//! Machines, who may use them, and what happens to them.

use std::borrow::Borrow;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::call::Call;
use super::paging::{PAGE_SIZE, Row};
use super::types::{Accessor, CreateMachine, Desktop, Machine, MachineAndEvent, MachineEvent, Page, UpdateMachine};
use super::{Client, Error, Permit};

impl Row for MachineEvent {
    fn key(&self) -> &str {
        &self.id
    }
}

impl Row for Machine {
    fn key(&self) -> &str {
        &self.id
    }
}

impl Client {
    /// `GET /machines`, all pages: every machine that the key's user may see, or an error. The oldest come first, so that a machine
    /// created meanwhile does not shift the pages.
    pub async fn list_machines(&self) -> Result<Vec<Machine>, Error> {
        self.list_machines_as(|machine| machine).await
    }

    /// The same, each machine kept as `keep` makes of it as soon as its page is there.
    pub async fn list_machines_as<M: Borrow<Machine>>(&self, keep: impl Fn(Machine) -> M) -> Result<Vec<M>, Error> {
        self.all_pages_as(|| Call::new("GET /machines", &[]).query("orderBy", "dtCreated").query("order", "asc"), keep).await
    }

    /// `GET /machines/{id}`.
    pub async fn machine(&self, id: &str) -> Result<Machine, Error> {
        self.send(Call::new("GET /machines/{id}", &[id])).await
    }

    /// `POST /machines`. Not idempotent: sent at most once, at once, with a permit that the caller waited for before it checked
    /// that it may still create; `timeout` bounds the call.
    pub async fn create_machine(&self, permit: Permit, body: &CreateMachine, timeout: Duration) -> Result<MachineAndEvent, Error> {
        self.send_now(permit, Call::new("POST /machines", &[]).json(body), timeout).await
    }

    /// `PUT /machines/{id}`: only what is set changes. The reply has an event where that takes time.
    pub async fn update_machine(&self, id: &str, body: &UpdateMachine) -> Result<MachineAndEvent, Error> {
        self.send(Call::new("PUT /machines/{id}", &[id]).json(body)).await
    }

    /// `DELETE /machines/{id}`. The machine can be read for some time after, then no more; a static address stays with the team.
    pub async fn delete_machine(&self, id: &str) -> Result<MachineAndEvent, Error> {
        self.send(Call::new("DELETE /machines/{id}", &[id])).await
    }

    /// `PATCH /machines/{id}/start`.
    pub async fn start_machine(&self, id: &str) -> Result<MachineAndEvent, Error> {
        self.send(Call::new("PATCH /machines/{id}/start", &[id])).await
    }

    /// `PATCH /machines/{id}/stop`.
    pub async fn stop_machine(&self, id: &str) -> Result<MachineAndEvent, Error> {
        self.send(Call::new("PATCH /machines/{id}/stop", &[id])).await
    }

    /// `PATCH /machines/{id}/restart`. The machine stays `ready` for some seconds before it restarts.
    pub async fn restart_machine(&self, id: &str) -> Result<MachineAndEvent, Error> {
        self.send(Call::new("PATCH /machines/{id}/restart", &[id])).await
    }

    /// `GET /machine-events` of one machine: the 120 newest, the newest first. What is still running is among them; older pages are
    /// history.
    pub async fn machine_events(&self, machine_id: &str) -> Result<Vec<MachineEvent>, Error> {
        let call = Call::new("GET /machine-events", &[])
            .query("machineId", machine_id)
            .query("orderBy", "dtCreated")
            .query("order", "desc")
            .query("limit", PAGE_SIZE);
        let page: Page<MachineEvent> = self.send(call).await?;
        Ok(page.items)
    }

    /// `GET /machine-events` of all of the team's machines, the newest first, back to this moment.
    pub async fn machine_events_since(&self, since: Timestamp) -> Result<Vec<MachineEvent>, Error> {
        let call = || Call::new("GET /machine-events", &[]).query("orderBy", "dtCreated").query("order", "desc");
        let mut events = self.pages_while(call, |event: &MachineEvent| event.dt_created >= since).await?;
        events.retain(|event| event.dt_created >= since);
        Ok(events)
    }

    /// `GET /machine-events/{id}`.
    pub async fn machine_event(&self, id: &str) -> Result<MachineEvent, Error> {
        self.send(Call::new("GET /machine-events/{id}", &[id])).await
    }

    /// `GET /machine-availability`: whether the region has room for a machine of the type now.
    pub async fn availability(&self, machine_type: &str, region: &str) -> Result<bool, Error> {
        #[derive(Deserialize)]
        struct Availability {
            available: bool,
        }
        let call = Call::new("GET /machine-availability", &[]).query("machineType", machine_type).query("region", region);
        let Availability { available } = self.send(call).await?;
        Ok(available)
    }

    /// `GET /machines/{id}/desktop`. Its password is not read.
    pub async fn desktop(&self, id: &str) -> Result<Desktop, Error> {
        self.send(Call::new("GET /machines/{id}/desktop", &[id]).secret()).await
    }

    /// `GET /machines/{id}/accessors`, all pages.
    pub async fn accessors(&self, machine_id: &str) -> Result<Vec<Accessor>, Error> {
        self.all_pages(|| Call::new("GET /machines/{id}/accessors", &[machine_id]).query("orderBy", "id").query("order", "asc")).await
    }

    /// `POST /machines/{id}/accessors`.
    pub async fn add_accessor(&self, machine_id: &str, user_id: &str) -> Result<Accessor, Error> {
        self.send(Call::new("POST /machines/{id}/accessors", &[machine_id]).json(&json!({"userId": user_id}))).await
    }

    /// `DELETE /machines/{id}/accessors/{userId}`.
    pub async fn remove_accessor(&self, machine_id: &str, user_id: &str) -> Result<Accessor, Error> {
        self.send(Call::new("DELETE /machines/{id}/accessors/{userId}", &[machine_id, user_id])).await
    }
}

impl Row for Accessor {
    fn key(&self) -> &str {
        &self.user.id
    }
}
