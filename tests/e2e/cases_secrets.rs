//! No key, no token and no text of a secret startup script in anything that the process writes, serves, sends to a collector or leaves in the
//! cluster: with every log of every library on, under load, and while everything goes wrong that the simulated Paperspace can make go wrong.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::harness::{Collector, PATIENCE, Setup, Test, block_on, condition_of, fixed, free_address, wait_for};

/// How the keys begin. What is looked for is this, so that half a key is found too.
const KEY: &str = "a-key-that-nobody-may-see";
const TOKEN: &str = "a-token-that-nobody-may-see";
const SCRIPT: &str = "echo a-script-that-nobody-may-see";

/// Everything, also what a level alone leaves out.
const ALL: &str = "trace,kube_runtime=trace";

/// How many resources there are besides those of the stories.
const LOAD: usize = 36;

/// As a Secret has it, without the end, which depends on what follows.
fn base64(text: &str) -> String {
    let Ok(Value::String(text)) = serde_json::to_value(ByteString(text.as_bytes().to_vec())) else { panic!("no base64") };
    text.trim_end_matches('=')[..text.len() - 4].to_owned()
}

/// What must be nowhere.
fn forbidden() -> Vec<String> {
    let plain = [KEY, TOKEN, "a-script-that-nobody-may-see"];
    let encoded = [KEY.to_owned(), TOKEN.to_owned(), format!("Bearer {KEY}"), format!("Bearer {TOKEN}"), SCRIPT.to_owned()];
    plain.map(str::to_owned).into_iter().chain(encoded.iter().map(|text| base64(text))).collect()
}

#[test]
fn what_is_looked_for_is_in_what_would_be_shown() {
    let whole = |text: &str| serde_json::to_string(&ByteString(text.as_bytes().to_vec())).unwrap();
    let shown = [
        format!("authorization: Bearer {KEY}-2"),
        format!("x-token: {TOKEN}"),
        format!("{SCRIPT} again"),
        whole(&format!("{KEY}-2")),
        whole(&format!("Bearer {TOKEN}")),
        whole(&format!("{SCRIPT} at last")),
    ];
    for text in shown {
        assert!(forbidden().iter().any(|word| text.contains(word)), "{text}");
    }
}

fn get(url: &str, accept: &str) -> String {
    block_on(async { reqwest::Client::new().get(url).header("accept", accept).send().await.unwrap().text().await.unwrap() })
}

/// A labelled Secret with a startup script.
fn script(t: &Test, text: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": {"boot": text},
        "metadata": {"name": "script", "namespace": t.namespace, "labels": {"paperspace-operator.dev/use": "script"}},
    })
}

/// Keys that work, that are rejected, that cannot be sent, that are exchanged and that are revoked; and a script that is changed.
fn stories(t: &Test) {
    t.apply(&script(t, SCRIPT));
    t.apply(&t.machine("scripted", json!({"startupScript": {"secretKeyRef": {"name": "script", "key": "boot"}}})));
    for (name, key) in [("own", "-2"), ("rejected", "-wrong"), ("member", "-m"), ("unusable", "\u{7f}\n-")] {
        t.apply(&t.secret(name, &format!("{KEY}{key}")));
        t.apply(&t.machine(name, json!({"credentialsRef": {"name": name}, "writeConnectionTo": {"configMapName": name}})));
    }
    for name in ["scripted", "own"] {
        t.wait_ready(name);
    }
    for (name, reason) in [("rejected", "CredentialsRejected"), ("member", "CredentialsNotAdmin"), ("unusable", "CredentialsMissing")] {
        t.wait_reason(name, "Ready", reason);
    }
    t.apply(&script(t, &format!("{SCRIPT} again")));
    t.wait_note("scripted", "Updated", "startup script");
    t.apply(&t.secret("own", &format!("{KEY}-3")));
    t.sim.fault(&json!({"kind": "revoke-key", "key": format!("{KEY}-2")}));
    t.patch_spec("own", json!({"powerState": "Stopped"}));
    t.wait_reason("own", "Ready", "Stopped");
    t.sim.fault(&json!({"kind": "revoke-key", "key": format!("{KEY}-3"), "count": 5}));
    t.patch_spec("own", json!({"powerState": "Running"}));
    t.wait_reason("own", "Ready", "CredentialsRejected");
    t.apply(&t.secret("own", &format!("{KEY}-1")));
    t.wait_ready("own");
}

/// Every kind of wrong answer, some of which repeat what nobody may see, while machines come up. Never so many in a row that the account is
/// left alone for minutes.
fn load_and_errors(t: &Test) {
    let proxy = |words: &str| format!("<html>what is this: {words}-1</html>");
    let api = |words: &str| json!({"message": format!("unknown: {words}-1"), "code": "BAD_REQUEST"}).to_string();
    for (method, route) in [("POST", "/startup-scripts"), ("PUT", "/startup-scripts/{id}")] {
        for (status, text) in [(502, proxy(SCRIPT)), (400, api(SCRIPT))] {
            t.sim.fault(&json!({"kind": "error", "method": method, "route": route, "status": status, "text": text, "count": 2}));
        }
    }
    let names: Vec<String> = (0..LOAD).map(|n| format!("load-{n}")).collect();
    for name in &names {
        let manifest = t.machine(name, json!({"startupScript": {"secretKeyRef": {"name": "script", "key": "boot"}}}));
        t.user_creates(&manifest);
    }
    for (mut fault, outcome) in [
        (json!({"kind": "error", "status": 429, "retryAfter": 1}), "rate_limited"),
        (json!({"kind": "error", "status": 500}), "server"),
        (json!({"kind": "error", "status": 200, "text": "{\"items\": [{\"id\":"}), "bad_payload"),
        (json!({"kind": "lose-reply"}), "transport"),
        (json!({"kind": "drop"}), "transport"),
        (json!({"kind": "error", "method": "GET", "route": "/machines", "status": 502, "text": proxy(KEY)}), "server"),
        (json!({"kind": "error", "method": "GET", "route": "/machines", "status": 400, "text": api(KEY)}), "rejected"),
    ] {
        fault["count"] = json!(1);
        let before = t.operator.written();
        t.sim.fault(&fault);
        let told = |outcome: &str| {
            let told = [format!("outcome=\"{outcome}\""), format!("\"outcome\":\"{outcome}\"")];
            wait_for(&format!("{outcome} after {fault}"), PATIENCE, || {
                let log = t.operator.log_after(before);
                told.iter().any(|told| log.contains(told)).then_some(())
            });
        };
        told(outcome);
        told("ok");
    }
    t.apply(&script(t, &format!("{SCRIPT} at last")));
    t.sim.clear_faults();
    for name in &names {
        // What was refused is tried again at once when the spec changes.
        t.user_patches(name, &json!({"spec": {"deletionPolicy": "Delete"}}));
    }
    for name in &names {
        t.wait_until(name, "Ready", |object| condition_of(object, "Ready").is_some_and(|ready| ready["status"] == "True"));
    }
    for name in &names[..6] {
        t.delete(name);
    }
    names[..6].iter().for_each(|name| t.wait_gone(name));
}

/// All that can be seen of the operator, by what it is.
fn everything(t: &Test, public: &str, admin: &str, collector: &Collector) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([("the log".to_owned(), t.operator.log())]);
    for path in ["livez", "readyz", "metrics", "log", ""] {
        for (base, name) in [(public, "the public listener"), (admin, "the admin listener")] {
            for accept in ["text/plain", "application/openmetrics-text"] {
                all.insert(format!("{name}, /{path} as {accept}"), get(&format!("http://{base}/{path}"), accept));
            }
        }
    }
    for kind in ["psm", "events", "configmaps", "leases"] {
        all.insert(kind.to_owned(), t.kubectl(&["get", kind, "-o", "yaml", "--show-managed-fields"]));
    }
    all.insert("what the collector got".to_owned(), String::from_utf8_lossy(&collector.bytes()).into_owned());
    all
}

fn nothing_is_shown(format: &str) {
    let keys = ["1=te1", "2=te1", "3=te1", "m=te1:member"].map(|key| fixed(format!("{KEY}-{key}")));
    let (public, admin) = (free_address(), free_address());
    let flags = ["--log", ALL, "--log-format", format, "--listen", public, "--admin-listen", admin].map(fixed);
    let mut t = Test::with(
        &format!("secrets-{format}"),
        Setup {
            own_key: Some(fixed(format!("{KEY}-1"))),
            keys: &*Vec::leak(keys.to_vec()),
            flags: &*Vec::leak(flags.to_vec()),
            stopped: true,
            ..Setup::SETTLING
        },
    );
    let collector = Collector::start();
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.clone()),
        ("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer%20{TOKEN},x-token={TOKEN}")),
        ("OTEL_BSP_SCHEDULE_DELAY", "200".to_owned()),
    ] {
        t.operator.environment.push((name.to_owned(), value));
    }
    t.operator.start();
    t.apply(&t.machine("default", json!({})));
    t.wait_ready("default");
    stories(&t);
    load_and_errors(&t);
    wait_for("traces", PATIENCE, || collector.spans().iter().any(|span| span.status == 2).then_some(()));

    let all = everything(&t, public, admin, &collector);
    // It was looked where something can be found.
    let (log, got) = (&all["the log"], &all["what the collector got"]);
    for library in ["hyper_util", "kube_client", "kube_runtime", "reqwest", "paperspace_operator"] {
        assert!(format == "text" || log.contains(&format!("\"target\":\"{library}")), "{library} has said nothing");
    }
    assert!(log.contains("TRACE") && log.contains("call failed") && got.contains("/v1/machines"));
    assert!(
        all["the public listener, /metrics as text/plain"].contains("paperspace_operator_leader")
            && all["events"].contains("CredentialsRejected")
    );
    assert!(all["the admin listener, /log as text/plain"].contains(ALL));
    assert!(collector.headers().iter().all(|headers| headers["x-token"] == TOKEN), "the token is sent");
    let forbidden = forbidden();
    for (what, text) in &all {
        for word in &forbidden {
            assert!(!text.contains(word), "{word} is in {what}: {:?}", text.lines().find(|line| line.contains(word)));
        }
    }
    t.end();
}

#[test]
fn no_secret_is_shown_in_json() {
    nothing_is_shown("json");
}

#[test]
fn no_secret_is_shown_in_text() {
    nothing_is_shown("text");
}
