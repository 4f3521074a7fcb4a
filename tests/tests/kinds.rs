//! Every kind of the catalog: what is wrong with a pod is found and repaired at each place where the kind has pods, and
//! nowhere else. A place that is not confirmed, and objects that a controller makes, are looked at and never changed.

use buttress_policies::catalog::{Catalog, Kind, Template, TemplateForm};
use buttress_policies::finding::Safety;
use buttress_policies::inventory::Inventory;
use buttress_policies::path::Path;
use buttress_policies::policy::Effective;
use buttress_policies::{check, repair, rules};
use buttress_tests::laws;
use serde_json::{Map, Value, json};

/// An accelerator that is requested without a limit: wrong in any container of any kind, and repaired by what is written.
fn container(name: &str) -> Value {
    json!({"name": name, "image": "registry.example.com/work:1.0", "resources": {"requests": {"nvidia.com/gpu": 1}}})
}

/// An object of `kind` with a pod at `template`, and how many containers lie there.
fn object(kind: &Kind, template: &Template) -> (Value, usize) {
    let version = template.versions.first().or(kind.versions.first()).map_or("v1", String::as_str);
    let api_version = if kind.group.is_empty() { version.to_owned() } else { format!("{}/{version}", kind.group) };
    let spec = json!({"containers": [container("work"), container("other")], "initContainers": [container("fetch")]});
    let (pod, count) = match template.form {
        TemplateForm::PodTemplateSpec => (json!({"metadata": {"labels": {"app": "x"}}, "spec": spec}), 3),
        TemplateForm::PodSpec => (spec, 3),
        TemplateForm::Container => (container("work"), 1),
        TemplateForm::ContainerList => (json!([container("work"), container("other")]), 2),
        _ => return (Value::Null, 0),
    };
    let mut object = json!({"apiVersion": api_version, "kind": kind.kind, "metadata": {"name": "x"}});
    let pointer = Path::parse(&template.path);
    let segments: Vec<_> = pointer.segments().map(|segment| segment.into_owned()).collect();
    put(&mut object, &segments, pod);
    (object, count)
}

/// Puts `value` where the segments lead, through lists of two and maps of one where they say `*`.
fn put(here: &mut Value, way: &[String], value: Value) {
    let Some((first, rest)) = way.split_first() else {
        merge(here, value);
        return;
    };
    let is_list = rest.first().is_some_and(|next| next == "*" || next.parse::<usize>().is_ok());
    if first == "*" || first.parse::<usize>().is_ok() {
        if here.is_object() || here.is_null() {
            *here = json!([{"name": "first"}]);
        }
        put(&mut here[0], rest, value);
        return;
    }
    if !here.is_object() {
        *here = Value::Object(Map::new());
    }
    let next = here.as_object_mut().expect("it was made a map").entry(first.clone()).or_insert(Value::Null);
    if next.is_null() && !is_list {
        *next = json!({});
    }
    put(next, rest, value);
}

fn merge(here: &mut Value, value: Value) {
    match (here, value) {
        (Value::Object(old), Value::Object(new)) => old.extend(new),
        (here, value) => *here = value,
    }
}

#[test]
fn each_place_is_judged_and_repaired_unless_it_is_not_confirmed() {
    let rule = rules::find("accelerator-limit-mismatch").expect("the rule is there");
    let policy = Effective::recommended().with_selection(&[rule], &[]);
    let inventory = Inventory::unknown();
    let context = laws::context(&policy, &inventory);
    let (mut places, mut kept) = (0, 0);
    for kind in Catalog::builtin().kinds() {
        for template in &kind.templates {
            let (object, count) = object(kind, template);
            if count == 0 {
                continue;
            }
            let name = format!("{}/{} at {}", kind.group, kind.kind, template.path);
            let findings = check(&object, &context);
            assert_eq!(findings.len(), count, "{name}: {object:#}");
            let base = Path::parse(&template.path);
            for finding in &findings {
                let depth = base.segments().count();
                let same = base
                    .segments()
                    .zip(finding.at.segments())
                    .all(|(pattern, segment)| pattern == "*" || pattern == segment);
                assert!(same && finding.at.segments().count() > depth, "{name}: found at {}", finding.at);
            }
            let repaired = repair(&object, &context, Safety::Unsafe);
            if kind.unsure || template.unsure || kind.never_mutate {
                assert_eq!(repaired.object, object, "{name}: what is not confirmed is never changed");
                kept += 1;
            } else {
                assert_eq!(repaired.edits.len(), count, "{name}: every container is repaired");
                assert_eq!(check(&repaired.object, &context), [], "{name}");
                places += 1;
            }
        }
    }
    assert!(places > 100 && kept > 5, "{places} places are repaired and {kept} are kept");
}
