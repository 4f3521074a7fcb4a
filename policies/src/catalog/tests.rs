//! The embedded data parses, is sorted and unambiguous, and answers as the vendors document.

use super::*;

#[test]
fn the_embedded_files_parse() {
    serde_json::from_str::<Vec<Kind>>(include_str!("kinds.json")).unwrap();
    serde_json::from_str::<Vec<Accelerator>>(include_str!("accelerators.json")).unwrap();
    serde_json::from_str::<Vec<DeviceClass>>(include_str!("device_classes.json")).unwrap();
    serde_json::from_str::<Operators>(include_str!("operators.json")).unwrap();
    serde_json::from_str::<Nodes>(include_str!("nodes.json")).unwrap();
    serde_json::from_str::<Vec<LookAlike>>(include_str!("look_alikes.json")).unwrap();
    serde_json::from_str::<Secrets>(include_str!("secrets.json")).unwrap();
    for json in RUNTIMES {
        serde_json::from_str::<Runtime>(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    }
    assert!(Catalog::builtin().kinds().len() > 100);
    assert_eq!(Catalog::builtin().runtimes().len(), RUNTIMES.len());
}

#[test]
fn pointers_are_pointers_and_stars_agree() {
    for kind in Catalog::builtin().kinds() {
        for template in &kind.templates {
            let pointers = [&template.replicas, &template.group_size, &template.metadata];
            for pointer in pointers.into_iter().flatten().chain([&template.path]) {
                assert!(pointer.starts_with('/') && !pointer.ends_with('/'), "{}: {pointer}", kind.kind);
            }
            for pointer in [&template.replicas, &template.group_size].into_iter().flatten() {
                let stars = pointer.matches('*').count();
                assert!(stars <= template.path.matches('*').count(), "{}: {pointer}", kind.kind);
            }
            for version in &template.versions {
                assert!(kind.versions.contains(version), "{}: {version}", kind.kind);
            }
        }
    }
}

#[test]
fn kinds_are_told_apart_by_group() {
    let catalog = Catalog::builtin();
    assert_eq!(catalog.kind("batch", "Job").map(|kind| kind.gang), Some(false));
    assert_eq!(catalog.kind("batch.volcano.sh", "Job").map(|kind| kind.gang), Some(true));
    assert_eq!(catalog.kind("", "Pod").map(|kind| kind.templates[0].path.as_str()), Some("/spec"));
    assert!(catalog.kind("", "Service").is_none());
    assert!(catalog.kind("apps", "Job").is_none());
    assert!(catalog.kind("apps", "StatefulSet").unwrap().scalable);
    assert!(catalog.kind("ray.io", "RayCluster").unwrap().completes(Completion::Probes));
    assert!(catalog.kind("kueue.x-k8s.io", "Workload").unwrap().never_mutate);
}

#[test]
fn serverless_kinds_refuse_placement_unless_they_are_raw() {
    let catalog = Catalog::builtin();
    let service = catalog.kind("serving.knative.dev", "Service").unwrap();
    assert!(service.refuses("/tolerations", |_| None));
    assert!(!service.refuses("/containers/*/resources", |_| None));
    let inference = catalog.kind("serving.kserve.io", "InferenceService").unwrap();
    assert!(inference.refuses("/containers/*/lifecycle", |_| None));
    let raw = |key: &str| (key == "serving.kserve.io/deploymentMode").then_some("RawDeployment");
    assert!(!inference.refuses("/containers/*/lifecycle", raw));
}

#[test]
fn resources_count_what_their_makers_say() {
    let catalog = Catalog::builtin();
    let counts = |name: &str| catalog.extended_resource(name).map(|entry| entry.counts);
    for (name, expected) in [
        ("nvidia.com/gpu", Counting::Device),
        ("nvidia.com/gpu.shared", Counting::Shared),
        ("nvidia.com/mig-1g.5gb", Counting::Mig),
        ("nvidia.com/mig-7g.80gb", Counting::Mig),
        ("nvidia.com/mig-1c.3g.40gb", Counting::Mig),
        ("nvidia.com/mig-1g.10gb.shared", Counting::Mig),
        ("nvidia.com/mig-1g.10gb.me", Counting::Mig),
        ("nvidia.com/GA102GL_A10", Counting::Device),
        ("nvidia.com/gpumem", Counting::Memory),
        ("nvidia.com/gpumem-percentage", Counting::Percent),
        ("nvidia.com/gpucores", Counting::Percent),
        ("nvidia.com/priority", Counting::Attribute),
        ("nvidia.com/mlnxnics", Counting::Network),
        ("nvidia.com/hostdev", Counting::Network),
        ("nvidia.com/sriov_rdma", Counting::Network),
        ("nvidia.com/cx7_a", Counting::Network),
        ("rdma/ib", Counting::Network),
        ("rdma/hca_shared_devices_a", Counting::Network),
        ("vpc.amazonaws.com/efa", Counting::Network),
        ("amd.com/gpu", Counting::Device),
        ("amd.com/cpx_nps4", Counting::Partition),
        ("gpu.intel.com/i915", Counting::Device),
        ("gpu.intel.com/dxg", Counting::Device),
        ("gpu.intel.com/monitoring", Counting::NotCompute),
        ("qat.intel.com/generic", Counting::NotCompute),
        ("google.com/tpu", Counting::Device),
        ("aws.amazon.com/neuroncore", Counting::Core),
        ("huawei.com/Ascend910B4", Counting::Device),
        ("huawei.com/Ascend910B4-1", Counting::Device),
        ("huawei.com/Ascend310P-memory", Counting::Memory),
        ("iluvatar.ai/BI-V150-vgpu", Counting::Virtual),
        ("cambricon.com/mlu370.smlu.vcore", Counting::Percent),
        ("cambricon.com/mlu370.smlu.vmemory", Counting::Memory),
        ("furiosa.ai/rngd-4core.24gb", Counting::Partition),
        ("deviceclass.resource.kubernetes.io/gpu.nvidia.com", Counting::Device),
    ] {
        assert_eq!(counts(name), Some(expected), "{name}");
    }
    for name in [
        "cpu",
        "memory",
        "hugepages-2Mi",
        "ephemeral-storage",
        "nvidia.com/",
        "nvidia.com/unknown",
        "gpu",
        "nvidia.com/mig-1g",
        "nvidia.com/mig-",
        "example.com/gpu",
        "nvidia.com/gpu-",
        "xnvidia.com/gpu",
    ] {
        assert_eq!(counts(name), None, "{name}");
    }
    assert!(catalog.accelerator("rdma/ib").is_none());
    assert!(catalog.accelerator("gpu.intel.com/monitoring").is_none());
    assert!(catalog.accelerator("nvidia.com/gpumem").is_some());
}

#[test]
fn tolerations_follow_the_taint_and_never_an_amount() {
    let catalog = Catalog::builtin();
    let keys = |name: &'static str| {
        catalog.extended_resource(name).map(|entry| entry.toleration_keys(name)).unwrap_or_default()
    };
    assert_eq!(keys("nvidia.com/gpu"), ["nvidia.com/gpu"]);
    assert_eq!(keys("nvidia.com/mig-1g.5gb"), ["nvidia.com/mig-1g.5gb", "nvidia.com/gpu"]);
    assert_eq!(keys("nvidia.com/gpu.shared"), ["nvidia.com/gpu.shared", "nvidia.com/gpu"]);
    assert_eq!(keys("aws.amazon.com/neuroncore"), ["aws.amazon.com/neuroncore", "aws.amazon.com/neuron"]);
    assert_eq!(keys("amd.com/gpu"), ["amd.com/gpu"]);
    for name in [
        "nvidia.com/gpumem",
        "nvidia.com/priority",
        "volcano.sh/vgpu-number",
        "rdma/ib",
        "graphcore.ai/ipu",
        "gpu.intel.com/monitoring",
        "mthreads.com/vgpu",
    ] {
        assert!(keys(name).is_empty(), "{name}");
    }
}

#[test]
fn what_is_added_takes_the_place_of_what_was_there() {
    let kind = Kind { group: "apps".into(), kind: "Deployment".into(), ..Kind::default() };
    let service = Kind { group: "ai.example.com".into(), kind: "AIService".into(), ..Kind::default() };
    let card = Accelerator { resource: "example.com/card".into(), ..Accelerator::default() };
    let family =
        Accelerator { resource: "nvidia.com/mig-*".into(), counts: Counting::Device, ..Accelerator::default() };
    let builtin = Catalog::builtin();
    let more = builtin.with(&[], &[card, family], &[kind.clone(), service.clone()]);
    assert_eq!(more.kinds().len(), builtin.kinds().len() + 1);
    assert_eq!(more.kind("apps", "Deployment"), Some(&kind));
    assert_eq!(more.kind("ai.example.com", "AIService"), Some(&service));
    assert!(more.accelerator("example.com/card").is_some());
    assert_eq!(more.accelerator("nvidia.com/mig-1g.5gb").map(|entry| entry.counts), Some(Counting::Device));
}

#[test]
fn operators_are_known_by_label_and_owner() {
    let operators = Catalog::builtin().operators();
    let label = |key: &str| (key == "ray.io/is-ray-node").then_some("yes");
    assert_eq!(operators.by_label(label).map(|operator| operator.name.as_str()), Some("KubeRay"));
    assert!(operators.by_label(|_| None).is_none());
    assert!(operators.by_owner("apps.nvidia.com", "NIMService").is_some());
    assert!(operators.by_owner("apps", "ReplicaSet").is_none());
    assert!(operators.is_helper("queue-proxy") && operators.is_helper("istio-proxy"));
    assert!(operators.is_mesh_proxy("linkerd-proxy") && !operators.is_mesh_proxy("vllm"));
}

#[test]
fn the_form_survives_a_round_trip_and_refuses_unknown_keys() {
    let kinds = Catalog::builtin().kinds();
    let text = serde_json::to_string(kinds).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Kind>>(&text).unwrap(), kinds);
    assert!(serde_json::from_str::<Kind>(r#"{"group":"a","kind":"B","replica":"/x"}"#).is_err());
}

#[test]
fn every_runtime_speaks_of_ports_it_has_and_of_sizes_that_read() {
    for runtime in Catalog::builtin().runtimes() {
        let id = &runtime.id;
        assert!(!runtime.commands.is_empty() || !runtime.images.is_empty(), "{id}");
        let without = (&runtime.probes, &runtime.ports);
        let variants =
            runtime.variants.iter().map(|variant| (variant.probes.as_ref().unwrap_or(&runtime.probes), &variant.ports));
        for (probes, ports) in variants.chain([without]) {
            for probe in [&probes.startup, &probes.readiness, &probes.liveness].into_iter().flatten() {
                assert!(
                    ports.contains_key(&probe.port) || runtime.ports.contains_key(&probe.port),
                    "{id}: {}",
                    probe.port
                );
                assert!(probe.http.as_ref().is_none_or(|path| path.starts_with('/')), "{id}: {:?}", probe.http);
                assert!(probe.http.is_none() || probe.grpc.is_none(), "{id}");
            }
            assert!(
                probes.startup.is_some() || probes.readiness.is_some() || probes.why_not.is_some() || probes.unsure,
                "{id}"
            );
            assert!(probes.none_when.iter().all(|condition| !condition.why.is_empty()), "{id}");
        }
        let texts = runtime.commands.iter().chain(&runtime.not_server);
        assert!(texts.clone().all(|text| !words(text).is_empty() && !words(text)[0].contains('/')), "{id}");
        let size = &runtime.shared_memory.size;
        assert!(size.as_ref().is_none_or(|size| size.parse::<crate::quantity::Quantity>().is_ok()), "{id}: {size:?}");
        assert!(runtime.source.is_some() || runtime.probes.why_not.is_some(), "{id}");
    }
}

#[test]
fn every_image_and_command_leads_back_to_its_runtime() {
    let catalog = Catalog::builtin();
    for runtime in catalog.runtimes() {
        for rule in &runtime.images {
            let tag = rule.tags.first().map_or("1".to_owned(), |tag| tag.replace('*', "1"));
            let reference =
                format!("mirror.example.com:5000/{}:{tag}", rule.repository.replace("**", "x/y").replace('*', "x"));
            let found =
                catalog.runtime_by_image(&Image::parse(&reference).unwrap()).map(|found| found.runtime.id.as_str());
            assert_eq!(found, Some(runtime.id.as_str()), "{reference}");
        }
        for (text, serves) in
            runtime.commands.iter().map(|text| (text, true)).chain(runtime.not_server.iter().map(|text| (text, false)))
        {
            let text = text.replace("... ", "--x ").replace("**", "opt").replace('*', "x");
            let spec = serde_json::json!({"command": words(&text)});
            let environment = crate::shell::Environment::of(&spec);
            let command: Vec<_> = words(&text).into_iter().map(std::borrow::Cow::Owned).collect();
            let line = CommandLine::of(&command, &[], &environment);
            let found = catalog.runtime_by_command(&line).map(|found| (found.runtime.id.as_str(), found.serves));
            assert_eq!(found, Some((runtime.id.as_str(), serves)), "{text}");
        }
    }
}

#[test]
fn secrets_are_known_by_name_and_paths_are_none() {
    let catalog = Catalog::builtin();
    let tei = catalog.runtime("tei").unwrap();
    assert!(catalog.is_secret_env("HF_TOKEN", None));
    assert!(!catalog.is_secret_env("HF_TOKEN_PATH", None));
    assert!(!catalog.is_secret_env("API_KEY", None));
    assert!(catalog.is_secret_env("API_KEY", Some(tei)));
}
