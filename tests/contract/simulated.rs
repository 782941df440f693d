//! A running simulator and a client of it.

use std::time::Duration;

use paperspace_operator::paperspace::types::{CreateMachine, Machine, MachineEvent, MachineState};
use paperspace_operator::paperspace::{Client, Error, install_crypto_provider};
use paperspace_operator::simulator;
use secrecy::SecretString;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::server::{KEY, budget, options};

pub const TEAM: &str = "tecontract";
pub const MEMBER_KEY: &str = "the-key-of-a-member";

pub struct Simulated {
    /// Of an admin.
    pub client: Client,
    base: String,
    http: reqwest::Client,
    stop: CancellationToken,
}

impl Simulated {
    /// A minute of the service passes in 6 ms.
    pub async fn fast() -> Self {
        Self::new(10_000.0).await
    }

    /// Nothing that takes time happens during a test.
    pub async fn slow() -> Self {
        Self::new(0.001).await
    }

    async fn new(time_scale: f64) -> Self {
        install_crypto_provider();
        let stop = CancellationToken::new();
        let keys = vec![format!("{KEY}={TEAM}").parse().unwrap(), format!("{MEMBER_KEY}={TEAM}:member").parse().unwrap()];
        let listen = ([127, 0, 0, 1], 0).into();
        let server =
            simulator::Server::bind(simulator::Options { listen, keys, time_scale, seed: 1, state: None }, stop.clone()).await.unwrap();
        let base = format!("http://{}", server.address());
        tokio::spawn(server.run());
        let client = Client::new(&options(&format!("{base}/v1")), SecretString::from(KEY), budget()).unwrap();
        Self { client, base, http: reqwest::Client::builder().no_proxy().build().unwrap(), stop }
    }

    /// The client of somebody else.
    pub fn client_of(&self, key: &str) -> Client {
        self.client.with_key(SecretString::from(key), budget()).unwrap()
    }

    /// A call that the client does not have.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let reply = self.http.post(format!("{}{path}", self.base)).bearer_auth(KEY).json(&body).send().await.unwrap();
        assert_eq!(reply.status(), 200, "{path}");
        reply.json().await.unwrap()
    }

    pub async fn fault(&self, fault: Value) {
        self.post("/_sim/faults", fault).await;
    }

    pub async fn clear_faults(&self) {
        self.http.delete(format!("{}/_sim/faults", self.base)).send().await.unwrap();
    }

    pub async fn truth(&self) -> Value {
        self.http.get(format!("{}/_sim/truth", self.base)).send().await.unwrap().json().await.unwrap()
    }

    pub async fn create(&self, body: &CreateMachine) -> Result<Machine, Error> {
        let permit = self.client.budget().acquire().await.unwrap();
        self.client.create_machine(permit, body, Duration::from_secs(5)).await.map(|reply| reply.data)
    }

    /// A machine that is off.
    pub async fn machine_off(&self) -> Machine {
        let machine = self.create(&CreateMachine { start_on_create: Some(false), ..body("off") }).await.unwrap();
        self.until(&machine.id, &MachineState::Off).await
    }

    /// The machine once it is in that state.
    pub async fn until(&self, id: &str, state: &MachineState) -> Machine {
        for _ in 0..1000 {
            let machine = self.client.machine(id).await.unwrap();
            if machine.state == *state {
                return machine;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{id} is not {state}");
    }

    /// The event once it is over.
    pub async fn finished(&self, id: &str) -> MachineEvent {
        for _ in 0..1000 {
            let event = self.client.machine_event(id).await.unwrap();
            if !event.is_unfinished() {
                return event;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("event {id} does not end");
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub fn body(name: &str) -> CreateMachine {
    CreateMachine {
        name: name.to_owned(),
        machine_type: "C5".to_owned(),
        template_id: "t0nspur5".to_owned(),
        disk_size: 50,
        region: "ny2".to_owned(),
        ..CreateMachine::default()
    }
}
