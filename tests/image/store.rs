//! Where images are kept while these tests run, apart from those of whoever runs them, and the image that is looked at.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use super::harness::work_dir;
use super::{output, top};

/// The time of everything in the images: 2026-01-01.
pub(crate) const EPOCH: &str = "1767225600";

/// The variable that names another program.
const GIVEN: &str = "IMAGE_BINARY";

/// A static program, and the image around it.
#[derive(Debug)]
pub(crate) struct Image {
    /// The program, in `target/`.
    pub(crate) binary: PathBuf,
    /// As it is called in the store.
    pub(crate) name: String,
    /// `sha256:` of its configuration, which names its layers.
    pub(crate) id: String,
}

impl Image {
    /// The one that podman builds, once for all tests.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Image> = OnceLock::new();
        SHARED.get_or_init(|| {
            let given = std::env::var_os(GIVEN).map(PathBuf::from);
            let binary = given.unwrap_or_else(|| top().join(output(command("make").arg("static")).trim()));
            Self::build(binary, "shared", "podman", &[])
        })
    }

    /// Whether its program is one that was built for these tests.
    pub(crate) fn is_of_tests() -> bool {
        std::env::var_os(GIVEN).is_none()
    }

    /// `make image`, around this program. The flags are variables of make.
    pub(crate) fn build(binary: PathBuf, name: &str, tool: &str, flags: &[&str]) -> Self {
        let name = format!("localhost/{name}:test");
        let mut make = command("make");
        make.arg("image").args(flags).args([format!("BINARY={}", binary.display()), format!("IMAGE={name}"), format!("TOOL={tool}")]);
        let said = output(&mut make);
        println!("{tool}: {said}");
        let words: Vec<&str> = said.split_whitespace().collect();
        let [said_name, id, ..] = words[..] else { panic!("{said:?}") };
        assert_eq!(said_name, name);
        Self { binary, id: id.to_owned(), name }
    }

    /// What `podman image inspect` says.
    pub(crate) fn inspect(&self) -> Value {
        let said: Value = serde_json::from_str(&output(command("podman").args(["image", "inspect", &self.name]))).unwrap();
        said[0].clone()
    }

    /// Its layers, each as a file.
    pub(crate) fn layers(&self) -> Vec<PathBuf> {
        let directory = tempfile::tempdir_in(work_dir()).unwrap().keep();
        output(command("podman").args(["save", "--quiet", "--format", "oci-dir", "--output"]).arg(&directory).arg(&self.name));
        let json = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
        let blob = |of: &Value| directory.join("blobs").join(of["digest"].as_str().unwrap().replace(':', "/"));
        let manifest = json(&blob(&json(&directory.join("index.json"))["manifests"][0]));
        manifest["layers"].as_array().unwrap().iter().map(blob).collect()
    }
}

/// A command that has the tests' own store and runtime, at the top of the repository.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let of_image = ["TOOL", "BINARY", "IMAGE", "IMAGE_FLAGS", "CERTIFICATES", "BUILDER", "TARGET", "RUSTFLAGS"].contains(&&*name);
        if name.starts_with("MAKE") || name.starts_with("CARGO_") && name != "CARGO_HOME" || of_image {
            command.env_remove(&*name);
        }
    }
    let store = store();
    command.env("CONTAINERS_STORAGE_CONF", store.join("storage.conf")).env("CONTAINERS_CONF", store.join("containers.conf"));
    command.env("STORAGE_DRIVER", "vfs").env("BUILDAH_ISOLATION", "chroot").env("SOURCE_DATE_EPOCH", EPOCH);
    command.env("PROFILE", "image-test");
    command.current_dir(top());
    command
}

/// A store of plain directories, which needs nothing of the kernel; and runc, which runs with every kind of cgroups.
fn store() -> &'static Path {
    static STORE: OnceLock<PathBuf> = OnceLock::new();
    STORE.get_or_init(|| {
        let at = work_dir().join("images");
        fs::create_dir_all(&at).unwrap();
        let (root, run) = (at.join("root"), at.join("run"));
        let storage = format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{}\"\nrunroot = \"{}\"\n", root.display(), run.display());
        fs::write(at.join("storage.conf"), storage).unwrap();
        let engine = "[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\n";
        fs::write(at.join("containers.conf"), engine).unwrap();
        at
    })
}
