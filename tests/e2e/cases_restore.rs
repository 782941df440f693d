//! Resources that come back from a backup, as Velero makes one: without status and uid, with annotations, labels and finalizers, while the
//! operator runs. `docs/operations.md` says what to do then, and `tests/readme` does it.

use std::time::Duration;

use serde_json::{Value, json};

use super::cases_orphans::{printed, setup};
use super::harness::{Setup, Test, holds_for, mark};

const ADDRESS: &str = "paperspace-operator.dev/machine";
const FLAGS: &[&str] = &["--allow-adopt-with-default-key"];

/// The resources of the namespace in a backup.
fn backup(t: &Test) -> Vec<Value> {
    let dropped = ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "ownerReferences"];
    let of = |mut object: Value| {
        let meta = object["metadata"].as_object_mut().unwrap();
        meta.retain(|field, _| !dropped.contains(&field.as_str()));
        object
    };
    t.all().into_iter().map(of).collect()
}

/// They are gone without anybody having let go of a machine: the cluster was lost.
fn lose(t: &Test) {
    t.operator.kill9();
    for object in t.all() {
        let name = object["metadata"]["name"].as_str().unwrap();
        t.patch(name, &json!({"metadata": {"finalizers": null}}));
        t.try_kubectl(&["delete", "psm", name, "--ignore-not-found"]).unwrap();
    }
    t.operator.start();
}

/// Creates them; their status comes after, if at all.
fn restore(t: &Test, objects: &[Value], with_status: bool) {
    for object in objects {
        let mut object = object.clone();
        let status = object.as_object_mut().unwrap().remove("status");
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        object["metadata"]["labels"]["velero.io/restore-name"] = json!("restore");
        t.user_creates(&object);
        if with_status {
            let patch = json!({"status": status}).to_string();
            t.kubectl(&["patch", "psm", &name, "--subresource=status", "--type=merge", "-p", &patch]);
        }
    }
}

fn one(objects: &[Value], name: &str) -> Value {
    objects.iter().find(|object| object["metadata"]["name"] == name).unwrap().clone()
}

fn adopting(object: &Value) -> Value {
    let address: Vec<&str> = object["metadata"]["annotations"][ADDRESS].as_str().unwrap().split('/').collect();
    json!({"machineId": address[1], "replaceMark": address[2]})
}

#[test]
fn a_restored_namespace_makes_and_destroys_nothing_and_both_ways_on_work() {
    let t = Test::with("restored", Setup { settle: "6s", flags: FLAGS, ..setup("14") });
    let by_hand = t.sim.create_machine(&json!({"name": "by hand"}));
    t.wait_machine(&by_hand, "up", |machine| machine["state"] == "ready");
    t.apply(&t.secret("paperspace", "k1"));
    t.apply(&t.machine("back", json!({"credentialsRef": {"name": "paperspace"}, "startupScript": {"inline": "true"}})));
    t.apply(&t.machine("new", json!({})));
    t.apply(&t.adopting("adopted", &by_hand, json!({"deletionPolicy": "Delete"})));
    for name in ["back", "new", "adopted"] {
        t.wait_ready(name);
    }
    t.wait_until("back", "its script", |object| object["status"]["ownedScript"]["scriptId"].is_string());
    let ids = ["back", "new", "adopted"].map(|name| t.machine_id(name));
    let saved = backup(&t);
    assert!(saved.iter().all(|object| object["metadata"]["finalizers"] == json!(["paperspace-operator.dev/machine"])));
    let script = t.get("back").unwrap()["status"]["ownedScript"]["scriptId"].clone();

    lose(&t);
    t.kubectl(&["delete", "secret", "paperspace"]);
    let before = t.sim.writes();
    // The operator runs, and the Secret comes last.
    restore(&t, &saved, false);
    t.apply(&t.secret("paperspace", "k1"));
    for name in ["back", "new"] {
        t.wait_reason(name, "Stalled", "Restored");
    }
    t.wait_reason("adopted", "Stalled", "OwnedElsewhere");
    holds_for(Duration::from_secs(8), "nothing is changed on Paperspace", || t.sim.writes() == before);
    assert_eq!(printed(&t, &["orphans", "--output", "ids"]), "", "each machine has a resource that waits for it");

    // Back to its machine.
    t.patch_spec("back", json!({"adopt": adopting(&one(&saved, "back"))}));
    let back = t.wait_ready("back");
    assert_eq!((t.machine_id("back"), &back["status"]["deletionPolicy"]), (ids[0].clone(), &json!("Retain")));
    assert!(t.sim.machine(&ids[0])["name"].as_str().unwrap().ends_with(&mark(&back)));
    t.wait_until("back", "a script of its own", |object| object["status"]["ownedScript"]["scriptId"].is_string());
    assert_ne!(t.get("back").unwrap()["status"]["ownedScript"]["scriptId"], script);
    t.stays(script.as_str().unwrap());

    // One that had adopted its machine is made anew, since adopt is fixed; its policy Delete destroys nothing of another's.
    let mut again = one(&saved, "adopted");
    again["spec"]["adopt"] = adopting(&again);
    t.delete("adopted");
    t.wait_gone("adopted");
    restore(&t, &[again], false);
    t.wait_ready("adopted");
    assert_eq!((t.machine_id("adopted"), t.sim.calls("POST /machines")), (ids[2].clone(), 2));

    // A new machine, and the old one is nobody's, with its mark.
    t.kubectl(&["annotate", "psm", "new", &format!("{ADDRESS}-")]);
    t.wait_ready("new");
    assert_ne!(t.machine_id("new"), ids[1]);
    assert_eq!(printed(&t, &["orphans", "--why", "marked", "--output", "ids"]), format!("{}\n", ids[1]));
    t.stays(&ids[1]);
    assert_eq!((t.sim.calls("POST /machines"), t.sim.calls("DELETE /machines/{id}")), (3, 0));
    t.end();
}

#[test]
fn what_is_restored_with_its_status_touches_nothing_and_goes_without_its_machine() {
    let t = Test::with("restored-status", Setup { flags: FLAGS, ..Setup::SETTLING });
    for name in ["a", "gone"] {
        t.apply(&t.machine(name, json!({})));
        t.wait_ready(name);
    }
    let (id, gone) = (t.machine_id("a"), t.machine_id("gone"));
    let saved = backup(&t);
    lose(&t);
    t.sim.destroy(&gone);
    let before = t.sim.writes();
    restore(&t, &saved, true);
    t.wait_reason("a", "Stalled", "OwnershipLost");
    let adopt = json!({"spec": {"adopt": adopting(&one(&saved, "a"))}}).to_string();
    let refused = t.try_kubectl(&["patch", "psm", "a", "--type=merge", "-p", &adopt]).unwrap_err();
    assert!(refused.contains("adopt cannot be added"), "{refused}");
    // The other's machine is no more: that is no reason to make one.
    t.wait_until("gone", "Restored", |object| {
        let stalled = super::harness::condition_of(object, "Stalled").unwrap_or_default();
        stalled["reason"] == "Restored" && stalled["message"].as_str().unwrap().contains("is gone")
    });
    t.idle(3);
    assert_eq!(t.sim.writes(), before);

    for name in ["a", "gone"] {
        t.delete(name);
        t.wait_gone(name);
    }
    assert_eq!(t.sim.writes(), before);
    let mut again = one(&saved, "a");
    again["spec"]["adopt"] = adopting(&again);
    restore(&t, &[again], false);
    t.wait_ready("a");
    assert_eq!((t.machine_id("a"), t.sim.calls("POST /machines")), (id, 2));
    t.end();
}

#[test]
fn a_backup_of_what_was_being_deleted_restores_what_waits_and_deleting_that_destroys_nothing() {
    let t = Test::with("restored-deleting", Setup { flags: FLAGS, ..Setup::SETTLING });
    t.apply(&t.machine("a", json!({"deletionProtection": true})));
    t.wait_ready("a");
    let id = t.machine_id("a");
    t.delete("a");
    t.wait_reason("a", "Stalled", "DeletionProtected");
    let saved = backup(&t);
    assert!(saved[0]["metadata"]["deletionTimestamp"].is_string());
    lose(&t);
    let before = t.sim.writes();
    restore(&t, &saved, false);
    let restored = t.wait_reason("a", "Stalled", "Restored");
    assert_eq!(restored["metadata"]["deletionTimestamp"], Value::Null);
    t.patch_spec("a", json!({"deletionProtection": false}));
    t.delete("a");
    t.wait_gone("a");
    assert_eq!((t.sim.writes(), &t.sim.machine(&id)["state"]), (before, &json!("ready")));
    t.stays(&id);
    t.end();
}
