//! The JSON Schema of the Policy document. It is made from the types and from the rules, so that it cannot say anything
//! else than they do; what it says is what is checked.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::document::Policy;
use super::names;
use super::validate::without_nulls;
use crate::rule::{Category, Rule};

/// The JSON Schema (draft 2020-12) of the Policy document, with the names of `rules` and of the categories.
pub fn schema(rules: &[&Rule]) -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Policy>().to_value();
    set(&mut schema, "/title", json!("Buttress Policy"));
    let all: Vec<&str> = names::all(rules).collect();
    set(
        &mut schema,
        "/$defs/RuleName",
        json!({
            "title": "rule or category",
            "description": "The name of a rule, or of a category for all of its rules.",
            "type": "string",
            "enum": all,
        }),
    );
    let description = schema.pointer("/$defs/Spec/properties/rules/description").cloned().unwrap_or_default();
    let mut properties = Map::new();
    for category in Category::ALL {
        let about = format!("Every rule of the category {category}.");
        properties.insert(category.to_string(), settings(&about));
    }
    for rule in rules {
        properties.insert(rule.name.to_owned(), settings(rule.summary));
    }
    set(
        &mut schema,
        "/$defs/Spec/properties/rules",
        json!({
            "description": description,
            "type": "object",
            "propertyNames": {"$ref": "#/$defs/RuleName"},
            "properties": properties,
            "default": {},
        }),
    );
    tidy(&mut schema);
    schema
}

/// Undoes what comes of the types' layout: lines that broke in the source, and defaults of `null`, which say nothing.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text =
                    text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
            }
            if let Some(default) = map.get("default") {
                // A role is called "default" too, and its schema is no null.
                match without_nulls(default) {
                    Value::Null => map.remove("default"),
                    some => map.insert("default".to_owned(), some),
                };
            }
            map.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn settings(description: &str) -> Value {
    json!({"$ref": "#/$defs/RuleSettings", "description": description})
}

/// Puts `value` at `pointer`, whose parent is there.
fn set(schema: &mut Value, pointer: &str, value: Value) {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    if let Some(Value::Object(map)) = schema.pointer_mut(parent) {
        map.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::RULES;
    use super::*;

    #[test]
    fn it_names_every_rule_and_category() {
        let schema = schema(RULES);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["title"], "Buttress Policy");
        let rules = &schema["$defs"]["Spec"]["properties"]["rules"]["properties"];
        assert_eq!(rules["missing-startup-probe"]["description"], "A server has no startup probe");
        assert_eq!(rules["pod-security"]["$ref"], "#/$defs/RuleSettings");
        let names = schema["$defs"]["RuleName"]["enum"].as_array().unwrap();
        assert_eq!(names.len(), RULES.len() + Category::ALL.len());
        assert_eq!(schema.to_string(), super::schema(RULES).to_string());
    }

    #[test]
    fn every_property_is_described_and_no_mapping_is_open_by_accident() {
        fn visit(schema: &Value, at: &str) {
            if let Some(properties) = schema["properties"].as_object() {
                for (key, property) in properties {
                    let described = property["description"].is_string() || property["title"].is_string();
                    assert!(described, "{at}/{key} is not described");
                }
                let open = ["/Metadata"].contains(&at);
                let closed = schema["additionalProperties"] == json!(false) || schema["propertyNames"].is_object();
                assert!(closed || open, "{at} is open");
            }
            for (key, value) in schema.as_object().into_iter().flatten() {
                if key != "$defs" && value.is_object() {
                    let at = if key == "properties" { at.to_owned() } else { format!("{at}/{key}") };
                    visit(value, &at);
                }
            }
        }
        let schema = schema(RULES);
        visit(&schema, "");
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            visit(definition, &format!("/{name}"));
        }
    }

    #[test]
    fn defaults_are_told() {
        let schema = schema(RULES);
        let budget = &schema["$defs"]["StartupBudget"]["properties"];
        assert_eq!(budget["maximumSeconds"]["default"], 10_800);
        assert_eq!(budget["factor"]["default"], 3.0);
        assert_eq!(schema["$defs"]["Injection"]["properties"]["sizes"]["default"], json!({}));
        assert!(schema["$defs"]["Injection"]["properties"]["cpuLimit"].get("default").is_none());
        assert!(schema["$defs"]["Sizes"]["properties"]["default"]["anyOf"].is_array());
        assert!(!schema.to_string().contains(r"\n"), "lines of a description are joined");
    }
}
