//! The serving pair in files is replaced under load, and calls that fail refuse pods: no call fails, and a bad pair is not
//! taken.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use buttress_tests::cluster::{Authority, Pair, Registration, Webhook, WebhookOptions, eventually};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::time::sleep;

use crate::caller::{Connection, shown};
use crate::configurations::Configurations;
use crate::load::Load;
use crate::support::{cluster, gpu_pod, policy, turn};

/// By the first this test calls; the second is told to be missing where the namespace is known, and is what a Service needs.
const NAMES: &[&str] = &["127.0.0.1", "buttress-webhook.buttress-system.svc"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_the_pair_in_files_is_replaced() {
    let _turn = turn().await;
    let cluster = cluster().await;
    let namespace = cluster.namespace("files").await;
    let folder = cluster.folder().join(&namespace);
    fs::create_dir(&folder).unwrap();
    let old = cluster.authority();
    let new = Authority::new("the-next-authority", &folder);
    let mut mounted = Mounted::new(folder.join("mounted"), &old.serving(&namespace, NAMES));
    let options = WebhookOptions::default().named(&namespace).without_pair().with_policy(&policy("warn", "warn"));
    let webhook = Webhook::start(cluster, options.with_flags(mounted.flags())).await;
    Registration::new(&namespace, &[&namespace]).apply(cluster, &webhook).await;
    let configurations = Configurations::new(cluster.client().await, &namespace);
    let shows = async |bundle: &str, pair: &Pair| {
        let shown = shown(webhook.address(), "127.0.0.1", bundle).await;
        shown.is_ok_and(|shown| shown == CertificateDer::from_pem_file(&pair.certificate).unwrap())
    };
    let fails = async || webhook.metric("buttress_tls_failing", &["subject=\"certificate\""]).await > 0.0;

    // The API server keeps connections for later, also such as it made and then did not need.
    let (kept, begun) = (Connection::open(webhook.address(), &old.pem()).await, Instant::now());
    let load = Load::start(cluster, &namespace, 50).await;
    load.more(100).await;
    // As an issuer is changed: both are trusted, the pair is replaced, only the new one is trusted. Each time the API server
    // connects anew, for it keeps clients by all of the clientConfig.
    configurations.trust(&(old.pem() + &new.pem())).await;
    load.more(50).await;
    let second = new.serving("second", NAMES);
    mounted.swap(&second.certificate, &second.key);
    eventually("the new certificate is shown", async || shows(&new.pem(), &second).await.then_some(())).await;
    configurations.trust(&new.pem()).await;
    load.more(100).await;

    let third = new.serving("third", NAMES);
    mounted.swap(&third.certificate, &second.key);
    eventually("a bad pair is told of", async || fails().await.then_some(())).await;
    assert!(shows(&new.pem(), &second).await);
    load.more(50).await;
    mounted.swap(&third.certificate, &third.key);
    eventually("the mended pair is shown", async || shows(&new.pem(), &third).await.then_some(())).await;
    assert!(!fails().await);
    load.more(50).await;

    sleep(Duration::from_secs(20).saturating_sub(begun.elapsed())).await;
    let response = kept.review("/mutate", &gpu_pod()).await;
    assert_eq!(response["allowed"], true, "{response}");
    let record = load.stop().await;
    record.show("files");
    record.assert_no_failure();
    assert_eq!(record.repaired(), record.count(), "{record}");
}

/// A folder as the kubelet mounts a Secret: what is inside is swapped as a whole, by one symbolic link.
struct Mounted {
    folder: PathBuf,
    versions: u32,
}

impl Mounted {
    fn new(folder: PathBuf, pair: &Pair) -> Self {
        fs::create_dir(&folder).unwrap();
        for name in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
        }
        let mut mounted = Self { folder, versions: 0 };
        mounted.swap(&pair.certificate, &pair.key);
        mounted
    }

    fn swap(&mut self, certificate: &Path, key: &Path) {
        let before = format!("..{}", self.versions);
        self.versions += 1;
        let version = format!("..{}", self.versions);
        fs::create_dir(self.folder.join(&version)).unwrap();
        fs::copy(certificate, self.folder.join(&version).join("tls.crt")).unwrap();
        fs::copy(key, self.folder.join(&version).join("tls.key")).unwrap();
        symlink(&version, self.folder.join("..data_tmp")).unwrap();
        fs::rename(self.folder.join("..data_tmp"), self.folder.join("..data")).unwrap();
        let _ = fs::remove_dir_all(self.folder.join(before));
    }

    fn flags(&self) -> [String; 4] {
        let file = |name: &str| self.folder.join(name).display().to_string();
        ["--tls-cert-file".to_owned(), file("tls.crt"), "--tls-private-key-file".to_owned(), file("tls.key")]
    }
}
