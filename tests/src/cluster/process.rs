//! A process that belongs to a test: its log in a file, its end for certain.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::reaper;

/// How many lines of a log are shown when something fails.
const TAIL: usize = 15;
/// How many characters of a line are shown.
const WIDTH: usize = 300;

/// A program with its arguments, running or not, that can be started again as it was. It is killed when this is dropped,
/// and also when the test process ends in any other way.
#[derive(Debug)]
pub struct Process {
    name: String,
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    log: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Process {
    /// A process that is not started yet. Its standard output and error go to `NAME.log` in `folder`.
    pub fn new(name: &str, program: impl Into<PathBuf>, folder: &Path) -> Self {
        Self {
            name: name.to_owned(),
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            log: folder.join(format!("{name}.log")),
            child: Mutex::new(None),
        }
    }

    /// With more arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// With a variable in its environment, besides those of the test process.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Starts it; this is also how it comes back after its end, on the same ports.
    ///
    /// # Panics
    /// When it runs already or cannot be started.
    pub fn start(&self) {
        let mut child = self.child();
        assert!(child.is_none(), "{} runs already", self.name);
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.unwrap_or_else(|error| panic!("cannot write {}: {error}", self.log.display()));
        let copy = |log: &File| Stdio::from(log.try_clone().unwrap_or_else(|error| panic!("no file left: {error}")));
        let started = Command::new(&self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(copy(&log))
            .stderr(copy(&log))
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.program.display()));
        reaper::kill_later(started.id());
        *child = Some(started);
    }

    /// Kills it, with no chance to do anything more (`kill -9`), and waits for its end. Nothing when it does not run.
    pub fn kill(&self) {
        let mut running = self.child();
        if let Some(mut child) = running.take() {
            let _ = child.kill();
            reaper::spare(child.id());
            let _ = child.wait();
        }
    }

    /// Tells it to stop (SIGTERM) and does not wait.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Holds it still (SIGSTOP): it keeps its connections and answers nothing.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`Process::freeze`].
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Waits for its end by itself, at most for `limit`.
    ///
    /// # Panics
    /// When it still runs then.
    pub fn wait(&self, limit: Duration) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(begun.elapsed() < limit, "{} still runs after {limit:?}\n{}", self.name, self.tail());
            sleep(Duration::from_millis(20));
        }
    }

    /// Kills it and starts it again as it was.
    pub fn restart(&self) {
        self.kill();
        self.start();
    }

    /// How it ended, if it was started and did by itself. After that it may be started again.
    pub fn ended(&self) -> Option<ExitStatus> {
        let mut running = self.child();
        let child = running.as_mut()?;
        let status = child.try_wait().ok().flatten()?;
        reaper::spare(child.id());
        *running = None;
        Some(status)
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.ended();
        self.child().is_some()
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it does not run.
    pub fn id(&self) -> u32 {
        self.child().as_ref().unwrap_or_else(|| panic!("{} does not run", self.name)).id()
    }

    /// How many bytes of memory it has resident (VmRSS). Linux only.
    pub fn resident_memory(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// How many bytes of memory it had resident at most (VmHWM). Linux only.
    pub fn peak_memory(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, key: &str) -> u64 {
        let file = format!("/proc/{}/status", self.id());
        let status = fs::read_to_string(&file).unwrap_or_else(|error| panic!("cannot read {file}: {error}"));
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        kibibytes.unwrap_or_else(|| panic!("{file} tells no {key}")) * 1024
    }

    /// Everything that it wrote to its standard output and error, over all its starts.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The name under which it is known here, and how it stands, with the last lines of its log.
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let left_out = lines.len().saturating_sub(TAIL);
        let state = if self.is_running() { "runs" } else { "does not run" };
        let line = |line: &&str| format!("    {}\n", line.chars().take(WIDTH).collect::<String>());
        let lines: String = lines[left_out..].iter().map(line).collect();
        format!("--- {} {state}; the end of {}:\n{lines}", self.name, self.log.display())
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        let pid = pid.unwrap_or_else(|| panic!("the id of {} is none", self.name));
        kill_process(pid, signal).unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
