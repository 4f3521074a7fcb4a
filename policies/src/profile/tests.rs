//! Recognition and probes on containers as they are met.

use serde_json::{Value, json};

use super::*;
use crate::object::Object;

mod more;

/// The profile of a bare pod or Deployment around these containers.
fn deployed(containers: Value) -> Profile {
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 1, "template": {"spec": {"containers": containers}}}});
    profile(&object)
}

fn profile(object: &Value) -> Profile {
    let object = Object::new(object, Catalog::builtin());
    Profile::of(&object.pods()[0], Catalog::builtin())
}

fn container(container: Value) -> ContainerProfile {
    deployed(json!([container])).containers.swap_remove(0)
}

#[test]
fn samples_are_recognised() {
    let none = json!([]);
    let words = |text: &str| if text.is_empty() { none.clone() } else { json!(text.split(' ').collect::<Vec<_>>()) };
    for (image, command, args, id, port) in [
        ("vllm/vllm-openai:v0.11.0", "", "--model Qwen/Qwen3-8B", "vllm", Some(8000)),
        ("docker.io/vllm/vllm-openai@sha256:0000", "", "--model=x --port=9000", "vllm", Some(9000)),
        ("example.com/team/llm:1", "python3 -m vllm.entrypoints.openai.api_server", "", "vllm", Some(8000)),
        ("vllm/vllm-openai:v0.11.0", "vllm", "bench serve", "batch-inference", None),
        ("ghcr.io/llm-d/llm-d-inference-sim:v0.5.0", "", "--model x --port 8000", "llm-d", None),
        ("ghcr.io/llm-d/llm-d-cuda:v0.4.0", "vllm serve", "x", "vllm", Some(8000)),
        ("ghcr.io/llm-d/llm-d-routing-sidecar:v0.4.0", "", "", "llm-d", None),
        ("lmsysorg/sglang:latest", "python3 -m sglang.launch_server", "--model-path x", "sglang", Some(30000)),
        ("ghcr.io/huggingface/text-generation-inference:3.3.5", "", "", "tgi", Some(80)),
        ("ghcr.io/huggingface/text-generation-inference:3.3.5-llamacpp", "", "", "tgi", Some(3000)),
        ("ghcr.io/huggingface/text-embeddings-inference:cpu-1.8", "", "", "tei", Some(80)),
        ("ghcr.io/huggingface/text-embeddings-inference:1.8-grpc", "", "", "tei", Some(80)),
        ("nvcr.io/nvidia/tritonserver:25.08-py3", "tritonserver", "--model-repository=/models", "triton", Some(8000)),
        ("nvcr.io/nvidia/tritonserver:25.08-py3-sdk", "", "", "", None),
        ("nvcr.io/nim/meta/llama-3.1-8b-instruct:1.8", "", "", "nim", Some(8000)),
        ("nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.5.0", "python3 -m dynamo.vllm", "--model x", "dynamo", None),
        ("nvcr.io/nvidia/k8s-device-plugin:v0.17.0", "", "", "", None),
        ("nvcr.io/nvidia/k8s/dcgm-exporter:4.2.3", "", "", "", None),
        ("ollama/ollama:0.12.0", "", "", "ollama", Some(11434)),
        ("ollama/ollama:0.12.0", "ollama pull llama3", "", "ollama", Some(11434)),
        ("example/ollama-exporter:1", "", "", "", None),
        ("ghcr.io/ggml-org/llama.cpp:server-cuda", "", "-m /models/x.gguf --port 9090", "llama-cpp-server", Some(9090)),
        ("ghcr.io/ggml-org/llama.cpp:light", "", "", "", None),
        ("localai/localai:latest-gpu-nvidia-cuda-12", "", "", "localai", Some(8080)),
        ("openmmlab/lmdeploy:latest", "lmdeploy serve api_server x", "", "lmdeploy", Some(23333)),
        ("kserve/huggingfaceserver:v0.16.0-gpu", "", "--model_name=x", "kserve-huggingfaceserver", Some(8080)),
        ("kserve/sklearnserver:v0.16.0", "", "", "kserve-python", Some(8080)),
        ("kserve/storage-initializer:v0.16.0", "", "", "", None),
        ("seldonio/mlserver:1.6.1", "", "", "mlserver", Some(8080)),
        ("tensorflow/serving:2.19.0-gpu", "", "", "tensorflow-serving", Some(8501)),
        ("pytorch/torchserve:0.12.0-gpu", "", "", "torchserve", Some(8080)),
        ("ghcr.io/berriai/litellm:main-stable", "", "--config /app/config.yaml", "litellm", Some(4000)),
        ("rayproject/ray:2.49.0-gpu", "ray start --head", "", "ray", Some(8000)),
        ("kuberay/operator:v1.4.0", "", "", "", None),
        ("milvusdb/milvus:v2.6.0", "milvus run querynode", "", "milvus", Some(9091)),
        ("qdrant/qdrant:v1.15.0", "", "", "qdrant", Some(6333)),
        ("cr.weaviate.io/semitechnologies/weaviate:1.33.0", "", "", "weaviate", Some(8080)),
        ("ghcr.io/chroma-core/chroma:1.0.20", "", "", "chroma", Some(8000)),
        ("quay.io/jupyter/pytorch-notebook:latest", "", "", "jupyter-server", Some(8888)),
        ("quay.io/jupyterhub/k8s-hub:4.2.0", "", "", "jupyterhub", None),
        ("pytorch/pytorch:2.8.0-cuda12.9-cudnn9-runtime", "torchrun --nproc-per-node=8 train.py", "", "torchrun", None),
        ("axolotlai/axolotl:main-latest", "axolotl train cfg.yml", "", "axolotl", None),
        ("mpioperator/mpi-operator:latest", "", "", "", None),
        ("michaelf34/infinity:latest-cpu", "", "v2 --model-id x", "infinity", Some(7997)),
        ("modular/max-nvidia-full:25.5", "", "--model x", "max", Some(8000)),
        ("nvcr.io/nvidia/tensorrt-llm/release:1.0.0", "trtllm-serve x", "", "trtllm-serve", Some(8000)),
        ("openvino/model_server:2025.3", "", "--port 9000 --rest_port 8000", "openvino-model-server", Some(8000)),
        ("nginx:1.29", "", "", "", None),
        ("registry.local/app:1", "uvicorn main:app --host 0.0.0.0", "", "", None),
    ] {
        let mut spec = json!({"name": "server", "image": image});
        for (key, text) in [("command", command), ("args", args)] {
            if !text.is_empty() {
                spec[key] = words(text);
            }
        }
        let found = container(spec);
        assert_eq!(found.runtime.as_ref().map_or("", |runtime| runtime.id.as_str()), id, "{image} {command} {args}");
        assert_eq!(found.port, port, "{image} {command} {args}");
    }
}

#[test]
fn scripts_are_looked_into() {
    let found = container(
        json!({"name": "a", "image": "harbor.example.com/proxy/vllm/vllm-openai:latest", "command": ["/bin/sh", "-c"],
        "args": ["vllm serve meta-llama/Llama-3.1-8B --port 8080 --tensor-parallel-size 2"]}),
    );
    assert_eq!((found.runtime.as_ref().map(|runtime| runtime.id.as_str()), found.port), (Some("vllm"), Some(8080)));
    assert_eq!(found.model, Some(Model::named("meta-llama/Llama-3.1-8B")));
    assert_eq!(found.evidence[0], "command `vllm serve`");
    let ray = container(json!({"name": "a", "image": "vllm/vllm-openai:v0.11.0", "command": ["sh", "-c"],
        "args": ["ray start --address=$LWS_LEADER_ADDRESS:6379 --block"]}));
    assert_eq!(ray.runtime.as_ref().map(|runtime| runtime.id.as_str()), Some("ray"));
    assert!(ray.probes.is_err());
    let both = container(
        json!({"name": "a", "image": "vllm/vllm-openai:v0.11.0", "command": ["sh", "-c", "ray start --head; vllm serve x"]}),
    );
    assert_eq!(both.runtime.as_ref().map(|runtime| runtime.id.as_str()), Some("vllm"));
    let pull = container(
        json!({"name": "a", "image": "ollama/ollama:1", "command": ["sh", "-c", "ollama serve & sleep 5; ollama pull x; wait"]}),
    );
    assert!(pull.serves);
}

#[test]
fn a_plain_vllm_gets_three_probes() {
    let found =
        container(json!({"name": "a", "image": "vllm/vllm-openai:v0.11.0", "args": ["--model", "Qwen/Qwen3-8B"]}));
    let set = found.probes.unwrap();
    assert_eq!(
        set.startup(1_800),
        Some(
            json!({"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 180})
        )
    );
    assert_eq!(
        set.readiness(),
        Some(
            json!({"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3})
        )
    );
    assert_eq!(
        set.liveness(),
        Some(
            json!({"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 30, "timeoutSeconds": 10, "failureThreshold": 6})
        )
    );
    assert!(set.why.is_empty());
}

#[test]
fn probes_follow_what_the_server_is_told() {
    let call = |spec: Value| {
        let mut spec = spec;
        spec["name"] = json!("a");
        container(spec).probes.unwrap().readiness().unwrap()
    };
    let tls = call(json!({"image": "vllm/vllm-openai:v1", "args": ["--ssl-keyfile", "/k", "--ssl-certfile=/c"]}));
    assert_eq!(tls["httpGet"], json!({"path": "/health", "port": 8000, "scheme": "HTTPS"}));
    let sglang = call(
        json!({"image": "lmsysorg/sglang:v1", "command": ["python3", "-m", "sglang.launch_server", "--host", "0.0.0.0"]}),
    );
    assert_eq!(sglang["timeoutSeconds"], 25);
    let pod_ip = call(
        json!({"image": "lmsysorg/sglang:v1", "command": ["python3", "-m", "sglang.launch_server", "--host", "$(IP)"],
        "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]}),
    );
    assert_eq!(pod_ip["httpGet"]["port"], 30000);
    let grpc = call(json!({"image": "ghcr.io/huggingface/text-embeddings-inference:1.8-grpc"}));
    assert_eq!(grpc["grpc"], json!({"port": 80}));
    let ollama = call(json!({"image": "ollama/ollama:1", "env": [{"name": "OLLAMA_HOST", "value": "0.0.0.0:8080"}]}));
    assert_eq!(ollama["httpGet"], json!({"path": "/", "port": 8080}));
    let ollama = call(json!({"image": "ollama/ollama:1", "env": [{"name": "OLLAMA_HOST", "value": "http://0.0.0.0"}]}));
    assert_eq!(ollama["httpGet"]["port"], 80);
    let tf = call(json!({"image": "tensorflow/serving:2", "env": [{"name": "MODEL_NAME", "value": "resnet"}]}));
    assert_eq!(tf["httpGet"], json!({"path": "/v1/models/resnet", "port": 8501}));
    let port = call(
        json!({"image": "ghcr.io/huggingface/text-generation-inference:3", "env": [{"name": "PORT", "value": "8080"}]}),
    );
    assert_eq!(port["httpGet"]["port"], 8080);
    let llama =
        call(json!({"image": "ghcr.io/ggml-org/llama.cpp:server", "args": ["-m", "x", "--api-prefix", "/llm/"]}));
    assert_eq!(llama["httpGet"]["path"], "/llm/health");
    let nim = call(json!({"image": "nvcr.io/nim/meta/llama:1", "env": [{"name": "NIM_SSL_MODE", "value": "tls"}]}));
    assert_eq!(nim["httpGet"]["scheme"], "HTTPS");
}

#[test]
fn there_is_a_reason_where_there_are_none() {
    for (spec, reason) in [
        (json!({"image": "lmsysorg/sglang:v1", "command": ["python3", "-m", "sglang.launch_server"]}), "loopback"),
        (json!({"image": "vllm/vllm-openai:v1", "args": ["--headless"]}), "headless"),
        (json!({"image": "vllm/vllm-openai:v1", "args": ["--uds", "/s"]}), "Unix socket"),
        (
            json!({"image": "vllm/vllm-openai:v1", "args": ["--ssl-certfile", "/c", "--ssl-cert-reqs", "2"]}),
            "client certificate",
        ),
        (json!({"image": "vllm/vllm-openai:v1", "args": ["--config", "/c.yaml"]}), "the file that `--config` names"),
        (json!({"image": "vllm/vllm-openai:v1", "args": ["--host", "127.0.0.1"]}), "loopback"),
        (json!({"image": "vllm/vllm-openai:v1", "args": ["--port", "$(PORT)"]}), "not in the manifest"),
        (json!({"image": "vllm/vllm-openai:v1", "args": ["--port", "{{ .Values.port }}"]}), "placeholders"),
        (json!({"image": "vllm/vllm-openai:v1", "command": ["sh", "-c", "vllm serve x $EXTRA"]}), "$EXTRA"),
        (json!({"image": "vllm/vllm-openai:v1", "command": ["/start.sh"]}), "is not known to start"),
        (json!({"image": "vllm/vllm-openai:v1", "args": ["--nnodes", "2", "--node-rank", "1"]}), "worker of a group"),
        (
            json!({"image": "vllm/vllm-openai:v1", "args": ["--nnodes", "2", "--node-rank", "$RANK"]}),
            "one of several nodes",
        ),
        (json!({"image": "vllm/vllm-tpu:v1"}), "not confirmed"),
        (json!({"image": "ollama/ollama:1", "command": ["ollama", "pull", "x"]}), "starts no server"),
        (json!({"image": "ollama/ollama:1", "args": ["pull", "x"]}), "starts no server"),
        (json!({"image": "example.com/o:1", "command": ["ollama", "serve"]}), "loopback"),
        (json!({"image": "example.com/o:1", "command": ["llama-server", "-m", "x"]}), "loopback"),
        (
            json!({"image": "ghcr.io/huggingface/text-generation-inference:3", "envFrom": [{"configMapRef": {"name": "c"}}]}),
            "`envFrom` may set `PORT`",
        ),
        (json!({"image": "tensorflow/serving:2", "args": ["--model_config_file=/c"]}), "model names in a file"),
        (
            json!({"image": "nvcr.io/nvidia/tritonserver:25.08-py3", "command": ["tritonserver", "--allow-http=false"]}),
            "turned off",
        ),
        (json!({"image": "nvcr.io/nvidia/tritonserver:25.08-py3"}), "does not start"),
        (json!({"image": "pytorch/torchserve:1", "command": ["torchserve", "--start"]}), "token"),
        (
            json!({"image": "nvcr.io/nim/meta/llama:1", "env": [{"name": "NIM_SSL_MODE", "value": "mtls"}]}),
            "client certificate",
        ),
        (
            json!({"image": "nvcr.io/nvidia/ai-dynamo/vllm-runtime:1", "command": ["python3", "-m", "dynamo.vllm"]}),
            "listens on no port",
        ),
        (json!({"image": "rayproject/ray:2.49.0", "command": ["ray", "start", "--head"]}), "KubeRay"),
        (json!({"image": "pytorch/pytorch:2", "command": ["torchrun", "train.py"]}), "training process"),
        (json!({"image": "quay.io/jupyter/pytorch-notebook:1"}), "session"),
        (json!({"image": "modular/max-full:1"}), "not confirmed"),
        (
            json!({"image": "x:1", "command": ["bash", "-c", "if [ $RANK = 0 ]; then vllm serve x; else ray start --address h:1 --block; fi"]}),
            "under a condition",
        ),
        (json!({"image": "nginx:1"}), "no server that Buttress knows"),
        (json!({"image": "openvino/model_server:2025", "args": ["--port", "9000"]}), "listens on no port"),
    ] {
        let mut spec = spec;
        spec["name"] = json!("a");
        let why = container(spec.clone()).probes.expect_err(&spec.to_string()).join("; ");
        assert!(why.contains(reason), "{spec}: {why}");
    }
}

#[test]
fn the_variables_of_a_script_count() {
    let script = |image: &str, text: &str| json!({"name": "a", "image": image, "command": ["sh", "-c", text]});
    let port = |spec: Value| container(spec).probes.ok().and_then(|set| set.readiness).map(|probe| probe.port);
    let (ollama, llama) = ("ollama/ollama:1", "ghcr.io/ggml-org/llama.cpp:server");
    let tgi = "ghcr.io/huggingface/text-generation-inference:3";
    for (image, text, expected) in [
        (ollama, "export OLLAMA_HOST=0.0.0.0:9999; exec ollama serve", Some(9999)),
        (ollama, "OLLAMA_HOST=0.0.0.0:9999 ollama serve", Some(9999)),
        (ollama, "OLLAMA_HOST=0.0.0.0:9999 exec ollama serve", Some(9999)),
        (ollama, "exec env OLLAMA_HOST=0.0.0.0:9999 ollama serve", Some(9999)),
        (ollama, "OLLAMA_HOST=0.0.0.0:9999; exec ollama serve", None),
        (ollama, "export OLLAMA_HOST=127.0.0.1:11434; exec ollama serve", None),
        (ollama, "set -a; . /config/x.env; exec ollama serve", None),
        (ollama, "exec ollama serve", Some(11434)),
        (llama, "export LLAMA_ARG_PORT=9000 LLAMA_ARG_HOST=0.0.0.0; llama-server -m x", Some(9000)),
        (tgi, "export PORT=8088; exec text-generation-launcher", Some(8088)),
        (tgi, "PORT=8088; exec text-generation-launcher", None),
        ("x:1", "kubectl exec deploy/x -- vllm serve m; sleep infinity", None),
        ("vllm/vllm-openai:v1", "PORT=9000; vllm serve m --port $PORT", Some(9000)),
        ("vllm/vllm-openai:v1", "PORT=9000 vllm serve m --port $PORT", None),
        ("vllm/vllm-openai:v1", "set -- --port 9000 --uds /s; exec vllm serve m \"$@\"", None),
        ("vllm/vllm-openai:v1", "ARGS=(--port 9000); exec vllm serve m \"${ARGS[@]}\"", None),
        ("vllm/vllm-openai:v1", "A='--port 9000'; A+=' --headless'; vllm serve m $A", None),
    ] {
        assert_eq!(port(script(image, text)), expected, "{text}");
    }
    let env = json!({"name": "a", "image": ollama, "command": ["env", "OLLAMA_HOST=0.0.0.0:9999", "ollama", "serve"]});
    assert_eq!(port(env), Some(9999));
    let far = container(script("alpine", "ssh worker vllm serve m"));
    assert!(far.runtime.is_none());
}

#[test]
fn an_engine_of_more_devices_than_its_container_has_is_one_of_a_group() {
    let engine = |args: &str, devices: i64| {
        let args: Vec<&str> = args.split(' ').collect();
        container(json!({"name": "a", "image": "vllm/vllm-openai:v1", "command": ["vllm", "serve", "m"], "args": args,
            "resources": {"limits": {"nvidia.com/gpu": devices}}}))
    };
    let both = "--tensor-parallel-size 8 --pipeline-parallel-size 2 --distributed-executor-backend ray";
    let split = engine(both, 8);
    assert!(split.grouped && split.probes.is_err() && !split.wants_probes);
    for (args, devices) in
        [(both, 16), (both, 0), ("--tensor-parallel-size 8", 8), ("--tensor-parallel-size $(TP) --max-model-len 9", 1)]
    {
        let alone = engine(args, devices);
        assert!(!alone.grouped && alone.probes.is_ok(), "{args} {devices}");
    }
}

#[test]
fn no_value_stands_in_a_reason() {
    const CANARY: &str = "s3cr3t-canary";
    let args = |text: &str| json!(text.split(' ').collect::<Vec<_>>());
    let vllm = "vllm/vllm-openai:v1";
    let mut specs = vec![
        json!({"image": vllm, "command": ["env", format!("HF_TOKEN={CANARY}"), "vllm", "serve", "m"]}),
        json!({"image": vllm, "command": [format!("/start.sh --token={CANARY}")]}),
        json!({"image": vllm, "command": ["$(X)"], "env": [{"name": "X", "value": CANARY}]}),
        json!({"image": vllm, "command": ["python3", "-c", CANARY]}),
        json!({"image": "pytorch/pytorch:2", "command": ["python3", CANARY, "/workspace/vllm/inference_api.py"]}),
        json!({"image": "ollama/ollama:1", "command": ["env", format!("T={CANARY}"), "ollama", "pull", CANARY]}),
        json!({"image": "ollama/ollama:1", "args": ["pull", CANARY]}),
        json!({"image": "ollama/ollama:1", "env": [{"name": "OLLAMA_HOST", "value": CANARY}]}),
        json!({"image": "ollama/ollama:1", "env": [{"name": "OLLAMA_HOST", "value": format!("127.0.0.1/{CANARY}")}]}),
        json!({"image": "ghcr.io/huggingface/text-generation-inference:3", "env": [{"name": "PORT", "value": CANARY}]}),
        json!({"image": "tensorflow/serving:2", "env": [{"name": "MODEL_NAME", "value": format!("a b {CANARY}")}]}),
        json!({"image": "ghcr.io/ggml-org/llama.cpp:server", "args": ["-m", "x", "--api-prefix", format!("/a?{CANARY}")]}),
    ];
    for text in [
        "--port s3cr3t-canary",
        "--host s3cr3t-canary",
        "--nnodes s3cr3t-canary",
        "--nnodes 2 --node-rank s3cr3t-canary",
        "--config s3cr3t-canary",
        "--root-path s3cr3t-canary?",
        "--uds s3cr3t-canary",
        "--ssl-cert-reqs s3cr3t-canary",
        "--port {{s3cr3t-canary}}",
        "--port $(s3cr3t-canary)",
    ] {
        specs.push(json!({"image": vllm, "args": args(text)}));
        specs.push(json!({"image": vllm, "command": ["sh", "-c", format!("vllm serve m {text}")]}));
    }
    for text in [
        "vllm serve m $(curl -H 'Authorization: Bearer s3cr3t-canary')",
        "vllm serve m --port $(curl -H 'Authorization: Bearer s3cr3t-canary')",
        "vllm serve m `curl s3cr3t-canary`",
        "vllm serve m ${X:-s3cr3t-canary} {{s3cr3t-canary}}",
        "vllm serve m {{ s3cr3t-canary }}",
        "$(curl s3cr3t-canary) x",
        "s3cr3t-canary x",
        "HF_TOKEN=s3cr3t-canary vllm serve m $X",
        "env HF_TOKEN=s3cr3t-canary vllm serve m $X",
        "vllm bench s3cr3t-canary",
    ] {
        specs.push(json!({"image": vllm, "command": ["sh", "-c", text]}));
    }
    for mut spec in specs {
        spec["name"] = json!("a");
        let profile = deployed(json!([spec]));
        let mut told = format!("{:?}", profile.evidence);
        for found in &profile.containers {
            told += &format!("{:?} {:?} {:?}", found.evidence, found.probes, found.component);
        }
        assert!(!told.contains(CANARY) && !told.contains("canary"), "{spec}: {told}");
    }
}

#[test]
fn the_pod_may_be_against_probes() {
    let server = json!({"name": "a", "image": "vllm/vllm-openai:v1"});
    let why = |object: Value| profile(&object).containers.pop().unwrap().probes.unwrap_err().join("; ");
    let template = json!({"spec": {"containers": [server]}});
    assert!(
        why(json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": template}}))
            .contains("end by themselves")
    );
    assert!(
        why(
            json!({"apiVersion": "ray.io/v1", "kind": "RayCluster", "spec": {"headGroupSpec": {"template": template}}})
        )
        .contains("adds the probes")
    );
    let mesh = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "istio-proxy", "image": "x"}, server]}});
    assert!(why(mesh).contains("mesh proxy"));
    let owned = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"kaito.sh/workspace": "w"}}, "spec": {"containers": [server]}});
    assert!(why(owned).contains("KAITO"));
    let init =
        json!({"apiVersion": "v1", "kind": "Pod", "spec": {"initContainers": [server], "containers": [{"name": "b"}]}});
    assert!(profile(&init).containers[0].probes.clone().unwrap_err()[0].contains("init"));
    let sidecar = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"initContainers": [{"name": "a", "image": "vllm/vllm-openai:v1", "restartPolicy": "Always"}], "containers": [{"name": "b"}]}});
    assert!(profile(&sidecar).containers[0].probes.is_ok());
    let group = json!({"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "spec": {"leaderWorkerTemplate": {"leaderTemplate": template, "workerTemplate": template}}});
    let object = Object::new(&group, Catalog::builtin());
    let of = |at: usize| Profile::of(&object.pods()[at], Catalog::builtin()).containers[0].clone();
    assert!(of(0).probes.unwrap_err()[0].contains("wait for each other"));
    assert!(of(1).probes.unwrap_err()[0].contains("worker"));
    assert!(!of(0).wants_probes && !of(1).wants_probes);
}

#[test]
fn roles_and_the_main_container() {
    let found = deployed(
        json!([{"name": "proxy", "image": "nginx"}, {"name": "llm", "image": "vllm/vllm-openai:v1", "args": ["Qwen/Qwen3-32B"],
        "resources": {"limits": {"nvidia.com/gpu": 2}}}]),
    );
    assert_eq!((found.role, found.main, found.ai, found.devices()), (Role::Inference, Some(1), true, 2));
    assert_eq!(found.model.as_ref().and_then(|model| model.parameters), Some(32_000_000_000));
    assert_eq!(found.evidence, ["image `vllm/vllm-openai:v1`", "asks for 2 × `nvidia.com/gpu`"]);
    let web = deployed(json!([{"name": "web", "image": "nginx"}]));
    assert_eq!((web.role, web.ai), (Role::None, false));
    let zero = deployed(
        json!([{"name": "web", "image": "nginx", "resources": {"limits": {"nvidia.com/gpu": 0, "rdma/ib": 1}}}]),
    );
    assert!(!zero.ai && zero.accelerators.is_empty());
    let gpu = json!({"limits": {"amd.com/gpu": "1"}});
    let unknown = deployed(json!([{"name": "x", "image": "x", "resources": gpu}]));
    assert_eq!((unknown.role, unknown.ai), (Role::None, true));
    let listening = deployed(json!([{"name": "x", "image": "x", "resources": gpu, "ports": [{"containerPort": 80}]}]));
    assert_eq!((listening.role, listening.ai), (Role::Inference, true));
    let command = deployed(json!([{"name": "x", "image": "vllm/vllm-openai:v1", "args": ["serve", "Qwen/Qwen3-32B"]}]));
    assert_eq!(command.model.map(|model| model.name), Some("Qwen/Qwen3-32B".to_owned()));
    let nodes = json!([{"name": "x", "image": "lmsysorg/sglang:v1", "command": ["python3", "-m", "sglang.launch_server"],
        "args": ["--model-path", "x", "--nnodes", "2", "--node-rank", "0", "--host", "0.0.0.0"]}]);
    assert!(deployed(nodes).containers[0].grouped);
    let web = deployed(
        json!([{"name": "x", "image": "x", "command": ["uvicorn", "main:app"], "env": [{"name": "HF_HOME", "value": "/x"}]}]),
    );
    assert_eq!(web.runtime().map(|runtime| runtime.id.as_str()), Some("generic-python"));
    let embed = deployed(json!([{"name": "x", "image": "nvcr.io/nim/nvidia/nv-embedqa-e5-v5:1"}]));
    assert_eq!(embed.role, Role::Embedding);
    let operator = deployed(json!([{"name": "x", "image": "nvcr.io/nvidia/k8s-device-plugin:v1"}]));
    assert_eq!((operator.role, operator.ai), (Role::Infrastructure, false));
    let claim = deployed(json!([{"name": "x", "image": "x", "resources": {"claims": [{"name": "gpu"}]}}]));
    assert!(claim.ai);
    let job = |env: Value| json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": {"containers": [{"name": "x", "env": env, "resources": {"limits": {"nvidia.com/gpu": 1}}}]}}}});
    assert_eq!(profile(&job(json!([{"name": "WORLD_SIZE", "value": "2"}]))).role, Role::Training);
    assert_eq!(profile(&job(json!([]))).role, Role::Batch);
    let notebook = json!({"apiVersion": "kubeflow.org/v1", "kind": "Notebook", "spec": {"template": {"spec": {"containers": [{"name": "x", "image": "y"}]}}}});
    assert_eq!((profile(&notebook).role, profile(&notebook).ai), (Role::Notebook, true));
    let knative = json!({"apiVersion": "serving.knative.dev/v1", "kind": "Service", "spec": {"template": {"spec": {"containers": [{"name": "x", "image": "nginx"}]}}}});
    assert!(!profile(&knative).ai);
}

#[test]
fn accelerators_count_as_the_scheduler_does() {
    let asks = |count: i64| json!({"limits": {"nvidia.com/gpu": count}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {
        "initContainers": [{"name": "a", "resources": asks(4)}, {"name": "b", "resources": asks(1)}],
        "containers": [{"name": "c", "resources": asks(1)}, {"name": "d", "resources": asks(2)}]}});
    assert_eq!(profile(&pod).devices(), 4);
}

#[test]
fn model_sizes_are_read_from_names() {
    for (name, expected) in [
        ("Qwen/Qwen3-8B", Some(8e9)),
        ("Qwen/Qwen2.5-0.5B-Instruct", Some(0.5e9)),
        ("meta-llama/Llama-3.1-70B-Instruct", Some(70e9)),
        ("Qwen/Qwen3-235B-A22B", Some(235e9)),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507-FP8", Some(30e9)),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", Some(46.7e9)),
        ("mistralai/Mixtral-8x22B-v0.1", Some(140.6e9)),
        ("team/moe-4x2b", Some(8e9)),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", Some(109e9)),
        ("meta-llama/Llama-4-Maverick-17B-128E", Some(400e9)),
        ("team/Llama-5-20B-32E", None),
        ("llama3:8b", Some(8e9)),
        ("google/gemma-3-270m", Some(270e6)),
        ("bigscience/bloom-560m", Some(560e6)),
        ("/models/llama-3-8b.Q4_K_M.gguf", Some(8e9)),
        ("openai/gpt-oss-120b", Some(120e9)),
        ("team/kimi-1T", Some(1e12)),
        ("TinyLlama/TinyLlama-1.1B-step-1431k-3T", Some(1.1e9)),
        ("Qwen/Qwen2.5-7B-Instruct-1M", Some(7e9)),
        ("deepseek-ai/DeepSeek-R1", Some(685e9)),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", Some(7e9)),
        ("mistralai/Mistral-7B-v0.1", Some(7e9)),
        ("/models/my-70b-team/qwen-7b", Some(7e9)),
        ("/mnt/models/llama-13b/", Some(13e9)),
        ("s3://bucket/llama-70b/weights", Some(70e9)),
        ("BAAI/bge-m3", None),
        ("x", None),
        ("", None),
        ("gpt2", None),
        ("facebook/opt-125m", Some(125e6)),
        ("b", None),
        ("é-7b", Some(7e9)),
        ("model-4bit", None),
        ("phi-3-mini-128k", None),
    ] {
        assert_eq!(parameters(name), expected.map(|size: f64| size as u64), "{name}");
    }
    assert_eq!(Model::named("Qwen/Qwen3-8B").bytes(), Some(16_000_000_000));
    assert_eq!(Model::named("Qwen/Qwen3-8B-FP8").bytes(), Some(9_000_000_000));
    assert_eq!(Model::named("Qwen/Qwen3-8B-AWQ").bytes(), Some(5_000_000_000));
    assert_eq!(Model::named("x").bytes(), None);
}
