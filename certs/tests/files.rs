//! Pairs in files that change under us.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use buttress_certs::{ClientAuthority, Event, Files, Served, Subject};
use support::{Authority, NAME, Pair, Told, until};
use tempfile::TempDir;
use tokio::task::JoinHandle;

const POLL: Duration = Duration::from_millis(20);

struct Followed {
    folder: TempDir,
    served: Served,
    told: Told,
    task: JoinHandle<()>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Followed {
    fn start(folder: TempDir) -> Self {
        let (served, told) = (Served::new(), Told::default());
        let files = Files {
            certificate: folder.path().join("tls.crt"),
            key: folder.path().join("tls.key"),
            names: vec![NAME.to_owned()],
        };
        let task = tokio::spawn(files.follow(served.clone(), POLL, told.events()));
        Self { folder, served, told, task }
    }

    fn serves(&self, pair: &Pair) -> bool {
        self.served.current().is_some_and(|current| current.digest() == pair.identity().digest())
    }

    async fn comes_to_serve(&self, pair: &Pair) {
        until("the new pair is served", || self.serves(pair)).await;
    }

    /// Waits until a failure was told whose reason has `words` in it.
    async fn tells(&self, words: &str) {
        let is = |event: &Event| matches!(event, Event::Fails { reason, .. } if reason.contains(words));
        until(words, || self.told.count(is) > 0).await;
    }
}

#[tokio::test]
async fn a_bad_pair_keeps_the_old_one_and_is_told_once() {
    let authority = Authority::make();
    let (first, second) = (authority.server(NAME), authority.server(NAME));
    let followed = Followed::start(tempfile::tempdir().unwrap());
    followed.tells("tls.crt: cannot read the certificate").await;
    first.write(followed.folder.path());
    followed.comes_to_serve(&first).await;
    let works = |event: &Event| *event == Event::Works(Subject::Certificate);
    until("it works", || followed.told.count(works) == 1).await;

    let folder = followed.folder.path().to_owned();
    fs::write(folder.join("tls.key"), &second.key).unwrap();
    followed.tells("does not belong to the certificate").await;
    // Half-written, and of a kind that would be worse than what there is.
    fs::write(folder.join("tls.crt"), &second.certificate[..second.certificate.len() / 2]).unwrap();
    followed.tells("tls.crt: ").await;
    authority.ended(NAME).write(&folder);
    followed.tells("is good from").await;
    authority.server("example.com").write(&folder);
    followed.tells("is not valid for buttress-webhook.buttress-system.svc").await;
    assert!(followed.serves(&first));

    second.write(&folder);
    followed.comes_to_serve(&second).await;
    until("it works again", || followed.told.count(works) == 2).await;
    let served = |event: &Event| matches!(event, Event::Served { .. });
    assert_eq!(followed.told.count(served), 2);
    let reasons: Vec<_> = followed
        .told
        .all()
        .into_iter()
        .filter_map(|event| if let Event::Fails { reason, .. } = event { Some(reason) } else { None })
        .collect();
    assert!(reasons.windows(2).all(|pair| pair[0] != pair[1]), "{reasons:#?}");
    for line in second.key.lines().filter(|line| !line.contains("KEY")) {
        assert!(reasons.iter().all(|reason| !reason.contains(line)));
    }
}

#[tokio::test]
async fn names_hold_nothing_up_once_the_old_certificate_is_over() {
    let authority = Authority::make();
    let (ended, renamed) = (authority.ended(NAME), authority.server("example.com"));
    let folder = tempfile::tempdir().unwrap();
    ended.write(folder.path());
    let followed = Followed::start(folder);
    followed.comes_to_serve(&ended).await;
    renamed.write(followed.folder.path());
    followed.comes_to_serve(&renamed).await;
    // It is better than nothing, and still not what clients need.
    followed.tells("dnsNames").await;
    authority.server(NAME).write(followed.folder.path());
    let works = |event: &Event| *event == Event::Works(Subject::Certificate);
    until("it works again", || followed.told.count(works) == 2).await;
}

/// As the kubelet does it: the files are links into `..data`, which is itself a link that is replaced as a whole.
fn mount(folder: &Path, generation: &str, pair: &Pair) {
    let own = folder.join(format!("..{generation}"));
    fs::create_dir(&own).unwrap();
    pair.write(&own);
    symlink(format!("..{generation}"), folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

#[tokio::test]
async fn the_kubelets_swap_is_seen_every_time() {
    let authority = Authority::make();
    let folder = tempfile::tempdir().unwrap();
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), folder.path().join(name)).unwrap();
    }
    let mut pair = authority.server(NAME);
    mount(folder.path(), "0", &pair);
    let followed = Followed::start(folder);
    followed.comes_to_serve(&pair).await;
    for generation in 1..10 {
        pair = authority.server(NAME);
        mount(followed.folder.path(), &generation.to_string(), &pair);
        fs::remove_dir_all(followed.folder.path().join(format!("..{}", generation - 1))).unwrap();
        followed.comes_to_serve(&pair).await;
    }
    // The moment in which one file is new and the other old is none to be told.
    let fails = |event: &Event| matches!(event, Event::Fails { .. });
    assert_eq!(followed.told.count(fails), 0, "{:?}", followed.told.all());
}

#[tokio::test]
async fn a_pair_that_is_written_file_by_file_is_waited_for() {
    let authority = Authority::make();
    let (first, second) = (authority.server(NAME), authority.server(NAME));
    let folder = tempfile::tempdir().unwrap();
    first.write(folder.path());
    let files =
        Files { certificate: folder.path().join("tls.crt"), key: folder.path().join("tls.key"), names: Vec::new() };
    fs::write(folder.path().join("tls.crt"), &second.certificate).unwrap();
    let load = tokio::spawn(async move { files.load().await });
    tokio::time::sleep(Duration::from_millis(150)).await;
    fs::write(folder.path().join("tls.key"), &second.key).unwrap();
    assert_eq!(load.await.unwrap().unwrap().digest(), second.identity().digest());
}

#[tokio::test]
async fn the_authority_of_the_clients_is_followed_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clients.crt");
    fs::write(&file, Authority::make().pem).unwrap();
    let told = Told::default();
    let clients = ClientAuthority::read(&file, Vec::new()).unwrap();
    let task = tokio::spawn(clients.follow(POLL, told.events()));
    let works = |event: &Event| *event == Event::Works(Subject::ClientAuthority);
    until("it works", || told.count(works) == 1).await;
    fs::write(&file, "nonsense").unwrap();
    let fails = |event: &Event| matches!(event, Event::Fails { reason, .. } if reason.contains("clients.crt: holds no certificate"));
    until("it is told", || told.count(fails) == 1).await;
    fs::write(&file, Authority::make().pem).unwrap();
    until("it works again", || told.count(works) == 2).await;
    task.abort();
}
