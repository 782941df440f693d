//! How the tools of GitOps tell the health of a resource: kstatus by its rules, Argo CD and Flux with what `deploy/gitops` gives them.

use std::path::Path;
use std::sync::LazyLock;

use cel::{Context, Program};
use mlua::{Lua, LuaOptions, StdLib, Table};
use serde_json::Value;

use super::health_expected::Health;

/// What kstatus says, on which Flux and others rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kstatus {
    InProgress,
    Failed,
    Current,
    Terminating,
}

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/gitops").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A YAML file of `deploy/gitops`.
pub(crate) fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The health check for Argo CD.
pub(crate) static SCRIPT: LazyLock<String> =
    LazyLock::new(|| file("argocd/resource_customizations/paperspace-operator.dev/PaperspaceMachine/health.lua"));

fn is(object: &Value, kind: &str) -> bool {
    conditions(object).any(|c| c["type"] == kind && c["status"] == "True")
}

fn conditions(object: &Value) -> impl Iterator<Item = &Value> {
    object["status"]["conditions"].as_array().into_iter().flatten()
}

fn seen_another_generation(object: &Value) -> bool {
    let (there, seen) = (object["metadata"]["generation"].as_i64(), object["status"]["observedGeneration"].as_i64());
    there.is_some() && seen.is_some() && there != seen
}

/// The rules for a kind that kstatus does not know.
pub(crate) fn kstatus(object: &Value) -> Kstatus {
    if object["metadata"]["deletionTimestamp"].as_str().is_some_and(|time| !time.is_empty()) {
        return Kstatus::Terminating;
    }
    if seen_another_generation(object) {
        return Kstatus::InProgress;
    }
    // The first of the two that is there and True decides.
    for condition in conditions(object).filter(|c| c["status"] == "True") {
        match condition["type"].as_str() {
            Some("Reconciling") => return Kstatus::InProgress,
            Some("Stalled") => return Kstatus::Failed,
            _ => {}
        }
    }
    match conditions(object).find(|c| c["type"] == "Ready").and_then(|c| c["status"].as_str()) {
        Some("False" | "Unknown") => Kstatus::InProgress,
        _ => Kstatus::Current,
    }
}

/// What Argo CD says, and with which message.
pub(crate) fn argo(object: &Value) -> Result<(Health, String), String> {
    // Before any script is asked.
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Ok((Health::Progressing, "Pending deletion".to_owned()));
    }
    run(&SCRIPT, object).map_err(|error| error.to_string())
}

/// Argo CD's interpreter has the base library and `table`, no `string`, `math` or `io`, and of `os` two functions for the time, which are
/// left out here. It is another implementation of Lua 5.1 than this.
pub(crate) fn run(script: &str, object: &Value) -> mlua::Result<(Health, String)> {
    let lua = Lua::new_with(StdLib::TABLE, LuaOptions::default())?;
    lua.globals().set("obj", in_lua(&lua, object)?)?;
    let health: Table = lua.load(script).eval()?;
    let status = match health.get::<String>("status")?.as_str() {
        "Healthy" => Health::Healthy,
        "Progressing" => Health::Progressing,
        "Suspended" => Health::Suspended,
        "Degraded" => Health::Degraded,
        other => return Err(mlua::Error::runtime(format!("no health status: {other}"))),
    };
    Ok((status, health.get("message")?))
}

/// JSON as Argo CD gives it to a script: a null is nothing, and every number a floating-point one.
fn in_lua(lua: &Lua, value: &Value) -> mlua::Result<mlua::Value> {
    Ok(match value {
        Value::Null => mlua::Value::Nil,
        Value::Bool(truth) => mlua::Value::Boolean(*truth),
        Value::Number(number) => mlua::Value::Number(number.as_f64().unwrap_or_default()),
        Value::String(text) => mlua::Value::String(lua.create_string(text)?),
        Value::Array(items) => {
            let table = lua.create_table()?;
            for item in items {
                table.raw_push(in_lua(lua, item)?)?;
            }
            mlua::Value::Table(table)
        }
        Value::Object(fields) => {
            let table = lua.create_table()?;
            for (name, field) in fields {
                table.raw_set(name.as_str(), in_lua(lua, field)?)?;
            }
            mlua::Value::Table(table)
        }
    })
}

/// The expressions for Flux, in the order in which it asks them.
static EXPRESSIONS: LazyLock<[(Program, Kstatus); 3]> = LazyLock::new(|| {
    let checks = &yaml("flux/machines.yaml")["spec"]["healthCheckExprs"];
    let [check] = checks.as_array().expect("expressions").as_slice() else { panic!("{checks}: of one kind") };
    assert_eq!((&check["apiVersion"], &check["kind"]), (&"paperspace-operator.dev/v1alpha1".into(), &"PaperspaceMachine".into()));
    [("inProgress", Kstatus::InProgress), ("failed", Kstatus::Failed), ("current", Kstatus::Current)]
        .map(|(name, status)| (Program::compile(check[name].as_str().expect(name)).expect(name), status))
});

/// What Flux says with them.
pub(crate) fn flux(object: &Value) -> Result<Kstatus, String> {
    if seen_another_generation(object) {
        return Ok(Kstatus::InProgress);
    }
    let mut context = Context::default();
    for (name, field) in object.as_object().into_iter().flatten() {
        context.add_variable(name.as_str(), field).map_err(|error| error.to_string())?;
    }
    for (expression, status) in &*EXPRESSIONS {
        match expression.execute(&context) {
            Ok(cel::Value::Bool(true)) => return Ok(*status),
            Ok(cel::Value::Bool(false)) => {}
            other => return Err(format!("{status:?}: {other:?}")),
        }
    }
    Ok(Kstatus::InProgress)
}

/// What is wrong with what they say of a resource, against this and against each other.
#[expect(clippy::match_same_arms, reason = "a table")]
pub(crate) fn wrong(object: &Value, expected: &[Health]) -> Option<String> {
    let told = (argo(object), kstatus(object), flux(object));
    let going = !object["metadata"]["deletionTimestamp"].is_null();
    let agree = match (&told, going) {
        // kstatus has no word for what is suspended: it goes by Ready, and the expressions for Flux mend that.
        ((Ok((Health::Suspended, _)), Kstatus::Current, Ok(Kstatus::Current)), false) => true,
        ((Ok((Health::Suspended, _)), Kstatus::InProgress, Ok(Kstatus::Current)), false) => !is(object, "Ready"),
        ((Ok((Health::Healthy, _)), Kstatus::Current, Ok(Kstatus::Current)), false) => true,
        ((Ok((Health::Degraded, _)), Kstatus::Failed, Ok(Kstatus::Failed)), false) => true,
        // Nothing is in progress for ever without somebody at work: the operator says so, or has to look first.
        ((Ok((Health::Progressing, _)), Kstatus::InProgress, Ok(Kstatus::InProgress)), false) => {
            is(object, "Reconciling") || object["status"]["observedGeneration"] != object["metadata"]["generation"]
        }
        // Flux looks for what it has applied, not for what goes.
        ((Ok((Health::Progressing, _)), Kstatus::Terminating, Ok(_)), true) => true,
        _ => false,
    };
    let right = told.0.as_ref().is_ok_and(|(health, message)| expected.contains(health) && !message.is_empty());
    (!agree || !right)
        .then(|| format!("{expected:?} is expected, Argo CD, kstatus and Flux say {told:?} of {:#}", object["status"]["conditions"]))
}
