//! GET and LIST.

use axum::http;
use serde_json::{Value, json};

use super::api::{Api, GROUP, name_of, version};

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(name_of).collect()
}

pub(super) async fn lists_are_sorted_and_selected(api: &Api) {
    for (name, region, label) in [("b", "NY2", "x"), ("c", "CA1", "y"), ("a", "CA1", "x"), ("a-b", "NY2", "y"), ("a.b", "NY2", "z")] {
        api.create(name, json!({"metadata": {"labels": {"use": label}}, "spec": {"region": region}})).await;
    }
    let last = api.apply_status("c", json!({}), json!({"machineId": "ps1"})).await.unwrap();
    let all = api.list("").await;
    assert_eq!(names(&all), ["a", "a-b", "a.b", "b", "c"]);
    assert_eq!((&all["kind"], &all["apiVersion"]), (&json!("PaperspaceMachineList"), &json!("paperspace-operator.dev/v1alpha1")));
    assert!(version(&all).parse::<u64>().unwrap() >= version(&last).parse::<u64>().unwrap());
    assert_eq!(all["items"][4], last);
    for (query, expected) in [
        ("labelSelector=use%3Dx", vec!["a", "b"]),
        ("labelSelector=use%21%3Dx", vec!["a-b", "a.b", "c"]),
        ("labelSelector=use+in+%28x%2Cz%29", vec!["a", "a.b", "b"]),
        ("labelSelector=use%2Cuse+notin+%28x%2Cz%29", vec!["a-b", "c"]),
        ("labelSelector=%21use", vec![]),
        ("fieldSelector=metadata.name%3Dc", vec!["c"]),
        ("fieldSelector=spec.region%3DCA1", vec!["a", "c"]),
        ("fieldSelector=spec.region%21%3DCA1%2Cmetadata.name%21%3Db", vec!["a-b", "a.b"]),
        ("fieldSelector=status.machineId%3Dps1", vec!["c"]),
        ("fieldSelector=status.machineId%3D", vec!["a", "a-b", "a.b", "b"]),
        ("fieldSelector=spec.region%3DCA1&labelSelector=use%3Dx", vec!["a"]),
    ] {
        assert_eq!(names(&api.list(query).await), expected, "{query}");
    }
    let answer = api.read(&format!("{}?fieldSelector=spec.powerState%3DRunning", api.path())).await;
    assert_eq!(answer.unwrap_err().code, 400, "not selectable");
    let everywhere = api.read(&format!("{GROUP}/paperspacemachines?fieldSelector=metadata.namespace%3D{}", api.namespace)).await.unwrap();
    assert_eq!(names(&everywhere), names(&all), "of all namespaces");
}

pub(super) async fn lists_come_in_chunks_of_one_version(api: &Api) {
    for name in ["a", "b", "c", "d", "e"] {
        api.create(name, json!({})).await;
    }
    let first = api.list("limit=2").await;
    assert_eq!(names(&first), ["a", "b"]);
    api.delete("c").await.unwrap();
    api.create("cc", json!({})).await;
    let token = |list: &Value| list["metadata"]["continue"].as_str().unwrap().to_owned();
    let second = api.list(&format!("limit=2&continue={}", token(&first))).await;
    assert_eq!(names(&second), ["c", "d"], "as it was");
    let third = api.list(&format!("limit=2&continue={}", token(&second))).await;
    assert_eq!(names(&third), ["e"]);
    assert_eq!((version(&second), version(&third)), (version(&first), version(&first)));
    assert_eq!(third["metadata"]["continue"].as_str().unwrap_or_default(), "");
}

pub(super) async fn metadata_can_be_read_alone(api: &Api) {
    let object = api.create("a", json!({"metadata": {"labels": {"use": "x"}}})).await;
    let partial = |path: String, method: &str, accept: &str, body: &str| {
        let request = http::Request::builder().method(method).uri(path);
        let request = request.header("accept", format!("application/json;as={accept};g=meta.k8s.io;v=v1"));
        request.header("content-type", "application/merge-patch+json").body(body.as_bytes().to_vec()).unwrap()
    };
    let one = partial(format!("{}/a", api.path()), "GET", "PartialObjectMetadata", "");
    let expected = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]});
    assert_eq!(api.send(one).await.unwrap(), expected);
    let list = api.send(partial(api.path(), "GET", "PartialObjectMetadataList", "")).await.unwrap();
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert_eq!(list["items"][0]["metadata"], object["metadata"]);
    assert_eq!(list["items"][0].get("spec"), None);
    let patch = partial(format!("{}/a", api.path()), "PATCH", "PartialObjectMetadata", r#"{"metadata":{"labels":{"use":"y"}}}"#);
    let patched = api.send(patch).await.unwrap();
    assert_eq!((&patched["kind"], patched.get("spec")), (&json!("PartialObjectMetadata"), None));
    assert_eq!(patched["metadata"], api.get("a").await["metadata"]);
    let missing = partial(format!("{}/b", api.path()), "GET", "PartialObjectMetadata", "");
    assert_eq!(api.send(missing).await.unwrap_err().reason, "NotFound");
}
