//! The gauges of what belongs to no resource: what they count, when they are there at all, and what they cost.

use std::sync::Arc;
use std::time::Duration;

use paperspace_operator::simulator::{Reply, Request};
use serde_json::{Value, json};

use super::process::start_measured;
use super::user::User;
use super::world::{KEY, World, simulate};

const SEED: u64 = 5;

/// `paperspace_operator_<name>{<labels>}`, where it is shown.
fn gauge(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("paperspace_operator_{name} ")));
    line.map(|value| value.trim().parse().unwrap())
}

fn counts(metrics: &str) -> [Option<f64>; 3] {
    ["machine", "script", "address"].map(|kind| gauge(metrics, &format!("orphans{{kind=\"{kind}\"}}")))
}

fn hourly(metrics: &str) -> Option<f64> {
    gauge(metrics, "orphan_hourly_usd{}")
}

/// Something of the team's, made by somebody else.
fn api(world: &Arc<World>, path: &str, body: &Value) -> Value {
    let request = Request {
        method: "POST".to_owned(),
        path: format!("/v1{path}"),
        key: Some(KEY.to_owned()),
        content_type: Some("application/json".to_owned()),
        body: body.to_string().into_bytes(),
        ..Request::default()
    };
    match world.paperspace().handle(world.now(), &request) {
        Reply::Json { status: 200, body, .. } => body,
        other => panic!("POST {path}: {other:?}"),
    }
}

fn calls(world: &World, route: &str) -> u64 {
    world.truth()["calls"][route].as_u64().unwrap_or_default()
}

async fn minutes(minutes: u64) {
    tokio::time::sleep(Duration::from_mins(minutes)).await;
}

fn left_over(world: &Arc<World>) {
    for name in ["setup", "gone-aaaaaaaaaaaa"] {
        api(world, "/startup-scripts", &json!({"name": name, "script": "true", "isRunOnce": false}));
    }
    api(world, "/public-ips", &json!({"region": "ny2"}));
}

#[test]
fn what_no_resource_has_is_counted_and_a_resources_own_is_not() {
    simulate(async {
        let world = World::new(SEED, None, &[]);
        let user = User::new(&world);
        let (_operator, metrics) = start_measured(&world, 0);
        minutes(1).await;
        assert_eq!((counts(&metrics()), hourly(&metrics())), ([None; 3], None), "no account was looked at");
        user.create_at_console(&json!({"name": "by hand", "machineType": "A4000"})).await;
        user.create_at_console(&json!({"name": "gone-aaaaaaaaaaaa"})).await;
        left_over(&world);
        user.create("a", &json!({"publicIp": {"type": "Static"}})).await;
        user.until_settled("a").await.unwrap();
        minutes(1).await;
        let [machines, scripts, addresses] = counts(&metrics());
        assert_eq!((machines, scripts, addresses), (Some(2.0), None, None), "the rest is listed some minutes after the start");
        assert!((hourly(&metrics()).unwrap() - 0.84).abs() < 1e-9, "0.76 and 0.08, without the resource's own 0.08");
        minutes(11).await;
        assert_eq!(counts(&metrics()), [Some(2.0), Some(1.0), Some(1.0)]);

        // Adopted, it is none any more.
        let id = world.machines().iter().find(|m| m["name"] == "by hand").unwrap()["id"].clone();
        user.secret("key", "second-key-of-te1").await;
        user.create(
            "b",
            &json!({"templateId": null, "adopt": {"machineId": id}, "machineType": "A4000", "credentialsRef": {"name": "key"}}),
        )
        .await;
        user.until_settled("b").await.unwrap();
        assert_eq!(counts(&metrics())[0], Some(1.0));
        // Let go, it is one again.
        user.delete("b").await;
        user.until_gone("b").await.unwrap();
        minutes(1).await;
        assert_eq!(counts(&metrics())[0], Some(2.0));
        user.delete("a").await;
        user.until_gone("a").await.unwrap();
        assert_eq!((counts(&metrics()), hourly(&metrics())), ([None; 3], None), "an account without resources is not looked at");
    });
}

#[test]
fn scripts_and_addresses_are_listed_once_an_hour_while_there_are_resources() {
    simulate(async {
        let world = World::new(SEED, None, &[]);
        let user = User::new(&world);
        let (_operator, _metrics) = start_measured(&world, 0);
        minutes(60).await;
        let listed = || [calls(&world, "GET /startup-scripts"), calls(&world, "GET /public-ips")];
        assert_eq!(listed(), [0, 0]);
        user.create("a", &json!({})).await;
        user.until_settled("a").await.unwrap();
        minutes(10).await;
        assert_eq!(listed(), [1, 1]);
        minutes(10 * 60).await;
        let [scripts, addresses] = listed();
        assert!((9..=11).contains(&scripts) && scripts == addresses, "{scripts} {addresses} in eleven hours");
        user.delete("a").await;
        user.until_gone("a").await.unwrap();
        let before = listed();
        minutes(5 * 60).await;
        assert_eq!(listed(), before);
    });
}

#[test]
fn a_list_that_fails_makes_nothing_an_orphan_and_nothing_none() {
    simulate(async {
        let world = World::new(SEED, None, &[]);
        let user = User::new(&world);
        left_over(&world);
        let (_operator, metrics) = start_measured(&world, 0);
        user.create("a", &json!({})).await;
        user.until_settled("a").await.unwrap();
        world.sim("POST", "faults", &json!({"route": "/public-ips", "kind": "error", "status": 500}));
        minutes(15).await;
        assert_eq!(counts(&metrics()), [Some(0.0), None, None]);
        world.sim("DELETE", "faults", &json!(null));
        minutes(70).await;
        assert_eq!(counts(&metrics()), [Some(0.0), Some(1.0), Some(1.0)]);
    });
}

/// Else every deletion would ring the alarm for up to an hour.
#[test]
fn what_went_with_its_resource_since_the_list_is_not_left_over() {
    simulate(async {
        let world = World::new(SEED, None, &[]);
        let user = User::new(&world);
        let (_operator, metrics) = start_measured(&world, 0);
        for name in ["a", "b"] {
            user.create(name, &json!({})).await;
            user.until_settled(name).await.unwrap();
        }
        let uid = user.get("a").unwrap()["metadata"]["uid"].as_str().unwrap().replace('-', "");
        api(&world, "/startup-scripts", &json!({"name": format!("a-{}", &uid[..12]), "script": "true", "isRunOnce": false}));
        minutes(11).await;
        assert_eq!(counts(&metrics()), [Some(0.0); 3]);
        user.delete("a").await;
        user.until_gone("a").await.unwrap();
        assert_eq!(counts(&metrics()), [Some(0.0); 3], "as of the last list");
        minutes(70).await;
        assert_eq!(counts(&metrics()), [Some(0.0), Some(1.0), Some(0.0)], "and here it was left over");
    });
}

#[test]
fn with_a_resource_that_cannot_be_read_nothing_is_known() {
    simulate(async {
        let world = World::new(SEED, None, &[]);
        let user = User::new(&world);
        user.create_at_console(&json!({"name": "by hand"})).await;
        let (_operator, metrics) = start_measured(&world, 0);
        user.create("a", &json!({})).await;
        user.until_settled("a").await.unwrap();
        minutes(1).await;
        assert_eq!(counts(&metrics())[0], Some(1.0));
        // More than the operator's type holds.
        user.write_status("a", |status| status["hardware"]["cpus"] = json!(3_000_000_000_u64)).await;
        minutes(1).await;
        assert_eq!((counts(&metrics()), hourly(&metrics())), ([None; 3], None));
    });
}

#[test]
fn an_operator_of_one_namespace_cannot_know_and_says_nothing() {
    simulate(async {
        let world = World::new(SEED, None, &["--watch-namespace", "default"]);
        let user = User::new(&world);
        left_over(&world);
        user.create_at_console(&json!({"name": "by hand"})).await;
        let (_operator, metrics) = start_measured(&world, 0);
        user.create("a", &json!({})).await;
        user.until_settled("a").await.unwrap();
        minutes(70).await;
        assert_eq!((counts(&metrics()), hourly(&metrics())), ([None; 3], None));
        assert_eq!((calls(&world, "GET /startup-scripts"), calls(&world, "GET /public-ips")), (0, 0));
    });
}
