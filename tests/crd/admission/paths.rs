//! Which paths an expression takes, and whether they are there.

use std::collections::BTreeSet;

use kube::core::cel::cel::common::ast::{EntryExpr, Expr};
use kube::core::cel::cel::{IdedExpr, Program};
use serde_json::Value;

use super::super::schema::openapi;

/// What a server offers besides the resource: a part of the namespace, and the request without its body.
const OFFERED: [&str; 9] = [
    "authorizer",
    "namespaceObject.metadata.annotations",
    "namespaceObject.metadata.labels",
    "namespaceObject.metadata.name",
    "namespaceObject.status.phase",
    "request.namespace",
    "request.operation",
    "request.userInfo.groups",
    "request.userInfo.username",
];

/// Fails where the expression does not parse, or names what is not there.
pub(super) fn check(policy: &str, expression: &str, variables: &BTreeSet<String>) {
    let program = Program::compile(expression).unwrap_or_else(|error| panic!("{policy}: {expression}: {error}"));
    let mut paths = BTreeSet::new();
    walk(program.expression(), &BTreeSet::new(), &mut paths);
    for path in paths {
        let there = match path.split_once('.') {
            Some(("object" | "oldObject", below)) => in_schema(below),
            Some(("variables", variable)) => variables.contains(variable),
            _ => OFFERED.contains(&path.as_str()),
        };
        assert!(there, "{policy}: there is no {path}, in {expression}");
    }
}

fn in_schema(path: &str) -> bool {
    let field = |schema: Option<&'static Value>, name: &str| schema?["properties"].get(name);
    path.split('.').fold(Some(openapi()), field).is_some()
}

/// The longest paths below names that are not bound in the expression itself.
fn walk(expression: &IdedExpr, bound: &BTreeSet<String>, paths: &mut BTreeSet<String>) {
    if let Some(path) = path(expression) {
        if !bound.contains(path.split('.').next().unwrap_or_default()) {
            paths.insert(path);
        }
        return;
    }
    match &expression.expr {
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).for_each(|part| walk(part, bound, paths)),
        Expr::Select(select) => walk(&select.operand, bound, paths),
        Expr::List(list) => list.elements.iter().for_each(|element| walk(element, bound, paths)),
        Expr::Map(map) => {
            for entry in &map.entries {
                let EntryExpr::MapEntry(entry) = &entry.expr else { panic!("no entry of a map") };
                walk(&entry.key, bound, paths);
                walk(&entry.value, bound, paths);
            }
        }
        Expr::Comprehension(over) => {
            walk(&over.iter_range, bound, paths);
            walk(&over.accu_init, bound, paths);
            let names = [Some(&over.iter_var), over.iter_var2.as_ref(), Some(&over.accu_var)];
            let bound = bound.iter().chain(names.into_iter().flatten()).cloned().collect();
            for part in [&over.loop_cond, &over.loop_step, &over.result] {
                walk(part, &bound, paths);
            }
        }
        Expr::Literal(_) => {}
        other => panic!("{other:?} is not known to this test"),
    }
}

fn path(expression: &IdedExpr) -> Option<String> {
    match &expression.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) => Some(format!("{}.{}", path(&select.operand)?, select.field)),
        _ => None,
    }
}
