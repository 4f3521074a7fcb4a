//! What the pods are that an operator makes of fields of its own: the engine, the devices and the model as those tell.

use std::sync::Arc;

use serde_json::Value;

use super::accelerators::{self, AcceleratorCount};
use super::{Model, Profile, recognition};
use crate::catalog::{Catalog, Counting, DeviceFields, Role, Runtime};
use crate::image::Image;
use crate::node::{integer, text};
use crate::path::Path;
use crate::workload::{Pod, expand};

/// Looks at the fields in the place of a pod.
pub(super) fn of(pod: &Pod<'_>, catalog: &Catalog) -> Profile {
    let fields = &pod.template().fields;
    let at = |pointer: &Option<String>| pointer.as_deref().and_then(|pointer| Path::parse(pointer).get(pod.value()));
    let engine = at(&fields.engine).and_then(Value::as_str);
    let engine = engine.and_then(|engine| fields.engines.get_key_value(engine));
    let image = at(&fields.image).and_then(reference);
    let parts = image.map(Image::parts);
    let by_image = || parts.as_ref().and_then(|image| catalog.runtime_by_image(image)).map(|found| found.runtime);
    let by_engine = engine.and_then(|(_, id)| catalog.runtime(id)).or_else(|| stated(pod, catalog));
    let runtime = by_engine.or_else(by_image).cloned();

    let mut accelerators = match at(&fields.resources) {
        Some(resources) => accelerators::of_resources(resources, catalog),
        None => Vec::new(),
    };
    for (resource, count, counts) in fields.devices.iter().flat_map(|devices| asked(devices, pod.value(), catalog)) {
        accelerators::add(&mut accelerators, AcceleratorCount { resource, count, counts });
    }
    let of_kind = pod.template().role.or(pod.definition().role).unwrap_or_default();
    let by_name = runtime.as_ref().map_or(Role::None, |runtime| recognition::image_role(runtime, parts.as_ref()));
    let engine_role = matches!((of_kind, by_name), (Role::Inference, Role::Embedding));
    let role = if engine_role { by_name } else { of_kind };

    let mut evidence = vec![format!("kind `{}`", pod.owner().kind)];
    evidence.extend(engine.map(|(engine, _)| format!("engine `{engine}`")));
    evidence.extend(image.map(|image| format!("image `{image}`")));
    evidence.extend(accelerators.iter().map(AcceleratorCount::sentence));
    let named = |pointer: &String| Path::parse(pointer).get(pod.value())?.as_str().filter(|name| !name.is_empty());
    let model = fields.model.iter().find_map(named).map(Model::named).or_else(|| in_image(&runtime, parts.as_ref()));
    let ai = runtime.is_some() || !accelerators.is_empty() || recognition::is_ai_kind(pod);
    Profile { ai, role, accelerators, model, evidence, stated: runtime, ..Profile::default() }
}

/// The program that the kind or the place in it tells.
pub(super) fn stated<'c>(pod: &Pod<'_>, catalog: &'c Catalog) -> Option<&'c Arc<Runtime>> {
    let id = pod.template().runtime.as_deref().or(pod.definition().runtime.as_deref())?;
    catalog.runtime(id)
}

/// The repository, with its tag where it stands beside it.
fn reference(image: &Value) -> Option<&str> {
    image
        .as_str()
        .or_else(|| text(image, "repository"))
        .or_else(|| text(image, "name"))
        .filter(|image| !image.is_empty())
}

fn in_image(runtime: &Option<Arc<Runtime>>, image: Option<&Image<'_>>) -> Option<Model> {
    let tells = runtime.as_ref().is_some_and(|runtime| runtime.model.in_image);
    image.filter(|_| tells).map(|image| Model::named(image.name()))
}

/// What the fields of one kind of device ask for, nothing of zero.
fn asked(devices: &DeviceFields, fields: &Value, catalog: &Catalog) -> Vec<(String, i64, Counting)> {
    let places = expand(fields, &devices.each);
    let found = places.iter().filter_map(|place| {
        let (resource, count) = match place.value.as_str().and_then(|value| profile(devices, value)) {
            Some(found) => found,
            None if devices.profiles.is_empty() => one(devices, place.value)?,
            None => return None,
        };
        let counts = match catalog.extended_resource(&resource) {
            Some(known) => known.counts,
            None => catalog.device_class(&resource).map(|class| class.counts).unwrap_or_default(),
        };
        (count > 0 && counts.is_compute()).then_some((resource, count, counts))
    });
    found.collect()
}

/// Resource and number of `profile:number`.
fn profile(devices: &DeviceFields, value: &str) -> Option<(String, i64)> {
    let (name, count) = value.rsplit_once(':').unwrap_or((value, "1"));
    let (_, resource) = devices.profiles.iter().find(|(start, _)| name.starts_with(start.as_str()))?;
    Some((resource.clone(), count.parse().ok()?))
}

/// Resource and number of a field that names them, or is the number.
fn one(devices: &DeviceFields, field: &Value) -> Option<(String, i64)> {
    let at = |pointer: &Option<String>| pointer.as_deref().and_then(|pointer| Path::parse(pointer).get(field));
    let name = at(&devices.name).and_then(Value::as_str).or(devices.resource.as_deref())?;
    let count = match (&devices.count, at(&devices.count)) {
        (None, _) | (_, None | Some(Value::Null)) => 1,
        (_, Some(Value::String(count))) => count.parse().ok()?,
        (_, count) => integer(count)?,
    };
    Some((name.to_owned(), count))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::Kind;
    use crate::check;
    use crate::context::Context;
    use crate::inventory::Inventory;
    use crate::object::Object;
    use crate::policy::Effective;

    type Seen = (Role, Option<String>, Vec<(String, i64)>, Option<i64>, Option<String>);

    fn seen(object: &Value) -> Vec<Seen> {
        let object = Object::new(object, Catalog::builtin());
        assert!(object.pods().is_empty());
        let one = |pod: &Pod<'_>| {
            assert!(!pod.has_spec() && pod.containers().is_empty());
            let profile = pod.profile();
            let asked = profile.accelerators.iter().map(|asked| (asked.resource.clone(), asked.count)).collect();
            let model = profile.model.as_ref().map(|model| model.name.clone());
            (profile.role, profile.runtime().map(|runtime| runtime.id.clone()), asked, pod.replicas(), model)
        };
        object.flat_pods().iter().map(one).collect()
    }

    fn owned(asked: &[(&str, i64)]) -> Vec<(String, i64)> {
        asked.iter().map(|(resource, count)| ((*resource).to_owned(), *count)).collect()
    }

    #[test]
    fn the_fields_of_a_nim_service_tell_what_it_runs() {
        let spec = json!({"image": {"repository": "nvcr.io/nim/nvidia/nv-embedqa-e5-v5", "tag": "1.6"}, "replicas": 2,
            "resources": {"limits": {"nvidia.com/gpu": 1, "memory": "32Gi"}}});
        let service = json!({"apiVersion": "apps.nvidia.com/v1alpha1", "kind": "NIMService", "spec": spec});
        let model = Some("nv-embedqa-e5-v5".to_owned());
        let one = (Role::Embedding, Some("nim".to_owned()), owned(&[("nvidia.com/gpu", 1)]), Some(2), model);
        assert_eq!(seen(&service), std::slice::from_ref(&one));
        let pipeline = json!({"apiVersion": "apps.nvidia.com/v1alpha1", "kind": "NIMPipeline",
            "spec": {"services": [{"name": "a", "spec": spec}, {"name": "b", "spec": spec}]}});
        assert_eq!(seen(&pipeline), [one.clone(), one]);
        let claims = json!({"apiVersion": "apps.nvidia.com/v1alpha1", "kind": "NIMService", "spec": {"draResources": [
            {"claimCreationSpec": {"devices": [{"name": "a"}, {"name": "b", "deviceClassName": "mig.nvidia.com", "count": 2}]}},
            {"resourceClaimTemplateName": "elsewhere"}]}});
        assert_eq!(seen(&claims)[0].2, owned(&[("gpu.nvidia.com", 1), ("mig.nvidia.com", 2)]));
    }

    #[test]
    fn engines_and_profiles_are_translated() {
        for (engine, profile, role, runtime, asked) in [
            ("OLlama", "cpu:2", Role::Inference, Some("ollama"), owned(&[])),
            ("VLLM", "nvidia-gpu-l4:2", Role::Inference, Some("vllm"), owned(&[("nvidia.com/gpu", 2)])),
            ("VLLM", "amd-gpu-mi300x", Role::Inference, Some("vllm"), owned(&[("amd.com/gpu", 1)])),
            ("FasterWhisper", "nvidia-gpu-l4:x", Role::Inference, Some("speaches"), owned(&[])),
            ("Infinity", "own-profile:1", Role::Embedding, Some("infinity"), owned(&[])),
            ("Future", "cpu:1", Role::Inference, None, owned(&[])),
        ] {
            let model = json!({"apiVersion": "kubeai.org/v1", "kind": "Model",
                "spec": {"engine": engine, "resourceProfile": profile, "url": "hf://a/b-8B"}});
            let (found_role, found, devices, _, name) = seen(&model).remove(0);
            assert_eq!((found_role, found.as_deref(), devices), (role, runtime, asked), "{engine} {profile}");
            assert_eq!(name.as_deref(), Some("hf://a/b-8B"));
        }
        let runtime = json!({"apiVersion": "production-stack.vllm.ai/v1alpha1", "kind": "VLLMRuntime", "spec": {
            "model": {"modelURL": "a/b"}, "deploymentConfig": {"replicas": 3, "resources": {"gpu": "4"}}}});
        let gpus = owned(&[("nvidia.com/gpu", 4)]);
        assert_eq!(seen(&runtime), [(Role::Inference, Some("vllm".to_owned()), gpus, Some(3), Some("a/b".to_owned()))]);
        let job = json!({"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob", "spec": {"trainer": {
            "numNodes": 2, "resourcesPerNode": {"requests": {"nvidia.com/gpu": 8}}}}});
        let gpus = owned(&[("nvidia.com/gpu", 8)]);
        assert_eq!(seen(&job), [(Role::Training, Some("kubeflow-trainer".to_owned()), gpus, Some(2), None)]);
        let spark = json!({"apiVersion": "sparkoperator.k8s.io/v1beta2", "kind": "SparkApplication", "spec": {
            "driver": {"cores": 1}, "executor": {"instances": 2, "gpu": {"name": "nvidia.com/gpu", "quantity": 1}}}});
        assert_eq!(seen(&spark), [(Role::Batch, None, owned(&[("nvidia.com/gpu", 1)]), Some(2), None)]);
    }

    #[test]
    fn a_policy_may_describe_fields_and_no_rule_speaks_of_them() {
        let kind = json!({"group": "ai.example.com", "kind": "Served", "role": "inference", "templates": [
            {"path": "/spec", "type": "Flat", "replicas": "/spec/size", "fields": {
                "engine": "/by", "engines": {"fast": "vllm"}, "devices": [{"each": "/gpus", "resource": "nvidia.com/gpu", "count": ""}]}}]});
        let kind: Kind = serde_json::from_value(kind).unwrap();
        let catalog = Catalog::builtin().with(&[], &[], &[kind]);
        let object = json!({"apiVersion": "ai.example.com/v1", "kind": "Served", "metadata": {"name": "a"},
            "spec": {"by": "fast", "gpus": 2, "size": 3}});
        let object = Object::new(&object, &catalog);
        let pod = &object.flat_pods()[0];
        assert_eq!(pod.profile().runtime().map(|runtime| runtime.id.as_str()), Some("vllm"));
        assert_eq!((pod.profile().devices(), pod.replicas()), (2, Some(3)));
        let (policy, inventory) = (Effective::recommended(), Inventory::whole());
        let context = Context {
            policy: &policy,
            inventory: &inventory,
            namespace: None,
            origin: "",
            today: jiff::civil::date(2026, 1, 1),
        };
        for wrong in [json!({}), json!({"by": 5, "gpus": "x", "size": []}), json!(null), json!([])] {
            let service = json!({"apiVersion": "apps.nvidia.com/v1alpha1", "kind": "NIMService", "metadata": {"name": "a"}, "spec": wrong});
            let _ = seen(&service);
            assert!(check(&service, &context).is_empty());
        }
    }
}
