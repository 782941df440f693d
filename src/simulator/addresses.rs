//! Addresses and networks.

use super::agenda::Step;
use super::errors::Refusal;
use super::machine::{IpType, State};
use super::resources::{Network, PublicIp};
use super::timing;
use super::world::{Caller, World};

impl World {
    /// An address that nobody has had: from 198.18.0.0/15, which is for tests.
    pub(super) fn new_public_address(&mut self) -> String {
        let n = self.next_seq();
        format!("198.{}.{}.{}", 18 + (n >> 16) % 2, (n >> 8) % 256, n % 256)
    }

    /// A new static address of a team; its position.
    pub(super) fn claim_ip(&mut self, team: &str, region: &str) -> usize {
        let (seq, ip) = (self.next_seq(), self.new_public_address());
        self.stock.public_ips.push(PublicIp {
            seq,
            ip,
            team: team.to_owned(),
            region: region.to_owned(),
            exists: true,
            assigned_machine_id: None,
            dt_created: self.now,
        });
        self.stock.public_ips.len() - 1
    }

    pub(super) fn find_ip(&self, caller: &Caller, ip: &str) -> Result<usize, Refusal> {
        let found = self.stock.public_ips.iter().position(|p| p.ip == ip && p.team == caller.team && p.exists);
        found.ok_or_else(|| Refusal::not_found("Public IP"))
    }

    /// `PUT /public-ips/{ip}`: to this machine, or to none. An address that the machine had stays with the team.
    pub(super) fn assign_ip(&mut self, at: usize, machine: Option<usize>) -> Result<(), Refusal> {
        if let Some(machine) = machine
            && self.stock.machines[machine].region != self.stock.public_ips[at].region
        {
            return Err(Refusal::field("machineId", "The machine is in another region than the public IP"));
        }
        self.unassign_ip(at);
        if let Some(machine) = machine {
            self.leave_address(machine);
            self.give_address(machine, at);
        }
        Ok(())
    }

    /// Takes the address from its machine, which then has none.
    pub(super) fn unassign_ip(&mut self, at: usize) {
        let ip = &mut self.stock.public_ips[at];
        let Some(id) = ip.assigned_machine_id.take() else { return };
        if let Some(at) = self.position(&id) {
            let machine = &mut self.stock.machines[at];
            machine.public_ip = None;
            machine.public_ip_type = IpType::None;
        }
    }

    /// Another kind of address for a machine. A static one stays with the team.
    pub(super) fn set_ip_type(&mut self, at: usize, kind: IpType) {
        let machine = &self.stock.machines[at];
        if machine.public_ip_type == kind && (kind != IpType::Static || machine.public_ip.is_some()) {
            return;
        }
        let (team, region, id) = (machine.team.clone(), machine.region.clone(), machine.id.clone());
        let is_on = !matches!(machine.state, State::Off | State::Provisioning | State::Stopping);
        self.leave_address(at);
        match kind {
            IpType::None => {}
            IpType::Static => {
                let ip = self.claim_ip(&team, &region);
                self.give_address(at, ip);
            }
            IpType::Dynamic => {
                self.stock.machines[at].public_ip_type = kind;
                if is_on {
                    self.plan(timing::DYNAMIC_ADDRESS, &id, None, Step::Address);
                }
            }
        }
    }

    fn leave_address(&mut self, at: usize) {
        let machine = &mut self.stock.machines[at];
        machine.public_ip = None;
        machine.public_ip_type = IpType::None;
        for ip in self.stock.public_ips.iter_mut().filter(|ip| ip.assigned_machine_id.as_ref() == Some(&machine.id)) {
            ip.assigned_machine_id = None;
        }
    }

    fn give_address(&mut self, at: usize, ip: usize) {
        let (machine, ip) = (&mut self.stock.machines[at], &mut self.stock.public_ips[ip]);
        machine.public_ip = Some(ip.ip.clone());
        machine.public_ip_type = IpType::Static;
        ip.assigned_machine_id = Some(machine.id.clone());
    }

    /// Puts a machine on a network, with an address there.
    pub(super) fn join_network(&mut self, at: usize, network: String) {
        let host = self.next_seq();
        let prefix = self.stock.networks.iter().find(|n| n.id == network).map_or_else(
            || {
                let team = self.team(&self.stock.machines[at].team).map_or(0, |t| t.number);
                format!("10.{}.{}.", 128 + team % 128, (host >> 8) % 256)
            },
            |n| n.network.trim_end_matches('0').to_owned(),
        );
        let machine = &mut self.stock.machines[at];
        machine.private_ip = Some(format!("{prefix}{}", 2 + host % 250));
        machine.network_id = Some(network);
        machine.wanted_network_id = None;
    }

    /// A private network that the caller's team has.
    pub(super) fn find_network(&self, caller: &Caller, id: &str) -> Option<usize> {
        self.stock.networks.iter().position(|n| n.id == id && n.team == caller.team && n.exists)
    }

    /// A new private network; its position.
    pub(super) fn new_network(&mut self, team: &str, name: &str, region: &str) -> usize {
        let (seq, id) = (self.next_seq(), self.rng.id("n"));
        let n = self.stock.networks.len() + 1;
        self.stock.networks.push(Network {
            seq,
            id,
            team: team.to_owned(),
            exists: true,
            name: name.to_owned(),
            region: region.to_owned(),
            network: format!("10.{}.{}.0", (n >> 8) % 128, n % 256),
            dt_created: self.now,
        });
        self.stock.networks.len() - 1
    }

    /// Whether this is the default network of the team in the region.
    pub(super) fn is_default_network(&self, team: &str, region: &str, id: &str) -> bool {
        self.default_network(team, region).as_deref() == Some(id)
    }

    pub(super) fn default_network(&self, team: &str, region: &str) -> Option<String> {
        self.team(team).and_then(|t| t.default_networks.get(region).cloned())
    }

    /// What a machine gets when its creation ends: a network and an address there, also while it is off.
    pub(super) fn finish_provisioning(&mut self, at: usize) {
        let machine = &mut self.stock.machines[at];
        machine.provisioned = true;
        let wanted = machine.wanted_network_id.take();
        let (team, region) = (machine.team.clone(), machine.region.clone());
        if let Some(network) = wanted.or_else(|| self.default_network(&team, &region)) {
            self.join_network(at, network);
        }
    }
}
