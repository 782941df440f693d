//! Who may use the machine.

use serde_json::{Value, json};

use super::harness::{Setup, Test};

const ADD: &str = "POST /machines/{id}/accessors";
const REMOVE: &str = "DELETE /machines/{id}/accessors/{userId}";

impl Test {
    /// A user of the team; the id.
    fn member(&self, email: &str) -> String {
        let user = self.sim.call("POST", "users", Some(&json!({"team": "te1", "email": email})));
        user["id"].as_str().expect("an id").to_owned()
    }

    /// Waits until these may use the machine and nobody else.
    #[track_caller]
    fn wait_used_by(&self, machine: &str, users: &[&str]) {
        let set = |ids: &Value| ids.as_array().into_iter().flatten().map(ToString::to_string).collect::<std::collections::BTreeSet<_>>();
        let wanted = set(&json!(users));
        self.wait_machine(machine, &format!("used by {users:?}"), |machine| set(&machine["accessorIds"]) == wanted);
    }

    /// Somebody adds a user at the console.
    fn admit(&self, machine: &str, user: &str) {
        self.sim.as_user("POST", &format!("/machines/{machine}/accessors"), &json!({"userId": user}));
    }

    /// Asks the operator to look now, and waits until it has.
    fn look_now(&self, name: &str, value: &str) {
        self.kubectl(&["annotate", "--overwrite", "psm", name, &format!("paperspace-operator.dev/reconcile-requested-at={value}")]);
        self.wait_until(name, "it was looked at", |a| a["status"]["handledReconcileAt"] == value);
    }
}

#[test]
fn the_machine_is_created_with_them_and_they_come_and_go_with_the_spec() {
    let t = Test::new("accessors");
    let [ann, bob, eve] = ["ann@example.com", "bob@example.com", "eve@example.com"].map(|email| t.member(email));
    t.apply(&t.machine("a", json!({"accessors": {"userIds": [bob], "emails": ["Ann@Example.com"]}})));
    t.wait_ready("a");
    let id = t.machine_id("a");
    t.wait_used_by(&id, &[&ann, &bob]);
    assert_eq!(t.sim.calls(ADD), 0, "they are in the request that creates the machine");

    t.patch_spec("a", json!({"accessors": {"userIds": null, "emails": ["eve@example.com"]}}));
    t.wait_ready("a");
    t.wait_used_by(&id, &[&eve]);
    assert_eq!((t.sim.calls(ADD), t.sim.calls(REMOVE)), (1, 2));
    for words in ["eve@example.com may use it", "ann@example.com may not use it any more"] {
        t.wait_note("a", "Updated", words);
    }

    // Whom others let in does not go with the field.
    let carol = t.member("carol@example.com");
    t.admit(&id, &carol);
    t.patch_spec("a", json!({"accessors": null}));
    t.wait_ready("a");
    t.wait_used_by(&id, &[&carol]);
    t.idle(3);
    let looks = t.sim.calls("GET /machines/{id}/accessors");
    assert!(looks < 30, "{looks} looks");
    t.end();
}

#[test]
fn others_are_reported_and_with_exact_they_are_shown_out() {
    let t = Test::new("accessors-others");
    let [ann, eve] = ["ann@example.com", "eve@example.com"].map(|email| t.member(email));
    t.apply(&t.machine("a", json!({"accessors": {"emails": ["ann@example.com"]}})));
    t.wait_ready("a");
    let id = t.machine_id("a");
    t.admit(&id, &eve);
    t.look_now("a", "one");
    let a = t.wait_ready("a");
    let drift = &a["status"]["drift"][0];
    assert_eq!(
        [&drift["field"], &drift["observed"], &drift["action"]],
        [&json!("accessors"), &json!("eve@example.com"), &json!("Report")],
        "{a:#}"
    );
    t.look_now("a", "two");
    assert_eq!(t.wait_event("a", "DriftDetected").len(), 1);
    t.wait_used_by(&id, &[&ann, &eve]);

    t.patch_spec("a", json!({"accessors": {"exact": true}}));
    t.wait_used_by(&id, &[&ann]);
    let a = t.wait_ready("a");
    assert!(a["status"].get("drift").is_none(), "{a:#}");
    t.end();
}

#[test]
fn somebody_who_is_not_in_the_team_is_said_and_no_machine_is_created_before() {
    // Whoever touches a resource that waits makes the operator settle first whether it had asked for a machine.
    let t = Test::with("accessors-unknown", Setup::SETTLING);
    let ann = t.member("ann@example.com");
    t.apply(&t.machine("a", json!({"accessors": {"emails": ["ann@example.com", "bob@example.com"]}})));
    let a = t.wait_reason("a", "Stalled", "UserNotFound");
    assert!(a.to_string().contains("not in the team: bob@example.com. Invite them"), "{a:#}");
    t.wait_event("a", "UserNotFound");
    assert_eq!(t.sim.writes(), json!({}));

    let bob = t.member("bob@example.com");
    t.kubectl(&["annotate", "psm", "a", "paperspace-operator.dev/reconcile-requested-at=now"]);
    t.wait_ready("a");
    let id = t.machine_id("a");
    t.wait_used_by(&id, &[&ann, &bob]);

    // With a machine the others are followed all the same.
    t.patch_spec("a", json!({"accessors": {"emails": ["bob@example.com", "carol@example.com"]}}));
    t.wait_reason("a", "Synced", "UserNotFound");
    t.wait_used_by(&id, &[&bob]);
    t.wait_reason("a", "Ready", "Running");
    let carol = t.member("carol@example.com");
    t.look_now("a", "again");
    t.wait_ready("a");
    t.wait_used_by(&id, &[&bob, &carol]);
    t.end();
}
