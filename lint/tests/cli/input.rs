//! What is read, what is left alone, and what is said of input that is no good.

use crate::support::{Folder, GOOD, POD};

const JSON: &str = "lint --format json --select privileged-container";

#[test]
fn gitignore_counts_for_folders_and_not_for_named_files() {
    let folder = Folder::new(&[(".gitignore", "build/\n"), ("build/pod.yaml", POD), (".github/pod.yml", POD)]);
    let found = "/spec/containers/0/securityContext/privileged privileged-container";
    assert_eq!(folder.run(JSON).findings(), [format!(".github/pod.yml 0 {found}")]);
    let named = folder.run(&format!("{JSON} build/pod.yaml ."));
    assert_eq!(named.findings(), [format!(".github/pod.yml 0 {found}"), format!("build/pod.yaml 0 {found}")]);
}

#[test]
fn other_yaml_and_json_is_left_alone() {
    let folder = Folder::new(&[
        ("values.yaml", "image: {tag: latest}\n"),
        ("package.json", "{\"name\": \"x\"}"),
        ("tsconfig.json", "{ // a comment\n \"a\": 1,\n}"),
        ("list.json", "[1, 2]"),
        ("notes.txt", POD),
    ]);
    let ran = folder.run("lint");
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    assert_eq!(ran.err, "note: no Kubernetes manifests found\n");
}

#[test]
fn templates_are_skipped_and_broken_yaml_is_an_error_beside_good() {
    let folder = Folder::new(&[
        ("bad.yaml", "apiVersion: v1\nkind: [\n"),
        ("chart/templates/x.yaml", "kind: Pod\n{{ if .Values.x }}\na: 1\n{{ end }}\n"),
        ("pod.yaml", &format!("{POD}---\na: b: c\n---\n{GOOD}")),
    ]);
    let ran = folder.run(JSON);
    assert_eq!(ran.code, 2);
    assert_eq!(ran.findings().len(), 1);
    let report = ran.json();
    let errors: Vec<_> = report["errors"].as_array().unwrap().iter().map(|one| (&one["file"], &one["line"])).collect();
    assert_eq!(errors, [(&"bad.yaml".into(), &2.into()), (&"pod.yaml".into(), &14.into())]);
    assert_eq!(report["skipped"][0]["file"], "chart/templates/x.yaml");
    assert_eq!(report["summary"]["documents"], 2);
    assert!(ran.err.contains("bad.yaml:2:"), "{}", ran.err);
}

#[test]
fn what_cannot_be_read_is_told_with_its_place_and_way_out() {
    let folder = Folder::new(&[("pod.yaml", POD)]);
    folder.write("latin.yaml", b"apiVersion: v1\nkind: caf\xe9\n");
    folder.write("wide.yaml", b"\xff\xfea\0");
    let deep = format!("a: {}{}\n", "[".repeat(20_000), "]".repeat(20_000));
    folder.write("deep.yaml", &deep);
    let bomb: String =
        (1..9).map(|n| format!("k{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(","))).collect();
    folder.write("bomb.yaml", format!("k0: &a0 [x,x,x,x,x,x,x,x,x]\n{bomb}"));
    std::fs::File::create(folder.file("huge.yaml")).unwrap().set_len(100 << 20).unwrap();
    let ran = folder.run(&format!("{JSON} . nowhere.yaml pod.yaml/x"));
    assert_eq!((ran.code, ran.findings().len()), (2, 1));
    for told in [
        "nowhere.yaml: error: there is no such file",
        "pod.yaml/x: error: cannot be read: not a directory",
        "bomb.yaml:",
        "deep.yaml:1:",
        "huge.yaml: error: is longer than 32 MiB and is not read; split it",
        "latin.yaml:2:10: error: is not UTF-8 text (byte 0xe9); save it as UTF-8",
        "wide.yaml: error: is UTF-16 text; save it as UTF-8",
    ] {
        assert!(ran.err.contains(told), "{told}\n{}", ran.err);
    }
    assert_eq!(ran.json()["errors"].as_array().unwrap().len(), 7);
}

#[test]
fn an_empty_file_and_wrong_types_are_no_error() {
    let odd = "apiVersion: apps/v1\nkind: Deployment\nmetadata: 3\nspec: {replicas: x, template: [1]}\n---\n\
        apiVersion: v1\nkind: Pod\nspec: {containers: [1, null, {name: [], image: {}, env: 7}], volumes: x}\n---\n\
        apiVersion: example.org/v9\nkind: Whatever\nspec: null\n";
    let folder = Folder::new(&[("empty.yaml", ""), ("odd.yaml", odd)]);
    let ran = folder.run("lint empty.yaml odd.yaml --fix --unsafe-fixes");
    assert!(ran.code < 2, "{}", ran.err);
    assert!(ran.err.contains("empty.yaml: holds no Kubernetes manifest"), "{}", ran.err);
    assert_eq!(folder.run_with("lint -", "").code, 0);
}

#[cfg(unix)]
#[test]
fn links_are_followed_when_named_and_not_when_walked() {
    let folder = Folder::new(&[("real/pod.yaml", POD), ("other/keep.yaml", GOOD)]);
    std::os::unix::fs::symlink("../real/pod.yaml", folder.file("other/link.yaml")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.file("other/dangling.yaml")).unwrap();
    assert!(folder.run(&format!("{JSON} other")).findings().is_empty());
    assert_eq!(folder.run(&format!("{JSON} other/link.yaml")).findings().len(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_by_name_is_read_once() {
    let folder = Folder::new(&[]);
    let ran = folder.process("lint /dev/stdin --format json --select privileged-container", 1, POD);
    assert_eq!(ran.findings().len(), 1, "{}", ran.err);
}

#[test]
fn kustomize_patches_are_neither_judged_nor_repaired() {
    let patch = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: llm}
spec:
  template:
    spec:
      containers:
      - name: server
        image: vllm/vllm-openai:v0.11.0
        args: [--model, Qwen/Qwen3-8B]
        resources:
          limits: {nvidia.com/gpu: 1}
";
    let removal = "apiVersion: policy/v1beta1\nkind: PodSecurityPolicy\nmetadata: {name: old}\n$patch: delete\n";
    let kustomization = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../base]\npatches:\n- path: ./sub/../image.yaml\n";
    let folder = Folder::new(&[
        ("base/deployment.yaml", patch),
        ("overlay/kustomization.yaml", kustomization),
        ("overlay/image.yaml", patch),
        ("overlay/removal.yaml", removal),
    ]);
    for line in ["lint --format json .", "lint --format json overlay/image.yaml overlay/removal.yaml"] {
        let ran = folder.run(line);
        let report = ran.json();
        let skipped: Vec<_> =
            report["skipped"].as_array().unwrap().iter().map(|skipped| skipped["file"].as_str().unwrap()).collect();
        assert_eq!(skipped, ["overlay/image.yaml", "overlay/removal.yaml"], "{line}: {}", ran.out);
        assert!(!ran.findings().iter().any(|finding| finding.contains("overlay/")), "{line}: {}", ran.out);
    }
    assert!(!folder.run("lint --format json .").findings().is_empty(), "the base is judged");
    folder.run("lint --fix --unsafe-fixes .");
    assert_eq!(folder.read("overlay/image.yaml"), patch);
    assert_ne!(folder.read("base/deployment.yaml"), patch);
}
