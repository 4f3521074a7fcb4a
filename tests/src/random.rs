//! Random objects from a seed: pods and workloads that are mostly sensible, sometimes odd, and now and then of the wrong
//! type everywhere.

use serde_json::{Map, Value, json};

/// A source of random numbers (SplitMix64), so that a failing seed can be told and tried again.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.draw() % bound.max(1) as u64) as usize
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `items`.
    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }
}

/// A random workload or pod.
pub fn object(random: &mut Random) -> Value {
    let mut object = workload(random);
    if random.chance(10) {
        spoil(&mut object, random);
    }
    object
}

/// A random Pod as the API server would send it.
pub fn pod(random: &mut Random) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata(random), "spec": pod_spec(random)});
    match random.below(4) {
        0 => {
            pod["metadata"]["ownerReferences"] =
                json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "controller": true}])
        }
        1 => {
            pod["metadata"]["ownerReferences"] = json!([{"apiVersion": random.pick(&["batch/v1", "apps/v1"]), "kind": random.pick(&["Job", "StatefulSet", "DaemonSet"]), "name": "r", "controller": true}])
        }
        _ => {}
    }
    pod
}

fn workload(random: &mut Random) -> Value {
    let template = json!({"metadata": metadata(random), "spec": pod_spec(random)});
    let spec_with_template = |random: &mut Random| {
        let mut spec = json!({"template": template.clone()});
        if random.chance(70) {
            spec["replicas"] = json!(random.below(5));
        }
        if random.chance(80) {
            spec["selector"] = json!({"matchLabels": {"app": "llm"}});
        }
        for (field, percent, values) in [
            (
                "strategy",
                30,
                vec![
                    Value::Null,
                    json!({"type": "Recreate"}),
                    json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
                    json!({"rollingUpdate": {"maxSurge": "100%", "maxUnavailable": "x"}}),
                ],
            ),
            ("progressDeadlineSeconds", 20, vec![Value::Null, json!(60), json!(7200)]),
        ] {
            if random.chance(percent) {
                spec[field] = random.pick(&values);
            }
        }
        spec
    };
    match random.below(12) {
        0 | 1 => pod(random),
        2..=4 => {
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(random), "spec": spec_with_template(random)})
        }
        5 => {
            json!({"apiVersion": "apps/v1", "kind": random.pick(&["StatefulSet", "DaemonSet"]), "metadata": metadata(random), "spec": spec_with_template(random)})
        }
        6 | 7 => job(random, &template),
        8 => {
            json!({"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": metadata(random), "spec": {"headGroupSpec": {"template": template.clone()}, "workerGroupSpecs": [{"template": template}]}})
        }
        9 => gang(random, &template),
        10 => beside(random),
        _ => {
            json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata(random), "spec": {random.pick(&["minAvailable", "maxUnavailable"]): random.pick(&[json!(0), json!(1), json!("50%"), json!("100%"), json!("x")]), "selector": {"matchLabels": {"app": "llm"}}}})
        }
    }
}

/// A Job, or a CronJob that makes such.
fn job(random: &mut Random, template: &Value) -> Value {
    let mut spec = json!({"template": template});
    for (field, percent, values) in [
        ("backoffLimit", 40, vec![Value::Null, json!(0), json!(4)]),
        ("parallelism", 30, vec![json!(1), json!(4), Value::Null]),
        ("completions", 30, vec![json!(1), json!(4), Value::Null]),
        ("completionMode", 20, vec![json!("Indexed"), json!("NonIndexed")]),
        ("ttlSecondsAfterFinished", 30, vec![json!(3600), Value::Null]),
        (
            "podFailurePolicy",
            20,
            vec![
                Value::Null,
                json!({"rules": []}),
                json!({"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}),
            ],
        ),
    ] {
        if random.chance(percent) {
            spec[field] = random.pick(&values);
        }
    }
    if random.chance(30) {
        let schedule = json!({"schedule": "0 */6 * * *", "concurrencyPolicy": random.pick(&["Allow", "Forbid"]), "jobTemplate": {"spec": spec}});
        return json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata(random), "spec": schedule});
    }
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata(random), "spec": spec})
}

/// Pods that work together.
fn gang(random: &mut Random, template: &Value) -> Value {
    match random.below(4) {
        0 => {
            json!({"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "metadata": metadata(random), "spec": {"replicas": random.below(4), "leaderWorkerTemplate": {"size": random.below(5), "leaderTemplate": template, "workerTemplate": template}}})
        }
        1 => {
            json!({"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "metadata": metadata(random), "spec": {"replicatedJobs": [{"name": "w", "replicas": random.below(3), "template": {"spec": {"parallelism": random.below(5), "completions": random.below(5), "template": template}}}]}})
        }
        2 => {
            json!({"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "metadata": metadata(random), "spec": {"pytorchReplicaSpecs": {"Master": {"replicas": 1, "restartPolicy": "OnFailure", "template": template}, "Worker": {"replicas": random.below(5), "template": template}}}})
        }
        _ => {
            json!({"apiVersion": "kubeflow.org/v2beta1", "kind": "MPIJob", "metadata": metadata(random), "spec": {"slotsPerWorker": random.below(9), "mpiReplicaSpecs": {"Launcher": {"replicas": 1, "template": template}, "Worker": {"replicas": random.below(5), "template": template}}}})
        }
    }
}

/// An object that stands beside workloads.
fn beside(random: &mut Random) -> Value {
    let (version, kind, spec) = random.pick(&[
        ("autoscaling/v2", "HorizontalPodAutoscaler", json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}, "minReplicas": 2, "maxReplicas": 8, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}]})),
        ("autoscaling.k8s.io/v1", "VerticalPodAutoscaler", json!({"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}})),
        ("v1", "Service", json!({"type": "LoadBalancer", "selector": {"app": "llm"}, "ports": [{"port": 80, "targetPort": 8000}]})),
        ("v1", "PersistentVolumeClaim", json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "50Gi"}}})),
        ("v1", "ResourceQuota", json!({"hard": {"requests.nvidia.com/gpu": "4"}})),
        ("networking.k8s.io/v1", "NetworkPolicy", json!({"podSelector": {"matchLabels": {"app": "llm"}}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"name": "gateway"}}}], "ports": [{"port": 8080}]}]})),
        ("scheduling.k8s.io/v1", "PriorityClass", Value::Null),
        ("security.istio.io/v1", "AuthorizationPolicy", json!({"rules": [{"to": [{"operation": {"methods": ["GET"]}}]}, {"from": [{"source": {"namespaces": ["a"]}}]}]})),
        ("resource.k8s.io/v1", "ResourceClaimTemplate", json!({"spec": {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.nvidia.com"}}]}}})),
    ]);
    json!({"apiVersion": version, "kind": kind, "metadata": metadata(random), "spec": spec})
}

fn metadata(random: &mut Random) -> Value {
    let mut metadata = json!({"name": random.pick(&["llm", "web", "train"])});
    if random.chance(80) {
        metadata["labels"] = json!({"app": "llm", "odd/key~1": "yes"});
    }
    if random.chance(20) {
        metadata["annotations"] = random.pick(&[
            Value::Null,
            json!({}),
            json!({"buttress.dev/skip": "gpu-toleration-missing"}),
            json!({"buttress.dev/allow-floating-image-tag": "demo"}),
        ]);
    }
    if random.chance(30) {
        metadata["namespace"] = json!("ml");
    }
    metadata
}

fn pod_spec(random: &mut Random) -> Value {
    let mut spec = json!({});
    let count = 1 + random.below(3);
    spec["containers"] = (0..count).map(|index| container(random, index)).collect();
    for (field, percent, values) in [
        ("restartPolicy", 40, vec![json!("Always"), json!("Never"), json!("OnFailure")]),
        (
            "tolerations",
            30,
            vec![
                Value::Null,
                json!([]),
                json!([{"key": "nvidia.com/gpu", "operator": "Exists"}]),
                json!([{"operator": "Exists"}]),
                json!([{"key": "spot", "effect": "NoSchedule"}]),
                json!([{"key": "nvidia.com/gpus", "operator": "Exists", "value": "x"}]),
                json!([{"key": "karpenter.sh/disrupted", "operator": "Exists"}]),
                json!([{"key": "amd.com/gpu", "operator": "Exists"}, {"key": "cloud.google.com/gke-spot", "value": "true"}]),
            ],
        ),
        (
            "volumes",
            40,
            vec![
                Value::Null,
                json!([]),
                json!([{"name": "dshm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}]),
                json!([{"name": "models", "persistentVolumeClaim": {"claimName": "models"}}]),
                json!([{"name": "dshm", "hostPath": {"path": "/x"}}]),
                json!([{"name": "dshm", "emptyDir": {"medium": "Memory"}}, {"name": "models", "emptyDir": {"sizeLimit": "2Gi"}}]),
                json!([{"name": "checkpoints", "emptyDir": {}}, {"name": "models", "emptyDir": {}}]),
            ],
        ),
        (
            "affinity",
            25,
            vec![
                Value::Null,
                json!({}),
                json!({"nodeAffinity": {}}),
                json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "llm"}}}]}}),
            ],
        ),
        ("hostIPC", 10, vec![json!(true), json!(false)]),
        ("hostNetwork", 10, vec![json!(true)]),
        (
            "topologySpreadConstraints",
            10,
            vec![
                json!([]),
                json!([{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "llm"}}}]),
            ],
        ),
        (
            "nodeSelector",
            20,
            vec![
                Value::Null,
                json!({"cloud.google.com/gke-accelerator": "nvidia-l4", "cloud.google.com/gke-spot": "true"}),
                json!({"cloud.google.com/gke-tpu-accelerator": "tpu-v6e-slice"}),
                json!({"amd.com/gpu.family": "AI"}),
            ],
        ),
        ("terminationGracePeriodSeconds", 25, vec![Value::Null, json!(0), json!(30), json!(600)]),
        ("enableServiceLinks", 15, vec![json!(false), json!(true)]),
        ("priorityClassName", 15, vec![json!("inference"), json!("system-node-critical")]),
        ("resourceClaims", 10, vec![json!([{"name": "gpu", "resourceClaimTemplateName": "llm"}]), Value::Null]),
        ("resources", 10, vec![json!({"limits": {"memory": "8Gi"}})]),
        (
            "initContainers",
            20,
            vec![
                json!([{"name": "fetch", "image": "busybox:1.36", "command": ["true"]}]),
                json!([{"name": "proxy", "image": "envoy:1", "restartPolicy": "Always"}]),
            ],
        ),
    ] {
        if random.chance(percent) {
            spec[field] = random.pick(&values);
        }
    }
    spec
}

fn container(random: &mut Random, index: usize) -> Value {
    let (image, command, args): (&str, &[&str], &[&str]) = random.pick(&[
        ("vllm/vllm-openai:v0.11.0", &[], &["--model", "Qwen/Qwen3-8B"]),
        (
            "vllm/vllm-openai:latest",
            &[],
            &["--model=meta-llama/Llama-3.1-70B-Instruct", "--port=9000", "--tensor-parallel-size", "4"],
        ),
        ("vllm/vllm-openai:v0.11.0", &["sh", "-c"], &["vllm serve mistralai/Mixtral-8x7B-v0.1 --port 8080"]),
        (
            "lmsysorg/sglang:v0.5.3",
            &["python3", "-m", "sglang.launch_server"],
            &["--model-path", "x", "--host", "0.0.0.0", "--tp", "2"],
        ),
        ("lmsysorg/sglang:v0.5.3", &["python3", "-m", "sglang.launch_server"], &["--model-path", "x"]),
        ("nvcr.io/nvidia/tritonserver:25.08-py3", &["tritonserver"], &["--model-repository=/models"]),
        ("ghcr.io/huggingface/text-generation-inference:3.3.5", &[], &["--model-id", "x"]),
        ("ollama/ollama:0.12.0", &[], &[]),
        ("ghcr.io/ggml-org/llama.cpp:server-cuda", &[], &["-m", "/models/x.gguf", "--port", "9090"]),
        ("pytorch/pytorch:2.8.0", &["torchrun", "--nproc-per-node=8", "train.py"], &[]),
        ("nginx:1.29", &[], &[]),
        ("vllm/vllm-openai:v0.11.0", &["vllm", "serve", "${MODEL}", "--api-key", "$(KEY)", "--tp", "8"], &[]),
        ("vllm/vllm-openai:v0.11.0", &["vllm", "serve", "org/x-70B", "--headless", "--ssl-keyfile", "/k"], &[]),
        (
            "pytorch/pytorch:2.8.0",
            &["accelerate", "launch"],
            &["--num_processes", "16", "t.py", "--output_dir", "/out"],
        ),
        ("registry.example.com:5000/app", &[], &[]),
    ]);
    let mut container = json!({"name": format!("c{index}"), "image": image});
    if !command.is_empty() {
        container["command"] = json!(command);
    }
    if !args.is_empty() {
        container["args"] = json!(args);
    }
    let probe = random.pick(&[
        json!({"httpGet": {"path": "/health", "port": 8000}, "initialDelaySeconds": 10, "periodSeconds": 5}),
        json!({"httpGet": {"path": "/v1/models", "port": "http", "scheme": "HTTPS"}, "timeoutSeconds": 30}),
        json!({"tcpSocket": {"port": "none"}, "periodSeconds": 1, "failureThreshold": 1}),
        json!({"grpc": {"port": 8001}, "failureThreshold": 600}),
        json!({"exec": {"command": ["cat", "/tmp/healthy"]}}),
    ]);
    for (field, percent, values) in [
        (
            "resources",
            70,
            vec![
                Value::Null,
                json!({}),
                json!({"limits": {"nvidia.com/gpu": 1}}),
                json!({"limits": {"nvidia.com/gpu": "4", "memory": "64Gi"}, "requests": {"memory": "32Gi", "cpu": 8}}),
                json!({"requests": {"nvidia.com/gpu": 2}}),
                json!({"requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": 2}}),
                json!({"limits": {"nvidia.com/gpu": "0.5"}}),
                json!({"limits": {"nvidia.com/gpu": 0}}),
                json!({"limits": {"nvidia.com/mig-1g.10gb": 1}}),
                json!({"limits": {"nvidia.com/mig-1g.10gb": 2}}),
                json!({"limits": {"nvidia.com/gpu": 1, "nvidia.com/gpumem": 3000}}),
                json!({"limits": {"google.com/tpu": 8}}),
                json!({"claims": [{"name": "gpu"}, {"name": "other"}]}),
                json!({"requests": {"cpu": "500m"}, "limits": null}),
            ],
        ),
        ("livenessProbe", 25, vec![Value::Null, probe.clone()]),
        ("readinessProbe", 25, vec![Value::Null, probe.clone()]),
        ("startupProbe", 15, vec![Value::Null, probe]),
        ("ports", 50, vec![json!([{"containerPort": 8000, "name": "http"}]), json!([])]),
        (
            "env",
            30,
            vec![
                Value::Null,
                json!([{"name": "HF_TOKEN", "value": "hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345"}]),
                json!([{"name": "PORT", "value": "3000"}]),
                json!([{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}, {"name": "HF_HOME", "value": "/models"}, {"name": "MODEL", "value": "x"}]),
            ],
        ),
        (
            "volumeMounts",
            30,
            vec![
                Value::Null,
                json!([]),
                json!([{"name": "dshm", "mountPath": "/dev/shm"}]),
                json!([{"name": "models", "mountPath": "/models"}]),
            ],
        ),
        ("securityContext", 15, vec![json!({"privileged": true}), json!({}), json!({"readOnlyRootFilesystem": true})]),
        (
            "lifecycle",
            15,
            vec![
                Value::Null,
                json!({"preStop": {"sleep": {"seconds": 30}}}),
                json!({"preStop": {"exec": {"command": ["sh", "-c", "sleep 45"]}}}),
            ],
        ),
        ("imagePullPolicy", 20, vec![json!("Always"), json!("IfNotPresent")]),
    ] {
        if random.chance(percent) {
            container[field] = random.pick(&values);
        }
    }
    container
}

/// Puts values of the wrong type into random places.
fn spoil(value: &mut Value, random: &mut Random) {
    if random.chance(6) {
        *value = random.pick(&[
            json!(5),
            json!("text"),
            json!([]),
            json!({}),
            json!(true),
            Value::Null,
            json!(-1),
            json!(1.5),
            json!([[]]),
        ]);
        return;
    }
    match value {
        Value::Object(map) => map.values_mut().for_each(|value| spoil(value, random)),
        Value::Array(items) => items.iter_mut().for_each(|value| spoil(value, random)),
        _ => {}
    }
}

/// Any JSON value at all, for readers of whole objects.
pub fn anything(random: &mut Random, depth: usize) -> Value {
    const KEYS: &[&str] = &[
        "apiVersion",
        "kind",
        "metadata",
        "spec",
        "template",
        "containers",
        "resources",
        "limits",
        "name",
        "labels",
        "env",
    ];
    match random.below(if depth == 0 { 6 } else { 9 }) {
        0 => Value::Null,
        1 => json!(random.chance(50)),
        2 => json!(random.draw() as i64),
        3 => json!(random.pick(&["v1", "apps/v1", "Pod", "Deployment", "", "nvidia.com/gpu", "4Gi", "{{ x }}"])),
        4 => json!(0.5),
        5 => json!(random.below(9)),
        6 | 7 => {
            let mut map = Map::new();
            for _ in 0..random.below(5) {
                map.insert(random.pick(KEYS).to_owned(), anything(random, depth - 1));
            }
            Value::Object(map)
        }
        _ => (0..random.below(4)).map(|_| anything(random, depth - 1)).collect(),
    }
}
