//! What no resource has: shown with its price, counted, and brought under management; and that nothing is concluded from what is not known.

use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::harness::{BINARY, ControlPlane, PATIENCE, Setup, Test, block_on, command, free_address, mark, wait_for};

const GONE: &str = "aaaaaaaaaaaa";

/// The commands look at all namespaces. Those of other cases have resources that nobody can read, and these have ids of a seed of their own.
pub(crate) fn setup(seed: &'static str) -> Setup {
    static PLANE: OnceLock<ControlPlane> = OnceLock::new();
    let plane = PLANE.get_or_init(|| ControlPlane::own("all-namespaces"));
    Setup { plane: Some(plane), simulator_flags: &*Vec::leak(vec!["--seed", seed]), keys: &["member=te1:member"], ..Setup::USUAL }
}

/// The binary as the operator's ServiceAccount, with the operator's key.
fn ask(t: &Test, words: &[&str], environment: &[(&str, &str)]) -> Output {
    let own = t.operator.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    command().args(words).envs(own).envs(environment.iter().copied()).output().unwrap()
}

#[track_caller]
pub(crate) fn printed(t: &Test, words: &[&str]) -> String {
    let output = ask(t, words, &[]);
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn refused(t: &Test, words: &[&str], environment: &[(&str, &str)]) -> String {
    let output = ask(t, words, environment);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{words:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn names(found: &Value) -> Vec<(&str, &str, &str)> {
    let all = found["orphans"].as_array().unwrap();
    all.iter().map(|o| (o["kind"].as_str().unwrap(), o["name"].as_str().unwrap(), o["why"].as_str().unwrap())).collect()
}

#[test]
fn what_no_resource_has_is_listed_with_why_and_price_and_nothing_is_changed() {
    let t = Test::with("orphans", setup("11"));
    t.apply(&t.machine("a", json!({"publicIp": {"type": "Static"}})));
    t.wait_ready("a");
    let by_hand = t.sim.create_machine(&json!({"machineType": "A4000"}));
    let gone = t.sim.create_machine(&json!({"name": format!("gone-{GONE}")}));
    let prod = t.sim.create_machine(&json!({"name": format!("gone-prod-{GONE}")}));
    for name in ["setup".to_owned(), format!("old-{GONE}")] {
        let script = t.sim.as_user("POST", "/startup-scripts", &json!({"name": name, "script": "true"}));
        t.stays(script["id"].as_str().unwrap());
    }
    let address = t.sim.as_user("POST", "/public-ips", &json!({"region": "ny2"}))["ip"].as_str().unwrap().to_owned();
    t.wait_machine(&prod, "up", |machine| machine["state"] == "ready");
    t.sim.patch(&by_hand, &json!({"state": "off"}));
    let before = t.sim.writes();

    let found: Value = serde_json::from_str(&printed(&t, &["orphans", "--output", "json"])).unwrap();
    let (gone_name, prod_name, old) = (format!("gone-{GONE}"), format!("gone-prod-{GONE}"), format!("old-{GONE}"));
    assert_eq!(
        names(&found),
        [
            ("machine", "by hand", "unmarked"),
            ("machine", &gone_name, "marked"),
            ("machine", &prod_name, "marked"),
            ("script", &old, "marked"),
            ("address", "", "unassigned"),
        ]
    );
    let total = json!({"machines": 3, "scripts": 1, "addresses": 1, "hourlyRateUSD": 0.92, "hourlyRateUSDOfMachinesOff": 0.76});
    assert_eq!((&found["total"], &found["account"]["team"]), (&total, &json!("te1")));
    assert_eq!(found["orphans"][4]["id"], address.as_str());
    let elsewhere = printed(&t, &["orphans", "--cluster-id", "prod", "--output", "json"]);
    let elsewhere: Value = serde_json::from_str(&elsewhere).unwrap();
    assert_eq!(
        names(&elsewhere).iter().map(|o| o.2).collect::<Vec<_>>(),
        ["unmarked", "other-cluster", "marked", "other-cluster", "unassigned"]
    );

    assert_eq!(printed(&t, &["orphans", "--output", "ids"]), format!("{by_hand}\n{gone}\n{prod}\n"));
    assert_eq!(printed(&t, &["orphans", "--output", "ids", "--why", "unmarked"]), format!("{by_hand}\n"));
    let table = printed(&t, &["orphans"]);
    println!("{table}");
    let line = |with: &str| table.lines().find(|line| line.contains(with)).unwrap_or_else(|| panic!("{with} is not in\n{table}"));
    let words: Vec<&str> = line(&by_hand).split_whitespace().collect();
    assert_eq!(words[..9], ["machine", &by_hand, "by", "hand", "unmarked", "A4000", "NY2", "off", "0.76"]);
    assert!(line("total:").contains("3 machines, 0.92 USD/h (0.76 of it of machines that are off), 1 script, 1 address"));
    assert!(
        table.contains("Compared with ")
            && table.contains(" of this cluster.")
            && table.contains("what Paperspace states")
            && table.contains("costs its disk")
            && table.contains("3 USD a month")
    );
    assert_eq!(t.sim.writes(), before, "nothing was changed");
    for id in [by_hand, gone, prod] {
        t.stays(&id);
    }
    t.end();
}

#[test]
fn what_cannot_be_read_is_an_error_and_nothing_is_called_an_orphan() {
    let t = Test::with("orphans-unknown", Setup { stopped: true, ..setup("12") });
    let id = t.sim.create_machine(&json!({}));
    t.stays(&id);
    let said = refused(&t, &["orphans"], &[("PAPERSPACE_API_KEY", "member")]);
    assert!(said.contains("no admin of team te1") && said.contains("does not see all machines"), "{said}");
    let said = refused(&t, &["orphans"], &[("PAPERSPACE_API_KEY", "a-key-of-nobody")]);
    assert!(said.contains("does not accept the API key") && !said.contains("a-key-of-nobody"), "{said}");
    for route in ["/machines", "/startup-scripts", "/public-ips", "/auth/session"] {
        t.sim.fault(&json!({"route": route, "kind": "error", "status": 500}));
        let said = refused(&t, &["orphans", "--output", "ids"], &[]);
        assert!(said.contains(route), "{said}");
        t.sim.clear_faults();
    }
    // Asked to come later, it comes later.
    t.sim.fault(&json!({"route": "/machines", "kind": "error", "status": 429, "retryAfter": 1, "count": 2}));
    assert_eq!(printed(&t, &["orphans", "--output", "ids"]), format!("{id}\n"));
    assert!(refused(&t, &["orphans"], &[("KUBECONFIG", "/nowhere")]).contains("Kubernetes"));
    t.kubectl(&["create", "serviceaccount", "blind"]);
    let path = t.operator.environment.iter().find(|(name, _)| name == "KUBECONFIG").unwrap().1.clone();
    let mut kubeconfig: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    kubeconfig["users"][0]["user"]["token"] = t.kubectl(&["create", "token", "blind"]).trim().into();
    let blind = format!("{path}.blind");
    std::fs::write(&blind, kubeconfig.to_string()).unwrap();
    let said = refused(&t, &["orphans"], &[("KUBECONFIG", &blind)]);
    assert!(said.contains("listing the resources"), "{said}");
    t.end();
}

#[test]
fn a_whole_account_is_brought_under_management_and_nothing_changes_but_the_names() {
    let t = Test::with("whole-account", setup("13"));
    t.apply(&t.secret("key", "k1"));
    t.apply(&t.machine("own", json!({})));
    t.wait_ready("own");
    let network = t.sim.as_user("POST", "/private-networks", &json!({"name": "lab", "region": "ca1"}))["id"].clone();
    let restoring = json!({"restorePointEnabled": true, "restorePointFrequency": "shutdown", "restorePointSnapshotId": "slqafgu4n6gxge"});
    let all: Vec<(Value, Value)> = vec![
        (json!({"name": "Größe 7"}), json!({})),
        (json!({"name": "twin"}), json!({"state": "off"})),
        (json!({"name": "twin", "machineType": "A4000", "diskSize": 2000}), json!({})),
        (json!({"name": "static", "publicIpType": "static"}), json!({"state": "off"})),
        (json!({"name": "none", "publicIpType": "none", "region": "ams1"}), json!({})),
        (json!({"name": "net", "region": "ca1", "networkId": network}), json!({})),
        (json!({"autoShutdownEnabled": true, "autoShutdownTimeout": 168, "autoShutdownForce": true}), json!({})),
        (json!({"autoSnapshotEnabled": true, "autoSnapshotFrequency": "weekly", "autoSnapshotSaveCount": 3}), json!({"state": "off"})),
        (json!({"name": "on"}), restoring),
        (json!({"name": format!("moved-{GONE}")}), json!({})),
    ];
    let ids: Vec<String> = all.iter().map(|(over, _)| t.sim.create_machine(over)).collect();
    for (id, (_, over)) in ids.iter().zip(&all) {
        let has_address = |machine: &Value| machine["publicIpType"] == "none" || machine["publicIp"].is_string();
        t.wait_machine(id, "up, with its address", |machine| machine["state"] == "ready" && has_address(machine));
        t.sim.patch(id, over);
    }
    let state = |id: &String| t.sim.machine(id);
    let (before, writes) = (ids.iter().map(state).collect::<Vec<_>>(), t.sim.writes());

    let script =
        r#"for id in $("$B" orphans --output ids); do "$B" adopt-manifest --machine "$id" --credentials key --namespace "$N"; done"#;
    let mut loop_over = Command::new("bash");
    loop_over.args(["-euo", "pipefail", "-c", script]).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    loop_over.envs(t.operator.environment.iter().cloned()).env("B", BINARY).env("N", &t.namespace);
    let Output { status, stdout, stderr } = loop_over.output().unwrap();
    let (manifests, notes) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert!(status.success(), "{notes}");
    assert_eq!((manifests.matches("---\n").count(), notes.lines().count()), (ids.len(), 1), "{manifests}\n{notes}");
    assert!(notes.contains(&format!("carries the mark {GONE}")) && notes.contains("elsewhere"), "{notes}");
    assert_eq!(t.sim.writes(), writes);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, manifests.as_bytes()).unwrap();
    let applied = t.kubectl(&["apply", "-f", file.path().to_str().unwrap()]);
    assert_eq!(applied.matches(" created").count(), ids.len(), "{applied}");

    let resources: Vec<Value> = t.all().into_iter().filter(|r| r["metadata"]["name"] != "own").collect();
    let twins = resources.iter().filter(|r| r["metadata"]["name"].as_str().unwrap().starts_with("twin-ps")).count();
    assert_eq!((resources.len(), twins), (ids.len(), 2), "{manifests}");
    for resource in &resources {
        t.wait_ready(resource["metadata"]["name"].as_str().unwrap());
    }
    t.idle(3);
    let mut expected = writes;
    expected["PUT /machines/{id}"] = json!(ids.len());
    assert_eq!(t.sim.writes(), expected, "one claim each");
    for (mut was, id) in before.into_iter().zip(&ids) {
        let mut is = t.sim.machine(id);
        let resource = resources.iter().find(|r| r["spec"]["adopt"]["machineId"] == id.as_str()).unwrap();
        let base = was["name"].as_str().unwrap().trim_end_matches(GONE).trim_end_matches('-').to_owned();
        assert_eq!(is["name"], format!("{base}-{}", mark(resource)));
        for field in ["name", "dtModified"] {
            (was[field], is[field]) = (Value::Null, Value::Null);
        }
        assert_eq!(is, was);
    }
    assert_eq!(printed(&t, &["orphans", "--output", "ids"]), "");
    t.end();
}

#[test]
fn what_cannot_be_a_resource_is_said_and_no_manifest_is_printed() {
    let t = Test::with("no-manifest", Setup { stopped: true, ..setup("14") });
    let id = t.sim.create_machine(&json!({}));
    t.stays(&id);
    let manifest = ["adopt-manifest", "--machine", &id];
    assert!(refused(&t, &manifest, &[]).contains("still creating it"));
    t.wait_machine(&id, "up", |machine| machine["state"] == "ready");
    t.sim.patch(&id, &json!({"diskSize": 40}));
    assert!(refused(&t, &manifest, &[]).contains("40 GB"));
    t.sim.patch(&id, &json!({"diskSize": 50, "autoSnapshotEnabled": true, "autoSnapshotFrequency": "daily", "autoSnapshotSaveCount": 0}));
    let output = ask(&t, &manifest, &[]);
    let (yaml, notes) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success() && !yaml.contains("autoSnapshot"), "{yaml}");
    assert!(notes.contains("autoSnapshot: a count of 0") && notes.contains("left as it is"), "{notes}");
    let named = printed(&t, &["adopt-manifest", "--machine", &id, "--name", "mine", "--credentials", "key/token"]);
    let named: Value = serde_saphyr::from_str(&named).unwrap();
    assert_eq!((&named["metadata"], &named["spec"]["credentialsRef"]), (&json!({"name": "mine"}), &json!({"name": "key", "key": "token"})));
    assert!(refused(&t, &["adopt-manifest", "--machine", "psnone"], &[]).contains("no machine psnone"));
    assert!(refused(&t, &manifest, &[("PAPERSPACE_API_KEY", "a-key-of-nobody")]).contains("does not accept the API key"));
    assert_eq!(t.sim.writes(), json!({}));
    t.end();
}

#[test]
fn an_operator_of_all_namespaces_counts_what_no_resource_has() {
    // It looks after every resource of its cluster.
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::own("orphans")));
    let address = free_address();
    let flags = &*Vec::leak(vec!["--listen", address]);
    let mut t = Test::with("orphan-gauges", Setup { plane: Some(plane), flags, stopped: true, ..Setup::USUAL });
    let at = t.operator.arguments.iter().position(|flag| flag == "--watch-namespace").unwrap();
    t.operator.arguments.drain(at..at + 2);
    t.operator.start();
    let id = t.sim.create_machine(&json!({"machineType": "A4000"}));
    t.stays(&id);
    let metrics =
        || block_on(async { reqwest::get(format!("http://{address}/metrics")).await.ok()?.text().await.ok() }).unwrap_or_default();
    let shows = |line: &str| metrics().lines().any(|shown| shown == format!("paperspace_operator_{line}"));
    wait_for("the metrics", PATIENCE, || metrics().contains("paperspace_operator_leader").then_some(()));
    assert!(!metrics().contains("paperspace_operator_orphans{"), "nothing is known without a resource");
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    wait_for("the orphan", PATIENCE, || shows("orphans{kind=\"machine\"} 1").then_some(()));
    assert!(shows("orphan_hourly_usd{} 0.76") && !metrics().contains("kind=\"script\""), "{}", metrics());
    t.end();
    plane.stop();
}
