//! The cluster with its node, and how the pods of the webhook and those of users are looked at.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::thread::panicking;
use std::time::{Duration, Instant};

use buttress_tests::cluster::node::{Image, Node, Program, demand, static_program};
use buttress_tests::cluster::{Cluster, HELM, Options};
use buttress_tests::manifests;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Where it is installed.
pub(crate) const NAMESPACE: &str = "buttress-system";
/// As whom the webhook comes to the API server.
pub(crate) const ACCOUNT: &str = "system:serviceaccount:buttress-system:buttress-webhook";
/// The namespaces of users: one for which Policies are made, and one for which none are.
pub(crate) const ML: &str = "ml";
pub(crate) const WEB: &str = "web";
/// A namespace that the chart leaves out, besides those of Kubernetes.
pub(crate) const EXCLUDED: &str = "gpu-operator";

/// The image of a model server that Buttress knows; a stand-in is in it here.
const MODEL_SERVER: &str = "vllm/vllm-openai:v0.11.0";

/// How long a step may take that waits for kubelet and containers.
const LIMIT: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(200);

/// A cluster with one node that takes all pods, and has accelerators.
#[derive(Debug)]
pub(crate) struct Stage {
    // The node goes before what it talks to.
    pub(crate) node: Node,
    pub(crate) cluster: Cluster,
    /// The lines that the webhook's pods logged so far. The kubelet removes the files of pods that are gone.
    logged: Mutex<BTreeSet<String>>,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        demand();
        let webhook = static_program(Program::Webhook);
        let model_server = static_program(Program::ModelServer);
        let options = Options::default().with_aggregator_routing().with_audit_of(ACCOUNT);
        let cluster = Cluster::start(options).await;
        let node = Node::start(&cluster, 8).await;
        let (name, entrypoint) = (image(), &["/buttress-webhook"][..]);
        let image = Image { name: &name, path: "buttress-webhook", program: &webhook, entrypoint, user: "65532:65532" };
        node.import(&image);
        let (name, entrypoint) = (format!("docker.io/{MODEL_SERVER}"), &["vllm", "serve"][..]);
        let program = &model_server;
        node.import(&Image { name: &name, path: "usr/local/bin/vllm", program, entrypoint, user: "" });
        let stage = Self { node, cluster, logged: Mutex::default() };
        // What is shipped tolerates no taint, and this is the only node.
        stage.kubectl(&["taint", "nodes", "--all", "nvidia.com/gpu-"]).await;
        for namespace in [ML, WEB, EXCLUDED] {
            stage.kubectl(&["create", "namespace", namespace]).await;
            stage.cluster.service_account_of(namespace).await;
        }
        stage
    }

    /// Runs kubectl, which must succeed; what it printed.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.cluster.kubectl(arguments).await;
        assert!(output.success, "kubectl {arguments:?}: {}", output.stderr);
        output.stdout
    }

    /// An object as it is now, which must be there.
    pub(crate) async fn get(&self, arguments: &[&str]) -> Value {
        let text = self.kubectl(&[&["get", "-o", "json"], arguments].concat()).await;
        serde_json::from_str(&text).unwrap()
    }

    /// Looks until `look` finds something.
    pub(crate) async fn wait<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(begun.elapsed() < LIMIT, "{what}: not after {} s", LIMIT.as_secs());
            sleep(PAUSE).await;
        }
    }

    /// Applies `deploy/install.yaml` as its README says.
    pub(crate) async fn install(&self) {
        self.kubectl(&["apply", "--server-side", "-f", &deploy("install.yaml")]).await;
    }

    /// Waits until the Deployment is as it should be, with nothing left of what was before.
    pub(crate) async fn rolled_out(&self) -> Vec<Replica> {
        self.kubectl(&["rollout", "status", "-n", NAMESPACE, "deployment/buttress-webhook", "--timeout=300s"]).await;
        self.wait("both replicas are ready, and no other is left", async || {
            let replicas = self.replicas().await;
            (replicas.len() == 2 && replicas.iter().all(|replica| replica.ready)).then_some(replicas)
        })
        .await
    }

    /// The pods of the webhook.
    pub(crate) async fn replicas(&self) -> Vec<Replica> {
        self.log();
        self.cluster.pods(NAMESPACE).await.into_iter().map(Replica::of).collect()
    }

    /// Everything that the webhook's pods logged so far, as JSON.
    pub(crate) fn log(&self) -> Vec<Value> {
        let mut logged = self.logged.lock().unwrap();
        // The runtime writes the time, the stream and whether the line is whole before each.
        let lines = self.node.pod_logs(NAMESPACE);
        logged.extend(lines.lines().filter(|line| line.contains(" F {")).map(str::to_owned));
        let events = logged.iter().filter_map(|line| serde_json::from_str(line.split_once(" F ")?.1).ok());
        events.collect()
    }

    /// How often the webhook was asked and answered, over all replicas that run; with labels as in `name="value"`.
    pub(crate) async fn answers(&self, labels: &[&str]) -> f64 {
        let mut sum = 0.0;
        for replica in self.replicas().await {
            sum += replica.metric("buttress_admission_requests_total", labels).await.unwrap_or_default();
        }
        sum
    }

    /// The caBundles of both configurations, those of the validating one behind the other.
    pub(crate) async fn bundles(&self) -> Vec<Value> {
        let mut bundles = Vec::new();
        for kind in ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"] {
            let configuration = self.get(&[kind, "buttress-webhook"]).await;
            let entries = configuration["webhooks"].as_array().unwrap();
            bundles.extend(entries.iter().map(|entry| entry["clientConfig"]["caBundle"].clone()));
        }
        bundles
    }

    /// Waits until each entry has the same caBundle, and tells it.
    pub(crate) async fn bundle(&self) -> Value {
        self.wait("the leader writes the caBundle into every entry", async || {
            let bundles = self.bundles().await;
            let whole = bundles.len() == 4 && bundles.iter().all(|has| has.is_string() && *has == bundles[0]);
            whole.then(|| bundles[0].clone())
        })
        .await
    }

    /// Makes a pod in a namespace, and tells how it is stored.
    pub(crate) async fn create(&self, namespace: &str, pod: &Value) -> Result<Value, String> {
        self.cluster.create(&format!("/api/v1/namespaces/{namespace}/pods"), pod).await
    }

    /// Removes a pod that runs nowhere.
    pub(crate) async fn delete(&self, namespace: &str, name: &str) {
        self.kubectl(&["delete", "pod", "-n", namespace, name, "--now"]).await;
    }

    /// Makes a model server that fits nowhere until the API server goes by what `settles` says of it. The API server learns of
    /// configurations, of the caBundle and of endpoints a moment after they were written, and the webhook of Policies.
    pub(crate) async fn settles(&self, what: &str, namespace: &str, settles: impl Fn(&Value) -> bool) {
        self.wait(what, async || {
            let pod = self.create(namespace, &model_server("settles", NOWHERE)).await.unwrap();
            self.delete(namespace, "settles").await;
            settles(&pod).then_some(())
        })
        .await;
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if panicking() {
            eprint!("{}", self.node.logs());
            let logs = self.node.pod_logs(NAMESPACE);
            let lines: Vec<&str> = logs.lines().collect();
            eprintln!("--- the last lines of the webhook:\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

/// A pod of the webhook.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) ready: bool,
    pub(crate) restarts: u64,
    /// What the status calls the id of the container; empty before there is one.
    pub(crate) container: String,
    address: String,
}

impl Replica {
    fn of(pod: Value) -> Self {
        let status = &pod["status"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let container = &status["containerStatuses"][0];
        Self {
            name: text(&pod["metadata"]["name"]),
            ready: pod["metadata"]["deletionTimestamp"].is_null() && container["ready"] == true,
            restarts: container["restartCount"].as_u64().unwrap_or_default(),
            container: text(&container["containerID"]),
            address: text(&status["podIP"]),
        }
    }

    /// The process of its container.
    pub(crate) fn process(&self, stage: &Stage) -> u32 {
        let processes = stage.node.processes(&self.container);
        assert_eq!(processes.len(), 1, "{} runs {processes:?}", self.name);
        processes[0]
    }

    /// What the kernel tells of its process under `file` of `/proc`.
    pub(crate) fn kernel(&self, stage: &Stage, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.process(stage));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
    }

    /// The sum of the samples of a metric whose labels contain all of `labels`; `None` when it does not answer.
    pub(crate) async fn metric(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let asked = async {
            let mut stream = TcpStream::connect((self.address.as_str(), 8080)).await.ok()?;
            let request = format!("GET /metrics HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
            stream.write_all(request.as_bytes()).await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            Some(answer)
        };
        let answer = timeout(Duration::from_secs(30), asked).await.ok().flatten()?;
        let samples = answer.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (family, of) = series.split_once('{').unwrap_or((series, ""));
            (family == name && labels.iter().all(|label| of.contains(label))).then(|| value.parse::<f64>().ok())?
        });
        Some(samples.sum())
    }
}

/// Where a pod is to run.
pub(crate) const NOWHERE: &str = "no-such-node";
pub(crate) const ANYWHERE: &str = "";

/// A bare pod with a model server as people write it: without probes, and without a toleration of the taint that nodes with
/// accelerators have. One that is to run nowhere waits for a node for ever.
pub(crate) fn model_server(name: &str, place: &str) -> Value {
    let selector = if place.is_empty() { json!({}) } else { json!({"kubernetes.io/hostname": place}) };
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        // Its volume would have a random name, by which two pods that are alike differ.
        "automountServiceAccountToken": false,
        "nodeSelector": selector,
        "containers": [{
            "name": "server",
            "image": MODEL_SERVER,
            "imagePullPolicy": "Never",
            "args": ["--model", "Qwen/Qwen3-8B", "--port", "8000"],
            "env": [{"name": "LOAD_SECONDS", "value": "15"}],
            "resources": {"limits": {"nvidia.com/gpu": "1"}},
        }],
    }})
}

/// The rules whose repairs the annotation of a pod tells of.
pub(crate) fn injected(pod: &Value) -> Vec<String> {
    let text = pod.pointer("/metadata/annotations/buttress.dev~1injected").and_then(Value::as_str);
    let Some(text) = text else { return Vec::new() };
    let injected: Value = serde_json::from_str(text).unwrap();
    let repairs = injected["repairs"].as_array().unwrap().iter();
    repairs.map(|repair| repair["rule"].as_str().unwrap().to_owned()).collect()
}

/// A file of `deploy/`.
pub(crate) fn deploy(file: &str) -> String {
    manifests::repository().join("deploy").join(file).display().to_string()
}

/// What Helm makes of the chart with these values, in the namespace that the chart makes as well.
pub(crate) fn render(values: &[&str]) -> String {
    let output = Command::new(HELM.path("helm"))
        .args(["template", "buttress", &deploy("chart"), "--namespace", NAMESPACE, "--set", "namespace.create=true"])
        .args(values.iter().flat_map(|value| ["--set", value]))
        .env_remove("KUBECONFIG")
        .output()
        .unwrap_or_else(|error| panic!("cannot run helm: {error}"));
    assert!(output.status.success(), "helm: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The objects of `install.yaml`.
pub(crate) fn installed() -> Vec<Value> {
    manifests::objects(&fs::read_to_string(deploy("install.yaml")).unwrap())
}

/// The image that the manifests ask for.
fn image() -> String {
    let objects = installed();
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
}
