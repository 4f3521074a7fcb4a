//! Which kinds the groups of Kubernetes itself have, and where well-known kinds beside them live.
//!
//! Source: kubernetes/api (`<group>/<version>/register.go`), and the CRDs of the projects named.

/// Kinds of Kubernetes itself: kind, group, and the version to write. Sorted by kind. Kinds that stand in two of these groups
/// (`Event`) are left out, as are those that nobody writes.
const BUILT_IN: &[(&str, &str, &str)] = &[
    ("APIService", "apiregistration.k8s.io", "v1"),
    ("CSIDriver", "storage.k8s.io", "v1"),
    ("CertificateSigningRequest", "certificates.k8s.io", "v1"),
    ("ClusterRole", "rbac.authorization.k8s.io", "v1"),
    ("ClusterRoleBinding", "rbac.authorization.k8s.io", "v1"),
    ("ConfigMap", "", "v1"),
    ("CronJob", "batch", "v1"),
    ("CustomResourceDefinition", "apiextensions.k8s.io", "v1"),
    ("DaemonSet", "apps", "v1"),
    ("Deployment", "apps", "v1"),
    ("DeviceClass", "resource.k8s.io", "v1"),
    ("EndpointSlice", "discovery.k8s.io", "v1"),
    ("Endpoints", "", "v1"),
    ("HorizontalPodAutoscaler", "autoscaling", "v2"),
    ("Ingress", "networking.k8s.io", "v1"),
    ("IngressClass", "networking.k8s.io", "v1"),
    ("Job", "batch", "v1"),
    ("Lease", "coordination.k8s.io", "v1"),
    ("LimitRange", "", "v1"),
    ("MutatingWebhookConfiguration", "admissionregistration.k8s.io", "v1"),
    ("Namespace", "", "v1"),
    ("NetworkPolicy", "networking.k8s.io", "v1"),
    ("Node", "", "v1"),
    ("PersistentVolume", "", "v1"),
    ("PersistentVolumeClaim", "", "v1"),
    ("Pod", "", "v1"),
    ("PodDisruptionBudget", "policy", "v1"),
    ("PodTemplate", "", "v1"),
    ("PriorityClass", "scheduling.k8s.io", "v1"),
    ("ReplicaSet", "apps", "v1"),
    ("ReplicationController", "", "v1"),
    ("ResourceClaim", "resource.k8s.io", "v1"),
    ("ResourceClaimTemplate", "resource.k8s.io", "v1"),
    ("ResourceQuota", "", "v1"),
    ("Role", "rbac.authorization.k8s.io", "v1"),
    ("RoleBinding", "rbac.authorization.k8s.io", "v1"),
    ("RuntimeClass", "node.k8s.io", "v1"),
    ("Secret", "", "v1"),
    ("Service", "", "v1"),
    ("ServiceAccount", "", "v1"),
    ("StatefulSet", "apps", "v1"),
    ("StorageClass", "storage.k8s.io", "v1"),
    ("ValidatingAdmissionPolicy", "admissionregistration.k8s.io", "v1"),
    ("ValidatingAdmissionPolicyBinding", "admissionregistration.k8s.io", "v1"),
    ("ValidatingWebhookConfiguration", "admissionregistration.k8s.io", "v1"),
    ("VolumeAttributesClass", "storage.k8s.io", "v1"),
];

/// Kinds of widespread custom resources that stand in one group only. Sorted by kind.
const CUSTOM: &[(&str, &str, &str)] = &[
    ("Alertmanager", "monitoring.coreos.com", "v1"),
    ("AlertmanagerConfig", "monitoring.coreos.com", "v1alpha1"),
    ("ClusterIssuer", "cert-manager.io", "v1"),
    ("ClusterQueue", "kueue.x-k8s.io", "v1beta1"),
    ("ClusterSecretStore", "external-secrets.io", "v1"),
    ("ClusterTriggerAuthentication", "keda.sh", "v1alpha1"),
    ("DestinationRule", "networking.istio.io", "v1"),
    ("EnvoyFilter", "networking.istio.io", "v1alpha3"),
    ("ExternalSecret", "external-secrets.io", "v1"),
    ("GRPCRoute", "gateway.networking.k8s.io", "v1"),
    ("GatewayClass", "gateway.networking.k8s.io", "v1"),
    ("HTTPRoute", "gateway.networking.k8s.io", "v1"),
    ("LocalQueue", "kueue.x-k8s.io", "v1beta1"),
    ("PeerAuthentication", "security.istio.io", "v1"),
    ("PodMonitor", "monitoring.coreos.com", "v1"),
    ("Prometheus", "monitoring.coreos.com", "v1"),
    ("PrometheusRule", "monitoring.coreos.com", "v1"),
    ("RequestAuthentication", "security.istio.io", "v1"),
    ("ScaledJob", "keda.sh", "v1alpha1"),
    ("ScaledObject", "keda.sh", "v1alpha1"),
    ("ServiceEntry", "networking.istio.io", "v1"),
    ("ServiceMonitor", "monitoring.coreos.com", "v1"),
    ("ThanosRuler", "monitoring.coreos.com", "v1"),
    ("TriggerAuthentication", "keda.sh", "v1alpha1"),
    ("VerticalPodAutoscaler", "autoscaling.k8s.io", "v1"),
    ("VirtualService", "networking.istio.io", "v1"),
];

/// Groups of Kubernetes itself, which have the kinds that it comes with and no others. Sorted.
const GROUPS: &[&str] = &[
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "extensions",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Groups of custom resources in which nobody else puts kinds of his own. Sorted.
const CLOSED: &[&str] =
    &["autoscaling.k8s.io", "keda.sh", "monitoring.coreos.com", "networking.istio.io", "security.istio.io"];

/// Whether a group is one of Kubernetes itself.
pub(crate) fn is_built_in(group: &str) -> bool {
    GROUPS.binary_search(&group).is_ok()
}

/// Whether a group is known to have no kinds but those of its project.
pub(super) fn is_closed(group: &str) -> bool {
    is_built_in(group) || CLOSED.binary_search(&group).is_ok()
}

/// Where Kubernetes itself has this kind: the group and the version to write.
pub(super) fn built_in(kind: &str) -> Option<(&'static str, &'static str)> {
    find(BUILT_IN, kind)
}

/// Where a widespread custom resource of this kind stands.
pub(super) fn custom(kind: &str) -> Option<(&'static str, &'static str)> {
    find(CUSTOM, kind)
}

fn find(table: &[(&'static str, &'static str, &'static str)], kind: &str) -> Option<(&'static str, &'static str)> {
    let at = table.binary_search_by(|(known, _, _)| (*known).cmp(kind)).ok()?;
    let (_, group, version) = table[at];
    Some((group, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_can_be_searched() {
        for table in [BUILT_IN, CUSTOM] {
            assert!(table.is_sorted_by(|one, other| one.0 < other.0), "sorted by kind, each once");
        }
        assert!(GROUPS.is_sorted() && CLOSED.is_sorted());
        assert!(BUILT_IN.iter().all(|(_, group, _)| is_built_in(group)));
        assert!(CUSTOM.iter().all(|(kind, group, _)| !is_built_in(group) && built_in(kind).is_none()));
    }
}
