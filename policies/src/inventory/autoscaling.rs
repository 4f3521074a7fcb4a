//! What changes how many pods a workload has, or how large they are: HorizontalPodAutoscalers, KEDA's ScaledObjects and
//! VerticalPodAutoscalers.

use serde_json::Value;

use super::{Inventory, Sight, Source, Target, View, may_meet, texts};
use crate::node::{integer, list, text};
use crate::object::Identity;

/// What changes the replicas of a workload: a HorizontalPodAutoscaler or a KEDA ScaledObject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Autoscaler {
    /// Where it was seen.
    pub origin: String,
    /// Its name.
    pub name: String,
    target: Target,
    /// The fewest pods it keeps.
    pub floor: i64,
    /// The most pods it makes; `None` where that cannot be read.
    pub ceiling: Option<i64>,
    /// What it goes by.
    pub measures: Vec<Measure>,
    /// The resources (`cpu`, `memory`) of which it measures the use against the request.
    pub utilization_of: Vec<String>,
    /// Whether it is KEDA's, which can scale to none.
    pub keda: bool,
    /// Whether annotations tell KEDA to let the replicas be.
    pub paused: bool,
}

/// What an autoscaler goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The use of a resource of the pods or of one of their containers.
    Resource {
        /// The resource, such as `cpu`.
        name: String,
        /// The container whose use it is; `None` for that of the whole pod.
        container: Option<String>,
        /// Whether the use is measured against the request, and not as an amount of its own.
        utilization: bool,
    },
    /// Something else: a metric of the pods, of another object, or from outside.
    Other,
}

/// A VerticalPodAutoscaler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerticalAutoscaler {
    /// Where it was seen.
    pub origin: String,
    /// Its name.
    pub name: String,
    target: Target,
    /// How it brings in what it recommends: `Off`, `Initial`, `Recreate`, `InPlaceOrRecreate` or the old `Auto`, which is
    /// `Recreate`. That is also the default.
    pub mode: String,
    /// What it decides on in each container that its policy names, `*` being those that are not named.
    controls: Vec<(String, Vec<String>)>,
}

impl Autoscaler {
    pub(super) fn of_hpa(source: Source<'_>) -> Option<Self> {
        let floor = integer(source.spec.get("minReplicas")).unwrap_or(1);
        let ceiling = integer(source.spec.get("maxReplicas"));
        Self::new(source, floor, ceiling, measures_of_hpa(source.spec))
    }

    pub(super) fn of_keda(source: Source<'_>) -> Option<Self> {
        let floor = integer(source.spec.get("minReplicaCount")).unwrap_or(0);
        let ceiling = match source.spec.get("maxReplicaCount") {
            None | Some(Value::Null) => Some(100),
            written => integer(written),
        };
        let scaler = Self::new(source, floor, ceiling, measures_of_keda(source.spec))?;
        let paused = source.annotation("autoscaling.keda.sh/paused-replicas").is_some()
            || source.annotation("autoscaling.keda.sh/paused").is_some_and(|paused| paused != "false");
        Some(Self { keda: true, paused, ..scaler })
    }

    fn new(source: Source<'_>, floor: i64, ceiling: Option<i64>, measures: Vec<Measure>) -> Option<Self> {
        let utilization_of = measures.iter().filter_map(|measure| match measure {
            Measure::Resource { name, utilization: true, .. } => Some(name.clone()),
            _ => None,
        });
        Some(Self {
            origin: source.origin(),
            name: source.name(),
            target: Target::of(source.spec.get("scaleTargetRef")?, source.namespace())?,
            floor,
            ceiling,
            utilization_of: utilization_of.collect(),
            measures,
            keda: false,
            paused: false,
        })
    }

    /// Its namespace, when it names one.
    pub fn namespace(&self) -> Option<&str> {
        self.target.namespace.as_deref()
    }
}

impl VerticalAutoscaler {
    pub(super) fn of(source: Source<'_>) -> Option<Self> {
        let spec = source.spec;
        let mode = match spec.get("updatePolicy").and_then(|policy| policy.get("updateMode")) {
            Some(Value::String(mode)) => mode,
            // YAML reads an `Off` without quotes as a boolean.
            Some(Value::Bool(false)) => "Off",
            _ => "Recreate",
        };
        Some(Self {
            origin: source.origin(),
            name: source.name(),
            target: Target::of(spec.get("targetRef")?, source.namespace())?,
            mode: mode.to_owned(),
            controls: controlled(spec.get("resourcePolicy").unwrap_or(&Value::Null)),
        })
    }

    /// Its namespace, when it names one.
    pub fn namespace(&self) -> Option<&str> {
        self.target.namespace.as_deref()
    }

    /// Whether it decides on `resource` of `container`, or of any container.
    pub fn decides_on(&self, resource: &str, container: Option<&str>) -> bool {
        let policy = |name: &str| self.controls.iter().find(|(container, _)| container == name);
        let sets = |(_, resources): &(String, Vec<String>)| resources.iter().any(|name| name == resource);
        match container {
            None => self.controls.iter().any(sets),
            Some(name) => policy(name).or_else(|| policy("*")).is_some_and(sets),
        }
    }
}

impl Inventory {
    /// The autoscalers that target the workload, or what has made it if it is a ReplicaSet, in its namespace or in one that
    /// is not named.
    ///
    /// In a cluster there is none where none is found and each one of the namespace targets a kind of which it is known which
    /// pods it makes. Else one of a custom resource may be meant for pods that it makes through others.
    pub fn autoscalers_of(&self, workload: Identity<'_>, namespace: Option<&str>) -> Sight<Vec<&Autoscaler>> {
        let found: Vec<_> =
            self.autoscalers.iter().filter(|scaler| scaler.target.is_or_made(workload, namespace)).collect();
        let near = |scaler: &&Autoscaler| may_meet(scaler.namespace(), namespace);
        let all_make_pods = || self.autoscalers.iter().filter(near).all(|scaler| scaler.target.makes_pods());
        match self.answer(found) {
            Sight::Unknown if self.view == View::Cluster && all_make_pods() => Sight::Absent,
            answer => answer,
        }
    }

    /// The VerticalPodAutoscalers that target the workload, or what has made it if it is a ReplicaSet, in its namespace or in
    /// one that is not named.
    pub fn vertical_autoscalers_of(
        &self,
        workload: Identity<'_>,
        namespace: Option<&str>,
    ) -> Sight<Vec<&VerticalAutoscaler>> {
        let found: Vec<_> =
            self.vertical_autoscalers.iter().filter(|scaler| scaler.target.is_or_made(workload, namespace)).collect();
        self.answer(found)
    }

    /// Whether a VerticalPodAutoscaler in sight decides on the workload's resources.
    pub fn has_vertical_autoscaler(&self, workload: Identity<'_>, namespace: Option<&str>) -> bool {
        self.vertical_autoscalers_of(workload, namespace).present().is_some()
    }
}

/// What a HorizontalPodAutoscaler goes by. One that names no metric measures CPU: the API server defaults it to 80 %
/// (kubernetes/kubernetes `pkg/apis/autoscaling/v2/defaults.go`).
fn measures_of_hpa(spec: &Value) -> Vec<Measure> {
    let metrics = list(spec, "metrics");
    if metrics.is_empty() {
        return vec![Measure::Resource { name: "cpu".to_owned(), container: None, utilization: true }];
    }
    metrics.iter().map(measure_of_hpa).collect()
}

fn measure_of_hpa(metric: &Value) -> Measure {
    let mut sources = ["resource", "containerResource"].iter().filter_map(|source| metric.get(source));
    let resource = sources.find(|source| !source.is_null());
    let Some((resource, name)) = resource.and_then(|resource| Some((resource, text(resource, "name")?))) else {
        return Measure::Other;
    };
    // autoscaling/v2 nests the target; v2beta1 has `targetAverageUtilization`.
    let nested = resource.get("target").is_some_and(|target| {
        text(target, "type") == Some("Utilization") || target.get("averageUtilization").is_some()
    });
    let utilization = nested || resource.get("targetAverageUtilization").is_some();
    let container = text(resource, "container").map(str::to_owned);
    Measure::Resource { name: name.to_owned(), container, utilization }
}

/// The same of a KEDA ScaledObject, whose `cpu` and `memory` triggers measure utilisation unless they say otherwise.
fn measures_of_keda(spec: &Value) -> Vec<Measure> {
    let triggers = list(spec, "triggers").iter();
    triggers
        .map(|trigger| match text(trigger, "type") {
            Some(name @ ("cpu" | "memory")) => {
                let metadata_type = trigger.get("metadata").and_then(|metadata| text(metadata, "type"));
                let metric = text(trigger, "metricType").or(metadata_type).unwrap_or("Utilization");
                let container = trigger.get("metadata").and_then(|metadata| text(metadata, "containerName"));
                Measure::Resource {
                    name: name.to_owned(),
                    container: container.map(str::to_owned),
                    utilization: metric == "Utilization",
                }
            }
            _ => Measure::Other,
        })
        .collect()
}

/// The resources that a `resourcePolicy` leaves to the autoscaler in each container: CPU and memory unless it says
/// otherwise. Containers that it does not name beside others are not counted, as nothing tells whether there are any.
fn controlled(policy: &Value) -> Vec<(String, Vec<String>)> {
    let both = || vec!["cpu".to_owned(), "memory".to_owned()];
    let containers = list(policy, "containerPolicies");
    if containers.is_empty() {
        return vec![("*".to_owned(), both())];
    }
    let resources = |container: &Value| {
        // YAML reads an `Off` without quotes as a boolean.
        if matches!(container.get("mode"), Some(Value::Bool(false))) || text(container, "mode") == Some("Off") {
            return Vec::new();
        }
        match container.get("controlledResources") {
            Some(Value::Array(named)) => texts(named),
            _ => both(),
        }
    };
    containers
        .iter()
        .map(|container| (text(container, "containerName").unwrap_or_default().to_owned(), resources(container)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::whole;
    use super::*;

    const LLM: Identity<'_> =
        Identity { group: "apps", version: "v1", kind: "Deployment", name: "llm", namespace: None };

    fn hpa(spec: &Value) -> Autoscaler {
        let mut object = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"}, "spec": spec});
        object["spec"]["scaleTargetRef"] = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"});
        whole(&[object]).autoscalers_of(LLM, None).present().unwrap()[0].clone()
    }

    fn keda(spec: &Value) -> Autoscaler {
        let mut object = json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "k", "namespace": "ml"}, "spec": spec});
        object["spec"]["scaleTargetRef"] = json!({"name": "llm"});
        whole(&[object]).autoscalers_of(LLM, Some("ml")).present().unwrap()[0].clone()
    }

    fn vpa(spec: &Value) -> VerticalAutoscaler {
        let mut object = json!({"apiVersion": "autoscaling.k8s.io/v1", "kind": "VerticalPodAutoscaler", "metadata": {"name": "v"}, "spec": spec});
        object["spec"]["targetRef"] = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"});
        let inventory = whole(&[object]);
        assert!(inventory.has_vertical_autoscaler(LLM, Some("ml")));
        inventory.vertical_autoscalers_of(LLM, None).present().unwrap()[0].clone()
    }

    fn resource(name: &str, utilization: bool) -> Measure {
        Measure::Resource { name: name.to_owned(), container: None, utilization }
    }

    #[test]
    fn the_floor_of_an_autoscaler_is_one_unless_it_says_more() {
        let found = hpa(
            &json!({"maxReplicas": 5, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}]}),
        );
        assert_eq!((found.name.as_str(), found.floor, found.ceiling, found.keda), ("h", 1, Some(5), false));
        assert_eq!((found.utilization_of, found.measures), (vec!["cpu".to_owned()], vec![resource("cpu", true)]));
    }

    #[test]
    fn an_autoscaler_without_metrics_measures_the_use_of_cpu() {
        for spec in [json!({"targetCPUUtilizationPercentage": 80}), json!({"metrics": []}), json!({"metrics": 7})] {
            let found = hpa(&spec);
            assert_eq!((found.measures, found.ceiling), (vec![resource("cpu", true)], None), "{spec}");
        }
    }

    #[test]
    fn metrics_that_are_no_resource_are_told_apart() {
        let found = hpa(&json!({"maxReplicas": "{{ max }}", "metrics": [
            {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
            {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "a", "target": {"averageUtilization": 60}}},
            {"type": "Resource", "resource": {"name": "cpu", "targetAverageUtilization": 60}},
            {"type": "Pods", "pods": {"metric": {"name": "vllm:num_requests_waiting"}}},
            {"type": "External", "external": {}},
            {"type": "Resource", "resource": 7},
            7,
        ]}));
        let other = Measure::Other;
        assert_eq!(
            found.measures,
            [
                resource("memory", false),
                Measure::Resource { name: "cpu".to_owned(), container: Some("a".to_owned()), utilization: true },
                resource("cpu", true),
                other.clone(),
                other.clone(),
                other.clone(),
                other
            ]
        );
        assert_eq!((found.utilization_of, found.ceiling), (vec!["cpu".to_owned(), "cpu".to_owned()], None));
    }

    #[test]
    fn keda_scales_from_none_to_a_hundred() {
        let found = keda(&json!({"triggers": [
            {"type": "prometheus", "metadata": {"query": "x"}},
            {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}},
            {"type": "memory", "metadata": {"type": "AverageValue", "value": "1Gi"}},
        ]}));
        assert_eq!((found.floor, found.ceiling, found.keda, found.namespace()), (0, Some(100), true, Some("ml")));
        assert_eq!(found.measures, [Measure::Other, resource("cpu", true), resource("memory", false)]);
        let found = keda(&json!({"minReplicaCount": 2, "maxReplicaCount": 4}));
        assert_eq!((found.floor, found.ceiling, found.measures), (2, Some(4), Vec::new()));
        assert_eq!(keda(&json!({"maxReplicaCount": "${MAX}"})).ceiling, None);
    }

    #[test]
    fn a_vertical_autoscaler_recreates_and_decides_on_both_unless_it_says_otherwise() {
        for (spec, mode, controls) in [
            (json!({}), "Recreate", &["cpu", "memory"][..]),
            (json!({"updatePolicy": {"updateMode": "Initial"}, "resourcePolicy": 7}), "Initial", &["cpu", "memory"]),
            (json!({"updatePolicy": {"updateMode": false}}), "Off", &["cpu", "memory"]),
            (
                json!({"resourcePolicy": {"containerPolicies": [
                    {"containerName": "server", "controlledResources": ["memory"]}, {"containerName": "proxy", "mode": "Off"}]}}),
                "Recreate",
                &["memory"],
            ),
            (
                json!({"resourcePolicy": {"containerPolicies": [
                    {"containerName": "server", "controlledResources": ["memory"]}, {"containerName": "*", "minAllowed": {"cpu": 1}}]}}),
                "Recreate",
                &["memory", "cpu"],
            ),
            (
                json!({"resourcePolicy": {"containerPolicies": [{"containerName": "*", "mode": false}]}}),
                "Recreate",
                &[],
            ),
        ] {
            let found = vpa(&spec);
            assert_eq!((found.mode.as_str(), found.namespace()), (mode, None), "{spec}");
            for resource in ["cpu", "memory"] {
                assert_eq!(found.decides_on(resource, None), controls.contains(&resource), "{spec}");
            }
        }
    }

    #[test]
    fn a_vertical_autoscaler_goes_by_the_policy_of_each_container() {
        let found = vpa(&json!({"resourcePolicy": {"containerPolicies": [
            {"containerName": "server", "mode": "Off"}, {"containerName": "proxy", "controlledResources": ["cpu"]}]}}));
        let cpu = |container: &str| found.decides_on("cpu", Some(container));
        assert_eq!((cpu("server"), cpu("proxy"), cpu("other")), (false, true, false));
        let found = vpa(&json!({"resourcePolicy": {"containerPolicies": [
            {"containerName": "*"}, {"containerName": "server", "controlledResources": ["memory"]}]}}));
        let cpu = |container: &str| found.decides_on("cpu", Some(container));
        assert_eq!((cpu("server"), cpu("other")), (false, true));
        assert!(vpa(&json!({})).decides_on("memory", Some("server")));
    }

    #[test]
    fn a_scaled_object_may_be_paused() {
        for (annotations, paused) in [
            (json!({}), false),
            (json!({"autoscaling.keda.sh/paused": "false"}), false),
            (json!({"autoscaling.keda.sh/paused": "true"}), true),
            (json!({"autoscaling.keda.sh/paused-replicas": "2"}), true),
        ] {
            let object = json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
                "metadata": {"name": "k", "annotations": annotations}, "spec": {"scaleTargetRef": {"name": "llm"}}});
            let inventory = whole(&[object]);
            let found = inventory.autoscalers_of(LLM, None).present().unwrap();
            assert_eq!(found[0].paused, paused, "{annotations}");
        }
    }

    #[test]
    fn an_autoscaler_of_another_workload_is_none_of_this() {
        let other = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h", "namespace": "web"},
            "spec": {"maxReplicas": 5, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}}});
        let inventory = whole(&[other]);
        assert_eq!(inventory.autoscalers_of(LLM, Some("ml")), Sight::Absent);
        assert!(inventory.autoscalers_of(LLM, None).present().is_some());
        assert_eq!(inventory.vertical_autoscalers_of(LLM, None), Sight::Absent);
        assert!(!inventory.has_vertical_autoscaler(LLM, None));
        assert_eq!(Inventory::unknown().vertical_autoscalers_of(LLM, None), Sight::Unknown);
    }

    fn scaler(version: &str, kind: &str, name: &str) -> Value {
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h", "namespace": "ml"},
            "spec": {"maxReplicas": 5, "scaleTargetRef": {"apiVersion": version, "kind": kind, "name": name}}})
    }

    const REVISION: Identity<'_> =
        Identity { group: "apps", version: "v1", kind: "ReplicaSet", name: "llm-5d59d67564", namespace: None };

    #[test]
    fn a_replica_set_is_scaled_by_what_made_it() {
        for (version, kind, name, scaled) in [
            ("apps/v1", "Deployment", "llm", true),
            ("extensions/v1beta1", "Deployment", "llm", true),
            ("argoproj.io/v1alpha1", "Rollout", "llm", true),
            ("apps/v1", "ReplicaSet", "llm-5d59d67564", true),
            ("apps/v1", "Deployment", "ll", false),
            ("apps/v1", "Deployment", "llm-5d59d67564", false),
            ("apps/v1", "StatefulSet", "llm", false),
            ("example.com/v1", "Deployment", "llm", false),
        ] {
            let found = whole(&[scaler(version, kind, name)]).autoscalers_of(REVISION, Some("ml")).present().is_some();
            assert_eq!(found, scaled, "{version} {kind} {name}");
        }
        let inventory = whole(&[scaler("apps/v1", "Deployment", "llm")]);
        assert_eq!(inventory.autoscalers_of(REVISION, Some("web")), Sight::Absent);
        for name in ["llm-", "llm-embed-5d59d67564", "llm5d59d67564"] {
            assert_eq!(inventory.autoscalers_of(Identity { name, ..REVISION }, Some("ml")), Sight::Absent, "{name}");
        }
        let other = Identity { kind: "StatefulSet", ..REVISION };
        assert_eq!(inventory.autoscalers_of(other, Some("ml")), Sight::Absent);
        let vertical = json!({"apiVersion": "autoscaling.k8s.io/v1", "kind": "VerticalPodAutoscaler", "metadata": {"name": "v"},
            "spec": {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}}});
        assert!(whole(&[vertical]).has_vertical_autoscaler(REVISION, Some("ml")));
    }

    #[test]
    fn in_a_cluster_an_autoscaler_is_absent_where_none_may_scale_through_another_kind() {
        let cluster = |objects: &[Value]| {
            let mut inventory = Inventory::of_cluster();
            inventory.merge(whole(objects));
            inventory
        };
        assert_eq!(cluster(&[]).autoscalers_of(REVISION, Some("ml")), Sight::Absent);
        assert_eq!(cluster(&[]).vertical_autoscalers_of(REVISION, Some("ml")), Sight::Unknown);
        for (version, kind, answer) in [
            ("apps/v1", "Deployment", Sight::Absent),
            ("apps/v1", "StatefulSet", Sight::Absent),
            ("apps/v1", "ReplicaSet", Sight::Absent),
            ("v1", "ReplicationController", Sight::Absent),
            ("argoproj.io/v1alpha1", "Rollout", Sight::Absent),
            ("serving.kserve.io/v1alpha1", "LLMInferenceService", Sight::Unknown),
            ("example.com/v1", "Deployment", Sight::Unknown),
        ] {
            let inventory = cluster(&[scaler(version, kind, "other")]);
            assert_eq!(inventory.autoscalers_of(REVISION, Some("ml")), answer, "{version} {kind}");
            assert_eq!(inventory.autoscalers_of(REVISION, Some("web")), Sight::Absent, "{version} {kind}");
        }
        let own = [scaler("apps/v1", "Deployment", "llm"), scaler("example.com/v1", "Service", "llm")];
        assert!(cluster(&own).autoscalers_of(REVISION, Some("ml")).present().is_some());
    }
}
