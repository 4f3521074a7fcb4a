//! Kinds of workload as data: where the pod templates of an object lie, how many pods come of each, and what the kind's
//! own operator does or refuses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Role, is_default};

/// One kind of workload. Paths are JSON Pointers in which `*` stands for every item of a list or every value of a map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kind {
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The versions known, the newest first; empty when any will do.
    #[serde(default, skip_serializing_if = "is_default")]
    pub versions: Vec<String>,
    /// The name of the resource in URLs and RBAC rules.
    #[serde(default, skip_serializing_if = "is_default")]
    pub plural: Option<String>,
    /// Whether its objects lie outside namespaces.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cluster_scoped: bool,
    /// What workloads of this kind are for, where the kind tells.
    #[serde(default, skip_serializing_if = "is_default")]
    pub role: Option<Role>,
    /// Where pods are described; none when the kind has fields of its own only, or describes no pods.
    #[serde(default, skip_serializing_if = "is_default")]
    pub templates: Vec<Template>,
    /// Where the number of replicas of the whole object stands; absent when there is no such number.
    #[serde(default, skip_serializing_if = "is_default")]
    pub replicas: Option<String>,
    /// Whether it has the scale subresource and its controller owns the pods, so that a disruption budget in percent or
    /// with `maxUnavailable` works on them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub scalable: bool,
    /// Whether its pods must be there together: the loss of one stops the others.
    #[serde(default, skip_serializing_if = "is_default")]
    pub gang: bool,
    /// Whether one pod runs on each fitting node.
    #[serde(default, skip_serializing_if = "is_default")]
    pub per_node: bool,
    /// Whether its pods are meant to end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub runs_to_completion: bool,
    /// What the kind's operator fills in itself where the author left it out: neither missed nor injected.
    #[serde(default, skip_serializing_if = "is_default")]
    pub completes: Vec<Completion>,
    /// Pod fields that the kind's own admission refuses, as pointers from the pod's spec.
    #[serde(default, skip_serializing_if = "is_default")]
    pub refuses: Vec<String>,
    /// An annotation of the object under which nothing of `refuses` is refused.
    #[serde(default, skip_serializing_if = "is_default")]
    pub refuses_unless: Option<AnnotationValues>,
    /// Whether the pod template cannot be changed once the object exists.
    #[serde(default, skip_serializing_if = "is_default")]
    pub immutable: bool,
    /// Whether objects of this kind are made by a controller and must never be changed by anyone else.
    #[serde(default, skip_serializing_if = "is_default")]
    pub never_mutate: bool,
    /// The kinds that stand between this one and its pods; empty when it makes the pods itself or makes none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pods_via: Vec<String>,
    /// What else to mind.
    #[serde(default, skip_serializing_if = "is_default")]
    pub note: Option<String>,
    /// The project or page where this was read.
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: Option<String>,
    /// Whether the places are not confirmed: good enough to look, not to repair.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unsure: bool,
}

/// One place in an object where pods are described.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Template {
    /// Where it lies; empty for the object itself.
    pub path: String,
    /// What lies there.
    #[serde(rename = "type")]
    pub form: TemplateForm,
    /// The part of the workload that these pods are.
    #[serde(default, skip_serializing_if = "is_default")]
    pub component: Option<String>,
    /// Where the metadata of the pods lies when it is not beside the spec.
    #[serde(default, skip_serializing_if = "is_default")]
    pub metadata: Option<String>,
    /// Where the number of these pods, or of their groups, stands. A `*` stands for the same item as in `path`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub replicas: Option<String>,
    /// Where the number of pods in one group stands, when pods come in groups.
    #[serde(default, skip_serializing_if = "is_default")]
    pub group_size: Option<String>,
    /// What these pods are for, where it differs from the kind's role.
    #[serde(default, skip_serializing_if = "is_default")]
    pub role: Option<Role>,
    /// The API versions that have this place; empty when all do.
    #[serde(default, skip_serializing_if = "is_default")]
    pub versions: Vec<String>,
    /// Whether the place is not confirmed: good enough to look, not to repair.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unsure: bool,
}

/// What lies at a template's path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TemplateForm {
    /// `metadata` and `spec`.
    #[default]
    PodTemplateSpec,
    /// `containers` at this level.
    PodSpec,
    /// One container.
    Container,
    /// A list of containers.
    ContainerList,
    /// A whole object with `apiVersion` and `kind`, to be looked at as what it says it is.
    Embedded,
}

/// Something that an operator fills in itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Completion {
    /// Startup, readiness and liveness probes.
    Probes,
    /// A memory volume at `/dev/shm`.
    SharedMemory,
    /// The image.
    Image,
    /// Requests and limits.
    Resources,
    /// Affinity, spread and node selectors.
    Affinity,
    /// Tolerations.
    Tolerations,
    /// Ports.
    Ports,
    /// Security contexts.
    SecurityContext,
    /// Lifecycle hooks and grace periods.
    Lifecycle,
}

/// Values of an annotation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnnotationValues {
    /// The annotation's key.
    pub annotation: String,
    /// The values, any of which counts.
    pub values: Vec<String>,
}

impl Kind {
    /// Whether the kind's operator fills `what` in itself.
    pub fn completes(&self, what: Completion) -> bool {
        self.completes.contains(&what)
    }

    /// Whether the kind's own admission refuses a pod field, given as a pointer from the pod's spec such as
    /// `/tolerations` or `/containers/*/lifecycle`; `annotation` answers for the annotations of the object.
    pub fn refuses<'a>(&self, field: &str, annotation: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.refuses.iter().any(|refused| refused == field)
            && !self.refuses_unless.as_ref().is_some_and(|unless| {
                annotation(&unless.annotation)
                    .is_some_and(|value| unless.values.iter().any(|accepted| accepted == value))
            })
    }
}

impl Template {
    /// Whether an object of API version `version` (without its group) has this place.
    pub fn is_in(&self, version: &str) -> bool {
        self.versions.is_empty() || self.versions.iter().any(|known| known == version)
    }
}
