//! What platform engineers see in a manifest and a table of images does not: shares of devices, releases, routers, kinds.

use serde_json::{Value, json};

use super::*;
use crate::catalog::Counting;

#[test]
fn a_device_that_a_scheduler_shares_out_counts_against_no_degree() {
    let asked = |limits: Value| {
        let args = json!(["--model", "x", "--tensor-parallel-size", "4"]);
        let image = "vllm/vllm-openai:v0.11.0";
        deployed(json!([{"name": "a", "image": image, "args": args, "resources": {"limits": limits}}]))
    };
    let hami = asked(json!({"nvidia.com/gpu": 2, "nvidia.com/gpumem": 3000}));
    assert_eq!(hami.accelerators[0].counts, Counting::Virtual);
    assert!(!hami.containers[0].grouped);
    let volcano = asked(json!({"volcano.sh/vgpu-number": 2}));
    assert_eq!(volcano.accelerators[0].counts, Counting::Virtual);
    assert!(!volcano.containers[0].grouped);
    let plain = asked(json!({"nvidia.com/gpu": 2}));
    assert_eq!(plain.accelerators[0].counts, Counting::Device);
    assert!(plain.containers[0].grouped);
}

#[test]
fn a_fact_of_a_release_holds_from_that_release_on() {
    let probes = |image: &str| container(json!({"name": "a", "image": image})).probes;
    assert!(probes("qdrant/qdrant:v1.15.0").is_ok());
    assert!(probes("qdrant/qdrant:latest").is_ok());
    assert!(probes("qdrant/qdrant:v1.7.2").is_err());
    assert!(probes("qdrant/qdrant@sha256:0").is_err());
    let drain = &Catalog::builtin().runtime("vllm").unwrap().drain;
    let can_wait = |image: &str| drain.can_wait(Some(&crate::image::Image::parts(image)));
    assert_eq!(can_wait("vllm/vllm-openai:v0.18.0"), Some(true));
    assert_eq!(can_wait("vllm/vllm-openai:v0.11.0"), Some(false));
    assert_eq!(can_wait("vllm/vllm-openai:nightly"), None);
    assert_eq!(drain.can_wait(None), None);
}

#[test]
fn a_router_is_a_gateway_and_no_engine() {
    for (image, command) in [
        ("lmsysorg/sglang:v0.5.3", "python3 -m sglang_router.launch_router --pd-disaggregation"),
        ("lmsysorg/sglang:v0.5.3", "sglang-router launch --host 0.0.0.0"),
        ("lmsysorg/sglang-router:v0.2.0", ""),
    ] {
        let mut spec = json!({"name": "router", "image": image});
        if !command.is_empty() {
            spec["command"] = json!(command.split(' ').collect::<Vec<_>>());
        }
        let found = deployed(json!([spec]));
        assert_eq!(found.role, Role::Gateway, "{image} {command}");
        assert!(found.containers[0].probes.is_err());
    }
}

/// The profile of the first pod of an object.
fn first(api_version: &str, kind: &str, spec: &Value) -> Profile {
    profile(&json!({"apiVersion": api_version, "kind": kind, "spec": spec}))
}

fn id(profile: &Profile) -> Option<&str> {
    profile.runtime().map(|runtime| runtime.id.as_str())
}

#[test]
fn the_kind_tells_what_an_unknown_image_runs() {
    let pod = |image: &str| json!({"spec": {"containers": [{"name": "a", "image": image}]}});
    let cluster = |image: &str| first("ray.io/v1", "RayCluster", &json!({"headGroupSpec": {"template": pod(image)}}));
    let found = cluster("${IMAGE_URI}");
    assert_eq!((id(&found), found.role), (Some("ray"), Role::None));
    assert!(found.ai && found.containers[0].probes.is_err() && !found.containers[0].sure);
    assert_eq!(cluster("hiyouga/verl:1").role, Role::None);
    assert_eq!(cluster("verlai/verl:1").role, Role::Training);
    let service = first(
        "ray.io/v1",
        "RayService",
        &json!({"rayClusterConfig": {"headGroupSpec": {"template": pod("registry.example.com/x:1")}}}),
    );
    assert_eq!((id(&service), service.role), (Some("ray"), Role::Inference));
    for (entrypoint, role) in [("python train.py --epochs 3", Role::Training), ("python count.py", Role::Batch)] {
        let spec = json!({"entrypoint": entrypoint, "rayClusterSpec": {"headGroupSpec": {"template": pod("rayproject/ray:2.52.0")}}});
        let job = first("ray.io/v1", "RayJob", &spec);
        assert_eq!((id(&job), job.role), (Some("ray"), role), "{entrypoint}");
    }
    let predictor = first(
        "serving.kserve.io/v1beta1",
        "InferenceService",
        &json!({"predictor": {"pytorch": {"storageUri": "gs://x"}}}),
    );
    assert_eq!((id(&predictor), predictor.role), (Some("torchserve"), Role::Inference));
    let worker = first(
        "serving.kserve.io/v1alpha2",
        "LLMInferenceService",
        &json!({"worker": {"containers": [{"name": "main"}]}}),
    );
    assert_eq!(id(&worker), Some("vllm"));
    let notebook = first("kubeflow.org/v1", "Notebook", &json!({"template": pod("registry.example.com/lab:1")}));
    assert_eq!((id(&notebook), notebook.role), (Some("jupyter-server"), Role::Notebook));
}

#[test]
fn kinds_that_run_anything_tell_no_training_by_themselves() {
    let task =
        |container: Value| json!({"tasks": [{"replicas": 1, "template": {"spec": {"containers": [container]}}}]});
    let role = |container: Value| first("batch.volcano.sh/v1alpha1", "Job", &task(container)).role;
    assert_eq!(role(json!({"name": "a", "image": "nginx:1.29"})), Role::Batch);
    assert_eq!(
        role(json!({"name": "a", "image": "x", "command": ["python", "/app/pretrain_model.py"]})),
        Role::Training
    );
    assert_eq!(role(json!({"name": "a", "image": "x", "env": [{"name": "WORLD_SIZE", "value": "4"}]})), Role::Training);
    assert_eq!(
        role(json!({"name": "a", "image": "x", "command": ["mpirun", "-np", "2", "/opt/nvbandwidth"]})),
        Role::Batch
    );
    assert_eq!(
        role(json!({"name": "a", "image": "x", "command": ["mpirun", "-np", "2", "python", "x.py"]})),
        Role::Training
    );
    let group = json!({"leaderWorkerTemplate": {"size": 2, "workerTemplate": {"spec": {"containers": [
        {"name": "a", "image": "nginx:1.29", "ports": [{"containerPort": 80}], "resources": {"limits": {"google.com/tpu": 4}}}]}}}});
    assert_eq!(first("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", &group).role, Role::None);
    let manager = json!([{"name": "m", "image": "x", "command": ["/manager", "--leader-elect"]}]);
    assert_eq!(deployed(manager).role, Role::Infrastructure);
}

#[test]
fn a_group_of_one_waits_for_nobody() {
    let storm = |size: Value| {
        let role = json!({"name": "decode", "replicas": 2, "podGroupSize": size, "template": {"spec": {"containers": [
            {"name": "a", "image": "x", "command": ["vllm", "serve", "m", "--port", "9000"]}]}}});
        let spec = json!({"template": {"spec": {"roles": [role]}}});
        first("orchestration.aibrix.ai/v1alpha1", "StormService", &spec).containers.swap_remove(0).probes
    };
    assert!(storm(Value::Null).is_ok());
    assert!(storm(json!(1)).is_ok());
    assert!(storm(json!(2)).is_err());
    assert!(storm(json!("1")).is_err());
}

#[test]
fn what_is_written_oddly_is_read_all_the_same() {
    let found = container(json!({"name": "a", "image": "x", "command": ["/bin/bash", "-lc", "--"],
        "args": ["ulimit -n 65536; echo head; $RAY_START; vllm serve /models/m --tensor-parallel-size 2"]}));
    assert_eq!(found.runtime.as_ref().map(|runtime| runtime.id.as_str()), Some("vllm"));
    let found = container(json!({"name": "a", "image": "x", "command": ["sh", "-c",
        "vllm serve --model <model-path> \\\n --port 9000"]}));
    assert_eq!((found.port, found.model.is_none()), (Some(9000), true));
    let found =
        container(json!({"name": "a", "image": "x", "command": ["sh", "-c", "vllm serve m <in >out --port 9000"]}));
    assert_eq!(found.port, Some(9000));
    let kaito = container(
        json!({"name": "a", "image": "x", "command": ["accelerate", "launch", "--num_processes", "1", "tfs/inference_api.py"]}),
    );
    assert_eq!(
        (kaito.runtime.as_ref().map(|runtime| runtime.id.as_str()), kaito.role),
        (Some("kaito-preset"), Role::Inference)
    );
    let placeholder = deployed(
        json!([{"name": "a", "image": "V_IMAGE", "args": ["--model=m"], "env": [{"name": "VLLM_ATTENTION_BACKEND", "value": "FLASHINFER"}]}]),
    );
    assert_eq!((id(&placeholder), placeholder.role), (Some("vllm"), Role::Inference));
    assert!(placeholder.containers[0].probes.is_err());
    let windows = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"os": {"name": "windows"}, "containers": [{"name": "a", "image": "ollama/ollama:0.12.0"}]}});
    assert!(profile(&windows).containers[0].probes.clone().unwrap_err()[0].contains("Windows"));
    assert!(container(json!({"name": "a", "image": "semitechnologies/weaviate:1.33.0"})).probes.is_ok());
}
