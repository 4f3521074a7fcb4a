//! What is served, to whom, and how it finds out that it is.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use std::path::Path;
use std::sync::Arc;

use buttress_certs::{ClientAuthority, Identity, Served, server_config};
use rustls::ServerConfig;
use rustls::server::ClientHello;
use rustls::version::{TLS12, TLS13};
use support::{Authority, NAME, hear, listen};
use tokio::net::TcpListener;

fn told(certificate: &str, key: &str) -> String {
    let (certificate, key) = (certificate.as_bytes(), key.as_bytes());
    Identity::from_pem((&"a.crt", certificate), (&"a.key", key)).unwrap_err().to_string()
}

#[test]
fn what_is_wrong_with_a_pair_is_told() {
    let authority = Authority::make();
    let (pair, other) = (authority.server(NAME), authority.server(NAME));
    let missing = Identity::read(Path::new("/nowhere/nothing.crt"), Path::new("/nowhere/nothing.key")).unwrap_err();
    assert!(missing.to_string().starts_with("/nowhere/nothing.crt: cannot read the certificate: "), "{missing}");
    assert!(told("", &pair.key).starts_with("a.crt: holds no certificate; "));
    assert!(told(&pair.key, &pair.certificate).contains("holds no certificate"));
    let bad = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    assert!(told(bad, &pair.key).starts_with("a.crt: is not good PEM: "));
    assert!(told(&pair.certificate, "").starts_with("a.key: holds no private key; "));
    assert!(
        told(&pair.certificate, &pair.certificate).contains("are --tls-cert-file and --tls-private-key-file swapped?")
    );
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert!(told(&pair.certificate, encrypted).contains("is encrypted"));
    assert!(told(&pair.certificate, &other.key).contains("does not belong to the certificate"));
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(told(nonsense, &pair.key).contains("cannot be used"));
    let broken_chain = format!("{}{nonsense}", pair.certificate);
    assert!(told(&broken_chain, &pair.key).contains("certificate 2 of the chain cannot be read"));
}

#[test]
fn an_identity_is_known_by_its_content_and_shows_no_key() {
    let authority = Authority::make();
    let (pair, other) = (authority.server(NAME), authority.server(NAME));
    assert_eq!(pair.identity().digest(), pair.identity().digest());
    assert_ne!(pair.identity().digest(), other.identity().digest());
    assert!(pair.identity().is_valid_for(NAME) && !pair.identity().is_valid_for("example.com"));
    let shown = format!("{:?}", pair.identity());
    assert!(shown.contains("validity") && shown.len() < 200, "{shown}");
}

#[tokio::test]
async fn handshakes_fail_until_there_is_a_certificate_and_see_every_new_one() {
    let authority = Authority::make();
    let served = Served::new();
    let address = listen(server_config(&served, None).unwrap()).await;
    assert!(hear(address, &authority, None, &[&TLS13]).await.is_err());
    assert!(served.handshake(address).await.unwrap_err().to_string().contains("no serving certificate yet"));
    for _ in 0..3 {
        let identity = authority.server(NAME).identity();
        let expected = identity.chain()[0].clone();
        served.swap(identity);
        for version in [&TLS12, &TLS13] {
            let (text, shown) = hear(address, &authority, None, &[version]).await.unwrap();
            assert_eq!((text.as_str(), &shown), ("hello", &expected));
        }
        served.handshake(address).await.unwrap();
    }
}

/// Shows the certificate of one and signs with the key of the other, as nobody does who is not cheating.
#[derive(Debug)]
struct Cheat(Arc<rustls::sign::CertifiedKey>);

impl rustls::server::ResolvesServerCert for Cheat {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

#[tokio::test]
async fn a_handshake_with_ourselves_wants_our_own_listener() {
    let authority = Authority::make();
    let served = Served::new();
    let identity = authority.server(NAME).identity();
    served.swap(identity.clone());

    // Another certificate for the same name by the same authority is still not ours.
    let other = Served::new();
    other.swap(authority.server(NAME).identity());
    let address = listen(server_config(&other, None).unwrap()).await;
    let error = served.handshake(address).await.unwrap_err().to_string();
    assert!(error.contains("another certificate than the one that is served"), "{error}");

    let provider = rustls::crypto::ring::default_provider();
    let key = rcgen::KeyPair::generate().unwrap().serialize_der();
    let key = provider.key_provider.load_private_key(rustls::pki_types::PrivateKeyDer::Pkcs8(key.into())).unwrap();
    let cheat = rustls::sign::CertifiedKey::new(identity.chain().to_vec(), key);
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Cheat(Arc::new(cheat))));
    let address = listen(Arc::new(config)).await;
    let error = served.handshake(address).await.unwrap_err().to_string();
    assert!(error.contains("failed") && error.contains("BadSignature"), "{error}");

    // Nobody listens.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    assert!(served.handshake(address).await.is_err());

    // It has ended.
    let address = listen(server_config(&served, None).unwrap()).await;
    served.handshake(address).await.unwrap();
    served.swap(authority.ended(NAME).identity());
    let error = served.handshake(address).await.unwrap_err().to_string();
    assert!(error.contains("is good from"), "{error}");
}

#[tokio::test]
async fn a_listener_on_every_address_is_reached() {
    let authority = Authority::make();
    let served = Served::new();
    served.swap(authority.server(NAME).identity());
    let mut address = listen(server_config(&served, None).unwrap()).await;
    address.set_ip("0.0.0.0".parse().unwrap());
    served.handshake(address).await.unwrap();
}

#[tokio::test]
async fn only_clients_of_the_authority_with_a_name_are_let_in() {
    let (authority, clients, strangers) = (Authority::make(), Authority::make(), Authority::make());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clients.crt");
    std::fs::write(&file, &clients.pem).unwrap();
    let served = Served::new();
    served.swap(authority.server(NAME).identity());
    let any = ClientAuthority::read(&file, Vec::new()).unwrap();
    let named = ClientAuthority::read(&file, vec!["kube-apiserver".to_owned()]).unwrap();
    let any = listen(server_config(&served, Some(any)).unwrap()).await;
    let named = listen(server_config(&served, Some(named)).unwrap()).await;

    let (right, wrong) = (clients.client("kube-apiserver", &[]), clients.client("somebody", &[]));
    let (by_name, stranger) = (clients.client("x", &["kube-apiserver"]), strangers.client("kube-apiserver", &[]));
    for version in [&TLS12, &TLS13] {
        let versions = &[version][..];
        for (address, pair, welcome) in [
            (any, Some(&right), true),
            (any, Some(&wrong), true),
            (any, Some(&stranger), false),
            (any, None, false),
            (named, Some(&right), true),
            (named, Some(&by_name), true),
            (named, Some(&wrong), false),
            (named, Some(&stranger), false),
            (named, None, false),
        ] {
            assert_eq!(hear(address, &authority, pair, versions).await.is_ok(), welcome);
        }
    }
    // We ourselves have no such certificate, and yet find out that the listener is ours.
    served.handshake(any).await.unwrap();
    served.handshake(named).await.unwrap();
    let other = Served::new();
    other.swap(authority.server(NAME).identity());
    assert!(other.handshake(named).await.is_err());
}

#[tokio::test]
async fn the_authority_of_the_clients_follows_its_file_and_keeps_the_good_one() {
    let (authority, old, new) = (Authority::make(), Authority::make(), Authority::make());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clients.crt");
    assert!(
        ClientAuthority::read(&file, Vec::new())
            .unwrap_err()
            .to_string()
            .contains("cannot read the authority of the clients")
    );
    std::fs::write(&file, &old.pem).unwrap();
    let clients = ClientAuthority::read(&file, Vec::new()).unwrap();
    let served = Served::new();
    served.swap(authority.server(NAME).identity());
    let address = listen(server_config(&served, Some(clients.clone())).unwrap()).await;
    let (by_old, by_new) = (old.client("a", &[]), new.client("a", &[]));
    let enters = async |pair| hear(address, &authority, Some(pair), &[&TLS13]).await.is_ok();
    assert!(enters(&by_old).await && !enters(&by_new).await);

    assert!(!clients.reload().unwrap());
    for bad in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&file, bad).unwrap();
        // It is told each time, not just once.
        assert!(clients.reload().is_err() && clients.reload().is_err());
        assert!(enters(&by_old).await);
    }
    std::fs::write(&file, format!("{}{}", old.pem, new.pem)).unwrap();
    assert!(clients.reload().unwrap());
    assert!(enters(&by_old).await && enters(&by_new).await);
    std::fs::write(&file, &new.pem).unwrap();
    assert!(clients.reload().unwrap());
    assert!(!enters(&by_old).await && enters(&by_new).await);
}
