//! `always-pulled-image`: an image of many gigabytes that the registry is asked for at every start, though its tag is fixed.

use serde_json::json;

use super::floating_image_tag::is_floating;
use crate::catalog::Completion;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::image::Image;
use crate::node::is_placeholder;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "always-pulled-image",
    summary: "an image of a fixed version is asked of the registry at every start",
    category: Category::Images,
    severity: Severity::Advice,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
With `imagePullPolicy: Always` the kubelet asks the registry at each start of a container, restarts after a crash included, \
whether the tag still means the image that the node has \
([image pull policy](https://kubernetes.io/docs/concepts/containers/images/#image-pull-policy)). For a tag that names a version \
the answer is always the same; what is left is that a model server cannot restart while the registry is down, limits requests \
or has a new password. `IfNotPresent`, which is also the default for such a tag, uses the image that is there. It is left to \
the author where tenants must not share what one of them may pull; pods themselves are not judged, because the admission plugin \
AlwaysPullImages sets the policy on all of them.",
    bad: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
spec:
  selector:
    matchLabels:
      app: llm
  template:
    metadata:
      labels:
        app: llm
    spec:
      containers:
        - name: server
          image: vllm/vllm-openai:v0.11.0
          imagePullPolicy: Always
          args: [--model, Qwen/Qwen3-8B]
          resources:
            limits:
              nvidia.com/gpu: 1
",
    good: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
spec:
  selector:
    matchLabels:
      app: llm
  template:
    metadata:
      labels:
        app: llm
    spec:
      containers:
        - name: server
          image: vllm/vllm-openai:v0.11.0
          imagePullPolicy: IfNotPresent
          args: [--model, Qwen/Qwen3-8B]
          resources:
            limits:
              nvidia.com/gpu: 1
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    if pod.is_pod() || pod.is_completed(Completion::Image) {
        return Vec::new();
    }
    let always = pod.ai_containers().filter_map(|(container, _)| {
        let policy = container.value().get("imagePullPolicy")?.as_str()?;
        let written = container.image().filter(|image| policy == "Always" && !is_placeholder(image))?;
        Image::parse(written).ok().filter(is_fixed).map(|_| container)
    });
    always
        .map(|container| {
            let message = format!(
                "{} asks the registry at every start although its image is of a fixed version: it cannot restart while the \
                 registry is away; `IfNotPresent` uses what the node has",
                container.title()
            );
            let policy = container.get("imagePullPolicy");
            let fix = Fix::r#unsafe("pull the image only where it is not present", vec![policy.set(json!("IfNotPresent"))]);
            RULE.finding(policy.path().clone(), message).with_fix(fix)
        })
        .collect()
}

/// Whether the reference means one image for good: by its digest, or by a tag that names a version down to its second part.
/// Tags such as `v1` or `stable` are moved on by many.
fn is_fixed(image: &Image<'_>) -> bool {
    const BUILDS: &[&str] = &["nightly", "latest", "snapshot", "dev", "main", "master", "edge", "preview"];
    if image.digest.is_some() {
        return true;
    }
    image.tag.is_some_and(|tag| {
        let tag = tag.to_ascii_lowercase();
        names_version(&tag) && !is_floating(&tag) && !BUILDS.iter().any(|build| tag.contains(build))
    })
}

/// Whether the tag begins with a version, such as `v0.5.3.post1-cu128`. Behind other words, numbers are versions of what the
/// image is built on, or of a branch: `server-cuda12.4`, `release-1.2`.
fn names_version(tag: &str) -> bool {
    let version = tag.strip_prefix('v').unwrap_or(tag).split(['-', '_']).next().unwrap_or_default();
    let is_number = |part: &str| part.starts_with(|first: char| first.is_ascii_digit());
    // Neither `1.x` nor `1.2.x` says which.
    let is_whole = |part: &str| part.ends_with(|last: char| last.is_ascii_digit());
    version.split('.').take_while(|part| is_number(part)).count() >= 2 && version.split('.').all(is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_program() {
        for tag in ["v0.11.0", "0.12.3", "1.8", "v0.5.3.post1-cu128", "24.05-py3", "v0.10.1rc1", "2.4.0_ubuntu22"] {
            assert!(names_version(tag), "{tag}");
        }
        for tag in [
            "server-cuda12.4",
            "cu12.8",
            "py3.11-torch2.4",
            "release-1.2",
            "v1.x-rocm6.2",
            "1.2.x",
            "v1-2.3",
            "1",
            "1.",
            "v",
            "",
        ] {
            assert!(!names_version(tag), "{tag}");
        }
    }
}
