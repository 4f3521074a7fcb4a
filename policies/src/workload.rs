//! Where an object's pods lie: the table of kinds applied to one object, and what can be asked of each pod.

use std::cell::OnceCell;

use serde_json::Value;

use crate::catalog::{Catalog, Completion, Kind, Operator, Template, TemplateForm};
use crate::container::{Container, ContainerRole};
use crate::invocation::Invocation;
use crate::node::{Node, integer, list, text};
use crate::object::Identity;
use crate::path::Path;
use crate::profile::{ContainerProfile, Download, Profile, Spread, Start};

/// How deep objects may be embedded in objects (an AppWrapper around a Job) before we stop looking.
const MAX_EMBEDDING: usize = 3;

/// A pod, or one template that pods are made from.
#[derive(Debug)]
pub struct Pod<'a> {
    owner: Identity<'a>,
    object: &'a Value,
    definition: &'a Kind,
    catalog: &'a Catalog,
    template: &'a Template,
    confirmed: bool,
    /// What lies at `root`.
    value: &'a Value,
    component: Option<&'a str>,
    root: Path,
    metadata: Option<Node<'a>>,
    spec: Node<'a>,
    containers: Vec<Container<'a>>,
    replicas: Option<i64>,
    sets_replicas: bool,
    /// How many pods make a group, where pods come in groups.
    group_size: Option<i64>,
    operator: Option<&'a Operator>,
    invocations: OnceCell<Vec<Invocation<'a>>>,
    profile: OnceCell<Profile>,
    spreads: OnceCell<Vec<Option<Spread>>>,
    downloads: OnceCell<Vec<Option<Download<'a>>>>,
}

/// What makes the pods, as far as repairs must know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// Nobody: a pod that somebody made by hand.
    None,
    /// A ReplicaSet, be it through a Deployment or a Rollout: interchangeable pods.
    ReplicaSet,
    /// A StatefulSet: pods with an identity, started in order.
    StatefulSet,
    /// A DaemonSet: one pod a node.
    DaemonSet,
    /// A Job: pods that run to their end.
    Job,
    /// An operator of its own.
    Other,
}

/// The pods of `object`, which is a pod itself, makes pods from templates, or has none; those of which only fields of an
/// operator's own tell are among them.
pub(crate) fn pods<'a>(object: &'a Value, catalog: &'a Catalog) -> Vec<Pod<'a>> {
    let mut found = Vec::new();
    collect(object, &Path::root(), catalog, 0, &mut found);
    found
}

fn collect<'a>(object: &'a Value, base: &Path, catalog: &'a Catalog, depth: usize, found: &mut Vec<Pod<'a>>) {
    let owner = Identity::of(object);
    let Some(definition) = catalog.kind(owner.group, owner.kind) else { return };
    for template in definition.templates.iter().filter(|template| template.is_in(owner.version)) {
        for place in expand(object, &template.path) {
            let root = base.join(&place.path);
            if template.form == TemplateForm::Embedded {
                if depth < MAX_EMBEDDING {
                    collect(place.value, &root, catalog, depth + 1, found);
                }
                continue;
            }
            // Kinds list a part of a pod also by itself; what lies inside a place that was found is the same pod.
            if found.iter().any(|pod| pod.has_spec() && pod.holds(&root)) {
                continue;
            }
            let metadata = template.metadata.as_ref().map(|pattern| {
                let pointer = fill(pattern, &place.captured);
                Node::placed(pointer.get(object).unwrap_or(&Value::Null), base.join(&pointer))
            });
            found.extend(Pod::from_template(object, owner, definition, template, metadata, root, &place, catalog));
        }
    }
}

/// One place that a pattern leads to.
pub(crate) struct Place<'a> {
    path: Path,
    pub(crate) value: &'a Value,
    /// The keys or positions that the `*`s of the pattern stood for.
    captured: Vec<String>,
}

/// The places in `object` that `pattern`, a JSON Pointer with `*` for every item or value, leads to.
pub(crate) fn expand<'a>(object: &'a Value, pattern: &str) -> Vec<Place<'a>> {
    let mut places = vec![Place { path: Path::root(), value: object, captured: Vec::new() }];
    for segment in Path::parse(pattern).segments() {
        let mut next = Vec::new();
        for Place { path, value, captured } in places {
            match (segment.as_ref(), value) {
                ("*", Value::Array(items)) => next.extend(items.iter().enumerate().map(|(index, value)| {
                    let captured = captured.iter().cloned().chain([index.to_string()]).collect();
                    Place { path: path.index(index), value, captured }
                })),
                ("*", Value::Object(map)) => next.extend(map.iter().map(|(key, value)| {
                    let captured = captured.iter().cloned().chain([key.clone()]).collect();
                    Place { path: path.key(key), value, captured }
                })),
                (_, Value::Array(items)) => {
                    let item = segment.parse::<usize>().ok().and_then(|index| items.get(index));
                    next.extend(item.map(|value| Place { path: path.key(&segment), value, captured }));
                }
                (key, Value::Object(map)) => {
                    next.extend(map.get(key).map(|value| Place { path: path.key(key), value, captured }));
                }
                _ => {}
            }
        }
        places = next;
    }
    places
}

impl<'a> Pod<'a> {
    #[expect(clippy::too_many_arguments, reason = "one caller, which has just taken all of them apart")]
    fn from_template(
        object: &'a Value,
        owner: Identity<'a>,
        definition: &'a Kind,
        template: &'a Template,
        elsewhere: Option<Node<'a>>,
        root: Path,
        place: &Place<'a>,
        catalog: &'a Catalog,
    ) -> Option<Self> {
        let value = place.value;
        let node = Node::placed(value, root.clone());
        let (metadata, spec, containers) = match template.form {
            TemplateForm::PodTemplateSpec => {
                let spec = node.get("spec");
                let containers = Container::all(spec.value(), spec.path());
                (Some(node.get("metadata")), spec, containers)
            }
            TemplateForm::PodSpec => {
                let containers = Container::all(value, &root);
                (None, node, containers)
            }
            TemplateForm::Container => {
                let container = Container::new(value, root.clone(), ContainerRole::Regular);
                (None, Node::placed(&Value::Null, root.clone()), vec![container])
            }
            TemplateForm::ContainerList => {
                let containers =
                    node.items().map(|item| Container::new(item.value(), item.path().clone(), ContainerRole::Regular));
                (None, Node::placed(&Value::Null, root.clone()), containers.collect())
            }
            TemplateForm::Flat => (None, Node::placed(&Value::Null, root.clone()), Vec::new()),
            TemplateForm::Embedded => return None,
        };
        if containers.is_empty() && template.form != TemplateForm::Flat {
            return None;
        }
        let written = written_replicas(object, definition, template, &place.captured);
        let replicas = replicas(object, owner, definition, written);
        let mut pod = Self {
            owner,
            object,
            definition,
            catalog,
            template,
            confirmed: !definition.unsure && !template.unsure,
            value,
            component: template.component.as_deref(),
            root,
            metadata: elsewhere.or(metadata),
            spec,
            containers,
            replicas,
            group_size: group_size(object, definition, template, &place.captured),
            sets_replicas: written.is_some_and(|written| !written.is_null()),
            operator: None,
            invocations: OnceCell::new(),
            profile: OnceCell::new(),
            spreads: OnceCell::new(),
            downloads: OnceCell::new(),
        };
        pod.operator = pod.find_operator();
        Some(pod)
    }

    /// The operator that owns the pod or the object that makes it, told by labels or by the owner reference.
    fn find_operator(&self) -> Option<&'a Operator> {
        let operators = self.catalog.operators();
        let labels = self.object.get("metadata").and_then(|metadata| metadata.get("labels"));
        let label = |key: &str| self.label(key).or_else(|| labels.and_then(|labels| text(labels, key)));
        let by_owner = || owner_reference(self.object).and_then(|owner| operators.by_owner(owner.group, owner.kind));
        operators.by_label(label).or_else(by_owner)
    }

    /// Whether `path` lies in the containers of this pod.
    fn holds(&self, path: &Path) -> bool {
        self.containers.iter().any(|container| container.path().contains(path))
    }

    /// Where the pod or template lies; its containers and metadata lie below.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The object that is the pod or makes it.
    pub fn owner(&self) -> Identity<'a> {
        self.owner
    }

    /// What the catalog knows of the owner's kind.
    pub fn definition(&self) -> &'a Kind {
        self.definition
    }

    /// The object that is the pod or makes it, as it is written.
    pub fn object(&self) -> &'a Value {
        self.object
    }

    /// Which component of its owner it is, such as `worker`, where the kind has several.
    pub fn component(&self) -> Option<&'a str> {
        self.component
    }

    /// The PodSpec; its value is `null` where only containers are in sight.
    pub fn spec(&self) -> &Node<'a> {
        &self.spec
    }

    /// Whether the whole PodSpec is in sight, and not only containers that an operator puts into one.
    pub fn has_spec(&self) -> bool {
        matches!(self.template.form, TemplateForm::PodTemplateSpec | TemplateForm::PodSpec)
    }

    /// Whether an operator's own fields stand in the place of a pod: there are neither containers nor a PodSpec.
    pub(crate) fn is_flat(&self) -> bool {
        self.template.form == TemplateForm::Flat
    }

    /// What the catalog knows of the place it lies at.
    pub(crate) fn template(&self) -> &'a Template {
        self.template
    }

    /// What lies at [`root`](Self::root).
    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    /// What an autoscaler of the pods would act on: the object that makes them or, of a Pod, the owner that it names, which
    /// may be a ReplicaSet of what is scaled.
    pub fn scaled(&self) -> Identity<'a> {
        match owner_reference(self.object).filter(|_| self.is_pod()) {
            Some(owner) => Identity { namespace: self.owner.namespace, ..owner },
            None => self.owner,
        }
    }

    /// Whether this is a Pod object and not a template.
    pub fn is_pod(&self) -> bool {
        self.owner.is("", "Pod")
    }

    /// The metadata of the pod or template; `None` where the kind has none there.
    pub fn metadata(&self) -> Option<&Node<'a>> {
        self.metadata.as_ref()
    }

    /// Every container, in the order init and sidecar, regular, ephemeral.
    pub fn containers(&self) -> &[Container<'a>] {
        &self.containers
    }

    /// The value of a label of the pod.
    pub fn label(&self, key: &str) -> Option<&'a str> {
        self.metadata.as_ref().and_then(|metadata| text(metadata.value().get("labels")?, key))
    }

    /// The value of an annotation of the pod.
    pub fn annotation(&self, key: &str) -> Option<&'a str> {
        self.metadata.as_ref().and_then(|metadata| text(metadata.value().get("annotations")?, key))
    }

    /// The labels of the pod, those left out that are no text.
    pub fn labels(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let labels = self.metadata.as_ref().and_then(|metadata| metadata.value().get("labels")?.as_object());
        labels.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    /// How many pods are asked for: the declared number, 1 where Kubernetes defaults to 1, `None` when it is not known,
    /// as for a pod under a ReplicaSet.
    pub fn replicas(&self) -> Option<i64> {
        self.replicas
    }

    /// Whether the author wrote how many pods there are to be.
    pub fn sets_replicas(&self) -> bool {
        self.sets_replicas
    }

    /// How many pods are in the group that this one is of, where pods come in groups and the number is known.
    pub fn group_size(&self) -> Option<i64> {
        self.group_size
    }

    /// What makes the pods; of a template, what will make them.
    pub fn controller(&self) -> Controller {
        let (group, kind) = if self.is_pod() {
            match owner_reference(self.object) {
                None => return Controller::None,
                Some(owner) => (owner.group, owner.kind),
            }
        } else {
            (self.owner.group, self.owner.kind)
        };
        match (group, kind) {
            ("apps", "Deployment" | "ReplicaSet") | ("", "ReplicationController") | ("argoproj.io", "Rollout") => {
                Controller::ReplicaSet
            }
            ("apps", "StatefulSet") => Controller::StatefulSet,
            ("apps", "DaemonSet") => Controller::DaemonSet,
            ("batch", "Job" | "CronJob") => Controller::Job,
            _ => Controller::Other,
        }
    }

    /// The restart policy, with Kubernetes' default where none is set.
    pub fn restart_policy(&self) -> &'a str {
        text(self.spec.value(), "restartPolicy").unwrap_or("Always")
    }

    /// Whether the pods of the workload must run together, so that one alone may be neither held back nor replaced:
    /// by the kind, or by the labels and annotations that the operators and schedulers of gangs put on pods.
    pub fn is_gang(&self) -> bool {
        self.definition.gang || self.is_labelled_gang()
    }

    /// Whether each pod of a kind of gangs is a group of its own, as the size of the groups says: it has neither leader nor
    /// workers beside it.
    pub(crate) fn is_group_of_one(&self) -> bool {
        self.group_size == Some(1) && self.component.is_none() && !self.is_labelled_gang()
    }

    /// Whether the pod is to run on Windows.
    pub(crate) fn is_windows(&self) -> bool {
        let spec = self.spec.value();
        let named = |value: Option<&Value>, key: &str| value.and_then(|value| text(value, key)) == Some("windows");
        named(spec.get("os"), "name") || named(spec.get("nodeSelector"), "kubernetes.io/os")
    }

    /// Whether labels or annotations of the pod, or its group, say that it is one of a gang.
    fn is_labelled_gang(&self) -> bool {
        const LABELS: &[&str] = &[
            "leaderworkerset.sigs.k8s.io/name",
            "jobset.sigs.k8s.io/jobset-name",
            "training.kubeflow.org/job-name",
            "ray.io/cluster",
            "pod-group.scheduling.sigs.k8s.io",
            "scheduling.x-k8s.io/pod-group",
            "pod-group.scheduling.sigs.k8s.io/name",
            "kueue.x-k8s.io/pod-group-name",
            "volcano.sh/job-name",
            "grove.io/podclique",
        ];
        const ANNOTATIONS: &[&str] = &["scheduling.k8s.io/group-name", "scheduling.volcano.sh/group-name"];
        LABELS.iter().any(|label| self.label(label).is_some())
            || ANNOTATIONS.iter().any(|annotation| self.annotation(annotation).is_some())
            || self.spec.value().get("schedulingGroup").is_some_and(|group| !group.is_null())
    }

    /// Whether this is a pod made by a Job or an operator: its resources and placement were decided where it was made, and
    /// a queue may have counted them, of which the pod itself tells nothing.
    pub fn is_decided_elsewhere(&self) -> bool {
        self.is_pod() && matches!(self.controller(), Controller::Job | Controller::Other)
    }

    /// Whether Kueue admits the workload, which fixes its resources and chooses its nodes.
    pub fn is_queued(&self) -> bool {
        const QUEUE: &str = "kueue.x-k8s.io/queue-name";
        self.label(QUEUE).is_some()
            || self.object.get("metadata").and_then(|metadata| text(metadata.get("labels")?, QUEUE)).is_some()
            || list(self.spec.value(), "schedulingGates")
                .iter()
                .any(|gate| text(gate, "name").is_some_and(|name| name.starts_with("kueue.x-k8s.io/")))
    }

    /// Whether the kind's operator fills `what` in itself, so that it is neither missing nor ours to add. A pod that an
    /// operator owns is completed in every respect: what it left out, it meant to leave out.
    pub fn is_completed(&self, what: Completion) -> bool {
        self.operator.is_some() || self.definition.completes(what)
    }

    /// The operator that owns this pod, or the object that makes it, and completes it.
    pub fn operator(&self) -> Option<&'a Operator> {
        self.operator
    }

    /// Whether the kind's own admission refuses the pod field `field` (a pointer from the PodSpec), or its objects may not
    /// be changed at all.
    pub fn refuses(&self, field: &str) -> bool {
        let annotations = self.object.get("metadata").and_then(|metadata| metadata.get("annotations"));
        let annotation = |key: &str| annotations.and_then(|annotations| text(annotations, key));
        self.definition.never_mutate || self.definition.refuses(field, annotation)
    }

    /// What each of [`containers`](Self::containers) is told to run, in their order.
    pub fn invocations(&self) -> &[Invocation<'a>] {
        self.invocations.get_or_init(|| self.containers.iter().map(Invocation::of).collect())
    }

    /// Whether it is known well enough that its kind has pods at this place: only then may they be repaired there, and never
    /// where a controller makes the objects of the kind.
    pub fn may_be_repaired(&self) -> bool {
        self.confirmed && !self.definition.never_mutate
    }

    /// What runs in the pod.
    pub fn profile(&self) -> &Profile {
        self.profile.get_or_init(|| Profile::of(self, self.catalog))
    }

    /// The containers that run as long as the pod does and run AI, a known runtime or something that asks for an
    /// accelerator, each with what is known of it.
    pub fn ai_containers(&self) -> impl Iterator<Item = (&Container<'a>, &ContainerProfile)> {
        self.containers.iter().zip(&self.profile().containers).filter(|(container, known)| {
            container.is_long_running() && (known.runtime.is_some() || !container.accelerators(self.catalog).is_empty())
        })
    }

    /// What the program that was recognised in one of the containers is started with: its flags and variables. `known` is
    /// an entry of this pod's [`profile`](Self::profile).
    pub fn start(&self, known: &ContainerProfile) -> Option<Start<'_, 'a>> {
        let container = self.containers.get(known.index)?;
        Some(Start::new(container, self.invocations().get(known.index)?, known.command, self.catalog))
    }

    /// Over how many devices the program recognised in one of the containers spreads its model, where that can be told.
    /// `known` is an entry of this pod's [`profile`](Self::profile).
    pub fn spread(&self, known: &ContainerProfile) -> Option<Spread> {
        let spread = |known: &ContainerProfile| Spread::of(known, &self.start(known)?);
        let all = self.spreads.get_or_init(|| self.profile().containers.iter().map(spread).collect());
        all.get(known.index).copied().flatten()
    }

    /// The weights that the server recognised in one of the containers surely downloads. `known` is an entry of this pod's
    /// [`profile`](Self::profile).
    pub fn download(&self, known: &ContainerProfile) -> Option<&Download<'a>> {
        let download = |known: &ContainerProfile| Download::of(self, known, self.catalog);
        let all = self.downloads.get_or_init(|| self.profile().containers.iter().map(download).collect());
        all.get(known.index)?.as_ref()
    }

    /// The volumes and their places.
    pub fn volumes(&self) -> impl Iterator<Item = Node<'a>> + use<'a> {
        self.spec.get("volumes").items()
    }

    /// The volume of this name; `None` where an operator or a claim template brings it.
    pub fn volume(&self, name: &str) -> Option<Node<'a>> {
        self.volumes().find(|volume| text(volume.value(), "name") == Some(name))
    }

    /// Whether the pod or template was told by annotation to be left alone by the repair of `rule`:
    /// `buttress.dev/skip: "rule,rule"`. One on the object that makes the pods would not be seen at admission.
    pub fn skips(&self, rule: &str) -> bool {
        self.annotation(crate::check::SKIP).is_some_and(|names| names.split(',').any(|name| name.trim() == rule))
    }
}

/// The controlling owner of an object, without its namespace, which is the same.
fn owner_reference(object: &Value) -> Option<Identity<'_>> {
    let references = list(object.get("metadata")?, "ownerReferences");
    let controlling = references
        .iter()
        .find(|reference| reference.get("controller") == Some(&Value::Bool(true)))
        .or_else(|| references.first())?;
    let api_version = text(controlling, "apiVersion").unwrap_or_default();
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let (kind, name) = (text(controlling, "kind").unwrap_or_default(), text(controlling, "name").unwrap_or_default());
    Some(Identity { group, version, kind, name, namespace: None })
}

/// The one place that `pattern` means where its `*`s stand for the same items as those of another pattern did.
fn fill(pattern: &str, captured: &[String]) -> Path {
    let mut captured = captured.iter();
    let pattern = Path::parse(pattern);
    pattern.segments().fold(Path::root(), |path, segment| match segment.as_ref() {
        "*" => path.key(captured.next().map_or("*", String::as_str)),
        key => path.key(key),
    })
}

/// What is written where the kind has the number of the template's pods: `null` where nothing is, `None` where it has none.
fn written_replicas<'a>(
    object: &'a Value,
    definition: &Kind,
    template: &Template,
    captured: &[String],
) -> Option<&'a Value> {
    let pattern = template.replicas.as_deref().or(definition.replicas.as_deref())?;
    Some(fill(pattern, captured).get(object).unwrap_or(&Value::Null))
}

/// How many pods make a group: one where the kind lets that be left out and it is. A leader is of the same group as the
/// workers beside it, of which there are as many groups.
fn group_size(object: &Value, definition: &Kind, template: &Template, captured: &[String]) -> Option<i64> {
    let beside = || {
        let mut others = definition.templates.iter().filter(|_| template.replicas.is_some());
        others.find(|other| other.replicas == template.replicas && other.group_size.is_some())
    };
    let pattern = template.group_size.as_ref().or_else(|| beside()?.group_size.as_ref())?;
    match fill(pattern, captured).get(object) {
        None | Some(Value::Null) => Some(1),
        value => integer(value),
    }
}

/// How many pods the template asks for.
fn replicas(object: &Value, owner: Identity<'_>, definition: &Kind, written: Option<&Value>) -> Option<i64> {
    if owner.is("", "Pod") {
        return owner_reference(object).is_none().then_some(1);
    }
    match written? {
        // Kubernetes defaults the replicas of its own kinds, and every verified kind with the scale subresource, to 1.
        Value::Null => definition.scalable.then_some(1),
        value => integer(Some(value)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(object: &Value) -> Vec<String> {
        pods(object, Catalog::builtin()).iter().map(|pod| pod.spec().path().to_string()).collect()
    }

    #[test]
    fn templates_are_found_by_group_and_kind() {
        let containers = json!([{"name": "a", "image": "b"}]);
        let template = json!({"spec": {"containers": containers}});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": containers}});
        assert_eq!(paths(&pod), ["/spec"]);
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": template}});
        assert_eq!(paths(&deployment), ["/spec/template/spec"]);
        let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": template}}}});
        assert_eq!(paths(&cron), ["/spec/jobTemplate/spec/template/spec"]);
        let volcano = json!({"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job", "spec": {"tasks": [{"template": template}, {"template": template}]}});
        assert_eq!(paths(&volcano), ["/spec/tasks/0/template/spec", "/spec/tasks/1/template/spec"]);
        let other = json!({"apiVersion": "example.com/v1", "kind": "Deployment", "spec": {"template": template}});
        assert!(paths(&other).is_empty());
    }

    #[test]
    fn an_embedded_object_is_read_by_its_own_kind() {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}});
        let wrapper = json!({"apiVersion": "workload.codeflare.dev/v1beta2", "kind": "AppWrapper", "spec": {"components": [{"template": job}]}});
        assert_eq!(paths(&wrapper), ["/spec/components/0/template/spec/template/spec"]);
    }

    #[test]
    fn wrong_types_make_no_pods_and_no_panic() {
        for object in [
            json!(5),
            json!({"apiVersion": 1, "kind": []}),
            json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": 5}}),
        ] {
            assert!(paths(&object).is_empty());
        }
    }

    #[test]
    fn replicas_default_to_one_and_are_unknown_under_a_replica_set() {
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}});
        assert_eq!(pods(&deployment, Catalog::builtin())[0].replicas(), Some(1));
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a"}]}});
        assert_eq!(pods(&pod, Catalog::builtin())[0].replicas(), Some(1));
        assert!(pods(&pod, Catalog::builtin())[0].scaled().is("", "Pod"));
        pod["metadata"] = json!({"namespace": "ml", "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "llm-5d59d67564", "controller": true}]});
        let found = pods(&pod, Catalog::builtin());
        assert_eq!(found[0].replicas(), None);
        assert_eq!(found[0].controller(), Controller::ReplicaSet);
        let scaled = found[0].scaled();
        assert!(scaled.is("apps", "ReplicaSet"));
        assert_eq!((scaled.name, scaled.namespace), ("llm-5d59d67564", Some("ml")));
    }
}
