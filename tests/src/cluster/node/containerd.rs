//! The container runtime of a node: a containerd of its own, with its own network for pods.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::process::Process;
use super::confines::Confines;
use super::image::Image;

/// The image of the container that holds the namespaces of a pod.
pub(super) const PAUSE_IMAGE: &str = "buttress.test/pause:1";

/// Where Debian's package has the plugins for the network of pods.
pub(super) const PLUGINS: &str = "/usr/lib/cni";

/// A running containerd.
#[derive(Debug)]
pub(super) struct Containerd {
    folder: PathBuf,
    process: Process,
}

impl Containerd {
    /// Starts it with all that it has under `folder`; pods get addresses of the first 24 bits of `subnet` and reach this machine
    /// at `gateway`, an address that it has as long as it has pods.
    ///
    /// # Errors
    /// When it does not start or does not answer, with the end of its log.
    pub(super) fn start(folder: &Path, confines: &Confines, subnet: Ipv4Addr, gateway: Ipv4Addr) -> io::Result<Self> {
        fs::create_dir_all(folder.join("network"))?;
        fs::write(folder.join("network/10-buttress.conflist"), network(folder, subnet, gateway))?;
        fs::write(folder.join("config.toml"), configuration(folder))?;
        let process = confines.process("containerd", Path::new("containerd"), folder);
        let process = process.args([Path::new("--config"), &folder.join("config.toml")]);
        process.start();
        let containerd = Self { folder: folder.to_owned(), process };
        containerd.wait()?;
        Ok(containerd)
    }

    /// The end of its log.
    pub(super) fn tail(&self) -> String {
        self.process.tail()
    }

    /// Where it listens.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder.join("containerd.sock")
    }

    /// Makes `image` known to it.
    ///
    /// # Errors
    /// When the image cannot be written or is not taken.
    pub(super) fn import(&self, image: &Image<'_>) -> io::Result<()> {
        let archive = self.folder.join("image.tar");
        image.write(&archive)?;
        let arguments = ["--namespace", "k8s.io", "images", "import", "--snapshotter", "native"];
        self.ctr().args(arguments).arg(&archive).run()?;
        fs::remove_file(&archive)
    }

    /// Waits until it answers.
    fn wait(&self) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let answer = self.ctr().arg("version").run();
            match answer {
                Ok(()) => return Ok(()),
                Err(error) if !self.process.is_running() || Instant::now() > deadline => {
                    return Err(io::Error::other(format!("{error}\n{}", self.process.tail())));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    fn ctr(&self) -> Command {
        let mut command = Command::new("ctr");
        command.arg("--address").arg(self.socket());
        command
    }
}

/// Runs a command to its end.
trait Run {
    fn run(&mut self) -> io::Result<()>;
}

impl Run for Command {
    fn run(&mut self) -> io::Result<()> {
        let output = self.output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!("{}: {}", self.get_program().to_string_lossy(), said.trim())))
    }
}

fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    // `native` copies files and needs nothing of the file system. A score for the killer of processes out of memory that is
    // below our own may not be set without CAP_SYS_RESOURCE.
    format!(
        r#"version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = [
    "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.overlayfs", "io.containerd.snapshotter.v1.zfs",
]

[grpc]
address = "{folder}/containerd.sock"

[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{PLUGINS}"
conf_dir = "{folder}/network"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"#
    )
}

/// A pair of interfaces for each pod, and a route in each direction between it and this machine; nothing else is let in or out.
fn network(folder: &Path, subnet: Ipv4Addr, gateway: Ipv4Addr) -> String {
    let conflist = json!({
        "cniVersion": "0.4.0",
        "name": "buttress",
        "plugins": [{
            "type": "ptp", "ipMasq": false,
            "ipam": {
                "type": "host-local", "dataDir": folder.join("addresses"),
                "ranges": [[{"subnet": format!("{subnet}/24"), "gateway": gateway}]],
            },
        }],
    });
    conflist.to_string()
}
