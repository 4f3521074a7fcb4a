//! The programs that run in the containers of the tests, built without need of any library of the system.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::super::tools::progress;

/// One of the programs.
#[derive(Clone, Copy, Debug)]
pub enum Program {
    /// The stand-in for a model server.
    ModelServer,
    /// What holds the namespaces of a pod.
    Pause,
    /// The webhook under test, as it is in its image. Not optimised and without symbols: what counts here is that it is built
    /// and copied fast.
    Webhook,
}

impl Program {
    /// Its package, its name there and the profile by which it is built.
    fn source(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::ModelServer => ("buttress-model-server", "buttress-model-server", "release"),
            Self::Pause => ("buttress-model-server", "pause", "release"),
            Self::Webhook => ("buttress-webhook", "buttress-webhook", "dev"),
        }
    }
}

/// Where `program` lies, which is built before if need be.
///
/// # Panics
/// When it cannot be built; the message says why.
#[must_use]
pub fn static_program(program: Program) -> PathBuf {
    let (package, name, profile) = program.source();
    let (folder, host) = (folder(), host());
    let built = folder.join(&host).join(if profile == "dev" { "debug" } else { profile }).join(name);
    if !built.is_file() {
        progress(&format!("building {name} as a static program, some minutes the first time …"));
    }
    let output = Command::new(cargo())
        .args(["build", "--quiet", "--locked", "--package", package, "--bin", name, "--profile", profile])
        .args(["--target", &host, "--target-dir"])
        .arg(&folder)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .env("CARGO_PROFILE_DEV_STRIP", "symbols")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot run cargo: {error}"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} does not build:\n{told}");
    built
}

/// A folder of its own beside what Cargo built this test into: other flags would have everything there built anew.
fn folder() -> PathBuf {
    let test = env::current_exe().unwrap_or_else(|error| panic!("cannot tell where this test lies: {error}"));
    // It lies in `<target>/<profile>/deps`.
    test.ancestors().nth(3).unwrap_or(Path::new("target")).join("static")
}

/// The target of this machine. It has to be said: flags are else also those of build scripts and macros.
fn host() -> String {
    let told = Command::new("rustc").arg("-vV").output().unwrap_or_else(|error| panic!("cannot run rustc: {error}"));
    let told = String::from_utf8_lossy(&told.stdout);
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.unwrap_or_else(|| panic!("rustc does not say for which machine it builds: {told}")).to_owned()
}

fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}
