//! What remains when the test process is gone: nothing. A shell beside it waits for its end, however that comes, and then
//! kills the processes that it started and removes its folders.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Reads what to end and what to remove, line by line, until its standard input ends: then the test process has.
/// A list keeps its order, so what depends on another process is named after it and ended first.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
pids= folders=
while read -r verb what; do
    case $verb in
        kill) pids="$what $pids" ;;
        spare) rest=; for pid in $pids; do [ "$pid" = "$what" ] || rest="$rest $pid"; done; pids=$rest ;;
        remove) folders="$folders
$what" ;;
    esac
done
for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
printf '%s\n' "$folders" | while read -r folder; do
    [ -n "$folder" ] || continue
    for try in 1 2 3; do rm -rf -- "$folder" 2>/dev/null && break; sleep 1; done
done
"#;

/// One for the whole process.
static REAPER: LazyLock<Mutex<Reaper>> = LazyLock::new(|| Mutex::new(Reaper::start()));

struct Reaper {
    // Both live until the end of the process: statics are not dropped, and the pipe ends with it.
    input: ChildStdin,
    _shell: Child,
}

impl Reaper {
    fn start() -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            // Whoever reads the output of the tests to its end must not wait for us.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Not in the group of the terminal: Ctrl-C ends the tests, and then it is needed.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run sh: {error}"));
        let input = shell.stdin.take().unwrap_or_else(|| panic!("a piped input is there"));
        Self { input, _shell: shell }
    }
}

/// Ends the process `pid` when the test process is gone.
pub(super) fn kill_later(pid: u32) {
    tell(&format!("kill {pid}"));
}

/// The process `pid` is ended already: its id may become another's as soon as it was waited for.
pub(super) fn spare(pid: u32) {
    tell(&format!("spare {pid}"));
}

/// Removes `folder` with everything in it when the test process is gone.
pub(super) fn remove_later(folder: &Path) {
    tell(&format!("remove {}", folder.display()));
}

fn tell(line: &str) {
    let mut reaper = REAPER.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(reaper.input, "{line}").unwrap_or_else(|error| panic!("the reaper of processes is gone: {error}"));
}
