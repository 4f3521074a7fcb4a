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
