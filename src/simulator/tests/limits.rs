//! Many machines.

use serde_json::json;

use super::Lab;

#[test]
fn a_walk_over_pages_finds_everything_once() {
    let mut lab = Lab::new();
    for n in 0..130 {
        lab.create(&json!({"name": format!("m{n}")}));
    }
    let (mut names, mut path) = (Vec::new(), "/machines?limit=50".to_owned());
    loop {
        let page = lab.get(&path);
        names.extend(page["items"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap().to_owned()));
        let Some(next) = page.get("nextPage").and_then(|n| n.as_str()) else {
            assert_eq!(page["hasMore"], false);
            break;
        };
        assert_eq!(page["hasMore"], true);
        path = format!("/machines?limit=50&after={next}");
    }
    assert_eq!(names.len(), 130);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 130);
}

#[test]
fn a_thousand_machines_are_quick_enough_for_tests() {
    let mut lab = Lab::new();
    for n in 0..1000 {
        lab.create(&json!({"name": format!("m{n}")}));
    }
    lab.wait(100.0);
    assert_eq!(lab.get("/machines?limit=120")["items"][0]["state"], "ready");
}
