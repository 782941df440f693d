//! The table of `tests/crd`, asked of a real API server.

use kube::api::{Api, DeleteParams, DynamicObject, PostParams};
use kube::{Client, CustomResourceExt as _};
use paperspace_operator::crd::PaperspaceMachine;
use serde_json::Value;

use super::table::{Case, cases};

/// The cases that the server answers differently than the table says. The CRD must be there, the namespace be without `case-…` resources,
/// and no operator be running. Nothing is left behind.
pub(crate) async fn differences(client: Client, namespace: &str) -> Vec<String> {
    let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &PaperspaceMachine::api_resource());
    let mut differences = Vec::new();
    for case in cases() {
        let answer = answer(&api, &case).await;
        let refusal = match &answer {
            Ok(()) => None,
            Err(kube::Error::Api(status)) => Some(status.message.as_str()),
            Err(error) => panic!("{}: no answer: {error}", case.name),
        };
        match (&case.refused_with, refusal) {
            (None, None) => {}
            (Some(with), Some(message)) if message.contains(with.as_str()) => {}
            (Some(with), got) => differences.push(format!("{}: to be refused with {with:?}, got {got:?}", case.name)),
            (None, Some(message)) => differences.push(format!("{}: to be accepted, got {message:?}", case.name)),
        }
    }
    differences
}

async fn answer(api: &Api<DynamicObject>, case: &Case) -> kube::Result<()> {
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let Some(old) = &case.old else {
        return api.create(&dry_run, &object(&case.new)).await.map(drop);
    };
    let name = object(old).metadata.name.expect("a name");
    let answer = async {
        let first = case.first.as_ref().unwrap_or(old);
        let mut there = create(api, first).await.unwrap_or_else(|error| panic!("{}: before it: {error}", case.name));
        if case.first.is_some() {
            there = write(api, &there, old, false, &PostParams::default())
                .await
                .unwrap_or_else(|error| panic!("{}: before it: {error}", case.name));
        }
        write(api, &there, &case.new, case.to_status, &dry_run).await.map(drop)
    }
    .await;
    let _ = api.delete(&name, &DeleteParams::default()).await;
    answer
}

/// Creates it with its status.
async fn create(api: &Api<DynamicObject>, value: &Value) -> kube::Result<DynamicObject> {
    let there = api.create(&PostParams::default(), &object(value)).await?;
    if value.get("status").is_some() { write(api, &there, value, true, &PostParams::default()).await } else { Ok(there) }
}

async fn write(
    api: &Api<DynamicObject>,
    there: &DynamicObject,
    value: &Value,
    to_status: bool,
    how: &PostParams,
) -> kube::Result<DynamicObject> {
    let mut object = object(value);
    object.metadata.resource_version.clone_from(&there.metadata.resource_version);
    let name = object.metadata.name.clone().expect("a name");
    if to_status { api.replace_status(&name, how, &object).await } else { api.replace(&name, how, &object).await }
}

fn object(value: &Value) -> DynamicObject {
    serde_json::from_value(value.clone()).expect("an object")
}
