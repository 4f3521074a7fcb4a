//! LimitRanges: what the pods of a namespace and their containers may ask for, and what a container is given that says
//! nothing itself. Of all resources only CPU and memory are kept.
//!
//! Source: kubernetes/kubernetes `plugin/pkg/admission/limitranger/admission.go` and, for what is left out,
//! `pkg/apis/core/v1/defaults.go` (`SetDefaults_LimitRangeItem`).

use serde_json::Value;

use super::{Inventory, Sight, Source, may_meet};
use crate::node::{list, text};
use crate::quantity::Quantity;

/// A LimitRange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitRange {
    /// Where it was seen.
    pub origin: String,
    /// Its name.
    pub name: String,
    /// Its namespace, when it names one.
    pub namespace: Option<String>,
    /// What its items say, one resource at a time.
    pub bounds: Vec<Bounds>,
}

/// What one item of a LimitRange says of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// What it is about.
    pub of: Bounded,
    /// `cpu` or `memory`.
    pub resource: &'static str,
    /// The least that may be requested, and the least limit.
    pub min: Option<Quantity>,
    /// The most that may be requested, and the greatest limit, without which there must be none.
    pub max: Option<Quantity>,
    /// How many times the request a limit may be. Both must then be there.
    pub ratio: Option<Quantity>,
    /// What a container is limited to that sets no limit.
    pub limit: Given,
    /// What a container requests that sets neither request nor limit.
    pub request: Given,
}

/// What an item of a LimitRange is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounded {
    /// Each container.
    Container,
    /// All containers of a pod together.
    Pod,
}

/// What a container is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// Nothing.
    None,
    /// So much.
    Value(Quantity),
    /// Something that could not be read.
    Unreadable,
}

/// What is wrong with a request and a limit by the bounds of a LimitRange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// There is no request, or one of nothing.
    NoRequest,
    /// There is no limit, or one of nothing.
    NoLimit,
    /// One of them, which is this, is less than the least.
    BelowMin(Quantity),
    /// One of them, which is this, is more than the most.
    AboveMax(Quantity),
    /// The limit is too many times the request.
    AboveRatio,
}

impl LimitRange {
    pub(super) fn of(source: Source<'_>) -> Self {
        let items = list(source.spec, "limits").iter().filter_map(|item| {
            let of = match text(item, "type")? {
                "Container" => Bounded::Container,
                "Pod" => Bounded::Pod,
                _ => return None,
            };
            Some(["cpu", "memory"].map(|resource| Bounds::of(item, of, resource)))
        });
        Self {
            origin: source.origin(),
            name: source.name(),
            namespace: source.namespace(),
            bounds: items.flatten().filter(Bounds::says_something).collect(),
        }
    }

    /// Whether it gives each container a limit on memory.
    fn limits_memory(&self) -> bool {
        self.bounds.iter().any(|bounds| bounds.resource == "memory" && bounds.limit != Given::None)
    }
}

impl Bounds {
    fn of(item: &Value, of: Bounded, resource: &'static str) -> Self {
        let value = |field: &str| item.get(field).and_then(|amounts| amounts.get(resource));
        let amount = |field: &str| value(field).and_then(Quantity::from_value);
        // The API server fills in what is left out: the limit by the most, the request by the limit or else by the least.
        let given = |fields: &[&str]| {
            let written = fields.iter().filter_map(|field| value(field)).find(|value| !value.is_null());
            match written.filter(|_| of == Bounded::Container) {
                None => Given::None,
                Some(written) => Quantity::from_value(written).map_or(Given::Unreadable, Given::Value),
            }
        };
        Self {
            of,
            resource,
            min: amount("min"),
            max: amount("max"),
            ratio: amount("maxLimitRequestRatio"),
            limit: given(&["default", "max"]),
            request: given(&["defaultRequest", "default", "max", "min"]),
        }
    }

    fn says_something(&self) -> bool {
        let bounded = [self.min, self.max, self.ratio].iter().any(Option::is_some);
        bounded || [self.limit, self.request].iter().any(|given| *given != Given::None)
    }

    /// What is wrong with this request and this limit.
    pub fn breach(&self, request: Option<Quantity>, limit: Option<Quantity>) -> Option<Breach> {
        let either = || request.into_iter().chain(limit);
        if let Some(min) = self.min {
            if request.is_none() {
                return Some(Breach::NoRequest);
            }
            if let Some(below) = either().find(|amount| *amount < min) {
                return Some(Breach::BelowMin(below));
            }
        }
        if let Some(max) = self.max {
            if limit.is_none() {
                return Some(Breach::NoLimit);
            }
            if let Some(above) = either().find(|amount| *amount > max) {
                return Some(Breach::AboveMax(above));
            }
        }
        let ratio = self.ratio?;
        let Some(request) = request.filter(|request| !request.is_zero()) else { return Some(Breach::NoRequest) };
        let Some(limit) = limit.filter(|limit| !limit.is_zero()) else { return Some(Breach::NoLimit) };
        let millis = |quantity: Quantity| i128::from(quantity.milli_value());
        (millis(limit) * 1000 > millis(request) * millis(ratio)).then_some(Breach::AboveRatio)
    }
}

impl Inventory {
    /// Those of exactly `namespace`, which may be unnamed on both sides: then they are of the same project, and
    /// [`nearest`](super::nearest) tells which may be meant.
    pub fn limit_ranges_of(&self, namespace: Option<&str>) -> Sight<Vec<&LimitRange>> {
        self.answer(self.limit_ranges.iter().filter(|range| range.namespace.as_deref() == namespace).collect())
    }

    /// Those that give the containers of `namespace` a limit on memory, and those that may: where either names no namespace,
    /// they can be of the same.
    pub fn memory_limits_of(&self, namespace: Option<&str>) -> Sight<Vec<&LimitRange>> {
        let here = |range: &&LimitRange| range.limits_memory() && may_meet(range.namespace.as_deref(), namespace);
        self.answer(self.limit_ranges.iter().filter(here).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::whole;
    use super::*;

    fn range(item: &Value) -> LimitRange {
        let object = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "defaults", "namespace": "ml"},
                            "spec": {"limits": [item]}});
        whole(&[object]).limit_ranges_of(Some("ml")).present().unwrap()[0].clone()
    }

    fn read(quantity: &str) -> Option<Quantity> {
        (!quantity.is_empty()).then(|| quantity.parse().unwrap())
    }

    #[test]
    fn a_default_limit_holds_in_its_namespace() {
        for (limit, limits) in [
            (json!({"type": "Container", "default": {"memory": "8Gi"}}), true),
            (json!({"type": "Container", "default": {"memory": "${MEMORY}"}}), true),
            (json!({"type": "Container", "max": {"memory": "8Gi"}}), true),
            (json!({"type": "Container", "default": {"cpu": 1}, "defaultRequest": {"memory": "8Gi"}}), false),
            (json!({"type": "Pod", "max": {"memory": "8Gi"}}), false),
            (json!({"type": "Container", "default": {"memory": null}}), false),
            (json!(7), false),
        ] {
            let range = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "defaults", "namespace": "ml"},
                               "spec": {"limits": [limit]}});
            let inventory = whole(&[range]);
            for (namespace, same) in [(Some("ml"), true), (None, true), (Some("web"), false)] {
                let found = inventory.memory_limits_of(namespace).present().is_some();
                assert_eq!(found, limits && same, "{limit} {namespace:?}");
            }
        }
        assert_eq!(Inventory::unknown().memory_limits_of(None), Sight::Unknown);
    }

    #[test]
    fn one_of_another_namespace_is_none_of_this() {
        let object = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "r", "namespace": "ml"}});
        let inventory = whole(&[object]);
        assert!(inventory.limit_ranges_of(Some("ml")).present().is_some());
        assert_eq!(inventory.limit_ranges_of(Some("web")), Sight::Absent);
        assert_eq!(inventory.limit_ranges_of(None), Sight::Absent);
        assert_eq!(Inventory::of_cluster().limit_ranges_of(Some("ml")), Sight::Unknown);
    }

    #[test]
    fn what_is_left_out_is_filled_in_as_the_api_server_does() {
        let given = |quantity: &str| read(quantity).map_or(Given::None, Given::Value);
        for (item, limit, request) in [
            (json!({"type": "Container", "max": {"cpu": 4}}), "4", "4"),
            (json!({"type": "Container", "max": {"cpu": 4}, "default": {"cpu": 2}, "min": {"cpu": 1}}), "2", "2"),
            (json!({"type": "Container", "min": {"cpu": 1}}), "", "1"),
            (json!({"type": "Container", "defaultRequest": {"cpu": "500m"}, "max": {"cpu": 4}}), "4", "500m"),
            (json!({"type": "Container", "maxLimitRequestRatio": {"cpu": 4}}), "", ""),
            (json!({"type": "Pod", "max": {"cpu": 4}, "min": {"cpu": 1}}), "", ""),
        ] {
            let found = range(&item);
            assert_eq!((found.bounds.len(), found.bounds[0].resource), (1, "cpu"), "{item}");
            assert_eq!((found.bounds[0].limit, found.bounds[0].request), (given(limit), given(request)), "{item}");
        }
        let unreadable = range(&json!({"type": "Container", "max": {"memory": "${MAX}"}}));
        assert_eq!((unreadable.bounds[0].max, unreadable.bounds[0].limit), (None, Given::Unreadable));
        for item in [
            json!({"type": "PersistentVolumeClaim", "max": {"storage": "1Ti", "memory": "1Gi"}}),
            json!({"type": "Container", "max": {"nvidia.com/gpu": 1}}),
            json!({"type": "Container", "max": 7}),
        ] {
            assert!(range(&item).bounds.is_empty(), "{item}");
        }
    }

    #[test]
    fn bounds_are_held_to_as_limit_ranger_does() {
        let breach = |item: &str, request: &str, limit: &str| {
            let (field, quantity) = item.split_once(' ').unwrap();
            let found = range(&json!({"type": "Pod", field: {"memory": quantity}}));
            found.bounds[0].breach(read(request), read(limit))
        };
        let amount = |quantity: &str| read(quantity).unwrap();
        for (item, request, limit, expected) in [
            ("min 1Gi", "1Gi", "", None),
            ("min 1Gi", "1Gi", "2Gi", None),
            ("min 1Gi", "", "", Some(Breach::NoRequest)),
            ("min 1Gi", "512Mi", "2Gi", Some(Breach::BelowMin(amount("512Mi")))),
            ("min 1Gi", "1Gi", "512Mi", Some(Breach::BelowMin(amount("512Mi")))),
            ("max 4Gi", "1Gi", "4Gi", None),
            ("max 4Gi", "", "4096Mi", None),
            ("max 4Gi", "1Gi", "", Some(Breach::NoLimit)),
            ("max 4Gi", "1Gi", "5Gi", Some(Breach::AboveMax(amount("5Gi")))),
            ("max 4Gi", "5Gi", "4Gi", Some(Breach::AboveMax(amount("5Gi")))),
            ("maxLimitRequestRatio 2", "1Gi", "2Gi", None),
            ("maxLimitRequestRatio 1500m", "2Gi", "3Gi", None),
            ("maxLimitRequestRatio 1500m", "2Gi", "3073Mi", Some(Breach::AboveRatio)),
            ("maxLimitRequestRatio 2", "1Gi", "", Some(Breach::NoLimit)),
            ("maxLimitRequestRatio 2", "1Gi", "0", Some(Breach::NoLimit)),
            ("maxLimitRequestRatio 2", "", "1Gi", Some(Breach::NoRequest)),
            ("maxLimitRequestRatio 2", "0", "1Gi", Some(Breach::NoRequest)),
        ] {
            assert_eq!(breach(item, request, limit), expected, "{item}: {request} {limit}");
        }
    }
}
