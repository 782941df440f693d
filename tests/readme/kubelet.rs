//! There are no nodes: this is what runs the pods of the operator's Deployment, as processes, with their arguments, environment and rights.
//!
//! It keeps as many as there should be, puts new ones beside the old before these end, keeps the mounted Secret up to date, and tells the
//! Deployment's status, for which `kubectl rollout status` waits.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{apart, binary};

pub(crate) const NAMESPACE: &str = "paperspace-operator";
const SECRET: &str = "paperspace-operator-api-key";

/// The pods of one cluster, looked after by a thread until this is dropped.
pub(crate) struct Kubelet {
    ended: Arc<AtomicBool>,
    seen: Arc<Seen>,
    thread: Option<JoinHandle<()>>,
}

/// What tests may ask.
#[derive(Default)]
pub(crate) struct Seen {
    /// How many pods run.
    pub(crate) pods: AtomicUsize,
    /// How many were started so far.
    pub(crate) started: AtomicUsize,
}

struct Pod {
    process: Child,
    port: u16,
    template: Value,
}

struct Node {
    /// With `kubeconfig`, `bin` and, where it runs, the pid of kube-controller-manager.
    cluster: PathBuf,
    /// For the mounted Secret, the kubeconfig of the pods and their log.
    directory: PathBuf,
    paperspace: String,
    pods: Vec<Pod>,
    seen: Arc<Seen>,
}

impl Kubelet {
    pub(crate) fn new(cluster: &Path, directory: &Path, paperspace: &str) -> Self {
        fs::create_dir_all(directory).unwrap();
        let (ended, seen) = (Arc::<AtomicBool>::default(), Arc::<Seen>::default());
        let mut node = Node {
            cluster: cluster.to_owned(),
            directory: directory.to_owned(),
            paperspace: paperspace.to_owned(),
            pods: Vec::new(),
            seen: Arc::clone(&seen),
        };
        let told = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            while !told.load(SeqCst) {
                // What fails now, because something is not there yet, is done in the next round.
                let _ = node.round();
                std::thread::sleep(Duration::from_millis(300));
            }
            node.pods.drain(..).for_each(end);
        });
        Self { ended, seen, thread: Some(thread) }
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.ended.store(true, SeqCst);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Node {
    fn round(&mut self) -> Result<(), String> {
        self.finish_namespaces();
        let deployment = self.kubectl(&["get", "deployment", "paperspace-operator", "--ignore-not-found", "-o", "json"])?;
        let deployment: Value = serde_json::from_str(&deployment).unwrap_or_default();
        self.mount()?;
        let wanted = usize::try_from(deployment["spec"]["replicas"].as_u64().unwrap_or(0)).unwrap();
        let template = &deployment["spec"]["template"];
        let current = |pod: &Pod| pod.template == *template;
        while self.pods.iter().filter(|pod| current(pod)).count() < wanted {
            let pod = self.start(template)?;
            self.pods.push(pod);
            self.seen.started.fetch_add(1, SeqCst);
        }
        // The old ones end when the new ones are ready.
        if self.pods.iter().filter(|pod| current(pod)).all(is_ready) {
            self.pods.extract_if(.., |pod| !current(pod)).for_each(end);
        }
        if self.pods.iter().all(current) && self.pods.len() > wanted {
            self.pods.drain(wanted..).for_each(end);
        }
        self.seen.pods.store(self.pods.len(), SeqCst);
        if deployment.is_object() { self.tell(&deployment) } else { Ok(()) }
    }

    fn tell(&self, deployment: &Value) -> Result<(), String> {
        let (all, ready) = (self.pods.len(), self.pods.iter().filter(|pod| is_ready(pod)).count());
        let mut status = json!({"observedGeneration": deployment["metadata"]["generation"]});
        let updated = self.pods.iter().filter(|pod| pod.template == deployment["spec"]["template"]).count();
        for (field, pods) in [("replicas", all), ("updatedReplicas", updated), ("readyReplicas", ready), ("availableReplicas", ready)] {
            status[field] = pods.into();
        }
        if status == deployment["status"] {
            return Ok(());
        }
        let patch = json!({"status": status}).to_string();
        self.kubectl(&["patch", "deployment", "paperspace-operator", "--subresource=status", "--type=merge", "-p", &patch]).map(drop)
    }

    /// A Secret that is mounted: another file after each change.
    fn mount(&self) -> Result<(), String> {
        let template = "go-template={{with .data}}{{.apiKey | base64decode}}{{end}}";
        let key = self.kubectl(&["get", "secret", SECRET, "--ignore-not-found", "-o", template])?;
        let path = self.directory.join("apiKey");
        if !key.is_empty() && fs::read_to_string(&path).ok().as_ref() != Some(&key) {
            let new = self.directory.join("apiKey.new");
            fs::write(&new, key).and_then(|()| fs::rename(&new, &path)).map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    fn start(&self, template: &Value) -> Result<Pod, String> {
        let pod = &template["spec"];
        let container = &pod["containers"][0];
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = apart(binary());
        command.args(container["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()));
        for variable in container["env"].as_array().unwrap() {
            let value = variable["value"].as_str().unwrap();
            let file = container["volumeMounts"][0]["mountPath"].as_str().and_then(|mount| value.strip_prefix(mount)?.strip_prefix('/'));
            let value = file.map_or_else(|| value.to_owned(), |file| self.directory.join(file).to_string_lossy().into_owned());
            command.env(variable["name"].as_str().unwrap(), value);
        }
        let log = fs::File::options().create(true).append(true).open(self.log()).unwrap();
        // The simulated Paperspace, and its clock; and no port that somebody else here may have.
        let process = command
            .env("PAPERSPACE_OPERATOR_ADMIN_LISTEN", "127.0.0.1:0")
            .env("PAPERSPACE_API_URL", format!("{}/v1", self.paperspace))
            .args(["--poll-interval", "2s", "--transition-interval", "300ms", "--create-settle", "24s"])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .env("KUBECONFIG", self.kubeconfig_of(pod["serviceAccountName"].as_str().unwrap())?)
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Ok(Pod { process, port, template: template.clone() })
    }

    fn log(&self) -> PathBuf {
        self.directory.join("operator.log")
    }

    /// In a pod, the namespace of its account is that of its leases.
    fn kubeconfig_of(&self, account: &str) -> Result<PathBuf, String> {
        let token = self.kubectl(&["create", "token", account, "--duration=1h"])?;
        let all: Value = serde_json::from_str(&self.kubectl(&["config", "view", "--raw", "-o", "json"])?).map_err(|e| e.to_string())?;
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "pod", "clusters": all["clusters"],
            "users": [{"name": "pod", "user": {"token": token.trim()}}],
            "contexts": [{"name": "pod", "context": {"cluster": all["clusters"][0]["name"], "user": "pod", "namespace": NAMESPACE}}],
        });
        let path = self.directory.join("pod.kubeconfig");
        fs::write(&path, config.to_string()).map_err(|e| e.to_string())?;
        Ok(path)
    }

    /// Without a controller nobody else finishes the deletion of a namespace.
    fn finish_namespaces(&self) {
        if self.cluster.join("kube-controller-manager.pid").exists() {
            return;
        }
        let Ok(namespace) = self.kubectl(&["get", "namespace", NAMESPACE, "-o", "json"]) else { return };
        let mut namespace: Value = serde_json::from_str(&namespace).unwrap();
        if namespace["status"]["phase"] == "Terminating" {
            namespace["spec"]["finalizers"] = json!([]);
            let path = self.directory.join("namespace.json");
            fs::write(&path, namespace.to_string()).unwrap();
            let finalize = format!("/api/v1/namespaces/{NAMESPACE}/finalize");
            let _ = self.kubectl(&["replace", "--raw", &finalize, "-f", path.to_str().unwrap()]);
        }
    }

    fn kubectl(&self, args: &[&str]) -> Result<String, String> {
        let mut command = apart(self.cluster.join("bin/kubectl"));
        command.args(["--namespace", NAMESPACE]).args(args).stdin(Stdio::null());
        command.env("KUBECONFIG", self.cluster.join("kubeconfig")).env("KUBECACHEDIR", self.cluster.join("kubectl-cache"));
        let output = command.output().map_err(|e| e.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

/// One that has ended is not: it shows in the Deployment's status, and in the log.
fn is_ready(pod: &Pod) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", pod.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split_whitespace().nth(1).map(|status| status == "200")
    };
    ask().unwrap_or(false)
}

/// In order, as a kubelet ends it, and by force after the Deployment's `terminationGracePeriodSeconds`.
fn end(mut pod: Pod) {
    let _ = Command::new("kill").arg(pod.process.id().to_string()).status();
    let grace = Duration::from_secs(pod.template["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap());
    let told = Instant::now();
    while pod.process.try_wait().unwrap().is_none() {
        if told.elapsed() > grace {
            let _ = pod.process.kill();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
