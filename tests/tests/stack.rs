//! The self-healing stack, end to end: `tests/stack` is one project that carries every defect that public write-ups of such
//! systems carry, each marked on its line. All of it is in sight at once, as a linter of the folder sees it, and each defect
//! must be found at its place and by the rule that stands in the table, and the rules of the table must find nothing else.

use std::collections::BTreeSet;
use std::fs;

use buttress_policies::context::Context;
use buttress_policies::inventory::Inventory;
use buttress_policies::policy::Effective;
use buttress_policies::rules;
use buttress_tests::marks::{self, Marks};
use buttress_tests::{laws, manifests};
use buttress_yaml::File;

/// The defects: what is wrong, the rule that must find it, and the file in which its line is marked.
const DEFECTS: &[(&str, &str, &str)] = &[
    ("a ServiceMonitor in `v1`", "wrong-api-version", "blog.yaml"),
    ("a Deployment without selector and labels", "missing-selector", "blog.yaml"),
    ("a GPU request without a limit", "accelerator-limit-mismatch", "blog.yaml"),
    ("a GPU request without a limit in a CronJob", "accelerator-limit-mismatch", "training/jobs.yaml"),
    ("a GPU workload without a toleration", "gpu-toleration-missing", "blog.yaml"),
    ("a removed API", "removed-api", "blog.yaml"),
    ("floating tags", "floating-image-tag", "blog.yaml"),
    ("no seccomp profile in a restricted namespace", "missing-seccomp-profile", "answers.yaml"),
    ("privilege escalation not off in a restricted namespace", "privilege-escalation", "answers.yaml"),
    ("capabilities not dropped in a restricted namespace", "undropped-capabilities", "answers.yaml"),
    ("root not refused in a restricted namespace", "root-user", "answers.yaml"),
    ("a Service port that the NetworkPolicy shuts", "network-policy-blocks-service", "answers.yaml"),
    ("a namespaceSelector on a label that nothing sets", "unmatched-namespace-selector", "answers.yaml"),
    ("passwords and a registry credential in clear text", "committed-secret", "blog.yaml"),
    ("a connection string with a password in a variable", "literal-secret", "blog.yaml"),
    ("cloud keys through variables", "static-cloud-credentials", "training/jobs.yaml"),
    ("an undefined priority class", "undefined-priority-class", "blog.yaml"),
    ("a Helm expression in a plain manifest", "unrendered-expression", "blog.yaml"),
    ("an authorization rule that lets everyone in", "open-authorization-policy", "answers.yaml"),
    ("hostPath in a DaemonSet", "host-path-volume", "edge/shops.yaml"),
    (
        "a ReadWriteOnce claim shared by replicas kept on different nodes",
        "shared-read-write-once-claim",
        "answers.yaml",
    ),
    ("`replicas` although an autoscaler owns it", "replicas-under-autoscaler", "blog.yaml"),
    ("two autoscalers on one resource", "competing-autoscalers", "blog.yaml"),
    ("a preStop sleep as long as the grace period", "grace-shorter-than-pre-stop", "edge/shops.yaml"),
    ("checkpoints on an emptyDir with retries", "checkpoint-on-empty-dir", "training/jobs.yaml"),
    ("parallelism above completions", "parallelism-above-completions", "training/jobs.yaml"),
    ("a model server without probes", "missing-startup-probe", "blog.yaml"),
    ("a model server without probes", "missing-readiness-probe", "blog.yaml"),
    ("a model server without probes", "missing-liveness-probe", "blog.yaml"),
    ("a model server without a memory limit", "missing-memory-limit", "blog.yaml"),
    ("a deprecated field of Kustomize", "deprecated-kustomize-field", "edge/kustomization.yaml"),
    ("a public load balancer before an unauthenticated server", "unauthenticated-public-server", "blog.yaml"),
];

/// A file of the project.
struct Source {
    name: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = manifests::repository().join("tests/stack");
    let files = manifests::files(&root, &["yaml"]);
    files
        .into_iter()
        .map(|path| Source {
            name: path.strip_prefix(&root).expect("it lies in the folder").to_string_lossy().into_owned(),
            text: fs::read_to_string(&path).expect("a manifest is UTF-8"),
        })
        .collect()
}

fn inventory(sources: &[Source], policy: &Effective) -> Inventory {
    let mut inventory = Inventory::whole();
    for source in sources {
        for object in manifests::objects(&source.text) {
            inventory.add(&object, &source.name, policy.catalog());
        }
    }
    inventory
}

/// The marks of the rules of the table.
fn of_table(marks: Marks) -> Marks {
    let rules: BTreeSet<&str> = DEFECTS.iter().map(|(_, rule, _)| *rule).collect();
    let kept = marks.into_iter().map(|(line, mut names)| {
        names.retain(|name| rules.contains(name.as_str()));
        (line, names)
    });
    kept.filter(|(_, names)| !names.is_empty()).collect()
}

#[test]
fn each_defect_is_found_at_its_place_and_nothing_else_is() {
    let sources = sources();
    let policy = Effective::recommended();
    let inventory = inventory(&sources, &policy);
    for source in &sources {
        let context = Context { origin: &source.name, ..laws::context(&policy, &inventory) };
        let found = of_table(marks::found(&File::parse(source.text.as_str()), &context));
        assert_eq!(found, marks::expected(&source.text), "{}: found on the left, expected on the right", source.name);
    }
}

#[test]
fn each_defect_of_the_table_is_marked() {
    let sources = sources();
    for (defect, rule, file) in DEFECTS {
        assert!(rules::find(rule).is_some(), "{defect}: no rule is called {rule}");
        let source = sources.iter().find(|source| source.name == *file);
        let marked =
            source.is_some_and(|source| marks::expected(&source.text).values().any(|names| names.contains(*rule)));
        assert!(marked, "{defect}: no line of {file} is marked with {rule}");
    }
}
