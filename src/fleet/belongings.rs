//! What a team has besides machines: read now and then, of nobody's asking.

use super::account::Account;
use crate::lifecycle::observe::{Answer, Listed};
use crate::paperspace::types::{PublicIp, StartupScript};

/// What a team has besides machines.
#[derive(Clone, Debug)]
pub struct Belongings {
    /// Its startup scripts.
    pub scripts: Listed<StartupScript>,
    /// Its static addresses.
    pub addresses: Listed<PublicIp>,
}

impl Account {
    /// Two lists begun now, with the key that the account is polled with. Nothing without such a key, or without resources.
    pub async fn belongings(&self) -> Option<Answer<Belongings>> {
        let (client, began) = (self.polling_client()?, self.now());
        let read = async {
            Ok(Belongings {
                scripts: self.listings.scripts.get(|| self.now(), began, client.startup_scripts()).await?,
                addresses: self.listings.public_ips.get(|| self.now(), began, client.public_ips()).await?,
            })
        };
        Some(read.await)
    }
}
