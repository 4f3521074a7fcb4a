//! The built-in authority on a real API server, with the rights that the chart gives and no more: one leader, a Secret that
//! is never lost, the `caBundle` of our configurations and nothing else in them, and rotation that nobody notices.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use buttress_certs::authority::{Lifetimes, State};
use buttress_certs::cluster::{Authority, Configuration, Election, FIELD_MANAGER, LeaseTimes};
use buttress_certs::{Event, Events, Identity, Served, Subject};
use buttress_tests::cluster::{Cluster, Options, eventually, holds, shared};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";

/// The Lease of a test changes hands sooner.
const TIMES: LeaseTimes =
    LeaseTimes { duration: Duration::from_secs(5), renew: Duration::from_secs(3), retry: Duration::from_millis(300) };

/// What the chart installs, by the name of the namespace, so that tests do not meet.
struct Installed<'a> {
    cluster: &'a Cluster,
    namespace: String,
    client: Client,
}

impl<'a> Installed<'a> {
    /// An empty Secret, an empty Lease, and a service account that may do with these and the configurations what it must.
    async fn new(cluster: &'a Cluster) -> Self {
        let namespace = cluster.namespace("authority").await;
        let manifests = format!(
            "
apiVersion: v1
kind: Secret
metadata: {{name: ca, labels: {{kept: 'true'}}}}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {{name: leader}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: authority}}
rules:
- {{apiGroups: [''], resources: [secrets], resourceNames: [ca], verbs: [get, patch]}}
- {{apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [leader], verbs: [get, update]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: authority}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: authority}}
subjects: [{{kind: ServiceAccount, name: default}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {namespace}}}
rules:
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingwebhookconfigurations, validatingwebhookconfigurations]
  resourceNames: [{namespace}]
  verbs: [get, patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {namespace}}}
subjects: [{{kind: ServiceAccount, name: default, namespace: {namespace}}}]
"
        );
        let output = cluster.apply(&namespace, &manifests).await;
        assert!(output.success, "{}", output.stderr);
        let kubeconfig = cluster.service_account_kubeconfig(&namespace, "default").await;
        let client = cluster.client_of(&kubeconfig).await;
        Self { cluster, namespace, client }
    }

    /// A configuration as a chart has it, for a resource that does not exist, without `caBundle`.
    async fn register(&self, collection: &str, webhooks: &[&str]) -> Value {
        let kind =
            if collection == MUTATING { "MutatingWebhookConfiguration" } else { "ValidatingWebhookConfiguration" };
        let object = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
            "metadata": {"name": self.namespace},
            "webhooks": webhooks.iter().map(|name| webhook(name)).collect::<Vec<_>>(),
        });
        self.cluster.create(collection, &object).await.unwrap()
    }

    async fn registered(&self, collection: &str) -> Value {
        self.cluster.get(&format!("{collection}/{}", self.namespace)).await.unwrap()
    }

    async fn state(&self) -> State {
        let secret = self.secrets().await.get("ca").await.unwrap();
        State::read(&data(secret)).0
    }

    async fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.cluster.client().await, &self.namespace)
    }

    /// Waits until each webhook of a configuration has the bundle of the Secret.
    async fn is_published(&self, collection: &str, webhooks: usize) -> String {
        eventually(&format!("the bundle is in {collection}"), async || {
            let bundle = self.state().await.bundle();
            let found = bundles(&self.registered(collection).await);
            (!bundle.is_empty() && found.len() == webhooks && found.iter().all(|it| *it == bundle)).then_some(bundle)
        })
        .await
    }

    fn replica(&self, name: &str, lifetimes: Lifetimes) -> Replica {
        Replica::start(self.client.clone(), &self.namespace, name, lifetimes)
    }
}

fn webhook(name: &str) -> Value {
    json!({
        "name": name,
        "clientConfig": {"service": {"name": "nobody", "namespace": "nowhere", "path": "/mutate", "port": 8443}},
        "rules": [{"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nothings"]}],
        "failurePolicy": "Ignore", "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 2,
    })
}

fn data(secret: Secret) -> BTreeMap<String, Vec<u8>> {
    secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect()
}

/// The `caBundle` of each webhook, empty where there is none.
fn bundles(configuration: &Value) -> Vec<String> {
    let bundle = |webhook: &Value| {
        let bytes: k8s_openapi::ByteString =
            serde_json::from_value(webhook["clientConfig"]["caBundle"].clone()).unwrap_or_default();
        String::from_utf8(bytes.0).unwrap()
    };
    configuration["webhooks"].as_array().unwrap().iter().map(bundle).collect()
}

/// A configuration without what the API server keeps of every write, and without `caBundle`.
fn without_bundles(mut configuration: Value) -> Value {
    let metadata = configuration["metadata"].as_object_mut().unwrap();
    for key in ["managedFields", "resourceVersion", "generation"] {
        metadata.remove(key);
    }
    for webhook in configuration["webhooks"].as_array_mut().unwrap() {
        webhook["clientConfig"].as_object_mut().unwrap().remove("caBundle");
    }
    configuration
}

/// One replica of the webhook, as far as certificates go.
struct Replica {
    served: Served,
    leads: watch::Receiver<bool>,
    told: Arc<Mutex<Vec<Event>>>,
    stop: Option<oneshot::Sender<()>>,
    tasks: [JoinHandle<()>; 2],
}

impl Replica {
    fn start(client: Client, namespace: &str, name: &str, lifetimes: Lifetimes) -> Self {
        let (served, told) = (Served::new(), Arc::new(Mutex::new(Vec::new())));
        let events = {
            let told = Arc::clone(&told);
            Events::new(move |event: &Event| told.lock().unwrap().push(event.clone()))
        };
        let authority = Authority {
            namespace: namespace.to_owned(),
            secret: "ca".to_owned(),
            configurations: vec![
                Configuration::Mutating(namespace.to_owned()),
                Configuration::Validating(namespace.to_owned()),
            ],
            names: vec![format!("webhook.{namespace}.svc")],
            lifetimes,
            poll: Duration::from_millis(300),
        };
        let election = Election {
            namespace: namespace.to_owned(),
            lease: "leader".to_owned(),
            identity: name.to_owned(),
            times: TIMES,
        };
        let (sender, leads) = watch::channel(false);
        let (stop, stopped) = oneshot::channel();
        let stopped = async { drop(stopped.await) };
        let tasks = [
            tokio::spawn(election.run(client.clone(), sender, stopped, events.clone())),
            tokio::spawn(authority.run(client, leads.clone(), served.clone(), events)),
        ];
        Self { served, leads, told, stop: Some(stop), tasks }
    }

    fn leads(&self) -> bool {
        *self.leads.borrow()
    }

    async fn serves(&self) -> Arc<Identity> {
        eventually("a certificate is served", async || self.served.current()).await
    }

    fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.told.lock().unwrap().iter().filter(|event| is(event)).count()
    }

    /// Gives the Lease back and ends.
    async fn stop(mut self) {
        drop(self.stop.take());
        (&mut self.tasks[0]).await.unwrap();
    }

    /// Ends without a word, as a process that is killed.
    fn kill(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Whether a client that trusts `bundle` accepts what is served, now.
fn accepts(bundle: &str, identity: &Identity, name: &str) -> bool {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    if roots.is_empty() {
        return false;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
    let name = ServerName::try_from(name).unwrap();
    verifier.build().unwrap().verify_server_cert(&identity.chain()[0], &[], &name, &[], UnixTime::now()).is_ok()
}

#[tokio::test]
async fn the_leader_makes_an_authority_and_writes_the_bundles_and_nothing_else() {
    let cluster = shared().await;
    let installed = Installed::new(&cluster).await;
    let names = ["pods.mutate.example.com", "more.mutate.example.com"];
    let before = installed.register(MUTATING, &names).await;
    let replicas: Vec<_> =
        (0..3).map(|index| installed.replica(&format!("replica-{index}"), Lifetimes::DEFAULT)).collect();
    let bundle = installed.is_published(MUTATING, 2).await;
    let name = format!("webhook.{}.svc", installed.namespace);
    for replica in &replicas {
        assert!(accepts(&bundle, &*replica.serves().await, &name));
    }
    assert_eq!(replicas.iter().filter(|replica| replica.leads()).count(), 1);
    assert_eq!(bundle.matches("BEGIN CERTIFICATE").count(), 1);

    // Only the caBundle is ours, of the webhooks that there are.
    let after = installed.registered(MUTATING).await;
    let managed = after["metadata"]["managedFields"].as_array().unwrap().clone();
    let ours: Vec<_> = managed.iter().filter(|entry| entry["manager"] == FIELD_MANAGER).collect();
    assert!(ours.len() == 1 && ours[0]["operation"] == "Apply", "{managed:?}");
    let fields = ours[0]["fieldsV1"].to_string();
    assert_eq!(fields.matches("caBundle").count(), 2, "{fields}");
    assert!(!fields.contains("f:rules") && !fields.contains("f:service"), "{fields}");
    assert_eq!(without_bundles(after), without_bundles(before));
    // The Secret keeps what is not ours.
    let secret = installed.secrets().await.get("ca").await.unwrap();
    assert!(secret.metadata.labels.unwrap().contains_key("kept"));

    // Once in order, nothing is written any more.
    let version = installed.registered(MUTATING).await["metadata"]["resourceVersion"].clone();
    holds("nothing is written", Duration::from_secs(2), async || {
        installed.registered(MUTATING).await["metadata"]["resourceVersion"] == version
    })
    .await;

    // A configuration that comes later, a webhook more, a bundle that somebody emptied or made up.
    installed.register(VALIDATING, &["pods.validate.example.com"]).await;
    installed.is_published(VALIDATING, 1).await;
    let configurations = cluster
        .kubectl(&[
            "patch",
            "mutatingwebhookconfiguration",
            &installed.namespace,
            "--type=json",
            "-p",
            &json!([
                {"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"},
                {"op": "add", "path": "/webhooks/-", "value": webhook("third.mutate.example.com")},
            ])
            .to_string(),
        ])
        .await;
    assert!(configurations.success, "{}", configurations.stderr);
    installed.is_published(MUTATING, 3).await;
    let other = rcgen::generate_simple_self_signed(vec!["x".to_owned()]).unwrap().cert.pem();
    let other = json!(k8s_openapi::ByteString(other.into_bytes()));
    let output = cluster
        .kubectl(&[
            "patch",
            "mutatingwebhookconfiguration",
            &installed.namespace,
            "--type=json",
            "-p",
            &json!([{"op": "replace", "path": "/webhooks/1/clientConfig/caBundle", "value": other}]).to_string(),
        ])
        .await;
    assert!(output.success, "{}", output.stderr);
    installed.is_published(MUTATING, 3).await;
    // One that is taken out stays out.
    let output = cluster
        .kubectl(&[
            "patch",
            "mutatingwebhookconfiguration",
            &installed.namespace,
            "--type=json",
            "-p",
            r#"[{"op": "remove", "path": "/webhooks/2"}]"#,
        ])
        .await;
    assert!(output.success, "{}", output.stderr);
    holds("it stays out", Duration::from_secs(2), async || {
        installed.registered(MUTATING).await["webhooks"].as_array().unwrap().len() == 2
    })
    .await;
    // One that is deleted stays deleted.
    let output = cluster.kubectl(&["delete", "mutatingwebhookconfiguration", &installed.namespace]).await;
    assert!(output.success, "{}", output.stderr);
    holds("it stays deleted", Duration::from_secs(2), async || {
        cluster.get(&format!("{MUTATING}/{}", installed.namespace)).await.is_none()
    })
    .await;
    let fails = |event: &Event| matches!(event, Event::Fails { subject: Subject::Bundle | Subject::Secret, .. });
    let told: Vec<_> = replicas.iter().map(|replica| replica.told.lock().unwrap().clone()).collect();
    assert!(replicas.iter().all(|replica| replica.count(fails) == 0), "{told:#?}");
}

#[tokio::test]
async fn there_is_one_leader_also_when_it_leaves_or_dies() {
    let cluster = shared().await;
    let installed = Installed::new(&cluster).await;
    let mut replicas: Vec<_> =
        (0..3).map(|index| installed.replica(&format!("replica-{index}"), Lifetimes::DEFAULT)).collect();
    let leader = async |replicas: &[Replica]| {
        let leader = eventually("there is a leader", async || replicas.iter().position(Replica::leads)).await;
        holds("there is one leader", Duration::from_secs(1), async || {
            replicas.iter().filter(|replica| replica.leads()).count() == 1
        })
        .await;
        leader
    };
    let index = leader(&replicas).await;
    // The one who gives it back is followed at once, the one who dies when its Lease has run out.
    let began = Instant::now();
    replicas.swap_remove(index).stop().await;
    let index = leader(&replicas).await;
    assert!(began.elapsed() < TIMES.duration, "{:?}", began.elapsed());
    let bundle = installed.state().await.bundle();
    let began = Instant::now();
    replicas.swap_remove(index).kill();
    leader(&replicas).await;
    assert!(began.elapsed() >= TIMES.duration - TIMES.retry * 2, "{:?}", began.elapsed());
    // The new leader goes on with the same authority.
    assert_eq!(installed.state().await.bundle(), bundle);
    let lease = cluster
        .get(&format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/leader", installed.namespace))
        .await
        .unwrap();
    assert!(lease["spec"]["leaseTransitions"].as_i64().unwrap() >= 2, "{lease}");
}

#[tokio::test]
async fn rotation_is_trusted_at_every_moment() {
    let cluster = shared().await;
    let installed = Installed::new(&cluster).await;
    installed.register(MUTATING, &["pods.mutate.example.com"]).await;
    installed.register(VALIDATING, &["pods.validate.example.com"]).await;
    let lifetimes = Lifetimes::new(Duration::from_secs(30), Duration::from_secs(9)).unwrap();
    let replicas: Vec<_> = (0..2).map(|index| installed.replica(&format!("replica-{index}"), lifetimes)).collect();
    installed.is_published(MUTATING, 1).await;
    installed.is_published(VALIDATING, 1).await;
    for replica in &replicas {
        replica.serves().await;
    }
    let name = format!("webhook.{}.svc", installed.namespace);
    let switches = || replicas.iter().map(|it| it.count(|event| *event == Event::AuthoritySigns)).sum::<usize>();
    eventually("the authority was replaced twice", async || {
        for collection in [MUTATING, VALIDATING] {
            for bundle in bundles(&installed.registered(collection).await) {
                for replica in &replicas {
                    let identity = replica.serves().await;
                    assert!(accepts(&bundle, &identity, &name), "{identity:?} after {} switches\n{bundle}", switches());
                }
            }
        }
        (switches() >= 3).then_some(())
    })
    .await;
    let served = |event: &Event| matches!(event, Event::Served { .. });
    assert!(replicas.iter().all(|replica| replica.count(served) >= 5));
}

#[tokio::test]
async fn a_secret_that_is_emptied_spoilt_or_deleted_is_made_anew() {
    let cluster = shared().await;
    let installed = Installed::new(&cluster).await;
    installed.register(MUTATING, &["pods.mutate.example.com"]).await;
    // With a fast propagation, for the sake of the test alone.
    let lifetimes = Lifetimes { propagation: Duration::from_secs(1), ..Lifetimes::DEFAULT };
    let replicas: Vec<_> = (0..2).map(|index| installed.replica(&format!("replica-{index}"), lifetimes)).collect();
    let name = format!("webhook.{}.svc", installed.namespace);
    let mut bundle = installed.is_published(MUTATING, 1).await;
    for replica in &replicas {
        replica.serves().await;
    }
    let nonsense = json!({"data": {"tls.key": k8s_openapi::ByteString(b"nonsense".to_vec())}});
    for patch in [json!({"data": null}), nonsense] {
        let secrets = installed.secrets().await;
        secrets.patch("ca", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
        let before = bundle.clone();
        eventually("another authority signs", async || {
            let known = bundles(&installed.registered(MUTATING).await).remove(0);
            for replica in &replicas {
                assert!(accepts(&known, &*replica.serves().await, &name));
            }
            let state = installed.state().await;
            let signs = state.signing.is_some() && state.next.is_none();
            (signs && state.bundle() != before && state.bundle().contains(&before)).then_some(())
        })
        .await;
        bundle = installed.is_published(MUTATING, 1).await;
    }
    let told = |event: &Event| matches!(event, Event::Fails { subject: Subject::Authority, .. });
    assert!(replicas.iter().any(|replica| replica.count(told) >= 1));
    for event in replicas.iter().flat_map(|replica| replica.told.lock().unwrap().clone()) {
        assert!(!format!("{event:?}").contains("nonsense"), "{event:?}");
    }

    // Deleted, and no right to create one: it is told how to go on. What is served stays.
    let secrets = installed.secrets().await;
    secrets.delete("ca", &DeleteParams::default()).await.unwrap();
    eventually("it is told", async || {
        let told = |event: &Event| matches!(event, Event::Fails { subject: Subject::Secret, reason } if reason.contains("may be made empty beforehand"));
        replicas.iter().any(|replica| replica.count(told) > 0).then_some(())
    })
    .await;
    for replica in &replicas {
        assert!(accepts(&bundle, &*replica.serves().await, &name));
    }
    cluster.apply(&installed.namespace, "{apiVersion: v1, kind: Secret, metadata: {name: ca}}").await;
    eventually("an authority is there again", async || installed.state().await.signing.map(drop)).await;
}

#[tokio::test]
async fn who_may_create_needs_no_secret_and_no_lease() {
    let cluster = shared().await;
    let namespace = cluster.namespace("authority").await;
    let replicas: Vec<_> = {
        let client = cluster.client().await;
        let start =
            |index: usize| Replica::start(client.clone(), &namespace, &format!("replica-{index}"), Lifetimes::DEFAULT);
        (0..3).map(start).collect()
    };
    let secrets: Api<Secret> = Api::namespaced(cluster.client().await, &namespace);
    for replica in &replicas {
        let identity = replica.serves().await;
        let (state, faults) = State::read(&data(secrets.get("ca").await.unwrap()));
        assert!(faults.is_empty() && accepts(&state.bundle(), &identity, &format!("webhook.{namespace}.svc")));
    }
    assert_eq!(replicas.iter().filter(|replica| replica.leads()).count(), 1);
}

#[tokio::test]
async fn without_an_api_server_what_is_served_stays_and_afterwards_all_goes_on() {
    let cluster = Cluster::start(Options::default()).await;
    let installed = Installed::new(&cluster).await;
    installed.register(MUTATING, &["pods.mutate.example.com"]).await;
    let lifetimes = Lifetimes::new(Duration::from_secs(3600), Duration::from_secs(30)).unwrap();
    let replicas: Vec<_> = (0..2).map(|index| installed.replica(&format!("replica-{index}"), lifetimes)).collect();
    let bundle = installed.is_published(MUTATING, 1).await;
    for replica in &replicas {
        replica.serves().await;
    }
    let name = format!("webhook.{}.svc", installed.namespace);

    // It hangs, which is worse than if it were gone: nothing breaks off.
    cluster.api_server().freeze();
    eventually("nobody leads", async || (!replicas.iter().any(Replica::leads)).then_some(())).await;
    let before: Vec<_> = replicas.iter().map(|replica| replica.served.current().unwrap().digest()).collect();
    eventually("serving certificates are renewed all the same", async || {
        assert!(replicas.iter().all(|replica| accepts(&bundle, &replica.served.current().unwrap(), &name)));
        let now: Vec<_> = replicas.iter().map(|replica| replica.served.current().unwrap().digest()).collect();
        now.iter().zip(&before).all(|(now, before)| now != before).then_some(())
    })
    .await;
    cluster.api_server().thaw();
    eventually("somebody leads", async || replicas.iter().any(Replica::leads).then_some(())).await;

    cluster.api_server().restart();
    cluster.ready().await;
    let works = |event: &Event| *event == Event::Works(Subject::Secret);
    eventually("the Secret is read again", async || {
        replicas.iter().all(|replica| replica.count(works) >= 2).then_some(())
    })
    .await;
    installed.is_published(MUTATING, 1).await;
    assert_eq!(installed.state().await.bundle(), bundle);
}
