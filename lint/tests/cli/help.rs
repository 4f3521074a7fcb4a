//! The help as it is printed, kept beside the tests: run with `UPDATE=1` to write it anew.

use std::fmt::Write as _;
use std::path::Path;

use crate::support::Folder;

#[test]
fn the_help_is_as_it_was_read_last() {
    let folder = Folder::new(&[]);
    let mut text = String::new();
    for line in
        ["-h", "--help", "lint -h", "lint --help", "inspect -h", "admit --help", "explain -h", "rules -h", "schema -h"]
    {
        let ran = folder.run(line);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{line}");
        writeln!(text, "$ buttress {line}\n{}", ran.out).unwrap();
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/help.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == text, "the help differs from {}; UPDATE=1 writes it anew", file.display());
}

#[test]
fn the_version_is_told() {
    let ran = Folder::new(&[]).run("--version");
    assert_eq!(ran.out, format!("buttress {}\n", env!("CARGO_PKG_VERSION")));
}
