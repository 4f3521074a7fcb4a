//! `removed-api`: an API version that Kubernetes no longer serves.

use crate::context::Context;
use crate::finding::Finding;
use crate::object::{Identity, Object};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};

/// The rule.
pub static RULE: Rule = Rule {
    name: "removed-api",
    summary: "Kubernetes no longer serves this API version",
    category: Category::Api,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
Kubernetes takes old API versions away, and an object in one of them is refused with *no matches for kind*. The \
[deprecation guide](https://kubernetes.io/docs/reference/using-api/deprecation-guide/) lists them release by release with \
what changed; `kubectl convert` rewrites most. PodSecurityPolicy has no successor of its kind: namespaces carry a level of \
the Pod Security Standards as a label instead. There is no repair, as fields changed too.",
    bad: "\
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
metadata:
  name: llm
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      app: llm
",
    good: "\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: llm
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      app: llm
",
    fixable: Fixable::No,
    check: Check::Object(check),
};

/// A version that is no longer served.
pub(super) struct Removal {
    /// The group and versions.
    group: &'static str,
    versions: &'static [&'static str],
    /// The kinds that it had.
    kinds: &'static [&'static str],
    /// The minor release that has it no more.
    minor: u32,
    /// What to write, and what else to mind.
    instead: &'static str,
}

const RBAC: &[&str] = &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];

/// Source: the deprecation guide, release by release.
const REMOVALS: &[Removal] = &[
    Removal {
        group: "extensions",
        versions: &["v1beta1"],
        kinds: &["DaemonSet", "Deployment", "ReplicaSet"],
        minor: 16,
        instead: "write `apps/v1`, where `spec.selector` is required",
    },
    Removal {
        group: "apps",
        versions: &["v1beta1", "v1beta2"],
        kinds: &["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"],
        minor: 16,
        instead: "write `apps/v1`, where `spec.selector` is required",
    },
    Removal {
        group: "extensions",
        versions: &["v1beta1"],
        kinds: &["NetworkPolicy"],
        minor: 16,
        instead: "write `networking.k8s.io/v1`",
    },
    Removal { group: "batch", versions: &["v2alpha1"], kinds: &["CronJob"], minor: 21, instead: "write `batch/v1`" },
    Removal {
        group: "extensions",
        versions: &["v1beta1"],
        kinds: &["Ingress"],
        minor: 22,
        instead: "write `networking.k8s.io/v1`, where each path has a `pathType` and `backend.service`",
    },
    Removal {
        group: "networking.k8s.io",
        versions: &["v1beta1"],
        kinds: &["Ingress"],
        minor: 22,
        instead: "write `networking.k8s.io/v1`, where each path has a `pathType` and `backend.service`",
    },
    Removal {
        group: "networking.k8s.io",
        versions: &["v1beta1"],
        kinds: &["IngressClass"],
        minor: 22,
        instead: "write `networking.k8s.io/v1`",
    },
    Removal {
        group: "admissionregistration.k8s.io",
        versions: &["v1beta1"],
        kinds: &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"],
        minor: 22,
        instead: "write `admissionregistration.k8s.io/v1`, where `sideEffects` and `admissionReviewVersions` are required",
    },
    Removal {
        group: "apiextensions.k8s.io",
        versions: &["v1beta1"],
        kinds: &["CustomResourceDefinition"],
        minor: 22,
        instead: "write `apiextensions.k8s.io/v1`, where each version has a structural schema",
    },
    Removal {
        group: "apiregistration.k8s.io",
        versions: &["v1beta1"],
        kinds: &["APIService"],
        minor: 22,
        instead: "write `apiregistration.k8s.io/v1`",
    },
    Removal {
        group: "certificates.k8s.io",
        versions: &["v1beta1"],
        kinds: &["CertificateSigningRequest"],
        minor: 22,
        instead: "write `certificates.k8s.io/v1`, where `signerName` and `usages` are required",
    },
    Removal {
        group: "coordination.k8s.io",
        versions: &["v1beta1"],
        kinds: &["Lease"],
        minor: 22,
        instead: "write `coordination.k8s.io/v1`",
    },
    Removal {
        group: "rbac.authorization.k8s.io",
        versions: &["v1beta1"],
        kinds: RBAC,
        minor: 22,
        instead: "write `rbac.authorization.k8s.io/v1`",
    },
    Removal {
        group: "scheduling.k8s.io",
        versions: &["v1beta1"],
        kinds: &["PriorityClass"],
        minor: 22,
        instead: "write `scheduling.k8s.io/v1`",
    },
    Removal {
        group: "storage.k8s.io",
        versions: &["v1beta1"],
        kinds: &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"],
        minor: 22,
        instead: "write `storage.k8s.io/v1`",
    },
    Removal { group: "batch", versions: &["v1beta1"], kinds: &["CronJob"], minor: 25, instead: "write `batch/v1`" },
    Removal {
        group: "discovery.k8s.io",
        versions: &["v1beta1"],
        kinds: &["EndpointSlice"],
        minor: 25,
        instead: "write `discovery.k8s.io/v1`",
    },
    Removal {
        group: "events.k8s.io",
        versions: &["v1beta1"],
        kinds: &["Event"],
        minor: 25,
        instead: "write `events.k8s.io/v1`",
    },
    Removal {
        group: "autoscaling",
        versions: &["v2beta1"],
        kinds: &["HorizontalPodAutoscaler"],
        minor: 25,
        instead: "write `autoscaling/v2`, where each metric has its numbers under `target`",
    },
    Removal {
        group: "node.k8s.io",
        versions: &["v1beta1"],
        kinds: &["RuntimeClass"],
        minor: 25,
        instead: "write `node.k8s.io/v1`",
    },
    Removal {
        group: "policy",
        versions: &["v1beta1"],
        kinds: &["PodDisruptionBudget"],
        minor: 25,
        instead: "write `policy/v1`, where an empty selector selects every pod of the namespace",
    },
    Removal {
        group: "policy",
        // It never came to `v1`, where it is written all the same.
        versions: &["v1", "v1beta1"],
        kinds: &["PodSecurityPolicy"],
        minor: 25,
        instead: "nothing takes its place: label namespaces `pod-security.kubernetes.io/enforce` with `baseline` or `restricted`",
    },
    Removal {
        group: "extensions",
        versions: &["v1beta1"],
        kinds: &["PodSecurityPolicy"],
        minor: 16,
        instead: "nothing takes its place: label namespaces `pod-security.kubernetes.io/enforce` with `baseline` or `restricted`",
    },
    Removal {
        group: "autoscaling",
        versions: &["v2beta2"],
        kinds: &["HorizontalPodAutoscaler"],
        minor: 26,
        instead: "write `autoscaling/v2`, which has the same fields",
    },
    Removal {
        group: "storage.k8s.io",
        versions: &["v1beta1"],
        kinds: &["CSIStorageCapacity"],
        minor: 27,
        instead: "write `storage.k8s.io/v1`",
    },
    Removal {
        group: "flowcontrol.apiserver.k8s.io",
        versions: &["v1alpha1", "v1beta1", "v1beta2"],
        kinds: &["FlowSchema", "PriorityLevelConfiguration"],
        minor: 29,
        instead: "write `flowcontrol.apiserver.k8s.io/v1`",
    },
    Removal {
        group: "resource.k8s.io",
        versions: &["v1alpha2"],
        kinds: &["ResourceClaim", "ResourceClaimTemplate", "ResourceClass"],
        minor: 31,
        instead: "write `resource.k8s.io/v1`, where requests name a DeviceClass",
    },
    Removal {
        group: "flowcontrol.apiserver.k8s.io",
        versions: &["v1beta3"],
        kinds: &["FlowSchema", "PriorityLevelConfiguration"],
        minor: 32,
        instead: "write `flowcontrol.apiserver.k8s.io/v1`",
    },
];

/// The removal of an object's version.
pub(super) fn removal(identity: Identity<'_>) -> Option<&'static Removal> {
    // Almost every object has a version of its own kind that is served: `v1`.
    if identity.version == "v1" && identity.kind != "PodSecurityPolicy" {
        return None;
    }
    REMOVALS.iter().find(|removal| {
        removal.group == identity.group
            && removal.kinds.contains(&identity.kind)
            && removal.versions.contains(&identity.version)
    })
}

fn check(object: &Object<'_>, _: &Context<'_>) -> Vec<Finding> {
    let identity = object.identity();
    let Some(removal) = removal(identity) else { return Vec::new() };
    // What says that it is a patch, or holds nothing but metadata as one of annotations does, is no object by itself.
    let mut fields = object.root().entries().map(|(field, _)| field);
    if object.is_patch() || fields.all(|field| matches!(field, "apiVersion" | "kind" | "metadata")) {
        return Vec::new();
    }
    let node = object.root().get("apiVersion");
    let message = format!(
        "`{}` of {} is gone since Kubernetes 1.{}; {}",
        node.as_str().unwrap_or_default(),
        identity.kind,
        removal.minor,
        removal.instead
    );
    vec![RULE.finding(node.path().clone(), message)]
}
