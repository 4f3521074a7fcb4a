//! Label selectors, as `metav1.LabelSelector` defines them.

use serde_json::Value;

use crate::node::{list, text};

/// A label selector.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl Selector {
    /// Reads a `LabelSelector`; `None` for what is none: absent, of the wrong type, or with an operator that Kubernetes
    /// does not have. An absent selector selects nothing, an empty one (`{}`) everything.
    pub fn from_value(value: &Value) -> Option<Self> {
        let map = value.as_object()?;
        let mut requirements = Vec::new();
        for (key, wanted) in map.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
            let values = vec![wanted.as_str()?.to_owned()];
            requirements.push(Requirement { key: key.clone(), operator: Operator::In, values });
        }
        for expression in list(value, "matchExpressions") {
            let operator = match text(expression, "operator")? {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                _ => return None,
            };
            let values = list(expression, "values").iter().filter_map(Value::as_str).map(str::to_owned).collect();
            requirements.push(Requirement { key: text(expression, "key")?.to_owned(), operator, values });
        }
        Some(Self { requirements })
    }

    /// Whether a pod whose labels `label` looks up is selected.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = label(&requirement.key);
            let listed = |value: &str| requirement.values.iter().any(|wanted| wanted == value);
            match requirement.operator {
                Operator::In => value.is_some_and(listed),
                Operator::NotIn => !value.is_some_and(listed),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
    }

    /// Whether it selects every pod.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_match_as_kubernetes_does() {
        let labels = |key: &str| match key {
            "app" => Some("llm"),
            "tier" => Some("gpu"),
            _ => None,
        };
        for (selector, expected) in [
            (json!({}), true),
            (json!({"matchLabels": {"app": "llm"}}), true),
            (json!({"matchLabels": {"app": "web"}}), false),
            (json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["cpu", "gpu"]}]}), true),
            (json!({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}), true),
            (json!({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}), false),
            (
                json!({"matchLabels": {"app": "llm"}, "matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}),
                false,
            ),
        ] {
            assert_eq!(Selector::from_value(&selector).unwrap().matches(labels), expected, "{selector}");
        }
        assert_eq!(Selector::from_value(&Value::Null), None);
        assert_eq!(Selector::from_value(&json!({"matchExpressions": [{"key": "a", "operator": "Near"}]})), None);
    }
}
