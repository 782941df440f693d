//! What readers promise of anything that the API, or whoever is in its place, may answer. [`crate::properties`] throws the dice.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::reply::read;
use super::text::{MAX_TEXT_BYTES, clean_text};
use super::transport::Reply;
use super::types::tests::documented;
use super::types::*;
use super::{Error, types};
use crate::properties::{Dice, check};

fn reply(status: u16, body: Vec<u8>) -> Reply {
    Reply { status, headers: HeaderMap::new(), body }
}

/// Any value, not too deep.
fn value(d: &mut Dice, deep: usize) -> Value {
    match d.below(if deep == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => Value::Bool(d.one_in(2)),
        2 => json!(d.roll()),
        3 => json!(d.pick(&[0.5, -1.0, 1e300, -0.0])),
        4 => json!(d.text()),
        5 => json!(u64::MAX),
        6 => Value::Array(d.several(3, |d| value(d, deep - 1))),
        _ => Value::Object(d.several(3, |d| (d.text(), value(d, deep - 1))).into_iter().collect()),
    }
}

/// A change of the documented machine that may come from the API.
fn possible(d: &mut Dice, machine: &mut Value) {
    const NUMBERS: [&str; 9] =
        ["cpus", "ram", "storageTotal", "storageUsed", "autoShutdownTimeout", "autoSnapshotSaveCount", "usageRate", "storageRate", "extra"];
    const OPTIONAL: [&str; 25] = [
        "os",
        "agentType",
        "cpus",
        "ram",
        "storageTotal",
        "storageUsed",
        "accelerators",
        "privateIp",
        "networkId",
        "publicIp",
        "autoShutdownEnabled",
        "autoShutdownTimeout",
        "autoShutdownForce",
        "autoSnapshotEnabled",
        "autoSnapshotFrequency",
        "autoSnapshotSaveCount",
        "updatesPending",
        "restorePointEnabled",
        "restorePointFrequency",
        "restorePointSnapshotId",
        "usageRate",
        "storageRate",
        "dtModified",
        "dtDeleted",
        "reservation",
    ];
    const WORDS: [&str; 4] = ["state", "publicIpType", "autoSnapshotFrequency", "restorePointFrequency"];
    const TEXTS: [&str; 8] = ["name", "os", "machineType", "agentType", "region", "privateIp", "publicIp", "networkId"];
    const TIMES: [&str; 6] = [
        "2024-04-30T15:51:24.565Z",
        "2024-04-30T15:51:24Z",
        "2024-04-30T15:51:24.565123Z",
        "2024-04-30T15:51:24+00:00",
        "2024-04-30T17:51:24.5+02:00",
        "2024-12-31T23:59:60Z",
    ];
    match d.below(9) {
        0 => {
            let number = d.pick(&["0", "6", "53687091200", " 8589934592 "]);
            machine[d.pick(&NUMBERS)] = if d.one_in(2) { json!(number) } else { json!(number.trim().parse::<u64>().unwrap_or_default()) };
        }
        1 => machine[d.pick(&OPTIONAL)] = Value::Null,
        2 => {
            let field = d.pick(&OPTIONAL);
            if let Some(object) = machine.as_object_mut() {
                object.remove(field);
            }
        }
        3 => machine[d.pick(&WORDS)] = json!(d.text()),
        4 => machine[d.pick(&TEXTS)] = json!(d.text()),
        5 => machine[format!("new{}", d.below(9))] = value(d, 3),
        6 => machine[d.pick(&["dtCreated", "dtModified", "dtDeleted"])] = json!(d.pick(&TIMES)),
        7 => {
            let memory = d.pick(&[json!("8589934592"), json!(8_589_934_592_u64), Value::Null]);
            machine["accelerators"] = json!([{"name": d.text(), "memory": memory, "count": d.pick(&[json!(1), json!("2")])}]);
        }
        _ => machine["reservation"] = json!({"name": d.text(), "isActive": true}),
    }
}

/// The text of a value with other white space between its parts.
fn spaced(d: &mut Dice, value: &Value) -> Vec<u8> {
    if d.one_in(2) { value.to_string().into_bytes() } else { format!("\r\n\t {value:#} \n").into_bytes() }
}

#[test]
fn whatever_the_api_may_say_of_a_machine_is_read() {
    let make = |d: &mut Dice| {
        let mut machine = documented();
        for _ in 0..d.below(8) {
            possible(d, &mut machine);
        }
        let event = json!({"id": "e", "name": d.text(), "state": d.pick(&["new", "in progress", "error", "?"]), "machineId": null,
            "dtCreated": "2024-04-30T15:51:24.565Z", "dtStarted": null, "dtFinished": null, "error": null, "more": value(d, 2)});
        let event = d.pick(&[json!({"data": machine, "event": event}), json!({"data": machine}), json!({"data": machine, "event": null})]);
        let last =
            d.pick(&[json!({"hasMore": false}), json!({"hasMore": true, "nextPage": "x"}), json!({"hasMore": false, "nextPage": null})]);
        let mut page = last;
        page["items"] = json!([machine, machine]);
        [machine, event, page].map(|value| spaced(d, &value))
    };
    check(600, make, |[one, event, page]| {
        let machine: Machine = read("GET /machines/{id}", false, &reply(200, one)).map_err(|e| e.to_string())?;
        let both: MachineAndEvent = read("POST /machines", false, &reply(200, event)).map_err(|e| e.to_string())?;
        let page: Page<Machine> = read("GET /machines", false, &reply(200, page)).map_err(|e| e.to_string())?;
        let same = machine == both.data && page.items.iter().all(|m| *m == machine) && machine.id == "psvv2ew1gd4s";
        if same { Ok(()) } else { Err("read differently".to_owned()) }
    });
}

#[test]
fn every_error_object_of_the_api_is_known_as_its_own() {
    let make = |d: &mut Dice| {
        let mut error = json!({"code": d.word(&["NOT_FOUND", "BAD_REQUEST"]), "message": d.text()});
        match d.below(5) {
            1 => error["details"] = value(d, 2),
            2 => error["issues"] = json!([{"message": d.text()}, d.text(), value(d, 2)]),
            3 => error["issues"] = value(d, 2),
            4 => error["details"] = Value::Null,
            _ => {}
        }
        (d.pick(&[400, 401, 404, 409, 422, 429, 499, 500, 503]), spaced(d, &error), d.one_in(2))
    };
    check(600, make, |(status, body, secret)| match read::<Machine>("r", secret, &reply(status, body)) {
        Err(Error::Rejected { from_api: true, status: as_sent, code, message, .. }) => {
            let plain = message == clean_text(&message) && code.len() <= 64 && code.is_ascii();
            if plain && as_sent == status { Ok(()) } else { Err(format!("{as_sent} {code:?} {message:?}")) }
        }
        other => Err(format!("{other:?}")),
    });
}

/// Reads the body as everything that is ever read.
fn read_all(reply: &Reply, secret: bool) -> Vec<Error> {
    fn one<T: DeserializeOwned>(reply: &Reply, secret: bool, errors: &mut Vec<Error>) {
        errors.extend(read::<T>("r", secret, reply).err());
    }
    let mut errors = Vec::new();
    one::<Machine>(reply, secret, &mut errors);
    one::<Page<Machine>>(reply, secret, &mut errors);
    one::<MachineAndEvent>(reply, secret, &mut errors);
    one::<Page<MachineEvent>>(reply, secret, &mut errors);
    one::<Option<Session>>(reply, secret, &mut errors);
    one::<Option<PrivateNetwork>>(reply, secret, &mut errors);
    one::<Page<PublicIp>>(reply, secret, &mut errors);
    one::<types::StartupScript>(reply, secret, &mut errors);
    one::<Page<OsTemplate>>(reply, secret, &mut errors);
    one::<Page<CustomTemplate>>(reply, secret, &mut errors);
    one::<Page<TeamUser>>(reply, secret, &mut errors);
    one::<Page<Accessor>>(reply, secret, &mut errors);
    errors
}

/// Bytes that may come instead of a reply: none of it, broken ones, and what is hard to parse.
fn any_body(d: &mut Dice) -> Vec<u8> {
    let mut body = match d.below(8) {
        0 => d.bytes(200),
        1 => value(d, 4).to_string().into_bytes(),
        2 => d.pick(&["[", "{\"a\":", "[[],"]).repeat(1 + d.below(3000)).into_bytes(),
        3 => format!(
            "{{\"id\": {}, \"id\": \"x\", \"ram\": {}}}",
            "9".repeat(1 + d.below(400)),
            d.pick(&["1e999", "-1e999", "0.1e-999", "1E5"])
        )
        .into_bytes(),
        4 => d.text().into_bytes(),
        _ => {
            let mut machine = documented();
            possible(d, &mut machine);
            let page = json!({"hasMore": d.one_in(2), "items": [machine]});
            let text = d.pick(&[machine, page]).to_string();
            // A key twice.
            text.replacen("\"state\"", "\"state\":\"ready\",\"state\"", d.below(2)).into_bytes()
        }
    };
    match d.below(3) {
        1 => body.truncate(d.below(body.len() + 1)),
        2 if !body.is_empty() => {
            for _ in 0..=d.below(3) {
                let at = d.below(body.len());
                body[at] ^= 1 << d.below(8);
            }
        }
        _ => {}
    }
    body
}

#[test]
fn no_bytes_are_too_strange_to_be_read_or_refused() {
    let make = |d: &mut Dice| {
        let status = d.pick(&[200, 200, 200, 404, 302, 500, 204, 0, 999]);
        let mut reply = reply(status, any_body(d));
        if d.one_in(4) {
            let wait = d.word(&["1", "-1", "NaN", "inf", "1e300", "0.5", "Wed, 21 Oct 2099 07:28:00 GMT", "Wed, 21 Oct 1999 07:28:00 GMT"]);
            if let Ok(wait) = HeaderValue::from_str(&wait) {
                reply.headers.insert(RETRY_AFTER, wait);
            }
        }
        (reply, d.one_in(2))
    };
    check(1000, make, |(reply, secret)| {
        for error in read_all(&reply, secret) {
            let (Error::Transport { message, .. } | Error::Rejected { message, .. } | Error::BadPayload { message, .. }) = &error else {
                return Err(format!("{error:?}"));
            };
            if *message != clean_text(message) || error.retry_after().is_some_and(|wait| wait > Duration::from_hours(1)) {
                return Err(format!("{error:?}"));
            }
        }
        Ok(())
    });
}

#[test]
fn nothing_of_a_secret_reply_is_repeated() {
    let make = |d: &mut Dice| {
        let mut any = value(d, 3);
        if d.one_in(2) {
            any = json!({"code": "marker7f3a", "message": "marker7f3a", "issues": ["marker7f3a"], "id": {"marker7f3a": 1}, "name": any});
        }
        (d.pick(&[200, 400, 500]), any.to_string().replace("\"a", "\"marker7f3a").into_bytes())
    };
    check(400, make, |(status, body)| {
        let errors = read_all(&reply(status, body), true);
        let leaks = errors.iter().find(
            |error| matches!(error, Error::Rejected { message, .. } | Error::BadPayload { message, .. } if message.contains("marker7f3a")),
        );
        leaks.map_or(Ok(()), |error| Err(format!("{error:?}")))
    });
}

#[test]
fn text_of_others_is_cut_on_a_character_and_cannot_deceive() {
    check(2000, Dice::text, |text| {
        let clean = clean_text(&text);
        let deceives = |c: char| {
            c.is_control()
                || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        };
        let kept = clean.trim_end_matches('…').chars().filter(|c| !c.is_whitespace());
        let mut rest = text.chars();
        let in_order = kept.into_iter().all(|c| rest.any(|r| r == c));
        let fits = clean.len() <= MAX_TEXT_BYTES && !clean.contains(deceives) && clean.trim() == clean && clean_text(&clean) == clean;
        if fits && in_order { Ok(()) } else { Err(format!("{clean:?}")) }
    });
}
