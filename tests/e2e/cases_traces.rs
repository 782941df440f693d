//! Traces: what of a reconcile and its calls reaches a collector, and what becomes of an operator whose collector does not answer.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::harness::{Collector, ControlPlane, PATIENCE, Received, Setup, Test, free_address, wait_for, work_dir};
use super::helm::{self, Helm, NAME, OPERATOR};
use super::helm_release::chart;

/// An operator that sends traces there, with these variables besides.
fn traced(name: &str, endpoint: &str, variables: &[(&str, &str)]) -> Test {
    let mut t = Test::with(name, Setup { stopped: true, ..Setup::USUAL });
    let usual = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "200")];
    t.operator.environment.extend(usual.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    t.operator.start();
    t
}

/// The reconcile of this object, and the call in it.
fn call_in_reconcile(spans: &[Received], object: &str, call: impl Fn(&Received) -> bool) -> Option<(Received, Received)> {
    let calls = spans.iter().filter(|span| call(span));
    calls.into_iter().find_map(|call| {
        let of_object = |span: &&Received| span.id == call.parent && span.name == "reconcile" && span.says("object") == object;
        Some((spans.iter().find(of_object)?.clone(), call.clone()))
    })
}

#[test]
fn a_reconcile_is_a_span_with_object_and_machine_and_each_call_one_below_it() {
    let collector = Collector::start();
    let t = traced(
        "traces",
        &collector.endpoint,
        &[("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=e2e"), ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20token")],
    );
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    let id = t.machine_id("a");
    let created = |span: &Received| span.name == "POST /v1/machines";
    let (reconcile, create) = wait_for("the trace of the create", PATIENCE, || call_in_reconcile(&collector.spans(), "a", created));
    assert_eq!((reconcile.says("namespace"), reconcile.says("machine"), reconcile.kind), (t.namespace.as_str(), id.as_str(), 1));
    assert_eq!(reconcile.says("uid"), t.get("a").unwrap()["metadata"]["uid"].as_str().unwrap());
    assert_eq!(reconcile.resource["service.name"], "paperspace-operator");
    assert_eq!(reconcile.resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(reconcile.resource["deployment.environment.name"], "e2e");
    assert_eq!((&create.trace, create.kind, create.status), (&reconcile.trace, 3, 0));
    let said = ["http.request.method", "url.template", "http.response.status_code", "server.address"].map(|name| create.says(name));
    assert_eq!(said, ["POST", "/v1/machines", "200", "127.0.0.1"]);

    // One that fails.
    t.sim.fault(&json!({"kind": "error", "method": "PATCH", "route": "/machines/{id}/stop", "status": 503, "count": 1}));
    t.patch_spec("a", json!({"powerState": "Stopped"}));
    t.wait_reason("a", "Ready", "Stopped");
    let stop = |status: &'static str| {
        move |span: &Received| span.name == "PATCH /v1/machines/{id}/stop" && span.says("http.response.status_code") == status
    };
    let (failed, done) = wait_for("the traces of both stops", PATIENCE, || {
        let spans = collector.spans();
        Some((call_in_reconcile(&spans, "a", stop("503"))?.1, call_in_reconcile(&spans, "a", stop("200"))?.1))
    });
    assert_eq!((failed.status, failed.says("error.type")), (2, "503"));
    assert_eq!((done.status, done.says("error.type")), (0, ""));
    assert_eq!(done.says("url.template"), "/v1/machines/{id}/stop");

    let spans = collector.spans();
    let of_calls = spans.iter().filter(|span| span.kind == 3);
    assert!(of_calls.clone().all(|span| !format!("{:?}", span.attributes).contains(&id)), "no URL as it was sent");
    assert!(spans.iter().all(|span| span.name == "reconcile" || span.kind == 3), "nothing else is traced, and no export");
    assert!(collector.headers().iter().all(|headers| headers["authorization"] == "Bearer token"));
    t.end();
}

#[test]
fn what_was_not_sent_yet_is_sent_at_the_end() {
    let collector = Collector::start();
    // By itself, in an hour.
    let t = traced("traces-end", &collector.endpoint, &[("OTEL_BSP_SCHEDULE_DELAY", "3600000"), ("OTEL_SERVICE_NAME", "another name")]);
    t.apply(&t.machine("a", json!({})));
    t.wait_ready("a");
    t.end();
    let spans = collector.spans();
    assert!(spans.iter().any(|span| span.name == "POST /v1/machines"), "{spans:?}");
    assert!(spans.iter().all(|span| span.resource["service.name"] == "another name"));
}

#[test]
fn a_collector_that_is_dead_or_silent_holds_up_nothing_and_is_complained_about_once() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = free_address();
    let complaint = "does not take traces";
    let mut t = traced("traces-dead", &format!("http://{nobody}"), &[("OTEL_EXPORTER_OTLP_TIMEOUT", "1000")]);
    for (name, endpoint) in [("dead", None), ("silent", Some(format!("http://{}", silent.local_addr().unwrap())))] {
        if let Some(endpoint) = endpoint {
            t.operator.environment.retain(|(name, _)| name != "OTEL_EXPORTER_OTLP_ENDPOINT");
            t.operator.environment.push(("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), endpoint));
            t.operator.start();
        }
        let before = t.operator.written();
        t.apply(&t.machine(name, json!({})));
        t.wait_ready(name);
        wait_for("the complaint", PATIENCE, || t.operator.log().contains(complaint).then_some(()));
        t.idle(3);
        // In order, with exit code 0.
        t.operator.stop();
        let log = t.operator.log_after(if name == "dead" { 0 } else { before });
        assert_eq!(log.matches(complaint).count(), 1, "{log}");
    }
    t.end();
}

/// The block of the document with this file in it.
fn of_document(file: &str) -> &'static str {
    let document = include_str!("../../docs/logging.md");
    let (_, rest) = document.split_once(&format!("```yaml\n# {file}\n")).expect(file);
    rest.split_once("```").unwrap().0
}

#[test]
fn what_the_document_says_turns_them_on_with_deploy_and_with_the_chart() {
    let endpoint = "http://collector.observability:4318";
    let clone = work_dir().join("traces-kustomization");
    fs::create_dir_all(&clone).unwrap();
    for part in ["deploy", "crds"] {
        symlink(chart(part), clone.join(part)).unwrap();
    }
    fs::write(clone.join("kustomization.yaml"), of_document("kustomization.yaml")).unwrap();
    let rendered = ControlPlane::shared().kubectl(&["kustomize", clone.to_str().unwrap()]);
    let container = |objects: &[Value]| helm::only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0].clone();
    let environment = container(&helm::objects("deploy", &rendered))["env"].take();
    assert_eq!(environment.as_array().unwrap().last(), Some(&json!({"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": endpoint})));

    let values: Value = serde_saphyr::from_str(of_document("values.yaml")).unwrap();
    let objects = Helm::shared().template(OPERATOR, NAME, &values).unwrap();
    assert!(helm::arguments(&objects).contains(&format!("--otlp-endpoint={endpoint}")));
    let environment = container(&objects)["env"].take();
    let headers = environment.as_array().unwrap().iter().find(|variable| variable["name"] == "OTEL_EXPORTER_OTLP_HEADERS").unwrap();
    assert!(headers["valueFrom"]["secretKeyRef"].is_object() && headers.get("value").is_none());
    let _: Value = serde_saphyr::from_str(of_document("collector.yaml")).unwrap();
}
