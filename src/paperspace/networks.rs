//! Private networks and public addresses.

use serde::de::IgnoredAny;
use serde_json::json;

use super::call::Call;
use super::paging::Row;
use super::types::{PrivateNetwork, PublicIp};
use super::{Client, Error};

impl Row for PrivateNetwork {
    fn key(&self) -> &str {
        &self.id
    }
}

impl Row for PublicIp {
    fn key(&self) -> &str {
        &self.ip
    }
}

impl Client {
    /// `GET /private-networks`, all pages.
    pub async fn private_networks(&self) -> Result<Vec<PrivateNetwork>, Error> {
        self.all_pages(|| Call::new("GET /private-networks", &[]).query("orderBy", "dtCreated").query("order", "asc")).await
    }

    /// `GET /private-networks/{id}`. `None` for an unknown network and for a region's default one: the API says 200 `null`.
    pub async fn private_network(&self, id: &str) -> Result<Option<PrivateNetwork>, Error> {
        self.send(Call::new("GET /private-networks/{id}", &[id])).await
    }

    /// `GET /public-ips`, all pages: the team's addresses, assigned or not. There is no call for a single one.
    pub async fn public_ips(&self) -> Result<Vec<PublicIp>, Error> {
        self.all_pages(|| Call::new("GET /public-ips", &[]).query("orderBy", "dtCreated").query("order", "asc")).await
    }

    /// `PUT /public-ips/{ip}`: gives the address to a machine of its region, or with `None` takes it away.
    pub async fn assign_public_ip(&self, ip: &str, machine_id: Option<&str>) -> Result<PublicIp, Error> {
        self.send(Call::new("PUT /public-ips/{ip}", &[ip]).json(&json!({"machineId": machine_id}))).await
    }

    /// `DELETE /public-ips/{ip}`: the team gives the address up, and its machine loses it.
    pub async fn release_public_ip(&self, ip: &str) -> Result<(), Error> {
        let IgnoredAny = self.send(Call::new("DELETE /public-ips/{ip}", &[ip])).await?;
        Ok(())
    }
}
