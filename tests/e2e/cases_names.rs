//! Templates and networks by name, and an account for which Paperspace does nothing.

use serde_json::{Value, json};

use super::harness::Test;

const CREATE: &str = "POST /machines";
const START: &str = "PATCH /machines/{id}/start";

impl Test {
    /// Somebody makes a private network at the console; its id.
    fn network(&self, name: &str, region: &str) -> Value {
        self.sim.as_user("POST", "/private-networks", &json!({"name": name, "region": region}))["id"].clone()
    }
}

#[test]
fn names_mean_what_they_mean_on_paperspace_and_nothing_is_created_for_one_that_means_nothing() {
    let t = Test::new("names");
    let (lab, office) = (t.network("lab", "ny2"), t.network("office", "ny2"));
    t.network("lab", "ca1");
    let by_label = json!({"osLabel": "ubuntu 22.04 server"});
    for (name, spec, reason, says) in [
        ("os", json!({"templateId": null, "template": {"osLabel": "Plan 9"}}), "TemplateNotFound", "t0nspur5"),
        ("custom", json!({"templateId": null, "template": {"customName": "mine"}}), "TemplateNotFound", "mine"),
        ("network", json!({"networkName": "nowhere"}), "NetworkNotFound", "office"),
        ("region", json!({"networkId": lab, "region": "CA1"}), "NetworkNotFound", "NY2"),
        ("type", json!({"templateId": "tz0ireoj", "machineType": "H100"}), "MachineTypeNotOffered", "A4000"),
    ] {
        t.apply(&t.machine(name, spec));
        t.wait_reason(name, "Ready", reason);
        assert_eq!(t.condition(name, "Stalled").1, reason);
        let (_, _, text) = t.condition(name, "Ready");
        assert!(text.contains(says), "{name}: {text}");
    }
    assert_eq!(t.sim.calls(CREATE), 0);

    t.apply(&t.machine("a", json!({"templateId": null, "template": by_label, "networkName": "lab"})));
    t.wait_ready("a");
    let id = t.machine_id("a");
    let machine = t.sim.machine(&id);
    assert_eq!([&machine["templateId"], &machine["networkId"]], [&json!("t0nspur5"), &lab]);
    t.wait_until("a", "what the names mean is written down", |a| {
        a["status"]["resolved"] == json!({"templateId": "t0nspur5", "networkName": "lab", "networkId": lab})
    });

    t.patch_spec("a", json!({"networkName": "nowhere", "autoSnapshot": {"frequency": "Daily"}}));
    t.wait_reason("a", "Synced", "NetworkNotFound");
    t.wait_machine(&id, "changed in all else", |machine| machine["autoSnapshotEnabled"] == true && machine["networkId"] == lab);
    t.wait_reason("a", "Ready", "Running");
    t.patch_spec("a", json!({"networkName": "office"}));
    t.wait_ready("a");
    assert_eq!(t.sim.machine(&id)["networkId"], office);
    let lists = t.sim.calls("GET /private-networks");
    t.idle(3);
    assert_eq!(t.sim.calls("GET /private-networks"), lists, "what is known is not asked again");
    t.end();
}

#[test]
fn an_account_that_is_not_in_good_standing_is_said_at_creation_and_at_a_start() {
    let t = Test::new("standing");
    let standing = |words: &str| t.sim.call("POST", "teams/te1", Some(&json!({"standing": words})));
    t.apply(&t.machine("off", json!({"powerState": "Stopped"})));
    t.wait_ready("off");
    standing("Your card has expired.");
    t.apply(&t.machine("new", json!({})));
    t.patch_spec("off", json!({"powerState": "Running"}));
    for name in ["new", "off"] {
        t.wait_reason(name, "Ready", "AccountNotInGoodStanding");
        let (_, _, text) = t.condition(name, "Ready");
        assert!(text.contains("Your card has expired.") && text.contains("billing"), "{name}: {text}");
        t.wait_event(name, "AccountNotInGoodStanding");
    }
    t.idle(3);
    assert_eq!((t.sim.calls(CREATE), t.sim.calls(START)), (2, 1), "one call for each refusal");
    standing("");
    for name in ["new", "off"] {
        t.patch_spec(name, json!({"deletionProtection": false, "machineName": name}));
        t.wait_ready(name);
    }
    t.end();
}
