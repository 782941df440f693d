//! What a team has besides machines: read now and then, of nobody's asking.

use super::account::Account;
use crate::paperspace::Error;
use crate::paperspace::types::{PublicIp, StartupScript};

/// What a team has besides machines.
#[derive(Clone, Debug)]
pub struct Belongings {
    /// Its startup scripts.
    pub scripts: Vec<StartupScript>,
    /// Its static addresses.
    pub addresses: Vec<PublicIp>,
}

impl Account {
    /// Two lists, with the key that the account is polled with. Nothing without such a key, or without resources.
    pub async fn belongings(&self) -> Option<Result<Belongings, Error>> {
        let client = self.polling_client()?;
        let read = async { Ok(Belongings { scripts: client.startup_scripts().await?, addresses: client.public_ips().await? }) };
        Some(read.await)
    }
}
