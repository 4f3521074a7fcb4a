//! Containers of a pod: one type and one order for init, sidecar, regular and ephemeral ones.

use std::borrow::Cow;

use serde_json::Value;

use crate::catalog::{Accelerator, Catalog};
use crate::node::{Node, integer, list, text};
use crate::path::Path;
use crate::quantity::Quantity;

/// What a container is for in its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerRole {
    /// Runs to its end before the others start; has no probes.
    Init,
    /// An init container with `restartPolicy: Always`, which keeps running (KEP-753).
    Sidecar,
    /// One of `spec.containers`.
    Regular,
    /// Added to a running pod for debugging; has neither probes nor resources.
    Ephemeral,
}

/// One container and its place in the object.
#[derive(Clone, Debug)]
pub struct Container<'a> {
    value: &'a Value,
    path: Path,
    role: ContainerRole,
}

impl<'a> Container<'a> {
    pub(crate) fn new(value: &'a Value, path: Path, role: ContainerRole) -> Self {
        Self { value, path, role }
    }

    /// Every container under `spec` (a PodSpec at `path`): init and sidecar, regular, ephemeral, in this order, which is
    /// the order of the Pod Security Standards' visitor.
    pub(crate) fn all(spec: &'a Value, path: &Path) -> Vec<Self> {
        let mut containers = Vec::new();
        for field in ["initContainers", "containers", "ephemeralContainers"] {
            let items = list(spec, field);
            if items.is_empty() {
                continue;
            }
            let at = path.key(field);
            for (index, value) in items.iter().enumerate() {
                let role = match field {
                    "containers" => ContainerRole::Regular,
                    "ephemeralContainers" => ContainerRole::Ephemeral,
                    _ if text(value, "restartPolicy") == Some("Always") => ContainerRole::Sidecar,
                    _ => ContainerRole::Init,
                };
                containers.push(Self::new(value, at.index(index), role));
            }
        }
        containers
    }

    /// What the container is for.
    pub fn role(&self) -> ContainerRole {
        self.role
    }

    /// Whether it runs as long as the pod does: a regular container or a sidecar.
    pub fn is_long_running(&self) -> bool {
        matches!(self.role, ContainerRole::Regular | ContainerRole::Sidecar)
    }

    /// The container as it is written.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// Its place in the object.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The place of one of its fields.
    pub fn get(&self, key: &str) -> Node<'a> {
        self.node().get(key)
    }

    /// The container as a node.
    pub fn node(&self) -> Node<'a> {
        Node::placed(self.value, self.path.clone())
    }

    /// Its name; empty when it has none.
    pub fn name(&self) -> &'a str {
        text(self.value, "name").unwrap_or_default()
    }

    /// How it is called in messages: its name, or what it is where an operator gives it one.
    pub fn title(&self) -> String {
        match self.name() {
            "" => "the container".to_owned(),
            name => format!("`{name}`"),
        }
    }

    /// Its image reference as written; `None` where an operator or a parent fills it in.
    pub fn image(&self) -> Option<&'a str> {
        text(self.value, "image").filter(|image| !image.is_empty())
    }

    /// The words of `command`; what is no text is left out.
    pub fn command(&self) -> Vec<Cow<'a, str>> {
        words(list(self.value, "command"))
    }

    /// The words of `args`.
    pub fn args(&self) -> Vec<Cow<'a, str>> {
        words(list(self.value, "args"))
    }

    /// The declared `containerPort` numbers and their names.
    pub fn ports(&self) -> impl Iterator<Item = (i64, Option<&'a str>)> {
        list(self.value, "ports")
            .iter()
            .filter_map(|port| Some((integer(port.get("containerPort"))?, text(port, "name"))))
    }

    /// The limit on `resource`, when it reads as a quantity.
    pub fn limit(&self, resource: &str) -> Option<Quantity> {
        Quantity::from_value(self.value.get("resources")?.get("limits")?.get(resource)?)
    }

    /// The request for `resource`, when it reads as a quantity. A limit without a request is not counted here.
    pub fn request(&self, resource: &str) -> Option<Quantity> {
        Quantity::from_value(self.value.get("resources")?.get("requests")?.get(resource)?)
    }

    /// What the container asks of each accelerator: the limit or, where there is none, the request. Resources that
    /// are no accelerators are left out, quantities of zero and those that do not parse are kept for their rules.
    pub fn accelerators(&self, catalog: &Catalog) -> Vec<(&'a str, &'a Value)> {
        self.value.get("resources").map(|resources| accelerators(resources, catalog)).unwrap_or_default()
    }

    /// Whether a scheduler or webhook other than Kubernetes' own takes what the container asks of `resource` over: by its
    /// name, or because an amount of such a device stands beside it, which makes `nvidia.com/gpu` one shared by HAMi.
    pub fn is_intercepted(&self, resource: &str, catalog: &Catalog) -> bool {
        self.value.get("resources").is_some_and(|resources| is_intercepted(resources, resource, catalog))
    }

    /// Whether a volume is mounted at `mount_path` or above it.
    pub fn mounts(&self, mount_path: &str) -> bool {
        list(self.value, "volumeMounts")
            .iter()
            .filter_map(|mount| text(mount, "mountPath"))
            .any(|path| covers(path, mount_path))
    }

    /// The mounts that may bring the file or folder `path`: those at, above or below it; all of them for `*/name`.
    pub fn mounts_around<'p>(&self, path: &'p str) -> impl Iterator<Item = &'a Value> + use<'a, 'p> {
        list(self.value, "volumeMounts").iter().filter(move |mount| {
            path.starts_with('*')
                || text(mount, "mountPath").is_some_and(|mounted| covers(mounted, path) || covers(path, mounted))
        })
    }

    /// The mount in which `path` lies: of those at or above it the nearest.
    pub fn mount_of(&self, path: &str) -> Option<&'a Value> {
        list(self.value, "volumeMounts")
            .iter()
            .filter(|mount| text(mount, "mountPath").is_some_and(|mounted| covers(mounted, path)))
            .max_by_key(|mount| text(mount, "mountPath").map_or(0, |mounted| parts(mounted).count()))
    }

    /// Whether something that Kubernetes would not resolve stands in the fields that tell what runs: the braces of
    /// Helm, Argo, Tekton or KServe templates.
    pub fn has_placeholders(&self) -> bool {
        let braces = |text: &str| text.contains("{{");
        self.image().is_some_and(braces)
            || ["command", "args"]
                .iter()
                .any(|field| list(self.value, field).iter().filter_map(Value::as_str).any(braces))
    }
}

/// What `requests` and `limits` ask of each accelerator.
pub(crate) fn accelerators<'a>(resources: &'a Value, catalog: &Catalog) -> Vec<(&'a str, &'a Value)> {
    let mut found: Vec<(&str, &Value)> = Vec::new();
    for field in ["limits", "requests"] {
        for (name, quantity) in resources.get(field).and_then(Value::as_object).into_iter().flatten() {
            if name.contains('/')
                && !found.iter().any(|(other, _)| other == name)
                && catalog.accelerator(name).is_some()
            {
                found.push((name, quantity));
            }
        }
    }
    found
}

/// Whether another scheduler takes over what `requests` and `limits` ask of `resource`.
pub(crate) fn is_intercepted(resources: &Value, resource: &str, catalog: &Catalog) -> bool {
    let taken_over = |entry: &Accelerator| entry.intercepted_by.is_some();
    let domain = resource.split_once('/').map_or("", |(domain, _)| domain);
    let amount = |other: &str| {
        other.split_once('/').is_some_and(|(other, _)| other == domain)
            && catalog.accelerator(other).is_some_and(|entry| taken_over(entry) && !entry.counts.is_devices())
    };
    catalog.accelerator(resource).is_some_and(taken_over)
        || ["limits", "requests"].iter().any(|field| {
            let asked = resources.get(field).and_then(Value::as_object);
            asked.into_iter().flatten().any(|(other, _)| amount(other))
        })
}

/// Whether a mount at `path` takes the place of what is at `wanted`: it is mounted there, or above.
pub(crate) fn covers(path: &str, wanted: &str) -> bool {
    let mut wanted = parts(wanted);
    path.starts_with('/') && parts(path).all(|part| wanted.next() == Some(part))
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

fn words(items: &[Value]) -> Vec<Cow<'_, str>> {
    items.iter().filter_map(Value::as_str).map(Cow::Borrowed).collect()
}
