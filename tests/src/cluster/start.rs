//! The control plane: how its processes are started with one another, and how tests get at it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::thread::panicking;
use std::time::Instant;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Api, ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use super::certificates::{Authority, Pair, signing_key};
use super::kubeconfig::{self, Credentials};
use super::kwok;
use super::networks::{SERVICES, first_host};
use super::options::Options;
use super::ports::{free_address, free_port};
use super::process::Process;
use super::reaper;
use super::tools::CONTROL_PLANE;
use super::wait::{PATIENCE, eventually};

/// A running control plane of its own, in a temporary folder and on free ports of 127.0.0.1. Dropped, all of it is gone;
/// if that is because a test fails, the ends of the logs are shown before.
#[derive(Debug)]
pub struct Cluster {
    // The order is that of stopping: who depends on another comes before it.
    kwok: Option<Process>,
    scheduler: Process,
    controller_manager: Process,
    api_server: Process,
    etcd: Process,
    address: SocketAddr,
    services: Ipv4Addr,
    authority: Authority,
    kubeconfig: PathBuf,
    folder: PathBuf,
}

impl Cluster {
    /// Starts it and waits until it is ready: the API server serves, and namespaces get their service account. Builds the
    /// programs before, where they are not built yet.
    ///
    /// # Panics
    /// When it does not become ready, with the ends of the logs.
    pub async fn start(options: Options) -> Self {
        // kube, like every user of rustls, takes the provider of the process where one has to be chosen.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let begun = Instant::now();
        let programs = CONTROL_PLANE.folder();
        let folder = tempfile::Builder::new().prefix("buttress-cluster-").tempdir();
        let folder = folder.unwrap_or_else(|error| panic!("cannot make a temporary folder: {error}")).keep();
        if keeps_folders() {
            eprintln!("the cluster is in {}", folder.display());
        } else {
            reaper::remove_later(&folder);
        }
        let address = free_address();
        let server = format!("https://{address}");
        let services = SERVICES.free().unwrap_or_else(|error| panic!("no cluster: {error}"));
        let authority = Authority::new("cluster-authority", &folder);
        let client = |user: &str, group| Credentials::Certificate(authority.client(user, group));
        let kubeconfig =
            |user: &str, group| kubeconfig::write(&folder, user, &server, authority.file(), &client(user, group));
        let administrator = kubeconfig("administrator", Some("system:masters"));
        let tokens = signing_key(&folder);
        let etcd_address = free_address();

        let cluster = Self {
            kwok: options.kwok.then(|| kwok::process(&folder, &administrator)),
            scheduler: Process::new("kube-scheduler", programs.join("kube-scheduler"), &folder)
                .args(scheduler(&options, &kubeconfig("system:kube-scheduler", None))),
            controller_manager: Process::new(
                "kube-controller-manager",
                programs.join("kube-controller-manager"),
                &folder,
            )
            .args(controller_manager(&options, &kubeconfig("system:kube-controller-manager", None)))
            .args([flag("--root-ca-file", authority.file()), flag("--service-account-private-key-file", &tokens.key)]),
            api_server: Process::new("kube-apiserver", programs.join("kube-apiserver"), &folder).args(api_server(
                &options,
                address,
                services,
                etcd_address,
                &authority,
                &tokens,
                &folder,
            )),
            etcd: Process::new("etcd", programs.join("etcd"), &folder).args(etcd(etcd_address, &folder)),
            address,
            services,
            kubeconfig: administrator,
            authority,
            folder,
        };
        cluster.etcd.start();
        cluster.api_server.start();
        // Ready means that the roles are there, without which the others would be refused.
        cluster.ready().await;
        cluster.controller_manager.start();
        cluster.scheduler.start();
        cluster.kwok.iter().for_each(Process::start);
        cluster.service_account_of("default").await;
        eprintln!("the cluster at {server} is ready after {:.1} s", begun.elapsed().as_secs_f32());
        cluster
    }

    /// Waits until the API server is ready, as after [`Process::restart`].
    ///
    /// # Panics
    /// When it is not, or when it or etcd has ended, with the ends of the logs.
    pub async fn ready(&self) {
        let begun = Instant::now();
        loop {
            // A client of its own each time: one that was refused may hold back.
            let request = axum::http::Request::get("/readyz").body(Vec::new());
            let request = request.unwrap_or_else(|error| panic!("no request: {error}"));
            if self.client().await.request_text(request).await.is_ok() {
                return;
            }
            let ended = [&self.etcd, &self.api_server].into_iter().find(|process| !process.is_running());
            if let Some(process) = ended {
                panic!("the cluster cannot start\n{}", process.tail());
            }
            assert!(begun.elapsed() < PATIENCE, "the API server does not become ready");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    /// A client as the administrator. It belongs to the runtime of the test that asks.
    pub async fn client(&self) -> Client {
        self.client_of(&self.kubeconfig).await
    }

    /// A client as who is named in a kubeconfig.
    pub async fn client_of(&self, kubeconfig: &Path) -> Client {
        let file = Kubeconfig::read_from(kubeconfig);
        let file = file.unwrap_or_else(|error| panic!("cannot read {}: {error}", kubeconfig.display()));
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
        let config = config.unwrap_or_else(|error| panic!("bad kubeconfig {}: {error}", kubeconfig.display()));
        Client::try_from(config).unwrap_or_else(|error| panic!("no client: {error}"))
    }

    /// The kubeconfig of the administrator (group `system:masters`).
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Makes a kubeconfig for a user with a client certificate, for example `system:node:gpu` of `system:nodes`. What the
    /// user may do is a matter of RBAC.
    pub fn user_kubeconfig(&self, user: &str, group: Option<&str>) -> PathBuf {
        let pair = self.authority.client(user, group);
        self.write_kubeconfig(user, &Credentials::Certificate(pair))
    }

    /// Makes a kubeconfig with a token of a ServiceAccount that exists: who uses it may do what its RBAC allows.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> PathBuf {
        let api: Api<ServiceAccount> = Api::namespaced(self.client().await, namespace);
        // At least ten minutes, which is as long as any proof may take.
        let spec = TokenRequestSpec { expiration_seconds: Some(3600), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let answer = api.create_token_request(name, &PostParams::default(), &request).await;
        let answer = answer.unwrap_or_else(|error| panic!("no token for {namespace}/{name}: {error}"));
        let token = answer.status.unwrap_or_else(|| panic!("the answer holds no token")).token;
        self.write_kubeconfig(&format!("{namespace}-{name}"), &Credentials::Token(token))
    }

    fn write_kubeconfig(&self, name: &str, credentials: &Credentials) -> PathBuf {
        kubeconfig::write(&self.folder, name, &self.url(), self.authority.file(), credentials)
    }

    /// Makes a namespace that nobody else has: `PREFIX-` and a few letters. Waits until pods can be made in it.
    pub async fn namespace(&self, prefix: &str) -> String {
        self.namespace_with(prefix, json!({})).await
    }

    /// Makes a namespace like [`Cluster::namespace`], with labels.
    pub async fn namespace_with(&self, prefix: &str, labels: Value) -> String {
        let labels = serde_json::from_value(labels).unwrap_or_else(|error| panic!("no labels: {error}"));
        let metadata = ObjectMeta { generate_name: Some(format!("{prefix}-")), labels, ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        let api: Api<Namespace> = Api::all(self.client().await);
        let made = api.create(&PostParams::default(), &namespace).await;
        let made = made.unwrap_or_else(|error| panic!("no namespace {prefix}: {error}"));
        let name = made.metadata.name.unwrap_or_default();
        self.service_account_of(&name).await;
        name
    }

    /// Waits for the service account without which no pod can be made in `namespace`.
    pub async fn service_account_of(&self, namespace: &str) {
        let api: Api<ServiceAccount> = Api::namespaced(self.client().await, namespace);
        let what = format!("a service account in {namespace}");
        eventually(&what, async || api.get_opt("default").await.ok().flatten()).await;
    }

    /// What the API server audited so far, each event as it stands in the log.
    ///
    /// # Panics
    /// When the cluster was started without [`Options::with_audit`].
    pub fn audit_events(&self) -> Vec<Value> {
        let file = self.folder.join("audit.log");
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("no audit log {}: {error}", file.display()));
        // The last line may still be being written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The URL of the API server.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Where the API server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the Service `kubernetes`, by which pods know the API server. On a real node it leads there; nobody makes
    /// those of other Services work.
    pub fn service_address(&self) -> Ipv4Addr {
        first_host(self.services)
    }

    /// The authority that signed the API server and whose clients it believes. Tests sign their own things by it.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The folder of the cluster, with logs and certificates, for more of the kind. It goes with the test process, unless
    /// the environment variable `BUTTRESS_KEEP_CLUSTER` is set.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The API server. After a restart, wait with [`Cluster::ready`].
    pub fn api_server(&self) -> &Process {
        &self.api_server
    }

    /// What the API server stores into.
    pub fn etcd(&self) -> &Process {
        &self.etcd
    }

    /// The controller manager.
    pub fn controller_manager(&self) -> &Process {
        &self.controller_manager
    }

    /// The scheduler.
    pub fn scheduler(&self) -> &Process {
        &self.scheduler
    }

    /// Prints the end of every log.
    pub fn show_logs(&self) {
        for process in self.processes() {
            eprint!("{}", process.tail());
        }
    }

    /// All processes, in the order of starting.
    fn processes(&self) -> impl Iterator<Item = &Process> {
        [&self.etcd, &self.api_server, &self.controller_manager, &self.scheduler].into_iter().chain(&self.kwok)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if panicking() {
            self.show_logs();
        }
        let processes =
            self.kwok.iter().chain([&self.scheduler, &self.controller_manager, &self.api_server, &self.etcd]);
        processes.for_each(Process::kill);
        if !keeps_folders() {
            // The reaper tries again.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn keeps_folders() -> bool {
    std::env::var_os("BUTTRESS_KEEP_CLUSTER").is_some()
}

fn etcd(address: SocketAddr, folder: &Path) -> Vec<String> {
    let url = format!("http://{address}");
    let peer = format!("http://127.0.0.1:{}", free_port());
    vec![
        flag("--data-dir", &folder.join("etcd")),
        format!("--listen-client-urls={url}"),
        format!("--advertise-client-urls={url}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        // Nothing is to survive the machine, and the disk is shared with builds.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

fn api_server(
    options: &Options,
    address: SocketAddr,
    services: Ipv4Addr,
    etcd: SocketAddr,
    authority: &Authority,
    tokens: &Pair,
    folder: &Path,
) -> Vec<String> {
    let service = first_host(services).to_string();
    let serving = authority.serving("kube-apiserver", &["127.0.0.1", &service, "localhost", "kubernetes.default.svc"]);
    let mut flags = vec![
        format!("--etcd-servers=http://{etcd}"),
        format!("--bind-address={}", address.ip()),
        format!("--secure-port={}", address.port()),
        flag("--tls-cert-file", &serving.certificate),
        flag("--tls-private-key-file", &serving.key),
        flag("--client-ca-file", authority.file()),
        flag("--cert-dir", folder),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        flag("--service-account-key-file", &tokens.certificate),
        flag("--service-account-signing-key-file", &tokens.key),
        format!("--service-cluster-ip-range={services}/24"),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--allow-privileged=true".to_owned(),
        // The endpoints of `kubernetes.default` would be on loopback, which is refused.
        "--endpoint-reconciler-type=none".to_owned(),
    ];
    if options.audit {
        let policy = folder.join("audit-policy.yaml");
        fs::write(&policy, audit_policy(&options.audited))
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", policy.display()));
        flags.extend([flag("--audit-policy-file", &policy), flag("--audit-log-path", &folder.join("audit.log"))]);
    }
    flags.extend(list("--enable-admission-plugins", &options.enabled));
    flags.extend(list("--disable-admission-plugins", &options.disabled));
    flags.extend(list("--feature-gates", &options.feature_gates));
    flags.extend(options.api_server_flags.iter().cloned());
    flags
}

/// Writes are audited whole, but for what components tell each other all the time; of some users also all else.
fn audit_policy(users: &[String]) -> String {
    let writes = ["create", "update", "patch", "delete", "deletecollection"];
    let chatter =
        json!([{"group": "coordination.k8s.io"}, {"group": "", "resources": ["events"]}, {"group": "events.k8s.io"}]);
    let mut rules =
        vec![json!({"level": "None", "resources": chatter}), json!({"level": "RequestResponse", "verbs": writes})];
    if !users.is_empty() {
        rules.insert(0, json!({"level": "Metadata", "users": users}));
    }
    json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules})
        .to_string()
}

fn controller_manager(options: &Options, kubeconfig: &Path) -> Vec<String> {
    let mut flags = vec![
        flag("--kubeconfig", kubeconfig),
        // Each controller as itself, as everywhere: what the webhook sees of a pod is who made it.
        "--use-service-account-credentials=true".to_owned(),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
    ];
    flags.extend(list("--feature-gates", &options.feature_gates));
    flags.extend(options.controller_manager_flags.iter().cloned());
    flags
}

fn scheduler(options: &Options, kubeconfig: &Path) -> Vec<String> {
    let mut flags = vec![
        flag("--kubeconfig", kubeconfig),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
    ];
    flags.extend(list("--feature-gates", &options.feature_gates));
    flags.extend(options.scheduler_flags.iter().cloned());
    flags
}

fn flag(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

fn list(name: &str, values: &[String]) -> Option<String> {
    (!values.is_empty()).then(|| format!("{name}={}", values.join(",")))
}
