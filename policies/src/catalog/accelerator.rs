//! Extended resources as data: which ones are accelerators, what one unit of each means, and which taints their nodes
//! carry. A name is no proof: `nvidia.com/` holds network cards, memory amounts and priorities too.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;

/// One extended resource, or a family of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Accelerator {
    /// The name of the resource, or a glob over such names.
    pub resource: String,
    /// What one unit is.
    #[serde(default)]
    pub counts: Counting,
    /// Who makes the device.
    #[serde(default, skip_serializing_if = "is_default")]
    pub vendor: Option<String>,
    /// Taint keys that nodes with it carry, beside the resource's own name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub taints: Vec<String>,
    /// A scheduler or webhook other than Kubernetes' own that takes these requests over and rewrites them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub intercepted_by: Option<String>,
    /// What else to mind.
    #[serde(default, skip_serializing_if = "is_default")]
    pub note: Option<String>,
    /// The project or page where this was read.
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: Option<String>,
    /// Whether the name is not confirmed: good enough to look, not to repair.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unsure: bool,
}

/// What one unit of an extended resource is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Counting {
    /// A whole device, as far as the name tells: time slicing may still share it.
    #[default]
    Device,
    /// A slice of an NVIDIA device with memory of its own; two slices of one device cannot talk to each other by NCCL.
    Mig,
    /// A hard partition of another maker's device.
    Partition,
    /// One core of a device.
    Core,
    /// A time-sliced share of a device: two units give no more compute than one.
    Shared,
    /// A share of a device, or a whole one, that a scheduler of its own hands out, with memory and compute said by other
    /// resources: to be compared with no degree of parallelism.
    Virtual,
    /// An amount of device memory, in MiB unless the note says otherwise.
    Memory,
    /// A share of a device's compute or memory in percent or thousandths.
    Percent,
    /// A property of the request, such as its priority.
    Attribute,
    /// A device, but none that a model runs on: monitoring, compression, FPGA.
    NotCompute,
    /// A network interface or RDMA handle.
    Network,
}

impl Counting {
    /// Whether a unit is a device, or a part of one, that a process can be started on. Only such counts may be compared
    /// with a degree of parallelism.
    pub fn is_devices(self) -> bool {
        matches!(self, Self::Device | Self::Mig | Self::Partition | Self::Core | Self::Shared | Self::Virtual)
    }

    /// Whether asking for it means that a model runs on an accelerator: a device or an amount of one.
    pub fn is_compute(self) -> bool {
        self.is_devices() || matches!(self, Self::Memory | Self::Percent)
    }

    /// Whether the unit is less than a device.
    pub fn is_fraction(self) -> bool {
        matches!(
            self,
            Self::Mig | Self::Partition | Self::Core | Self::Shared | Self::Virtual | Self::Memory | Self::Percent
        )
    }
}

impl Accelerator {
    /// The taint keys that a pod asking for `resource` should tolerate, which is a name that this entry matches.
    ///
    /// Empty where nothing may be injected: amounts, attributes, network handles, names that another scheduler takes
    /// over, and names that are not confirmed.
    pub fn toleration_keys<'a>(&'a self, resource: &'a str) -> Vec<&'a str> {
        let devices = self.counts.is_devices() && self.counts != Counting::Virtual;
        if !devices || self.unsure || self.intercepted_by.is_some() {
            return Vec::new();
        }
        let mut keys = vec![resource];
        keys.extend(self.taints.iter().map(String::as_str).filter(|key| *key != resource));
        keys
    }

    /// Whether the entry names a family of resources and not one.
    pub(super) fn is_glob(&self) -> bool {
        self.resource.contains(['*', '?', '[', '{'])
    }

    /// Whether the entry is about the resource `name`.
    pub fn matches(&self, name: &str) -> bool {
        if self.is_glob() { fast_glob::glob_match(&self.resource, name) } else { self.resource == name }
    }
}

/// A DRA device class that the community knows by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceClass {
    /// The name of the class.
    pub name: String,
    /// Who makes the device.
    #[serde(default, skip_serializing_if = "is_default")]
    pub vendor: Option<String>,
    /// What one device of the class is.
    #[serde(default)]
    pub counts: Counting,
    /// Whether the name is not confirmed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unsure: bool,
}
