//! Asks a policy about a request, with an authorizer that stands in for a server's.

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicySpec;
use kube::core::cel::KubeCelExt as _;
use kube::core::cel::cel::extractors::This;
use kube::core::cel::cel::{Context, ExecutionError, Program, Value as Cel, to_value};
use serde_json::{Value, json};

/// Where the one who asks has rights.
pub(super) const HOME: &str = "ml";

/// A request: what changes, where, and what the one who sends it may do.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) old: Option<Value>,
    pub(super) new: Option<Value>,
    pub(super) namespace: Value,
    /// Secrets of [`HOME`] that the one who asks may get; of other namespaces, none.
    pub(super) readable: &'static [&'static str],
}

impl Request {
    fn operation(&self) -> &'static str {
        match (&self.old, &self.new) {
            (None, Some(_)) => "CREATE",
            (Some(_), Some(_)) => "UPDATE",
            (Some(_), None) => "DELETE",
            (None, None) => panic!("a request about nothing"),
        }
    }
}

/// The message with which the policy refuses; none: it lets the request pass, or is not asked. What cannot be evaluated fails the test.
pub(super) fn refusal(policy: &ValidatingAdmissionPolicySpec, request: &Request) -> Option<String> {
    let rules = policy.match_constraints.as_ref()?.resource_rules.as_ref()?;
    let asked = |operations: &Vec<String>| operations.iter().any(|operation| operation == request.operation());
    if !rules.iter().any(|rule| rule.operations.as_ref().is_some_and(asked)) {
        return None;
    }
    let context = context(policy, request);
    for validation in policy.validations.iter().flatten() {
        match run(&validation.expression, &context) {
            Cel::Bool(true) => {}
            Cel::Bool(false) => {
                let said = validation.message_expression.as_ref().map(|message| match run(message, &context) {
                    Cel::String(text) => text.to_string(),
                    other => panic!("{message}: {other:?}"),
                });
                return said.or_else(|| validation.message.clone());
            }
            other => panic!("{}: {other:?}", validation.expression),
        }
    }
    None
}

fn run(expression: &str, context: &Context<'_>) -> Cel {
    let result = Program::compile(expression).unwrap().execute(context);
    result.unwrap_or_else(|error| panic!("{expression}: {error}"))
}

fn context(policy: &ValidatingAdmissionPolicySpec, request: &Request) -> Context<'static> {
    let mut context = Context::default().with_all();
    let namespace = request.namespace["metadata"]["name"].clone();
    for (name, value) in [
        ("object", json!(request.new)),
        ("oldObject", json!(request.old)),
        ("namespaceObject", request.namespace.clone()),
        ("request", json!({"operation": request.operation(), "namespace": namespace, "userInfo": {"username": "ann", "groups": []}})),
        ("authorizer", json!([])),
    ] {
        context.add_variable_from_value(name, to_value(value).unwrap());
    }
    authorizer(&mut context, request);
    let mut variables = HashMap::new();
    for variable in policy.variables.iter().flatten() {
        variables.insert(variable.name.clone(), run(&variable.expression, &context));
        context.add_variable_from_value("variables", Cel::Map(variables.clone().into()));
    }
    context
}

/// `authorizer.group(g).resource(r).namespace(n).name(s).check(verb).allowed()`: a list that grows with each word, in this order only.
fn authorizer(context: &mut Context<'static>, request: &Request) {
    for (length, word) in ["group", "resource", "namespace", "name", "check"].into_iter().enumerate() {
        context.add_function(word, move |This(said): This<Arc<Vec<Cel>>>, next: Arc<String>| -> Result<Cel, ExecutionError> {
            if said.len() != length {
                return Err(ExecutionError::function_error(word, "out of order"));
            }
            Ok(Cel::List(Arc::new(said.iter().cloned().chain([Cel::String(next)]).collect())))
        });
    }
    let readable = request.readable;
    context.add_function("allowed", move |This(said): This<Arc<Vec<Cel>>>| -> Result<Cel, ExecutionError> {
        let word = |at: usize| match said.get(at) {
            Some(Cel::String(word)) => Ok(word.as_str()),
            _ => Err(ExecutionError::function_error("allowed", "nothing was checked")),
        };
        let what = [word(0)?, word(1)?, word(2)?, word(4)?] == ["", "secrets", HOME, "get"];
        Ok(Cel::Bool(what && readable.contains(&word(3)?)))
    });
}
