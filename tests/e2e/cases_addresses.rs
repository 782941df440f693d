//! Public addresses: kinds, and static ones that the team owns already.

use serde_json::{Value, json};

use super::harness::{Setup, Test};

const RELEASE: &str = "DELETE /public-ips/{ip}";
const ASSIGN: &str = "PUT /public-ips/{ip}";
const CREATE: &str = "POST /machines";

/// An address of the team's own.
fn claim(t: &Test, region: &str) -> String {
    t.sim.as_user("POST", "/public-ips", &json!({"region": region}))["ip"].as_str().unwrap().to_owned()
}

/// The team's addresses with the machines that have them.
fn addresses(t: &Test) -> Vec<(String, Value)> {
    let mut truth = t.sim.truth();
    let Value::Array(all) = truth["publicIps"].take() else { panic!("no addresses in the truth") };
    let there = all.into_iter().filter(|ip| ip["exists"] == true);
    there.map(|ip| (ip["ip"].as_str().unwrap().to_owned(), ip["assignedMachineId"].clone())).collect()
}

#[track_caller]
fn owned_still(t: &Test, own: &str, machine: Value) {
    assert_eq!(addresses(t), [(own.to_owned(), machine)], "nothing is left over, and the team's own is there");
}

#[test]
fn a_machine_goes_through_all_kinds_of_address() {
    // While it is on, and while it is off.
    for (name, power) in [("addresses-on", "Running"), ("addresses-off", "Stopped")] {
        let t = Test::with(name, Setup::SETTLING);
        let own = claim(&t, "ny2");
        t.apply(&t.machine("a", json!({"publicIp": {"type": "None"}, "powerState": power})));
        t.wait_ready("a");
        let id = t.machine_id("a");
        let (none, dynamic, any) = (json!({"type": "None"}), json!({"type": "Dynamic"}), json!({"type": "Static"}));
        let given = json!({"type": "Static", "address": own});
        for kind in [&dynamic, &any, &given, &none, &given, &dynamic, &none, &any, &none, &dynamic, &given, &any, &dynamic] {
            // `kubectl apply` takes the address away that is not there any more.
            t.apply(&t.machine("a", json!({"publicIp": kind, "powerState": power})));
            let a = t.wait_ready("a");
            let machine = t.sim.machine(&id);
            assert_eq!(machine["publicIpType"], kind["type"].as_str().unwrap().to_lowercase(), "{kind}");
            let has_own = machine["publicIp"] == own.as_str();
            if kind == &given {
                assert!(has_own, "{kind}: {}", machine["publicIp"]);
                assert_eq!(a["status"]["publicIp"], own.as_str());
            }
            let rest: Vec<_> = addresses(&t).into_iter().filter(|(ip, _)| *ip != own).collect();
            let allocated = usize::from(kind == &any && !has_own);
            assert_eq!((rest.len(), addresses(&t).len()), (allocated, allocated + 1), "{kind}: {rest:?}");
        }
        owned_still(&t, &own, Value::Null);
        t.delete("a");
        t.wait_gone("a");
        owned_still(&t, &own, Value::Null);
        t.end();
    }
}

#[test]
fn an_address_of_the_teams_own_survives_the_machine_and_the_operator() {
    let t = Test::with("own-address", Setup::SETTLING);
    let own = claim(&t, "ny2");
    t.apply(&t.machine("a", json!({"publicIp": {"type": "Static", "address": own}})));
    t.wait_ready("a");
    owned_still(&t, &own, json!(t.machine_id("a")));
    assert_eq!((t.sim.calls(CREATE), t.sim.calls(ASSIGN)), (1, 1));
    t.operator.kill9();
    t.operator.start();
    t.idle(2);
    assert_eq!(t.sim.calls(ASSIGN), 1);

    t.delete("a");
    t.wait_gone("a");
    owned_still(&t, &own, Value::Null);
    assert_eq!((t.sim.calls(ASSIGN), t.sim.calls(RELEASE)), (2, 0), "taken off, not released");
    t.end();
}

#[test]
fn an_address_that_cannot_be_had_is_not_taken_and_nothing_is_created_for_it() {
    let t = Test::with("no-address", Setup::SETTLING);
    let (taken, elsewhere, free) = (claim(&t, "ny2"), claim(&t, "ca1"), claim(&t, "ny2"));
    let other = t.sim.create_machine(&json!({"name": "other"}));
    t.sim.as_user("PUT", &format!("/public-ips/{taken}"), &json!({"machineId": other}));
    for (name, address, why) in
        [("taken", &taken, other.as_str()), ("elsewhere", &elsewhere, "CA1"), ("unknown", &"203.0.113.7".to_owned(), "not the team's")]
    {
        t.apply(&t.machine(name, json!({"publicIp": {"type": "Static", "address": address}})));
        let object = t.wait_reason(name, "Stalled", "AddressUnavailable");
        let text = object.to_string();
        assert!(text.contains(why) && text.contains(&free), "{object:#}");
        t.wait_event(name, "AddressUnavailable");
    }
    t.idle(3);
    assert_eq!((t.sim.calls(CREATE), t.sim.machine(&other)["publicIp"].as_str()), (0, Some(taken.as_str())));

    // On a living machine nothing else stops.
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    let id = t.machine_id("a");
    t.patch_spec("a", json!({"publicIp": {"type": "Static", "address": taken}, "powerState": "Stopped", "machineName": "renamed"}));
    t.wait_reason("a", "Synced", "AddressUnavailable");
    t.wait_machine(&id, "off and renamed", |m| m["state"] == "off" && m["name"].as_str().unwrap().starts_with("renamed-"));
    assert_eq!(t.sim.machine(&other)["publicIp"], taken.as_str());
    t.patch_spec("a", json!({"publicIp": {"address": free}}));
    t.wait_ready("a");
    assert_eq!(t.sim.machine(&id)["publicIp"], free.as_str());
    assert_eq!(addresses(&t).len(), 3);
    t.kubectl(&["delete", "psm", "taken", "elsewhere", "unknown", "--timeout=60s"]);
    t.stays(&other);
    t.end();
}
