//! The control groups under which a kubelet puts those of its pods, apart from those of other nodes on this machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Where the kernel shows control groups.
const ROOT: &str = "/sys/fs/cgroup";

/// What the names of nodes begin with; the id of the process that has them follows, and a number.
const PREFIX: &str = "buttress-node-";

/// A name for a node, and so for its control groups, that no other has.
///
/// # Errors
/// When the control groups cannot be read.
pub(super) fn free_name() -> io::Result<String> {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    for group in hierarchies()?.iter().flat_map(fs::read_dir).flatten().flatten() {
        let name = group.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
            // Of a test that was killed: empty, and nobody misses it if it is not.
            let _ = remove(&group.path());
        }
    }
    Ok(format!("{PREFIX}{}-{}", std::process::id(), GIVEN.fetch_add(1, Ordering::Relaxed)))
}

/// The roots of the hierarchies: the second version of control groups has one, the first has one for each controller.
fn hierarchies() -> io::Result<Vec<PathBuf>> {
    if Path::new(ROOT).join("cgroup.controllers").is_file() {
        return Ok(vec![PathBuf::from(ROOT)]);
    }
    let entries = fs::read_dir(ROOT)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    // Links are second names of what two controllers share.
    Ok(entries.into_iter().filter(|path| path.is_dir() && !path.is_symlink()).collect())
}

/// One group in each hierarchy; removed when this is dropped, by when all processes in them are to have ended.
#[derive(Debug)]
pub(super) struct ControlGroups {
    folders: Vec<PathBuf>,
}

impl ControlGroups {
    /// Makes the groups of this name.
    ///
    /// # Errors
    /// When the kernel does not let us.
    pub(super) fn new(name: &str) -> io::Result<Self> {
        let folders = hierarchies()?.into_iter().map(|root| root.join(name)).collect();
        let groups = Self { folders };
        for folder in &groups.folders {
            fs::create_dir(folder)?;
        }
        Ok(groups)
    }
}

impl Drop for ControlGroups {
    fn drop(&mut self) {
        // The kernel lets go of processes a little after they have ended.
        let deadline = Instant::now() + Duration::from_secs(5);
        for folder in &self.folders {
            while remove(folder).is_err_and(|error| error.kind() != io::ErrorKind::NotFound) {
                if Instant::now() > deadline {
                    eprintln!("cannot remove {}: processes are left in it", folder.display());
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

/// Removes a group and those in it. What looks like files in them belongs to the kernel.
fn remove(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(folder)
}
