//! `floating-image-tag`: an image reference that means another image tomorrow.

use crate::context::Context;
use crate::finding::Finding;
use crate::image::Image;
use crate::node::is_placeholder;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "floating-image-tag",
    summary: "the image tag moves, so a restart may bring up another version",
    category: Category::Images,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
A pod that is rescheduled pulls what the tag means on that day: replicas of one Deployment run different versions, a \
rollback brings nothing back, and a model server's flags and endpoints change without anybody deploying anything. \
Kubernetes pulls such a tag on every start \
([image pull policy](https://kubernetes.io/docs/concepts/containers/images/#imagepullpolicy-defaulting)), which for an \
image of many gigabytes is minutes. Name a version, or better a digest. There is no repair: which version is meant, \
only the author knows.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
    - name: web
      image: registry.example.com:5000/team/web
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
    - name: web
      image: registry.example.com:5000/team/web:2.3.1
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for container in pod.containers() {
        let Some(written) = container.image().filter(|image| !stands_for_another(image)) else { continue };
        let Ok(image) = Image::parse(written) else { continue };
        if image.digest.is_some() {
            continue;
        }
        let message = match image.tag {
            None => format!("{} runs an image without a tag, which means `latest`", container.title()),
            Some(tag) if is_floating(tag) => format!("{} runs an image by the moving tag `{tag}`", container.title()),
            Some(_) => continue,
        };
        findings.push(RULE.finding(container.path().key("image"), message));
    }
    findings
}

/// Whether the reference is replaced before a kubelet sees it: by a template, by Istio's injector (`auto`), or by the build of
/// an operator that was made with Kubebuilder.
fn stands_for_another(image: &str) -> bool {
    is_placeholder(image) || matches!(image, "auto" | "controller" | "controller:latest")
}

/// Whether projects move such a tag with each build.
pub(super) fn is_floating(tag: &str) -> bool {
    const MOVING: &[&str] = &["latest", "main", "master", "nightly", "edge", "dev", "develop", "head", "canary", "tip"];
    let tag = tag.to_ascii_lowercase();
    MOVING.contains(&tag.as_str()) || tag.starts_with("latest-") || tag.ends_with("-latest")
}
