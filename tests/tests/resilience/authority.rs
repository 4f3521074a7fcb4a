//! The built-in authority renews itself and its certificates under load, and its leader is killed, while calls that fail
//! refuse pods: no call fails.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use buttress_tests::cluster::{Cluster, Registration, Webhook, eventually};
use kube::Client;
use rustls::pki_types::CertificateDer;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use x509_parser::parse_x509_certificate;

use crate::caller::{certificates, shown};
use crate::configurations::Configurations;
use crate::load::Load;
use crate::service::{NAME, Service, replica};
use crate::support::{cluster, policy, turn};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_the_authority_is_renewed_and_its_leader_killed() {
    let _turn = turn().await;
    let cluster = cluster().await;
    let built_in = BuiltIn::new(cluster, "renewed").await;
    let service = Service::new(cluster, &built_in.namespace).await;
    let leader = built_in.start("leader").await;
    let others = [built_in.start("one").await, built_in.start("another").await];
    // The leader is not behind the Service: calls to who is killed would fail, which is no matter of certificates. The next
    // leader is.
    service.add(&others[0]).await;
    built_in.register(&others[0]).await;
    service.add(&others[1]).await;
    assert!(leads(&leader).await && !leads(&others[0]).await && !leads(&others[1]).await);

    let load = Load::start(cluster, &built_in.pods, 60).await;
    let watch = Watch::start(cluster.client().await, &built_in, &others);
    watch.authorities(2).await;
    leader.process().kill();
    let killed = Instant::now();
    eventually("another one leads", async || (leads(&others[0]).await || leads(&others[1]).await).then_some(())).await;
    let led = killed.elapsed();
    watch.authorities(3).await;
    load.more(60).await;
    let record = load.stop().await;
    let seen = watch.stop();

    record.show("rotation");
    eprintln!(
        "rotation: another one leads {:.1} s after the leader was killed; {} handshakes, {} failed, {} bundles, {:?} \
         certificates shown by {:?} authorities",
        led.as_secs_f64(),
        seen.handshakes,
        seen.failures.len(),
        seen.bundles.len(),
        seen.shown.iter().map(Vec::len).collect::<Vec<_>>(),
        seen.shown.iter().map(|shown| issuers(shown).len()).collect::<Vec<_>>(),
    );
    record.assert_no_failure();
    assert_eq!(record.repaired(), record.count(), "{record}");
    assert!(led > Duration::from_secs(10), "it did not wait for the end of the Lease: {led:?}");
    assert!(seen.handshakes > 100 && seen.failures.is_empty(), "{}: {:#?}", seen.handshakes, seen.failures);
    for shown in &seen.shown {
        assert!(shown.len() >= 6 && serials(shown).len() == shown.len(), "too few certificates, or one number twice");
    }
    // An authority was trusted together with the one before it. For each of these bundles the API server connected anew, as
    // it keeps clients by all of the clientConfig.
    let subjects = |bundle: &String| certificates(bundle).iter().map(subject).collect::<Vec<_>>();
    let together: Vec<Vec<_>> = seen.bundles.iter().map(subjects).filter(|subjects| subjects.len() > 1).collect();
    for pair in issuers(&seen.shown[0]).windows(2) {
        assert!(together.iter().any(|subjects| pair.iter().all(|issuer| subjects.contains(issuer))), "{together:?}");
    }
}

/// Replicas that make their certificates themselves.
struct BuiltIn<'a> {
    cluster: &'a Cluster,
    /// Where Secret, Lease and Service are.
    namespace: String,
    /// Where pods are made, as the own namespace is left alone.
    pods: String,
}

impl<'a> BuiltIn<'a> {
    async fn new(cluster: &'a Cluster, name: &str) -> Self {
        let namespace = cluster.namespace(name).await;
        let pods = cluster.namespace(&format!("{name}-pods")).await;
        Self { cluster, namespace, pods }
    }

    /// Starts a replica, the configurations of which are called as the namespace is.
    async fn start(&self, name: &str) -> Arc<Webhook> {
        let flags = [
            ["--namespace", &self.namespace],
            ["--authority-secret", "buttress-webhook-ca"],
            ["--mutating-webhook-configuration", &self.namespace],
            ["--validating-webhook-configuration", &self.namespace],
            // As short as a busy machine allows: an authority is replaced after 38 s, and trusted 2 s before it signs.
            ["--ca-lifetime", "60s"],
            ["--certificate-lifetime", "12s"],
        ];
        let options = replica(&format!("{}-{name}", self.namespace))
            .without_pair()
            .with_kubeconfig(self.cluster.kubeconfig())
            .with_policy(&policy("warn", "warn"))
            .with_flags(flags.as_flattened());
        Arc::new(Webhook::start(self.cluster, options).await)
    }

    /// Registers them, with a caBundle that is not theirs and that the leader has to mend.
    async fn register(&self, asked: &Webhook) {
        let registration = Registration::new(&self.namespace, &[&self.pods]).by_service(&self.namespace, NAME);
        registration.apply(self.cluster, asked).await;
    }
}

async fn leads(webhook: &Webhook) -> bool {
    webhook.metric("buttress_leader", &[]).await == 1.0
}

/// Looks at bundles and certificates all the time, by connections of its own.
struct Watch {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    handshakes: usize,
    failures: Vec<String>,
    /// The bundles that were read, each once.
    bundles: Vec<String>,
    /// By replica, the certificates that it showed, each once.
    shown: Vec<Vec<CertificateDer<'static>>>,
}

impl Watch {
    fn start(client: Client, built_in: &BuiltIn<'_>, replicas: &[Arc<Webhook>]) -> Self {
        let seen = Seen { shown: vec![Vec::new(); replicas.len()], ..Seen::default() };
        let seen = Arc::new(Mutex::new(seen));
        let configurations = Configurations::new(client, &built_in.namespace);
        let name = format!("{NAME}.{}.svc", built_in.namespace);
        let addresses = replicas.iter().map(|webhook| webhook.address()).collect();
        let task = tokio::spawn(look(configurations, name, addresses, Arc::clone(&seen)));
        Self { seen, task }
    }

    /// Waits until each replica has shown certificates of so many authorities.
    async fn authorities(&self, count: usize) {
        eventually(&format!("certificates of {count} authorities"), async || {
            let seen = self.seen.lock().unwrap();
            seen.shown.iter().all(|shown| issuers(shown).len() >= count).then_some(())
        })
        .await;
    }

    fn stop(self) -> Seen {
        self.task.abort();
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

async fn look(configurations: Configurations, name: String, addresses: Vec<SocketAddr>, seen: Arc<Mutex<Seen>>) {
    loop {
        let read = Instant::now();
        // An API server that does not answer in time is none of the matter here, and asked again.
        for bundle in configurations.bundles().await.unwrap_or_default() {
            for (number, address) in addresses.iter().enumerate() {
                let shown = shown(*address, &name, &bundle).await;
                // A replica may show what is trusted by whoever learns of a bundle within two seconds (a thirtieth of the
                // lifetime). Where this process was held up, the handshake tells nothing.
                if read.elapsed() > Duration::from_secs(1) {
                    continue;
                }
                let mut seen = seen.lock().unwrap();
                seen.handshakes += 1;
                match shown {
                    Ok(shown) if !seen.shown[number].contains(&shown) => seen.shown[number].push(shown),
                    Ok(_) => {}
                    Err(error) => seen.failures.push(error),
                }
                if !seen.bundles.contains(&bundle) {
                    seen.bundles.push(bundle.clone());
                }
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// The authorities behind certificates, in the order of their appearance.
fn issuers(shown: &[CertificateDer<'_>]) -> Vec<String> {
    let mut issuers = Vec::new();
    for certificate in shown {
        let issuer = parse_x509_certificate(certificate).unwrap().1.issuer().to_string();
        if !issuers.contains(&issuer) {
            issuers.push(issuer);
        }
    }
    issuers
}

fn subject(certificate: &CertificateDer<'_>) -> String {
    parse_x509_certificate(certificate).unwrap().1.subject().to_string()
}

fn serials(shown: &[CertificateDer<'_>]) -> HashSet<String> {
    shown.iter().map(|certificate| parse_x509_certificate(certificate).unwrap().1.raw_serial_as_string()).collect()
}
