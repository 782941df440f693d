//! Helm itself, as a library in a process that is asked in lines of JSON: see `driver.py`. `tests/helm/library` fetches it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::{Value, json};

/// The chart of the operator.
pub(crate) const OPERATOR: &str = "deploy/charts/paperspace-operator";
/// The chart of the definition.
pub(crate) const DEFINITION: &str = "deploy/charts/paperspace-operator-crds";
/// The name of the release, and of its namespace, with which everything is called as in `deploy/operator`.
pub(crate) const NAME: &str = "paperspace-operator";

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The process. It ends when this one does, and with it what it reads from.
pub(crate) struct Helm(Mutex<(ChildStdin, BufReader<ChildStdout>, Child)>);

impl Helm {
    /// One for all tests: the library is large.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Helm> = OnceLock::new();
        SHARED.get_or_init(|| {
            let found = Command::new(format!("{ROOT}/tests/helm/library")).stderr(Stdio::inherit()).output().expect("tests/helm/library");
            assert!(found.status.success(), "tests/helm/library: {}", found.status);
            let library = String::from_utf8(found.stdout).expect("a path");
            let mut python = Command::new("python3");
            python.arg(format!("{ROOT}/tests/helm/driver.py")).current_dir(ROOT).env("PYTHONDONTWRITEBYTECODE", "1");
            python.env("PYTHONPATH", library.trim()).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = python.spawn().expect("python3");
            let (stdin, stdout) = (child.stdin.take().expect("its stdin"), child.stdout.take().expect("its stdout"));
            Self(Mutex::new((stdin, BufReader::new(stdout), child)))
        })
    }

    /// What Helm answers, or why it does not.
    pub(crate) fn ask(&self, request: &Value) -> Result<Value, String> {
        let (stdin, stdout, _) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(stdin, "{request}").expect("Helm's process");
        let mut line = String::new();
        stdout.read_line(&mut line).expect("Helm's process");
        let mut answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?} to {request}"));
        match answer.get("error") {
            Some(error) => Err(error.as_str().unwrap_or_default().to_owned()),
            None => Ok(answer["ok"].take()),
        }
    }

    /// `helm template` of a chart: its objects, with the version of Kubernetes that this Helm was made with.
    pub(crate) fn template(&self, chart: &str, namespace: &str, values: &Value) -> Result<Vec<Value>, String> {
        let options = json!({"name": NAME, "namespace": namespace});
        let rendered = self.ask(&json!({"do": "render", "with": [Path::new(ROOT).join(chart), values], "options": options}))?;
        let files = rendered.as_object().expect("files").iter().filter(|(name, _)| !name.ends_with("NOTES.txt"));
        Ok(files.flat_map(|(name, text)| objects(name, text.as_str().expect("text"))).collect())
    }
}

/// The objects of a rendered file.
pub(crate) fn objects(name: &str, text: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

/// The one object of this kind.
#[track_caller]
pub(crate) fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let of_kind: Vec<&Value> = objects.iter().filter(|object| object["kind"] == kind).collect();
    let [one] = of_kind[..] else { panic!("{} of {kind}", of_kind.len()) };
    one
}

/// What a pod's container is started with.
pub(crate) fn arguments(objects: &[Value]) -> Vec<String> {
    serde_json::from_value(only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"].clone()).expect("arguments")
}
