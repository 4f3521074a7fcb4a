//! What the README tells a newcomer to type, in the repository itself.

use std::path::{Path, PathBuf};

use crate::support::run_in;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_first_command_finds_things_in_the_bad_examples_only() {
    for policy in ["", " --policy deploy/examples/policy.yaml"] {
        let ran = run_in(&repository(), &format!("lint --format json deploy/examples{policy}"), "");
        assert_eq!((ran.code, ran.err.as_str()), (1, ""), "{policy}");
        let found = ran.findings();
        assert!(!found.is_empty());
        for finding in found {
            assert!(finding.starts_with("deploy/examples/bad/"), "{finding}");
        }
    }
}

#[test]
fn the_good_examples_are_left_as_they_are() {
    let ran = run_in(&repository(), "lint --diff --unsafe-fixes --fail-on advice deploy/examples/good", "");
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    assert_eq!(ran.err, "nothing to report in 13 documents of 7 files\n");
}
