//! What the commands of a document run in: Kubernetes clusters with pods, a simulated Paperspace, and a directory that is like a clone.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::kubelet::Kubelet;
use super::markdown::{Block, blocks};
use super::{apart, binary, top};

/// The key in the file `paperspace.key`.
pub(crate) const KEY: &str = "documents-key";
/// The key in the file `new.key`, of the same team.
pub(crate) const NEW_KEY: &str = "documents-new-key";

pub(crate) struct World {
    /// Where commands are run.
    pub(crate) work: PathBuf,
    paperspace: String,
    simulator: Child,
    clusters: Vec<Cluster>,
    directory: tempfile::TempDir,
}

struct Cluster {
    /// The context of kubectl.
    name: &'static str,
    path: PathBuf,
    kubelet: Option<Kubelet>,
}

impl World {
    /// With clusters of these names, which are the contexts of kubectl; the first is the current one.
    pub(crate) fn new(names: &[&'static str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let work = at("work");
        for name in ["work", "bin"] {
            fs::create_dir(at(name)).unwrap();
        }
        // A clone, as far as the commands use it.
        for name in ["deploy", "crds"] {
            symlink(top().join(name), work.join(name)).unwrap();
        }
        symlink(binary(), at("bin").join("paperspace-operator")).unwrap();
        for (name, key) in [("paperspace.key", KEY), ("new.key", NEW_KEY)] {
            fs::write(work.join(name), format!("{key}\n")).unwrap();
        }
        let keys = [KEY, NEW_KEY].map(|key| format!("{key}=te1"));
        let mut simulator = apart(binary())
            .args(["simulate", "--listen", "127.0.0.1:0", "--time-scale", "60", "--api-key", &keys[0], "--api-key", &keys[1]])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(simulator.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let paperspace = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        let clusters = names.iter().map(|name| Cluster { name, path: at(name), kubelet: None }).collect();
        let mut world = Self { work, paperspace, simulator, clusters, directory };
        for name in names {
            world.start_cluster(name);
        }
        world.kubectl_for_old_servers();
        world
    }

    fn cluster(&self, name: &str) -> &Cluster {
        self.clusters.iter().find(|cluster| cluster.name == name).unwrap()
    }

    /// Starts a cluster, an empty one also where there was one.
    pub(crate) fn start_cluster(&mut self, name: &str) {
        let cluster = self.clusters.iter_mut().find(|cluster| cluster.name == name).unwrap();
        cluster.kubelet = None;
        let mut up = apart(top().join("tests/control-plane/up"));
        assert!(up.arg(&cluster.path).stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap().success());
        let node = self.directory.path().join(format!("node-{name}"));
        cluster.kubelet = Some(Kubelet::new(&cluster.path, &node, &self.paperspace));
        self.write_kubeconfig();
    }

    /// One for all clusters that were started.
    fn write_kubeconfig(&self) {
        let mut all = json!({"apiVersion": "v1", "kind": "Config", "current-context": self.clusters[0].name});
        for Cluster { name, path, .. } in self.clusters.iter().filter(|cluster| cluster.path.join("kubeconfig").exists()) {
            let text = fs::read_to_string(path.join("kubeconfig")).unwrap();
            let one: Value = serde_saphyr::from_str(&text).unwrap();
            let context = json!({"cluster": name, "user": name, "namespace": "default"});
            for (list, item) in [
                ("clusters", json!({"name": name, "cluster": one["clusters"][0]["cluster"]})),
                ("users", json!({"name": name, "user": one["users"][0]["user"]})),
                ("contexts", json!({"name": name, "context": context})),
            ] {
                match all[list].as_array_mut() {
                    Some(items) => items.push(item),
                    None => all[list] = json!([item]),
                }
            }
        }
        fs::write(self.directory.path().join("kubeconfig"), all.to_string()).unwrap();
    }

    /// kubectl checks what it applies against the server's own schemas, and a server from before 1.31 has none for some fields of a CRD.
    fn kubectl_for_old_servers(&self) {
        let kubectl = self.clusters[0].path.join("bin/kubectl");
        let version: Value = serde_json::from_str(&self.run(&format!("'{}' get --raw /version", kubectl.display()))).unwrap();
        let minor: u32 = version["minor"].as_str().unwrap().trim_end_matches('+').parse().unwrap();
        let leniently = "case \" $* \" in *' apply -k '*) set -- \"$@\" --validate=false ;; esac\n";
        let script = format!("#!/bin/bash\n{}exec '{}' \"$@\"\n", if minor < 31 { leniently } else { "" }, kubectl.display());
        let path = self.directory.path().join("bin/kubectl");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The blocks of a document. Files that it shows, which begin with their name, are written.
    pub(crate) fn read(&self, markdown: &str) -> Vec<Block> {
        let all = blocks(markdown);
        for block in &all {
            if let Some(name) = block.file() {
                fs::write(self.work.join(name), &block.text).unwrap();
            }
        }
        all
    }

    fn command(&self, script: &str) -> Command {
        let mut path = std::ffi::OsString::from(self.directory.path().join("bin"));
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        let mut command = apart("timeout");
        command
            .args(["300", "bash", "-euo", "pipefail", "-c", script])
            .env("PATH", path)
            .env("KUBECONFIG", self.directory.path().join("kubeconfig"))
            .env("KUBECACHEDIR", self.directory.path().join("kubectl-cache"))
            .env("PAPERSPACE_API_URL", format!("{}/v1", self.paperspace))
            .current_dir(&self.work)
            .stdin(Stdio::null());
        command
    }

    /// What the commands print.
    pub(crate) fn run(&self, script: &str) -> String {
        let output = self.command(script).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{script}\n{}\n{out}\n{err}\n{}", output.status, self.seen());
        out.into_owned()
    }

    /// What helps where something went wrong.
    fn seen(&self) -> String {
        let mut text = String::new();
        for Cluster { name, .. } in &self.clusters {
            let log = fs::read_to_string(self.directory.path().join(format!("node-{name}/operator.log"))).unwrap_or_default();
            let log: Vec<&str> = log.lines().rev().take(20).collect();
            let all = self.command(&format!("kubectl --context {name} get psm --all-namespaces -o wide")).output().unwrap();
            let all = String::from_utf8_lossy(&all.stdout);
            let _ = writeln!(text, "---- {name}\n{all}the operator's log, backwards:\n{}", log.join("\n"));
        }
        text
    }

    /// Waits for this, much longer than it takes.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, mut is: impl FnMut() -> bool) {
        let start = Instant::now();
        while !is() {
            assert!(start.elapsed() < Duration::from_mins(3), "without end: {what}\n{}", self.seen());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// How many pods a cluster has, and how many were started in it.
    pub(crate) fn pods(&self, cluster: &str) -> (usize, usize) {
        self.cluster(cluster).kubelet.as_ref().map_or((0, 0), |kubelet| {
            let seen = kubelet.seen();
            (seen.pods.load(SeqCst), seen.started.load(SeqCst))
        })
    }

    /// What the simulated Paperspace knows.
    pub(crate) fn truth(&self) -> Value {
        serde_json::from_str(&self.run(&format!("curl -sf {}/_sim/truth", self.paperspace))).unwrap()
    }

    /// All machines, those that are gone included.
    pub(crate) fn machines(&self) -> Vec<Value> {
        self.truth()["machines"].as_array().unwrap().clone()
    }

    /// Asks the simulated Paperspace for something behind everybody's back.
    pub(crate) fn simulate(&self, path: &str, body: &Value) -> Value {
        serde_json::from_str(&self.run(&format!("curl -sf {}/_sim/{path} -d '{body}'", self.paperspace))).unwrap()
    }

    /// Machines as somebody makes them on the console, once they are there; their ids.
    pub(crate) fn made_by_hand(&self, names_and_whether_on: &[(&str, bool)]) -> Vec<String> {
        let make = |(name, on): &(&str, bool)| {
            let body = json!({
                "name": name, "machineType": "A4000", "templateId": "t0nspur5", "region": "ny2", "diskSize": 100, "startOnCreate": on, "team": "te1",
            });
            self.simulate("machines", &body)["id"].as_str().unwrap().to_owned()
        };
        let ids = names_and_whether_on.iter().map(make).collect();
        self.wait("the machines are there", || self.machines().iter().all(|machine| machine["state"] != "provisioning"));
        ids
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for cluster in &mut self.clusters {
            cluster.kubelet = None;
            let _ = Command::new(top().join("tests/control-plane/down")).arg(&cluster.path).status();
        }
        let _ = self.simulator.kill();
        let _ = self.simulator.wait();
    }
}
