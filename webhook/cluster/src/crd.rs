//! The CustomResourceDefinition of the Policy, made from the schema by which Policies are checked, so that there is one
//! schema for the file and for the cluster.

use buttress_policies::policy::schema;
use buttress_policies::rule::Rule;
use serde_json::{Map, Value, json};

/// The group of the Policy.
pub const GROUP: &str = "buttress.dev";
/// Its version.
pub const VERSION: &str = "v1alpha1";
/// Its plural, as it stands in URLs and in RBAC.
pub const PLURAL: &str = "policies";

/// Keywords of JSON Schema that a structural schema of Kubernetes has too, with the same meaning.
/// Source: <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>
const KEPT: &[&str] =
    &["description", "type", "required", "minimum", "maximum", "minItems", "minLength", "maxLength", "pattern", "enum"];

/// The name of a rule, as a definition of the schema. Its list of names is left out: it would make the resource know the
/// rules of one release only, while webhooks on the way from one release to the next may know others.
const RULE_NAME: &str = "RuleName";

/// The CustomResourceDefinition. Keys that it does not name are kept by the API server, so that a mistyped one can be
/// told in the status of the Policy instead of being lost.
pub fn crd(rules: &[&Rule]) -> Value {
    let schema = schema(rules);
    let definitions = &schema["$defs"];
    let mut spec = structural(&definitions["Spec"], definitions);
    set(
        &mut spec,
        "rules",
        json!({
            "type": "object",
            "description": "Settings by rule or by category. A rule's own go before those of its category.",
            "additionalProperties": structural(&definitions["RuleSettings"], definitions),
        }),
    );
    set(
        &mut spec,
        "locked",
        json!({
            "type": "array",
            "description": "Rules and categories that no later Policy and no annotation can weaken.",
            "items": structural(&definitions[RULE_NAME], definitions),
        }),
    );
    let column = |name: &str, kind: &str, path: &str, description: &str| json!({"name": name, "type": kind, "jsonPath": path, "description": description});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{PLURAL}.{GROUP}")},
        "spec": {
            "group": GROUP,
            "scope": "Cluster",
            "names": {"plural": PLURAL, "singular": "policy", "kind": "Policy", "listKind": "PolicyList", "categories": ["buttress"]},
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": [
                    column("Enforcement", "string", ".spec.enforcement", "What the webhook does with what it finds"),
                    column("Priority", "integer", ".spec.priority", "Policies apply in ascending order"),
                    column("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status", "Whether it is in force"),
                    column("Reason", "string", ".status.conditions[?(@.type==\"Ready\")].reason", "Why, or why not"),
                    column("Age", "date", ".metadata.creationTimestamp", "When it was made"),
                ],
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "description": definitions["Policy"]["description"].as_str().or(schema["description"].as_str()).unwrap_or("What Buttress judges, repairs and refuses."),
                    "required": ["spec"],
                    "properties": {"spec": spec, "status": status()},
                }},
            }],
        },
    })
}

/// What the webhook tells of a Policy.
fn status() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    json!({
        "type": "object",
        "description": "What became of the Policy. Written by the webhook.",
        "properties": {
            "observedGeneration": {"type": "integer", "format": "int64", "description": "The generation that this tells of."},
            "conditions": {
                "type": "array",
                "description": "Whether the Policy is in force: `Ready`, with the reason InForce, Conflict or Invalid.",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
                "items": {
                    "type": "object",
                    "required": ["type", "status", "reason", "message", "lastTransitionTime"],
                    "properties": {
                        "type": text("The condition."),
                        "status": text("True, False or Unknown."),
                        "reason": text("Why, in one word."),
                        "message": text("Why, in sentences."),
                        "observedGeneration": {"type": "integer", "format": "int64", "description": "The generation that this tells of."},
                        "lastTransitionTime": {"type": "string", "format": "date-time", "description": "When the status last changed."},
                    },
                },
            },
            "lastValid": {
                "type": "object",
                "description": "The last generation without mistakes. It stays in force while a later one has some, also over a restart of the webhook.",
                "properties": {
                    "generation": {"type": "integer", "format": "int64", "description": "Its generation."},
                    "spec": {"type": "object", "description": "What it said.", "x-kubernetes-preserve-unknown-fields": true},
                },
            },
        },
    })
}

/// The structural schema that says what `schema` does, as far as such a schema can; what it cannot say is left to the
/// webhook, which checks every Policy whole.
fn structural(schema: &Value, definitions: &Value) -> Value {
    let mut out = Map::new();
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/$defs/"))
        && let Value::Object(target) = structural(&definitions[name], definitions)
    {
        out = target;
    }
    for key in KEPT {
        if let Some(value) = schema.get(key) {
            out.insert((*key).to_owned(), value.clone());
        }
    }
    if std::ptr::eq(schema, &definitions[RULE_NAME]) {
        out.remove("enum");
    }
    if let Some(variants) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        let (nulls, others): (Vec<&Value>, Vec<&Value>) =
            variants.iter().partition(|variant| variant["type"] == "null");
        let words: Vec<&Value> = others.iter().filter_map(|variant| variant.get("const")).collect();
        if words.len() == others.len() {
            out.insert("type".to_owned(), json!("string"));
            out.insert("enum".to_owned(), json!(words));
        } else if let [only] = others.as_slice()
            && let Value::Object(only) = structural(only, definitions)
        {
            // What stands beside the reference says more than what the target says of itself.
            for (key, value) in only {
                out.entry(key).or_insert(value);
            }
        } else {
            out.insert("x-kubernetes-preserve-unknown-fields".to_owned(), json!(true));
        }
        if !nulls.is_empty() {
            out.insert("nullable".to_owned(), json!(true));
        }
    }
    if let Some(types) = schema["type"].as_array() {
        let named: Vec<&Value> = types.iter().filter(|name| **name != "null").collect();
        match named.as_slice() {
            [only] => out.insert("type".to_owned(), (*only).clone()),
            // Of several types a structural schema knows only one pair, and that has no fractions.
            _ => {
                out.remove("type");
                out.insert("x-kubernetes-preserve-unknown-fields".to_owned(), json!(true))
            }
        };
        if named.len() < types.len() {
            out.insert("nullable".to_owned(), json!(true));
        }
    }
    if let Some(properties) = schema["properties"].as_object() {
        let properties: Map<String, Value> =
            properties.iter().map(|(key, value)| (key.clone(), structural(value, definitions))).collect();
        out.insert("properties".to_owned(), Value::Object(properties));
        out.insert("x-kubernetes-preserve-unknown-fields".to_owned(), json!(true));
    } else if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
        out.insert("additionalProperties".to_owned(), structural(values, definitions));
    } else if out.get("type") == Some(&json!("object")) {
        out.entry("x-kubernetes-preserve-unknown-fields").or_insert(json!(true));
    }
    if let Some(items) = schema.get("items") {
        out.insert("items".to_owned(), structural(items, definitions));
    }
    if !out.contains_key("type") {
        out.insert("x-kubernetes-preserve-unknown-fields".to_owned(), json!(true));
    }
    // The API server holds a null to the list of values too, and never finds it there. Where null is not allowed it takes the
    // key away before it looks, which is what is meant.
    if out.contains_key("enum") {
        out.remove("nullable");
    }
    Value::Object(out)
}

/// Sets a property of a schema of an object.
fn set(schema: &mut Value, property: &str, value: Value) {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.insert(property.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use buttress_policies::rules::RULES;

    use super::*;

    /// What the API server asks of a structural schema: a type for each node, or a word that stands for one.
    fn visit(schema: &Value, at: &str) {
        let map = schema.as_object().unwrap_or_else(|| panic!("{at} is no schema"));
        let typed = map.get("type").is_some_and(Value::is_string);
        assert!(typed || map.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true)), "{at} has no type");
        for key in map.keys() {
            let known = KEPT.contains(&key.as_str())
                || ["properties", "additionalProperties", "items", "nullable", "format"].contains(&key.as_str())
                || key.starts_with("x-kubernetes-");
            assert!(known, "{at}: {key} is no keyword of a structural schema");
        }
        assert!(!(map.contains_key("properties") && map.contains_key("additionalProperties")), "{at}");
        for (key, value) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
            visit(value, &format!("{at}.{key}"));
        }
        for key in ["items", "additionalProperties"] {
            if let Some(value) = map.get(key) {
                visit(value, &format!("{at}.{key}"));
            }
        }
    }

    #[test]
    fn the_schema_is_structural() {
        let crd = crd(RULES);
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        visit(schema, "policy");
        let spec = &schema["properties"]["spec"]["properties"];
        assert_eq!(spec["enforcement"]["enum"], json!(["observe", "warn", "deny"]));
        assert!(spec["enforcement"].get("nullable").is_none(), "a list of values has no room for null");
        assert_eq!(spec["edition"]["nullable"], true);
        assert_eq!(spec["rules"]["additionalProperties"]["properties"]["repair"]["type"], "boolean");
        assert!(spec["enforcement"]["description"].as_str().is_some_and(|text| text.contains("observe")));
        assert_eq!(crd["metadata"]["name"], "policies.buttress.dev");
    }
}
