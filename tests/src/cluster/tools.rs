//! The programs of a cluster, built from Go sources once and kept in the cache folder of the user. Which versions is
//! said by the go.mod and go.sum of each set, and a changed one of these is another entry of the cache.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::go;

/// kube-apiserver, kube-controller-manager, kube-scheduler, kubectl and etcd.
pub static CONTROL_PLANE: ToolSet = ToolSet {
    name: "control-plane",
    tools: &[
        ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
        ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
        ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
        ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
        ("etcd", "go.etcd.io/etcd/server/v3"),
    ],
    // Without its version kubectl cannot compare itself with the server, and the server does not know its feature gates.
    ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2",
    minutes: 8,
};

/// kwok, which plays the kubelets of nodes that exist only as objects.
pub static KWOK: ToolSet =
    ToolSet { name: "kwok", tools: &[("kwok", "sigs.k8s.io/kwok/cmd/kwok")], ldflags: "-s -w", minutes: 2 };

/// helm, which renders and installs the chart.
pub static HELM: ToolSet =
    ToolSet { name: "helm", tools: &[("helm", "helm.sh/helm/v4/cmd/helm")], ldflags: "-s -w", minutes: 2 };

/// The kubelet, three minor versions behind the API server: later ones want cgroup v2 and containerd 2.
pub static KUBELET: ToolSet = ToolSet {
    name: "kubelet",
    tools: &[("kubelet", "k8s.io/kubernetes/cmd/kubelet")],
    ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.34.4",
    minutes: 5,
};

/// Programs that one go.mod under `tests/cluster/` describes.
#[derive(Debug)]
pub struct ToolSet {
    /// The name of the folder of the go.mod.
    name: &'static str,
    /// The name of each program, and the Go package that is built into it.
    tools: &'static [(&'static str, &'static str)],
    /// What is told to Go's linker.
    ldflags: &'static str,
    /// How long a first build takes on two cores, for the one who waits.
    minutes: u32,
}

impl ToolSet {
    /// Where the program `tool` lies, which is built before if it is not there yet.
    ///
    /// # Panics
    /// When it cannot be built; the message says what is missing.
    pub fn path(&self, tool: &str) -> PathBuf {
        assert!(self.tools.iter().any(|(name, _)| *name == tool), "{tool} is no program of {}", self.name);
        self.folder().join(tool)
    }

    /// The folder with all programs of the set, each under its own name; fit to be put into PATH.
    ///
    /// # Panics
    /// When they cannot be built; the message says what is missing.
    pub fn folder(&self) -> PathBuf {
        let folder = cache().join(format!("{}-{}", self.name, self.digest()));
        if !folder.is_dir() {
            self.build(&folder);
        }
        folder
    }

    /// Builds into a folder beside, which gets its name when it is complete. One process builds, the others wait.
    fn build(&self, folder: &Path) {
        fs::create_dir_all(cache()).unwrap_or_else(|error| panic!("cannot make {}: {error}", cache().display()));
        let lock = cache().join(format!("{}.lock", self.name));
        let lock = File::create(&lock).unwrap_or_else(|error| panic!("cannot write {}: {error}", lock.display()));
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            progress(&format!("waiting for another process that builds {} …", self.name));
            lock.lock().unwrap_or_else(|error| panic!("cannot lock the cache of {}: {error}", self.name));
        }
        if folder.is_dir() {
            return;
        }
        let go = go::find();
        let names: Vec<&str> = self.tools.iter().map(|(name, _)| *name).collect();
        progress(&format!("building {}, about {} minutes the first time …", names.join(", "), self.minutes));
        let begun = Instant::now();
        let unfinished = folder.with_extension("unfinished");
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => panic!("cannot clear {unfinished:?}: {error}"),
            _ => {}
        }
        for (name, package) in self.tools {
            let step = Instant::now();
            let output = Command::new(&go)
                .current_dir(self.source())
                .args(["build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", self.ldflags, "-o"])
                .args([unfinished.join(name).as_path(), Path::new(package)])
                .env("GOTOOLCHAIN", "local")
                .env("GOWORK", "off")
                .stdin(Stdio::null())
                .output()
                .unwrap_or_else(|error| panic!("cannot run {}: {error}", go.display()));
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name} does not build in {}:\n{told}", self.source().display());
            progress(&format!("  {name} after {} s", step.elapsed().as_secs()));
        }
        fs::rename(&unfinished, folder).unwrap_or_else(|error| panic!("cannot finish {}: {error}", folder.display()));
        progress(&format!("built into {} in {} s", folder.display(), begun.elapsed().as_secs()));
    }

    /// The folder of the go.mod.
    fn source(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster").join(self.name)
    }

    /// What the programs are made of, in short.
    fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for file in ["go.mod", "go.sum"] {
            let file = self.source().join(file);
            digest.update(fs::read(&file).unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display())));
        }
        digest.update(format!("{:?} {} {}", self.tools, self.ldflags, std::env::consts::ARCH));
        digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The folder of everything that is built or fetched once: `$XDG_CACHE_HOME/buttress-test-cluster`, else the same under
/// `~/.cache`.
pub fn cache() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("buttress-test-cluster")
}

/// Says at once what takes minutes. `eprintln` would be kept back until the end of the test.
pub(super) fn progress(line: &str) {
    let _ = writeln!(stderr().lock(), "{line}");
}
