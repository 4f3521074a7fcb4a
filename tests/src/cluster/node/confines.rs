//! The confines in which container runtime and kubelet run: a mount and a process namespace of their own, so that nothing
//! of them is left on the machine when they end, however they end, and no folder of a kubelet of the machine's is theirs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::super::process::Process;

/// Folders that the programs have built in and that would be shared with other nodes on this machine.
const FOLDERS: &[&str] = &["/run/containerd", "/run/netns", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers"];

/// Settings of the kernel that a kubelet, and the plugin for the network of its pods, would change for the whole machine, with
/// the value that they want to see.
const SETTINGS: &[(&str, &str)] = &[
    ("kernel/keys/root_maxbytes", "25000000"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("net/ipv4/ip_forward", "1"),
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
];

/// Lays the files and folders of the arguments over those of the machine, as far as it has them, and then only takes leave of
/// processes that have lost their parent. It is the first process of its namespace: with it the kernel ends all others.
const FIRST: &str = r#"
set -e
own="$1"; shift
for path in "$@"; do [ ! -e "$path" ] || mount --bind "$own$path" "$path"; done
echo ready
while :; do sleep 3600 & wait $!; done
"#;

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The confines; whatever runs in them has ended when this is dropped.
#[derive(Debug)]
pub(super) struct Confines {
    unshare: Process,
    first: Pid,
}

impl Confines {
    /// Makes them, with their own copies of what would be shared under `folder`.
    ///
    /// # Errors
    /// When the kernel does not let us, with what was said.
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        let shadows = folder.join("shadows");
        let mut shadowed = Vec::new();
        for path in FOLDERS {
            fs::create_dir_all(path)?;
            fs::create_dir_all(below(&shadows, path))?;
            shadowed.push((*path).to_owned());
        }
        for (setting, value) in SETTINGS {
            let path = format!("/proc/sys/{setting}");
            let shadow = below(&shadows, &path);
            fs::create_dir_all(shadow.parent().unwrap_or(folder))?;
            fs::write(shadow, format!("{value}\n"))?;
            shadowed.push(path);
        }
        let unshare = Process::new("confines", "unshare", folder)
            .args(["--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL"])
            .args(["--", "sh", "-c", FIRST, "sh"])
            .args([shadows])
            .args(shadowed);
        unshare.start();
        let deadline = Instant::now() + PATIENCE;
        while unshare.log().lines().all(|line| line != "ready") {
            if !unshare.is_running() || Instant::now() > deadline {
                return Err(io::Error::other(format!("no namespaces can be made\n{}", unshare.tail())));
            }
            sleep(Duration::from_millis(20));
        }
        let first = child(unshare.id())?;
        Ok(Self { unshare, first })
    }

    /// A process called `name` that is to run `program` in the confines, with its log in `folder`.
    pub(super) fn process(&self, name: &str, program: &Path, folder: &Path) -> Process {
        let target = self.first.as_raw_nonzero().to_string();
        Process::new(name, "nsenter", folder).args(["--target", &target, "--mount", "--pid", "--"]).args([program])
    }
}

impl Drop for Confines {
    fn drop(&mut self) {
        if !self.unshare.is_running() {
            // The id of the first process may be another's by now.
            return;
        }
        // `unshare` ends after the first process, and that one after all others. Were `unshare` killed, nobody would wait.
        let _ = kill_process(self.first, Signal::KILL);
        let deadline = Instant::now() + PATIENCE;
        while self.unshare.is_running() && Instant::now() < deadline {
            sleep(Duration::from_millis(20));
        }
    }
}

/// The one child of the process `id`.
fn child(id: u32) -> io::Result<Pid> {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
    let first = children.split_whitespace().next().and_then(|first| first.parse().ok()).and_then(Pid::from_raw);
    first.ok_or_else(|| io::Error::other("the first process of the namespaces is gone"))
}

/// The place of the absolute `path` under `folder`.
fn below(folder: &Path, path: &str) -> PathBuf {
    folder.join(path.trim_start_matches('/'))
}
