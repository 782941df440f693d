//! What the crash matrix disturbs: for each main path of the operator a short story with an end.

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use serde_json::{Value, json};

use super::user::{Done, NAMESPACE, User, condition, is_settled};

/// A story. What happens in `before` goes well; what happens in `then` is disturbed. It ends well when `then` does.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) before: fn(User) -> BoxFuture<'static, Done>,
    pub(crate) then: fn(User) -> BoxFuture<'static, Done>,
}

macro_rules! scenarios {
    ($($name:ident: $before:expr, $then:expr;)+) => {
        /// All of them.
        pub(crate) const SCENARIOS: &[Scenario] = &[$(Scenario {
            name: stringify!($name),
            before: |user| $before(user).boxed(),
            then: |user| $then(user).boxed(),
        },)+];
    };
}

scenarios! {
    create: nothing, create;
    create_stopped: nothing, create_stopped;
    delete: running, delete;
    delete_while_creating: nothing, delete_while_creating;
    change_in_place: running, change_in_place;
    change_that_needs_a_stop: resizable, change_that_needs_a_stop;
    power_cycle: running, power_cycle;
    restart: running, restart;
    drift: running, drift;
    vanished_machine: running, vanished_machine;
    adopt: by_hand, adopt;
    credential_rotation: with_own_key, credential_rotation;
    static_address: nothing, static_address;
    leave_static_address: with_static_address, leave_static_address;
    keep_static_address: with_static_address, keep_static_address;
    own_address: with_address_to_give, own_address;
    changes_of_address: with_address_to_give, changes_of_address;
    refused_resize: resizable, refused_resize;
    published_connection: running, published_connection;
    key_of_another_team: with_own_key, key_of_another_team;
    restore_with_a_new_uid: restored, restore_with_a_new_uid;
    create_with_script: nothing, create_with_script;
    delete_with_script: with_script, delete;
    delete_while_making_a_script: nothing, delete_while_making_a_script;
    give_and_take_a_script: running, give_and_take_a_script;
    change_of_a_script: with_script_of_a_map, change_of_a_script;
    another_script_by_id: with_script, another_script_by_id;
    keep_machine_with_script: with_script, keep_machine_with_script;
    accessors: with_accessors, accessors;
    create_by_names: with_networks, create_by_names;
    networks_by_name: by_names, networks_by_name;
    quota: full, quota;
}

fn nothing(_: User) -> impl Future<Output = Done> {
    std::future::ready(Ok(()))
}

async fn running(user: User) -> Done {
    user.create("a", &json!({})).await;
    user.until_settled("a").await
}

async fn create(user: User) -> Done {
    running(user).await
}

async fn create_stopped(user: User) -> Done {
    user.create("a", &json!({"powerState": "Stopped"})).await;
    user.until_settled("a").await?;
    let state = user.get("a").unwrap_or_default()["status"]["state"].clone();
    if state == "off" { Ok(()) } else { Err(format!("state is {state}")) }
}

async fn delete(user: User) -> Done {
    user.delete("a").await;
    user.until_gone("a").await
}

async fn delete_while_creating(user: User) -> Done {
    user.create("a", &json!({})).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    user.delete("a").await;
    user.until_gone("a").await
}

async fn change_in_place(user: User) -> Done {
    user.edit("a", json!({"autoSnapshot": {"frequency": "Daily", "keep": 3}, "machineName": "other"})).await;
    user.until_settled("a").await
}

async fn resizable(user: User) -> Done {
    user.create("a", &json!({"resizePolicy": "StopAndStart"})).await;
    user.until_settled("a").await
}

async fn change_that_needs_a_stop(user: User) -> Done {
    user.edit("a", json!({"diskSizeGB": 100, "machineType": "C6"})).await;
    user.until_settled("a").await?;
    let machine = user.world.machines().pop().unwrap_or_default();
    let is = (&machine["machineType"], &machine["diskSize"], &machine["state"]);
    if is == (&json!("C6"), &json!(100), &json!("ready")) { Ok(()) } else { Err(format!("the machine is {is:?}")) }
}

async fn power_cycle(user: User) -> Done {
    user.edit("a", json!({"powerState": "Stopped"})).await;
    user.until_settled("a").await?;
    user.edit("a", json!({"powerState": "Running"})).await;
    user.until_settled("a").await
}

async fn restart(user: User) -> Done {
    user.restart("a", "now").await;
    user.until_settled("a").await
}

async fn drift(user: User) -> Done {
    user.change_at_console("a", &json!({"autoSnapshotEnabled": true, "autoSnapshotFrequency": "daily", "state": "off"})).await;
    let mended = |user: &User| {
        let machine = user.world.machines().pop().unwrap_or_default();
        machine["autoSnapshotEnabled"] == false && machine["state"] == "ready"
    };
    user.until("a", "the drift to be mended", |object| mended(&user) && object.is_some_and(is_settled)).await
}

async fn vanished_machine(user: User) -> Done {
    let first = user.machine_id("a");
    user.destroy_at_console("a").await;
    let another = |object: &Value| is_settled(object) && object["status"]["machineId"].as_str() != first.as_deref();
    user.until("a", "another machine", |object| object.is_some_and(another)).await
}

async fn by_hand(user: User) -> Done {
    user.secret("key", "second-key-of-te1").await;
    user.create_at_console(&json!({"name": "found"})).await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    Ok(())
}

async fn adopt(user: User) -> Done {
    let id = user.world.machines()[0]["id"].clone();
    let spec = json!({"templateId": null, "adopt": {"machineId": id}, "credentialsRef": {"name": "key"}});
    user.create("a", &spec).await;
    user.until_settled("a").await?;
    user.delete("a").await;
    user.until_gone("a").await
}

async fn with_own_key(user: User) -> Done {
    user.secret("key", super::world::KEY).await;
    user.create("a", &json!({"credentialsRef": {"name": "key"}})).await;
    user.until_settled("a").await
}

async fn credential_rotation(user: User) -> Done {
    user.world.sim("POST", "faults", &json!({"kind": "revoke-key", "key": super::world::KEY}));
    user.edit("a", json!({"powerState": "Stopped"})).await;
    tokio::time::sleep(Duration::from_secs(90)).await;
    user.secret("key", "second-key-of-te1").await;
    user.until_settled("a").await
}

async fn static_address(user: User) -> Done {
    user.create("a", &json!({"publicIp": {"type": "Static"}})).await;
    user.until_settled("a").await?;
    user.delete("a").await;
    user.until_gone("a").await
}

async fn with_static_address(user: User) -> Done {
    user.create("a", &json!({"publicIp": {"type": "Static"}})).await;
    user.until_settled("a").await
}

async fn leave_static_address(user: User) -> Done {
    user.edit("a", json!({"publicIp": {"type": "Dynamic"}})).await;
    user.until_settled("a").await?;
    user.edit("a", json!({"publicIp": {"type": "Static"}})).await;
    user.until_settled("a").await
}

async fn keep_static_address(user: User) -> Done {
    user.edit("a", json!({"publicIp": {"reclaimPolicy": "Retain"}})).await;
    let address = user.world.machines()[0]["publicIp"].as_str().unwrap_or_default().to_owned();
    user.world.book().kept_addresses.insert(address);
    user.delete("a").await;
    user.until_gone("a").await
}

async fn create_with_script(user: User) -> Done {
    user.create("a", &json!({"startupScript": {"inline": "echo one"}})).await;
    user.until_settled("a").await
}

async fn with_script(user: User) -> Done {
    create_with_script(user).await
}

async fn delete_while_making_a_script(user: User) -> Done {
    user.create("a", &json!({"startupScript": {"inline": "echo one"}})).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    user.delete("a").await;
    user.until_gone("a").await
}

async fn give_and_take_a_script(user: User) -> Done {
    user.edit("a", json!({"startupScript": {"inline": "echo one", "runOnce": true}})).await;
    user.until_settled("a").await?;
    user.edit("a", json!({"startupScript": null})).await;
    user.until_settled("a").await?;
    // That it is gone from Paperspace is nothing that the conditions tell.
    let gone = |object: &Value| object["status"]["ownedScript"].is_null();
    user.until("a", "the end of the script", |object| object.is_some_and(gone)).await
}

async fn with_script_of_a_map(user: User) -> Done {
    user.script_in_map("scripts", "echo one").await;
    let reference = json!({"name": "scripts", "key": "script"});
    user.create("a", &json!({"startupScript": {"configMapKeyRef": reference}})).await;
    user.until_settled("a").await
}

/// There and back again, as soon as the script has the text: what came of a change whose reply was lost must not be believed.
async fn change_of_a_script(user: User) -> Done {
    let holds = |text: &'static str| {
        let user = user.clone();
        async move {
            user.script_in_map("scripts", text).await;
            let held = || user.world.truth()["startupScripts"][0]["script"] == text;
            user.until("a", text, |_| held()).await
        }
    };
    holds("echo two").await?;
    holds("echo one").await?;
    holds("echo three").await?;
    user.until_settled("a").await
}

async fn another_script_by_id(user: User) -> Done {
    let id = user.script_at_console("echo mine").await;
    user.edit("a", json!({"startupScript": {"inline": null, "scriptId": id}})).await;
    user.until_settled("a").await?;
    let gone = |object: &Value| object["status"]["ownedScript"].is_null();
    user.until("a", "the end of the script", |object| object.is_some_and(gone)).await
}

async fn keep_machine_with_script(user: User) -> Done {
    user.edit("a", json!({"deletionPolicy": "Retain"})).await;
    user.delete("a").await;
    user.until_gone("a").await
}

async fn key_of_another_team(user: User) -> Done {
    user.secret("key", "key-of-te2").await;
    user.edit("a", json!({"autoSnapshot": {"frequency": "Daily", "keep": 1}})).await;
    tokio::time::sleep(Duration::from_mins(15)).await;
    user.secret("key", super::world::KEY).await;
    user.until_settled("a").await
}

/// The resource is gone, its machine stayed, and it comes back from a backup.
async fn restored(user: User) -> Done {
    running(user.clone()).await?;
    let backup = user.get("a").unwrap_or_default();
    user.edit("a", json!({"deletionPolicy": "Retain"})).await;
    user.delete("a").await;
    user.until_gone("a").await?;
    let address = "paperspace-operator.dev/machine";
    user.create_with("a", &json!({}), &json!({address: backup["metadata"]["annotations"][address]})).await;
    user.until("a", "Restored", |object| object.is_some_and(|o| condition(o, "Ready") == Some(("False", "Restored")))).await
}

async fn restore_with_a_new_uid(user: User) -> Done {
    let address = user.get("a").unwrap_or_default()["metadata"]["annotations"]["paperspace-operator.dev/machine"].clone();
    let parts: Vec<&str> = address.as_str().unwrap_or_default().split('/').collect();
    let [_, machine, mark] = parts[..] else { return Err(format!("{NAMESPACE}/a: the address is {address}")) };
    user.secret("key", "second-key-of-te1").await;
    user.edit("a", json!({"adopt": {"machineId": machine, "replaceMark": mark}, "credentialsRef": {"name": "key"}})).await;
    user.until_settled("a").await
}

/// A user of the team, who is made on the first call; her id.
fn member(user: &User, email: &str) -> Value {
    let Value::Array(all) = user.world.truth()["users"].take() else { return Value::Null };
    let known = all.into_iter().find(|u| u["email"] == email);
    let made = || user.world.sim("POST", "users", &json!({"team": super::world::TEAM, "email": email}));
    known.unwrap_or_else(made)["id"].take()
}

/// Waits until these may use the machine and nobody else, and the resource is settled.
async fn until_used_by(user: &User, emails: &[&str]) -> Done {
    let wanted: std::collections::BTreeSet<String> = emails.iter().map(|email| member(user, email).to_string()).collect();
    let is = |object: Option<&Value>| {
        let machine = user.world.machines().pop().unwrap_or_default();
        let there = machine["accessorIds"].as_array().into_iter().flatten().map(ToString::to_string).collect();
        object.is_some_and(is_settled) && wanted == there
    };
    user.until("a", &format!("{emails:?} may use the machine"), is).await
}

async fn with_accessors(user: User) -> Done {
    for email in ["ann@example.com", "bob@example.com", "eve@example.com"] {
        member(&user, email);
    }
    user.create("a", &json!({"accessors": {"emails": ["ann@example.com"]}})).await;
    until_used_by(&user, &["ann@example.com"]).await?;
    // Eve is somebody else's doing, and stays until nobody else may be there.
    let machine = user.machine_id("a").unwrap_or_default();
    user.world.as_admin("POST", &format!("machines/{machine}/accessors"), &json!({"userId": member(&user, "eve@example.com")}));
    Ok(())
}

async fn accessors(user: User) -> Done {
    user.edit("a", json!({"accessors": {"emails": ["Bob@example.com"]}})).await;
    until_used_by(&user, &["bob@example.com", "eve@example.com"]).await?;
    user.edit("a", json!({"accessors": null})).await;
    until_used_by(&user, &["eve@example.com"]).await?;
    user.edit("a", json!({"accessors": {"userIds": [member(&user, "ann@example.com")], "exact": true}})).await;
    until_used_by(&user, &["ann@example.com"]).await
}

/// Two networks, and a name that means another network elsewhere.
#[expect(clippy::unused_async, reason = "as every beginning of a story")]
async fn with_networks(user: User) -> Done {
    for (name, region) in [("lab", "ny2"), ("office", "ny2"), ("lab", "ca1")] {
        user.world.as_admin("POST", "private-networks", &json!({"name": name, "region": region}));
    }
    Ok(())
}

fn network(user: &User, name: &str) -> Value {
    let networks = user.world.truth()["privateNetworks"].take();
    let is = |n: &&Value| n["name"] == name && n["exists"] == true && n["region"].as_str().is_some_and(|r| r.contains("NY2"));
    networks.as_array().into_iter().flatten().find(is).map(|n| n["id"].clone()).unwrap_or_default()
}

/// The one machine is what the names mean.
fn named(user: &User, network_name: &str) -> Done {
    let machines = user.world.machines();
    let [machine] = machines.as_slice() else { return Err(format!("{} machines", machines.len())) };
    let (is, wanted) = ((&machine["templateId"], &machine["networkId"]), (json!("t0nspur5"), network(user, network_name)));
    if is == (&wanted.0, &wanted.1) { Ok(()) } else { Err(format!("the machine is {is:?}, not {wanted:?}")) }
}

async fn create_by_names(user: User) -> Done {
    let spec = json!({"templateId": null, "template": {"osLabel": "ubuntu 22.04 server"}, "networkName": "lab"});
    user.create("a", &spec).await;
    user.until_settled("a").await?;
    named(&user, "lab")
}

async fn by_names(user: User) -> Done {
    with_networks(user.clone()).await?;
    create_by_names(user).await
}

/// Moved to another; to one that comes only later; and by its id.
async fn networks_by_name(user: User) -> Done {
    user.edit("a", json!({"networkName": "office"})).await;
    user.until_settled("a").await?;
    named(&user, "office")?;
    user.edit("a", json!({"networkName": "later"})).await;
    let missing = |o: &Value| condition(o, "Synced") == Some(("False", "NetworkNotFound"));
    user.until("a", "NetworkNotFound", |object| object.is_some_and(missing)).await?;
    user.world.as_admin("POST", "private-networks", &json!({"name": "later", "region": "ny2"}));
    user.until_settled("a").await?;
    named(&user, "later")?;
    user.edit("a", json!({"networkName": null, "networkId": network(&user, "lab")})).await;
    user.until_settled("a").await?;
    named(&user, "lab")
}

/// The team may have one machine, and has it.
async fn full(user: User) -> Done {
    user.world.sim("POST", "teams/te1", &json!({"maxMachines": 1}));
    user.create("b", &json!({})).await;
    user.until_settled("b").await
}

async fn quota(user: User) -> Done {
    user.create("a", &json!({})).await;
    let refused = |o: &Value| condition(o, "Ready") == Some(("False", "QuotaReached"));
    user.until("a", "QuotaReached", |object| object.is_some_and(refused)).await?;
    user.delete("b").await;
    user.until_gone("b").await?;
    user.until_settled("a").await
}

/// The team has a static address that nobody uses.
async fn with_address_to_give(user: User) -> Done {
    user.claim_address().await;
    Ok(())
}

fn given(address: &str) -> Value {
    json!({"publicIp": {"type": "Static", "address": address}})
}

/// What the only machine has.
fn has(user: &User) -> (Value, Value) {
    let mut machine = user.world.machines().pop().unwrap_or_default();
    (machine["publicIpType"].take(), machine["publicIp"].take())
}

async fn own_address(user: User) -> Done {
    let address = user.kept_address();
    user.create("a", &given(&address)).await;
    user.until_settled("a").await?;
    if has(&user) != (json!("static"), json!(address)) {
        return Err(format!("the machine has {:?}", has(&user)));
    }
    user.delete("a").await;
    user.until_gone("a").await
}

async fn changes_of_address(user: User) -> Done {
    let address = user.kept_address();
    user.create("a", &json!({"publicIp": {"type": "Static"}})).await;
    user.until_settled("a").await?;
    user.edit("a", given(&address)).await;
    user.until_settled("a").await?;
    user.edit("a", json!({"publicIp": {"type": "None", "address": null}})).await;
    user.until_settled("a").await?;
    user.edit("a", json!({"publicIp": {"type": "Static"}})).await;
    // Not settled yet, and changed again.
    tokio::time::sleep(Duration::from_secs(3)).await;
    user.edit("a", given(&address)).await;
    user.until_settled("a").await?;
    if has(&user) == (json!("static"), json!(address)) { Ok(()) } else { Err(format!("the machine has {:?}", has(&user))) }
}

async fn refused_resize(user: User) -> Done {
    user.edit("a", json!({"machineType": "C99"})).await;
    let refused =
        |o: &Value| condition(o, "Synced") == Some(("False", "UpdateRejected")) && condition(o, "Ready") == Some(("True", "Running"));
    user.until("a", "the refusal, and the machine on again", |object| object.is_some_and(refused)).await?;
    let machine = user.world.machines().pop().unwrap_or_default();
    if (&machine["machineType"], &machine["state"]) == (&json!("C5"), &json!("ready")) { Ok(()) } else { Err(format!("{machine}")) }
}

async fn published_connection(user: User) -> Done {
    user.edit("a", json!({"writeConnectionTo": {"configMapName": "one"}})).await;
    user.until_published("one", true).await?;
    user.until_settled("a").await?;
    let expected = user.world.machines()[0]["publicIp"].clone();
    if user.published("one")["host"] != expected {
        return Err(format!("{} is published, not {expected}", user.published("one")));
    }
    user.edit("a", json!({"writeConnectionTo": {"configMapName": "two"}})).await;
    user.until_published("two", true).await?;
    user.until_published("one", false).await?;
    user.edit("a", json!({"writeConnectionTo": null})).await;
    user.until_published("two", false).await?;
    user.until_settled("a").await
}
