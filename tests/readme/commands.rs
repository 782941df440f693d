//! The commands of the README, run in the order in which they stand there against a Kubernetes API and a simulated Paperspace.
//!
//! There are no nodes, so this test is the kubelet: when the operator's Deployment is there it starts the program once, for the pod that works,
//! with the pod's arguments and environment, as the pod's ServiceAccount, and keeps the mounted Secret up to date. `make …` is looked at
//! elsewhere.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::markdown::{Block, blocks};
use super::{apart, binary, readme, top};

const KEY: &str = "readme-key";
const NAMESPACE: &str = "paperspace-operator";

#[test]
fn the_commands_work_in_their_order() {
    let mut world = World::new();
    let readme = readme();
    let all = blocks(&readme);
    for block in all.iter().filter(|block| block.language == "yaml") {
        let name = block.text.lines().next().unwrap().trim_start_matches("# ");
        fs::write(world.work.join(name), &block.text).unwrap();
    }
    let mut shown = String::new();
    for block in &all {
        match block.language.as_str() {
            "sh" if block.text.starts_with("make ") => {}
            "sh" => {
                world.before(block);
                shown = world.run(&block.text);
                world.after();
            }
            // What the README shows of a table has the columns of the real one.
            "text" if block.text.starts_with("NAME ") => {
                let header = |text: &str| {
                    text.lines().find(|l| l.starts_with("NAME ")).map(|l| l.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
                };
                assert_eq!(header(&block.text), header(&shown));
            }
            _ => {}
        }
    }
    world.everything_was_done();
}

struct World {
    work: PathBuf,
    cluster: PathBuf,
    paperspace: String,
    operator: Option<Child>,
    simulator: Child,
    helper: Option<Child>,
    directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let (work, cluster) = (at("work"), at("cluster"));
        for name in ["work", "bin", "mounted"] {
            fs::create_dir(at(name)).unwrap();
        }
        // A clone, as far as the commands use it.
        for name in ["deploy", "crds"] {
            symlink(top().join(name), work.join(name)).unwrap();
        }
        symlink(binary(), at("bin").join("paperspace-operator")).unwrap();
        fs::write(work.join("paperspace.key"), format!("{KEY}\n")).unwrap();
        let mut simulator = apart(binary())
            .args(["simulate", "--listen", "127.0.0.1:0", "--time-scale", "60", "--api-key", KEY])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(simulator.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let paperspace = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        let world = Self { work, cluster, paperspace, operator: None, simulator, helper: None, directory };
        assert!(apart(top().join("tests/control-plane/up")).arg(&world.cluster).stdout(Stdio::null()).status().unwrap().success());
        world.kubectl_for_old_servers();
        world
    }

    /// kubectl checks what it applies against the server's own schemas, and a server from before 1.31 has none for some fields of a CRD.
    fn kubectl_for_old_servers(&self) {
        let kubectl = self.cluster.join("bin/kubectl");
        let version: Value = serde_json::from_str(&self.run("kubectl get --raw /version")).unwrap();
        let minor: u32 = version["minor"].as_str().unwrap().trim_end_matches('+').parse().unwrap();
        let leniently = "case \" $* \" in *' apply -k '*) set -- \"$@\" --validate=false ;; esac\n";
        let script = format!("#!/bin/bash\n{}exec '{}' \"$@\"\n", if minor < 31 { leniently } else { "" }, kubectl.display());
        let path = self.directory.path().join("bin/kubectl");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, script: &str) -> Command {
        let mut path = std::ffi::OsString::from(self.directory.path().join("bin"));
        for more in [self.cluster.join("bin").into_os_string(), std::env::var_os("PATH").unwrap()] {
            path.push(":");
            path.push(more);
        }
        let mut command = apart("timeout");
        command
            .args(["300", "bash", "-euo", "pipefail", "-c", script])
            .env("PATH", path)
            .env("KUBECONFIG", self.cluster.join("kubeconfig"))
            .env("KUBECACHEDIR", self.cluster.join("kubectl-cache"))
            .env("PAPERSPACE_API_URL", format!("{}/v1", self.paperspace))
            .current_dir(&self.work)
            .stdin(Stdio::null());
        command
    }

    /// What the commands print.
    fn run(&self, script: &str) -> String {
        let output = self.command(script).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let log = fs::read_to_string(self.directory.path().join("operator.log")).unwrap_or_default();
        let log = log.lines().rev().take(20).collect::<Vec<_>>().join("\n");
        assert!(output.status.success(), "{script}\n{}\n{out}\n{err}\nthe operator's log, backwards:\n{log}", output.status);
        out.into_owned()
    }

    fn before(&mut self, block: &Block) {
        match block.heading.as_str() {
            "A whole account" => self.machines_made_by_hand(),
            "Leaving" => self.one_to_be_destroyed(),
            _ => {}
        }
    }

    /// One that is on and one that is off.
    fn machines_made_by_hand(&self) {
        for name in ["on", "Off"] {
            let body = json!({
                "name": name, "machineType": "A4000", "templateId": "t0nspur5", "region": "ny2", "diskSize": 100, "startOnCreate": name == "on",
            });
            self.run(&format!("curl -sf {}/_sim/machines -d '{body}'", self.paperspace));
        }
        let created = || self.machines().iter().all(|machine| machine["state"] != "provisioning");
        let start = Instant::now();
        while !created() {
            assert!(start.elapsed() < Duration::from_mins(1), "the machines are not there");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn truth(&self) -> Value {
        serde_json::from_str(&self.run(&format!("curl -sf {}/_sim/truth", self.paperspace))).unwrap()
    }

    fn machines(&self) -> Vec<Value> {
        self.truth()["machines"].as_array().unwrap().clone()
    }

    fn one_to_be_destroyed(&mut self) {
        // One that is to be destroyed, beside those that stay.
        self.run("kubectl apply -f deploy/examples/minimal.yaml && kubectl wait --for=condition=Ready psm/minimal --timeout=5m");
        if !self.cluster.join("kube-controller-manager.pid").exists() {
            // Nobody else finishes the deletion of a namespace.
            let script = format!(
                "until kubectl get namespace {NAMESPACE} -o json | grep -q '\"Terminating\"'; do sleep 1; done; \
                 kubectl get namespace {NAMESPACE} -o json | sed 's/\"kubernetes\"//' | kubectl replace --raw /api/v1/namespaces/{NAMESPACE}/finalize -f -"
            );
            self.helper = Some(self.command(&script).stdout(Stdio::null()).spawn().unwrap());
        }
    }

    fn after(&mut self) {
        let deployment = self.run("kubectl get deployments --all-namespaces -o json");
        let deployment: Value = serde_json::from_str::<Value>(&deployment).unwrap()["items"][0].clone();
        match (&mut self.operator, deployment.is_object()) {
            (None, true) => self.operator = Some(self.pod(&deployment["spec"]["template"]["spec"])),
            (Some(operator), false) => {
                end(operator);
                self.operator = None;
            }
            _ => {}
        }
        let script = format!(
            "kubectl -n {NAMESPACE} get secret paperspace-operator-api-key --ignore-not-found -o 'go-template={{{{.data.apiKey | base64decode}}}}'"
        );
        let secret = self.run(&script);
        if self.operator.is_some() && !secret.is_empty() {
            fs::write(self.mounted("apiKey"), secret).unwrap();
        }
    }

    fn mounted(&self, name: &str) -> PathBuf {
        self.directory.path().join("mounted").join(name)
    }

    fn pod(&self, pod: &Value) -> Child {
        let container = &pod["containers"][0];
        let account = pod["serviceAccountName"].as_str().unwrap();
        let kubeconfig = self.directory.path().join("pod.kubeconfig");
        fs::copy(self.cluster.join("kubeconfig"), &kubeconfig).unwrap();
        let token = self.run(&format!("kubectl -n {NAMESPACE} create token {account} --duration 1h"));
        let config = format!("kubectl --kubeconfig '{}' config", kubeconfig.display());
        // In a pod, the namespace of its account is that of its leases.
        self.run(&format!(
            "{config} set-credentials pod --token '{}'; {config} set-context --current --user pod --namespace {NAMESPACE}",
            token.trim()
        ));
        let mut command = apart(binary());
        command.args(container["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()));
        for variable in container["env"].as_array().unwrap() {
            let value = variable["value"].as_str().unwrap();
            let file = container["volumeMounts"][0]["mountPath"].as_str().and_then(|mount| value.strip_prefix(mount)?.strip_prefix('/'));
            let value = file.map_or_else(|| value.to_owned(), |file| self.mounted(file).to_string_lossy().into_owned());
            command.env(variable["name"].as_str().unwrap(), value);
        }
        // The simulated Paperspace, and its clock; and no port that somebody else here may have.
        command
            .env("PAPERSPACE_OPERATOR_ADMIN_LISTEN", "127.0.0.1:0")
            .env("PAPERSPACE_API_URL", format!("{}/v1", self.paperspace))
            .args(["--listen", "127.0.0.1:0", "--poll-interval", "2s", "--transition-interval", "300ms", "--create-settle", "60s"])
            .env("KUBECONFIG", kubeconfig)
            .current_dir(self.directory.path())
            .stderr(Stdio::from(fs::File::create(self.directory.path().join("operator.log")).unwrap()))
            .spawn()
            .unwrap()
    }

    /// The machines of the README exist or not as it says, and each was asked for once.
    fn everything_was_done(&self) {
        let truth = self.truth();
        let machines = truth["machines"].as_array().unwrap();
        let found = |base: &str| {
            let of_base: Vec<&Value> = machines.iter().filter(|m| m["name"].as_str().unwrap().starts_with(base)).collect();
            assert_eq!(of_base.len(), 1, "{base}: {machines:?}");
            of_base[0]["exists"] == true
        };
        assert_eq!(
            ["default-workstation-", "default-own-key-", "on-", "Off-", "default-minimal-"].map(found),
            [true, true, true, true, false],
            "kept by Retain, kept, adopted, adopted, destroyed"
        );
        assert_eq!((machines.len(), &truth["calls"]["POST /machines"]), (6, &4.into()), "two were made by hand");
        let restarts = truth["events"].as_array().unwrap().iter().filter(|event| event["name"] == "restart").count();
        assert_eq!(restarts, 1, "the annotation was set once");
        assert!(self.operator.is_none(), "the operator's Deployment is still there");
        let left = self.run("kubectl get namespaces,clusterroles,clusterrolebindings,crds -o name");
        let left: Vec<&str> =
            left.lines().filter(|name| name.contains("/paperspace-operator") || name.contains("/paperspacemachines.")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// In order, as a kubelet ends it.
fn end(child: &mut Child) {
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    let _ = child.wait();
}

impl Drop for World {
    fn drop(&mut self) {
        for child in [self.operator.as_mut(), self.helper.as_mut(), Some(&mut self.simulator)].into_iter().flatten() {
            end(child);
        }
        let down: &Path = &top().join("tests/control-plane/down");
        let _ = Command::new(down).arg(&self.cluster).status();
    }
}
