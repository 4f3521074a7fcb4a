//! A folder to work in, and what came of a command in it.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use buttress_lint::{Session, run};
use serde_json::Value;

/// A Pod with an error (`privileged-container`) and a warning that can be repaired (`gpu-toleration-missing`).
pub(crate) const POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: trainer   # by hand
spec:
  containers:
  - name: main
    image: example.org/trainer:1.0
    securityContext: {privileged: true}
    resources:
      limits:
        nvidia.com/gpu: 1
";

/// A Pod without an error.
pub(crate) const GOOD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: main
    image: example.org/web:1.0
";

/// A folder that goes away with the test. It is a project, so that nothing around it counts.
pub(crate) struct Folder(tempfile::TempDir);

/// What came of a command.
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Folder {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::create_dir(folder.path().join(".git")).unwrap();
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    /// Runs a command line through the seam.
    pub(crate) fn run(&self, line: &str) -> Ran {
        self.run_with(line, "")
    }

    /// Runs a command line through the seam, with a text to read.
    pub(crate) fn run_with(&self, line: &str, stdin: &str) -> Ran {
        run_in(self.path(), line, stdin)
    }

    /// Runs the real binary.
    pub(crate) fn process(&self, line: &str, threads: usize, stdin: &str) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_buttress"))
            .args(line.split_whitespace())
            .current_dir(self.path())
            .env("RAYON_NUM_THREADS", threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code().and_then(|code| u8::try_from(code).ok()).unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs a command line through the seam, in any folder.
pub(crate) fn run_in(folder: &Path, line: &str, stdin: &str) -> Ran {
    let (out, err) = (Sink::default(), Sink::default());
    let mut session = Session {
        directory: folder.to_owned(),
        stdin: Box::new(Cursor::new(stdin.to_owned().into_bytes())),
        stdout: Box::new(out.clone()),
        stderr: Box::new(err.clone()),
        colour_out: false,
        colour_err: false,
        terminal_err: false,
        width: None,
        today: jiff::civil::date(2026, 11, 22),
    };
    let arguments = std::iter::once("buttress").chain(line.split_whitespace());
    let code = run(arguments, &mut session);
    Ran { code, out: out.text(), err: err.text() }
}

impl Ran {
    /// The report for programs.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }

    /// The findings of the report as `file document path rule`.
    pub(crate) fn findings(&self) -> Vec<String> {
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        self.json()["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| format!("{} {} {} {}", text(one, "file"), one["document"], text(one, "path"), text(one, "rule")))
            .collect()
    }
}

/// A stream into memory.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
