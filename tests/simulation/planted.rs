//! Mistakes planted in the operator, to see that the net holds fish: each must be caught.
//!
//! None of them is in the operator's code. What the operator is told, or what it says, is changed on the way, exactly as if it had made
//! the mistake itself: an operator that believes a list for too long, and one that is told the same list for too long, do the same.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use paperspace_operator::simulator::{Reply, Request};
use serde_json::{Value, json};

use super::kubernetes;
use super::world::TEAM;

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// Only the first page of a list is read.
    SecondPageIgnored,
    /// After a crash a restart that was written down is made again.
    RestartRepeated,
    /// A create trusts a list from before the last attempt.
    StaleSnapshotTrusted,
    /// A machine that a list lacks is taken for destroyed.
    AbsenceFromAListIsDeletion,
    /// The status is written without the version that it was made from.
    StatusWrittenBlindly,
    /// The address is released before Retain is read.
    RetainReadTooLate,
    /// Whatever team a key opens, what it does not see is taken for gone.
    AnotherTeamsEyes,
    /// A create that times out at the API (408) is taken for refused.
    AmbiguityIsRefusal,
    /// A startup script is made on a list from before the last attempt.
    StaleScriptsTrusted,
    /// After a crash a startup script is believed to hold what it held before a change that was under way.
    ChangedTextBelieved,
}

/// A mistake, and what has come of it so far.
#[derive(Debug)]
pub(crate) struct Planted {
    mistake: Mistake,
    list: Mutex<Option<Value>>,
    hash: Mutex<Option<Value>>,
    believed_gone: Mutex<BTreeSet<String>>,
    /// Lives that have forgotten what they were to forget.
    forgotten: Mutex<BTreeSet<u64>>,
}

impl Planted {
    pub(crate) fn new(mistake: Mistake) -> Self {
        Self { mistake, list: Mutex::default(), hash: Mutex::default(), believed_gone: Mutex::default(), forgotten: Mutex::default() }
    }

    /// What the operator makes of Paperspace's answer.
    pub(crate) fn paperspace(&self, request: &Request, reply: Reply) -> Reply {
        let Reply::Json { status, retry_after, mut body } = reply else { return reply };
        let is_list = request.method == "GET" && request.path == "/v1/machines" && status == 200;
        match self.mistake {
            Mistake::SecondPageIgnored if is_list => {
                body["hasMore"] = false.into();
                body["nextPage"] = Value::Null;
            }
            Mistake::StaleSnapshotTrusted if is_list => {
                body = self.list.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(body).clone();
            }
            Mistake::StaleScriptsTrusted if request.method == "GET" && request.path == "/v1/startup-scripts" && status == 200 => {
                body = self.list.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(body).clone();
            }
            Mistake::AbsenceFromAListIsDeletion => return self.without_the_absent(request, Reply::Json { status, retry_after, body }),
            Mistake::AnotherTeamsEyes if request.path == "/v1/auth/session" => {
                body = serde_json::from_str(&body.to_string().replace("te2", TEAM)).expect("a session");
            }
            Mistake::AmbiguityIsRefusal if request.method == "POST" && status == 408 => {
                return Reply::Json { status: 400, retry_after, body };
            }
            _ => {}
        }
        Reply::Json { status, retry_after, body }
    }

    /// What a complete list once lacked is gone, whatever is said of it later.
    fn without_the_absent(&self, request: &Request, reply: Reply) -> Reply {
        let Reply::Json { status, retry_after, mut body } = reply else { return reply };
        let mut gone = self.believed_gone.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(items), true) = (body["items"].as_array_mut(), request.path == "/v1/machines") {
            let ids: BTreeSet<&str> = items.iter().filter_map(|m| m["id"].as_str()).collect();
            let before = known.take().unwrap_or_default();
            let before = before.as_array().into_iter().flatten().filter_map(Value::as_str);
            gone.extend(before.filter(|id| !ids.contains(id)).map(str::to_owned));
            items.retain(|m| m["id"].as_str().is_none_or(|id| !gone.contains(id)));
            *known = Some(items.iter().map(|m| m["id"].clone()).collect());
        }
        let one = request.path.strip_prefix("/v1/machines/").filter(|id| gone.contains(*id));
        match one {
            Some(_) => Reply::Json { status: 404, retry_after, body: json!({"code": "NOT_FOUND", "message": "Machine not found"}) },
            None => Reply::Json { status, retry_after, body },
        }
    }

    /// What the operator says to Kubernetes.
    pub(crate) fn request(&self, mut request: kubernetes::Request) -> kubernetes::Request {
        if self.mistake == Mistake::StatusWrittenBlindly && request.method == "PATCH" && request.path.ends_with("/status") {
            request.body = changed(&request.body, |patch| {
                let operations = patch.as_array_mut().expect("a JSON patch");
                operations.retain(|operation| operation["op"] != "test" || operation["path"] != "/metadata/resourceVersion");
            });
        }
        if self.mistake == Mistake::ChangedTextBelieved && request.method == "PATCH" && request.path.ends_with("/status") {
            let patch: Value = serde_json::from_slice(&request.body).expect("a JSON patch");
            for operation in patch.as_array().expect("a JSON patch") {
                let hash = &operation["value"]["ownedScript"]["hash"];
                if hash.is_string() {
                    *self.hash.lock().unwrap_or_else(PoisonError::into_inner) = Some(hash.clone());
                }
            }
        }
        request
    }

    /// What the operator, in its life of this number, makes of an object that it reads.
    pub(crate) fn read(&self, life: u64, reply: kubernetes::Reply) -> kubernetes::Reply {
        let kubernetes::Reply::Answer { status: 200, body } = reply else { return reply };
        let body = match self.mistake {
            Mistake::RestartRepeated if life > 0 => changed(&body, |object| {
                let mut forgotten = self.forgotten.lock().unwrap_or_else(PoisonError::into_inner);
                if object["status"]["operation"]["name"] == "Restart" && forgotten.insert(life) {
                    let status = object["status"].as_object_mut().expect("a status");
                    status.remove("operation");
                    status.remove("handledRestartAt");
                }
            }),
            Mistake::ChangedTextBelieved if life > 0 => changed(&body, |object| {
                let first = self.forgotten.lock().unwrap_or_else(PoisonError::into_inner).insert(life);
                let last = self.hash.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let owned = &mut object["status"]["ownedScript"];
                if let (true, true, true, Some(hash)) = (first, owned["scriptId"].is_string(), owned["hash"].is_null(), last) {
                    owned["hash"] = hash;
                }
            }),
            Mistake::RetainReadTooLate => changed(&body, |object| {
                if object["spec"]["publicIp"].is_object() {
                    object["spec"]["publicIp"]["reclaimPolicy"] = "Release".into();
                }
                if object["status"]["applied"].is_object() {
                    object["status"]["applied"]["retainIp"] = false.into();
                }
            }),
            _ => body,
        };
        kubernetes::Reply::Answer { status: 200, body }
    }
}

fn changed(body: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice(body) else { return body.to_vec() };
    change(&mut value);
    value.to_string().into_bytes()
}
