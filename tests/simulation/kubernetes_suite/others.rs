//! The objects besides the resource itself.

use axum::http;
use kube::api::{Patch, PatchParams};
use kube::core::Request;
use serde_json::{Value, json};

use super::api::{Api, name_of, refused, version};

pub(super) async fn secrets_are_selected_by_label(api: &Api) {
    let path = format!("/api/v1/namespaces/{}/secrets", api.namespace);
    let secret = |name: &str, labels: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": labels}, "stringData": {"apiKey": "k"}});
    let list = api.read(&path).await.unwrap();
    let query = format!("labelSelector=use%3Dx&watch=true&resourceVersion={}&timeoutSeconds=60", version(&list));
    let mut watch = api.watch_path(&format!("{path}?{query}")).await;
    let made = api.post(&path, &secret("a", json!({"use": "x"}))).await.unwrap();
    api.post(&path, &secret("b", json!({}))).await.unwrap();
    assert_eq!((&made["data"], made.get("stringData")), (&json!({"apiKey": "aw=="}), None));
    assert_eq!((&made["type"], made["metadata"].get("generation")), (&json!("Opaque"), None));
    let selected = api.read(&format!("{path}?labelSelector=use%3Dx")).await.unwrap();
    assert_eq!(selected["items"].as_array().unwrap().len(), 1);
    assert_eq!(watch.change().await, ("ADDED", "a".to_owned(), version(&made)));
    // Without a version a PUT writes over whatever is there.
    let mut other = secret("a", json!({}));
    other["stringData"]["apiKey"] = "kk".into();
    let put = Request::new(path.clone()).replace("a", &kube::api::PostParams::default(), other.to_string().into_bytes()).unwrap();
    let put = api.send(put).await.unwrap();
    assert_eq!(put["data"]["apiKey"], "a2s=");
    assert_eq!(watch.change().await, ("DELETED", "a".to_owned(), version(&put)));
    refused(api.read(&format!("{path}/c")).await, 404, "NotFound", "secrets \"c\" not found");
}

pub(super) async fn a_namespace_has_labels_and_is_needed(api: &Api) {
    let path = format!("/api/v1/namespaces/{}", api.namespace);
    let labels = Patch::Merge(json!({"metadata": {"labels": {"team": "ml"}}}));
    let request = Request::new("/api/v1/namespaces").patch(&api.namespace, &PatchParams::default(), &labels).unwrap();
    api.send(request).await.unwrap();
    let namespace = api.read(&path).await.unwrap();
    assert_eq!((name_of(&namespace), &namespace["metadata"]["labels"]["team"]), (api.namespace.as_str(), &json!("ml")));
    assert_eq!(namespace["status"]["phase"], "Active");
    let mut elsewhere = api.machine("a", json!({}));
    elsewhere["metadata"]["namespace"] = "not-there".into();
    let answer = api.post("/apis/paperspace-operator.dev/v1alpha1/namespaces/not-there/paperspacemachines", &elsewhere).await;
    refused(answer, 404, "NotFound", "namespaces \"not-there\" not found");
    assert_eq!(api.post(&api.path(), &elsewhere).await.unwrap_err().code, 400, "the path says another namespace");
    refused(api.read("/api/v1/namespaces/not-there").await, 404, "NotFound", "namespaces \"not-there\" not found");
}

pub(super) async fn a_namespace_that_ends_takes_all_in_it_along(api: &Api) {
    let secrets = format!("/api/v1/namespaces/{}/secrets", api.namespace);
    let namespace = format!("/api/v1/namespaces/{}", api.namespace);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}});
    api.post(&secrets, &secret).await.unwrap();
    let held = api.create("held", json!({"metadata": {"finalizers": ["example.dev/x"]}})).await;
    api.create("free", json!({})).await;
    let mut watch = api.watch(&version(&held), "").await;
    let answer = api.send(http::Request::delete(&namespace).body(Vec::new()).unwrap()).await.unwrap();
    assert!(answer["metadata"]["deletionTimestamp"].is_string(), "{answer}");
    let mut of = Vec::new();
    while of.len() < 3 {
        let (event, object) = watch.object().await;
        of.push((event, name_of(&object).to_owned(), object["metadata"]["deletionTimestamp"].is_string()));
    }
    of.sort();
    let expected = [("ADDED", "free", false), ("DELETED", "free", false), ("MODIFIED", "held", true)];
    assert_eq!(of, expected.map(|(event, name, deleting)| (event, name.to_owned(), deleting)));
    refused(api.post(&secrets, &secret).await, 403, "Forbidden", "because it is being terminated");
    refused(api.post(&api.path(), &api.machine("b", json!({}))).await, 403, "Forbidden", "because it is being terminated");
    api.merge("held", json!({"metadata": {"annotations": {"x": "1"}}})).await.unwrap();
    api.merge("held", json!({"metadata": {"finalizers": null}})).await.unwrap();
    refused(api.find("held").await, 404, "NotFound", "not found");
    while api.read(&namespace).await.is_ok() {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    refused(api.read(&format!("{secrets}/a")).await, 404, "NotFound", "");
}

pub(super) async fn the_definition_says_that_it_is_established(api: &Api) {
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let crd = api.read(&format!("{path}/paperspacemachines.paperspace-operator.dev")).await.unwrap();
    let established = |c: &Value| c["type"] == "Established" && c["status"] == "True";
    assert!(crd["status"]["conditions"].as_array().unwrap().iter().any(established), "{crd}");
    assert_eq!(crd["metadata"].get("deletionTimestamp"), None);
    refused(api.read(&format!("{path}/others.example.dev")).await, 404, "NotFound", "not found");
}

fn event(api: &Api, name: &str, note: &str) -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": name, "namespace": api.namespace},
        "eventTime": "2026-01-01T00:00:00.000000Z", "action": "Test", "reason": "Tested", "type": "Normal", "note": note,
        "reportingController": "paperspace-operator", "reportingInstance": "one",
        "regarding": {"kind": "PaperspaceMachine", "namespace": api.namespace, "name": "a"},
    })
}

pub(super) async fn events_are_created_and_patched(api: &Api) {
    let path = format!("/apis/events.k8s.io/v1/namespaces/{}/events", api.namespace);
    let made = api.post(&path, &event(api, "a.1", "it was")).await.unwrap();
    assert_eq!((&made["note"], &made["regarding"]["name"]), (&json!("it was"), &json!("a")));
    let series = json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}});
    let request = Request::new(path.clone()).patch("a.1", &PatchParams::default(), &Patch::Merge(series)).unwrap();
    assert_eq!(api.send(request).await.unwrap()["series"]["count"], 2);
    let list = api.read(&path).await.unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

pub(super) async fn long_notes_of_events_are_refused(api: &Api) {
    let path = format!("/apis/events.k8s.io/v1/namespaces/{}/events", api.namespace);
    api.post(&path, &event(api, "a.1", &"x".repeat(1024))).await.unwrap();
    refused(api.post(&path, &event(api, "a.2", &"x".repeat(1025))).await, 422, "Invalid", "can have at most 1024 characters");
}
