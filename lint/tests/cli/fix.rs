//! Repairs: what is written, what is kept, and what is only shown.

use crate::support::{Folder, GOOD, POD};

const SELECT: &str = "--select gpu-toleration-missing,privileged-container";

#[test]
fn a_repair_keeps_every_other_byte_and_calms_the_file() {
    let folder = Folder::new(&[("pod.yaml", POD)]);
    let ran = folder.run(&format!("lint --fix --format json {SELECT}"));
    assert_eq!(ran.code, 1);
    assert_eq!(ran.json()["summary"]["fixed"], 1);
    assert_eq!(ran.findings(), ["pod.yaml 0 /spec/containers/0/securityContext/privileged privileged-container"]);
    let text = folder.read("pod.yaml");
    let kept: Vec<_> = POD.lines().filter(|line| !text.lines().any(|other| other == *line)).collect();
    assert!(kept.is_empty() && text.contains("tolerations:") && text.contains("# by hand"), "{text}");
    assert_eq!(folder.run(&format!("lint --fix --format json {SELECT}")).json()["summary"]["fixed"], 0);
    assert_eq!(folder.read("pod.yaml"), text);
}

#[test]
fn line_ends_and_a_byte_order_mark_stay() {
    let text = format!("\u{feff}{}", POD.replace('\n', "\r\n"));
    let folder = Folder::new(&[("pod.yaml", &text)]);
    folder.run(&format!("lint --fix {SELECT}"));
    let after = folder.read("pod.yaml");
    assert!(after.starts_with('\u{feff}') && after.contains("tolerations:\r\n"), "{after:?}");
    assert!(!after.replace("\r\n", "").contains('\n'));
}

#[cfg(unix)]
#[test]
fn mode_and_links_stay() {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let folder = Folder::new(&[("real/pod.yaml", POD), ("twin.yaml", POD), ("locked.yaml", POD)]);
    let mode =
        |name: &str, mode: u32| fs::set_permissions(folder.file(name), fs::Permissions::from_mode(mode)).unwrap();
    mode("real/pod.yaml", 0o640);
    mode("locked.yaml", 0o444);
    std::os::unix::fs::symlink("real/pod.yaml", folder.file("link.yaml")).unwrap();
    fs::hard_link(folder.file("twin.yaml"), folder.file("other-name.yaml")).unwrap();
    let ran = folder.run(&format!("lint --fix {SELECT} link.yaml twin.yaml locked.yaml"));
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("locked.yaml: error: is read-only; nothing was written"), "{}", ran.err);
    assert_eq!(folder.read("locked.yaml"), POD);
    assert!(fs::symlink_metadata(folder.file("link.yaml")).unwrap().is_symlink());
    assert!(folder.read("real/pod.yaml").contains("tolerations"));
    assert_eq!(fs::metadata(folder.file("real/pod.yaml")).unwrap().mode() & 0o777, 0o640);
    assert!(folder.read("other-name.yaml").contains("tolerations"));
    // Nothing is left beside the files.
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.filter(|name| name.starts_with(".buttress-")).count() == 0);
}

#[test]
fn a_diff_shows_what_a_fix_would_write() {
    let folder = Folder::new(&[("a/pod.yaml", POD)]);
    let ran = folder.run("lint --diff --select gpu-toleration-missing");
    assert_eq!(ran.code, 1);
    assert_eq!(folder.read("a/pod.yaml"), POD);
    assert!(ran.out.starts_with("--- a/a/pod.yaml\n+++ b/a/pod.yaml\n@@ "), "{}", ran.out);
    assert!(ran.out.contains("\n+  tolerations:\n"), "{}", ran.out);
    assert!(ran.err.contains("1 finding to repair in 1 file"), "{}", ran.err);
    let clean = folder.run("lint --diff --select privileged-container --fail-on never");
    assert_eq!((clean.code, clean.out.as_str()), (0, ""));
}

#[test]
fn stdin_comes_out_repaired_and_the_report_beside_it() {
    let folder = Folder::new(&[]);
    let ran = folder.process("lint - --fix --select gpu-toleration-missing", 1, POD);
    assert_eq!(ran.code, 0);
    assert!(ran.out.starts_with(POD) && ran.out.contains("tolerations:"), "{}", ran.out);
    assert!(ran.err.contains("1 finding repaired"), "{}", ran.err);
    assert_eq!(folder.run_with("lint - --fix", GOOD).out, GOOD);
}

#[test]
fn unsafe_repairs_are_made_only_when_asked_for() {
    let pod = POD.replace("    securityContext: {privileged: true}\n", "");
    let folder = Folder::new(&[("pod.yaml", &pod)]);
    let ran = folder.run("lint --fix --select missing-requests");
    assert!(ran.out.contains("1 repairable with --unsafe-fixes"), "{}", ran.out);
    assert_eq!(folder.read("pod.yaml"), pod);
    folder.run("lint --unsafe-fixes --select missing-requests");
    assert!(folder.read("pod.yaml").contains("requests:"));
}

#[test]
fn companions_are_added_as_documents_but_not_to_a_list() {
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: llm}\nspec:\n  replicas: 3\n  \
        selector: {matchLabels: {app: llm}}\n  template:\n    metadata: {labels: {app: llm}}\n    spec:\n      \
        containers:\n      - {name: a, image: 'vllm/vllm-openai:v0.11.0', args: [--model, Qwen/Qwen3-8B]}\n";
    let folder = Folder::new(&[("deploy.yaml", deployment)]);
    let line = "lint --fix --format json --select missing-disruption-budget";
    assert_eq!(folder.run(line).json()["summary"]["fixed"], 1);
    let after = folder.read("deploy.yaml");
    assert!(after.starts_with(&format!("{deployment}---\n")) && after.contains("kind: PodDisruptionBudget"), "{after}");

    let item = deployment.replace("\n  ", "\n    ").replace("\nkind", "\n  kind");
    let item = item.replace("\nmetadata", "\n  metadata").replace("\nspec", "\n  spec");
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- {item}");
    let folder = Folder::new(&[("list.yaml", &list)]);
    let ran = folder.run(line);
    assert_eq!(folder.read("list.yaml"), list);
    assert!(ran.json()["findings"][0]["fix"]["refused"].as_str().unwrap().contains("List"), "{}", ran.out);
}

#[test]
fn a_repair_that_cannot_be_written_does_not_keep_others_away() {
    // To set the limit of one container would set that of the other.
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec:\n  initContainers:\n  - name: i\n    \
        image: e.org/x:1\n    resources: &r\n      requests: {nvidia.com/gpu: 1}\n  containers:\n  - name: a\n    \
        image: e.org/x:1\n    resources: *r\n";
    let folder = Folder::new(&[("pod.yaml", text)]);
    let ran = folder.run("lint --fix --format json --select accelerator-limit-mismatch,gpu-toleration-missing");
    assert_eq!(ran.code, 1);
    let report = ran.json();
    assert_eq!(report["summary"]["fixed"], 1);
    let refused: Vec<_> = report["findings"].as_array().unwrap().iter().map(|one| &one["fix"]["refused"]).collect();
    assert_eq!(refused.len(), 2);
    assert!(
        refused.iter().all(|reason| reason.as_str().is_some_and(|reason| reason.contains(" line "))),
        "{refused:?}"
    );
    let after = folder.read("pod.yaml");
    assert!(after.starts_with(text) && after.contains("tolerations:"), "{after}");
}

#[test]
fn a_broken_document_is_kept_byte_by_byte() {
    let text = format!("a: b: c\n--- # next\n{POD}---\n{{{{ template }}}}\n");
    let folder = Folder::new(&[("pod.yaml", &text)]);
    let ran = folder.run("lint --fix --format json --select gpu-toleration-missing");
    assert_eq!((ran.code, &ran.json()["summary"]["fixed"]), (2, &1.into()));
    let after = folder.read("pod.yaml");
    assert!(
        after.starts_with("a: b: c\n--- # next\napiVersion") && after.ends_with("---\n{{ template }}\n"),
        "{after}"
    );
}
