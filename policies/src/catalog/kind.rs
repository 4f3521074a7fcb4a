//! Kinds of workload as data: where the pod templates of an object lie, how many pods come of each, and what the kind's
//! own operator does or refuses.

use std::collections::BTreeMap;

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
    /// Where pods are described; none when it describes none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub templates: Vec<Template>,
    /// The program that runs in its pods where neither command nor image tells another; good enough to look, not to repair.
    #[serde(default, skip_serializing_if = "is_default")]
    pub runtime: Option<String>,
    /// Where the command line that it submits stands as one text.
    #[serde(default, skip_serializing_if = "is_default")]
    pub entrypoint: Option<String>,
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
    /// The program that runs there where neither command nor image tells another; good enough to look, not to repair.
    #[serde(default, skip_serializing_if = "is_default")]
    pub runtime: Option<String>,
    /// Where an operator's own fields say what a pod would; for the type `Flat` alone.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fields: Fields,
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
    /// Fields of the operator's own in the place of a pod: looked at, never judged or repaired.
    Flat,
}

/// Where the fields of a `Flat` template lie, as pointers from the template's path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fields {
    /// Where the engine is named.
    #[serde(default, skip_serializing_if = "is_default")]
    pub engine: Option<String>,
    /// The program that each engine is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub engines: BTreeMap<String, String>,
    /// Where the image stands: a reference, or an object with `repository` or `name`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub image: Option<String>,
    /// Where the model is named; the first that is there counts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub model: Vec<String>,
    /// Where `requests` and `limits` lie.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resources: Option<String>,
    /// Where devices are asked for in another form.
    #[serde(default, skip_serializing_if = "is_default")]
    pub devices: Vec<DeviceFields>,
}

/// Devices that a field of an operator's own asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceFields {
    /// Where the field lies; `*` stands for every item.
    pub each: String,
    /// Where its resource or device class is named, from the field.
    #[serde(default, skip_serializing_if = "is_default")]
    pub name: Option<String>,
    /// The resource or device class where none is named.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resource: Option<String>,
    /// Where the number stands, from the field, which may be the number itself; one where it is absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub count: Option<String>,
    /// The resources that the profiles of a field `profile:number` mean, by how their names start.
    #[serde(default, skip_serializing_if = "is_default")]
    pub profiles: BTreeMap<String, String>,
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
