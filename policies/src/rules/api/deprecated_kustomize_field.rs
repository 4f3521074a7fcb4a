//! `deprecated-kustomize-field`: a field of a kustomization that Kustomize is about to drop.

use crate::context::Context;
use crate::finding::Finding;
use crate::object::Object;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};

/// The rule.
pub static RULE: Rule = Rule {
    name: "deprecated-kustomize-field",
    summary: "the kustomization uses a field that Kustomize has deprecated",
    category: Category::Api,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
Kustomize 5 still reads these fields with a warning; `kustomize.config.k8s.io/v1` will not have them: \
`patchesStrategicMerge` and `patchesJson6902` became `patches`, `bases` became `resources`, `commonLabels` became `labels` \
and `vars` became `replacements`. `kustomize edit fix` rewrites a kustomization; see the \
[reference](https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/).",
    bad: "\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - deployment.yaml
patchesStrategicMerge:
  - replicas.yaml
",
    good: "\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - deployment.yaml
patches:
  - path: replicas.yaml
",
    fixable: Fixable::No,
    check: Check::Object(check),
};

/// The deprecated fields, and what to write.
///
/// Source: kubernetes-sigs/kustomize `api/types/fix.go` and `api/types/kustomization.go`.
const FIELDS: &[(&str, &str)] = &[
    ("bases", "list it under `resources`"),
    ("commonLabels", "write `labels`, with `includeSelectors: true` where selectors shall have them too"),
    ("imageTags", "write `images`"),
    ("patchesJson6902", "write `patches` with `target` and `path` or `patch`"),
    ("patchesStrategicMerge", "write `patches` with `path` or `patch`"),
    ("vars", "write `replacements`"),
];

fn check(object: &Object<'_>, _: &Context<'_>) -> Vec<Finding> {
    let identity = object.identity();
    if identity.group != "kustomize.config.k8s.io" || !matches!(identity.kind, "Kustomization" | "Component") {
        return Vec::new();
    }
    let present = FIELDS.iter().map(|(field, instead)| (field, instead, object.root().get(field)));
    present
        .filter(|(_, _, node)| !node.is_absent())
        .map(|(field, instead, node)| {
            let message = format!("`{field}` is deprecated: {instead}; `kustomize edit fix` does it");
            RULE.finding(node.path().clone(), message)
        })
        .collect()
}
