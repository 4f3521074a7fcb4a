//! `static-cloud-credentials`: long-lived keys of a cloud in a pod that could have an identity of its own.

use crate::context::Context;
use crate::finding::Finding;
use crate::node::{Node, list, text};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "static-cloud-credentials",
    summary: "the pod gets long-lived cloud keys instead of an identity of its own",
    category: Category::Secrets,
    severity: Severity::Advice,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
A cloud key in a variable never expires by itself, is seen by every process of the container and works from everywhere. Pods can \
have identities that hand out short-lived ones: \
[EKS Pod Identity or IRSA](https://docs.aws.amazon.com/eks/latest/userguide/service-accounts.html), \
[Workload Identity on GKE](https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity) and \
[on AKS](https://learn.microsoft.com/azure/aks/workload-identity-overview). Where the pod names another endpoint, as for MinIO, \
there is no such identity, and the rule is silent. A key in clear text is another rule's.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: backup
spec:
  containers:
    - name: sync
      image: registry.example.com/team/sync:1.4.0
      env:
        - name: AWS_SECRET_ACCESS_KEY
          valueFrom:
            secretKeyRef:
              name: aws
              key: secret-access-key
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: backup
spec:
  serviceAccountName: backup
  containers:
    - name: sync
      image: registry.example.com/team/sync:1.4.0
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

/// The variables that hold the secret half of a cloud's key, and what takes its place.
const KEYS: &[(&str, &str)] = &[
    ("AWS_SECRET_ACCESS_KEY", "EKS Pod Identity or an IAM role of the service account"),
    ("AZURE_CLIENT_SECRET", "workload identity of the service account"),
];

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for container in pod.containers() {
        let variables = list(container.value(), "env");
        let found = variables.iter().position(|variable| {
            text(variable, "name").is_some_and(|name| KEYS.iter().any(|(key, _)| *key == name))
                && variable.get("valueFrom").is_some_and(|from| from.get("secretKeyRef").is_some())
        });
        let Some(index) = found else { continue };
        if names_endpoint(pod) {
            return Vec::new();
        }
        let Some((key, instead)) = KEYS.iter().find(|(key, _)| text(&variables[index], "name") == Some(key)) else {
            continue;
        };
        let at = Node::at(pod.object(), container.path().key("env").index(index));
        let message = format!("{} gets long-lived cloud keys through `{key}`: use {instead}", container.title());
        findings.push(RULE.finding(at.path().clone(), message));
    }
    findings
}

/// Whether the pod speaks to a store of its own, which knows no identities of a cloud: by a variable that names an endpoint, or an
/// argument that does.
fn names_endpoint(pod: &Pod<'_>) -> bool {
    pod.containers().iter().any(|container| {
        let named = |name: &str| {
            let name = name.to_ascii_uppercase();
            name.contains("ENDPOINT") || name.contains("MINIO") || name.contains("S3_URL") || name.contains("S3_HOST")
        };
        let told = |word: &str| word.contains("endpoint") || word.contains("minio");
        list(container.value(), "env")
            .iter()
            .any(|variable| text(variable, "name").is_some_and(named) || text(variable, "value").is_some_and(told))
            || !list(container.value(), "envFrom").is_empty()
            || container.command().iter().chain(container.args().iter()).any(|word| told(word))
            || container.image().is_some_and(told)
    })
}
