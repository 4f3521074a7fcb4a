//! Over a real socket: TLS, clients that do nothing, and the drain.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod support;
#[path = "support/tls.rs"]
mod tls;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use buttress_certs::{Identity, Served, server_config};
use buttress_webhook::{Health, Limits, Phase, Server, app};
use support::{gpu_pod, review, state};
use tls::{Caller, Certificates, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

struct Running {
    address: SocketAddr,
    health: Health,
    task: JoinHandle<bool>,
}

async fn serve(certificates: &Certificates, limits: Limits) -> Running {
    let identity = Identity::read(&certificates.certificate(), &certificates.key()).unwrap();
    let served = Served::new();
    served.swap(identity);
    let state = state("warn");
    let health = state.health().clone();
    health.advance(Phase::Ready);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tls = Some(server_config(&served, None).unwrap());
    let server = Server { listener, tls, router: app(state), health: health.clone(), limits };
    Running { address, health, task: tokio::spawn(server.run()) }
}

fn body() -> Bytes {
    Bytes::from(review("CREATE", &gpu_pod()).to_string())
}

#[tokio::test]
async fn reviews_are_answered_over_both_versions_of_http() {
    let certificates = Certificates::make();
    let running = serve(&certificates, Limits::default()).await;
    let mut http1 = Caller::http1(&certificates.client(&[b"http/1.1"]), running.address).await;
    let mut http2 = Caller::http2(&certificates.client(&[b"h2", b"http/1.1"]), running.address).await;
    for _ in 0..3 {
        for caller in [&mut http1, &mut http2] {
            let response = caller.post("/mutate?timeout=2s", body()).await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["content-type"], "application/json");
            assert!(String::from_utf8_lossy(response.body()).contains("JSONPatch"));
        }
    }
    let mut silent_on_alpn = Caller::http1(&certificates.client(&[]), running.address).await;
    assert_eq!(silent_on_alpn.post("/validate", body()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn who_does_not_trust_the_authority_does_not_connect() {
    let certificates = Certificates::make();
    let running = serve(&certificates, Limits::default()).await;
    let stranger = Certificates::make().client(&[b"http/1.1"]);
    let error = connect(&stranger, running.address).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    let mut plain = TcpStream::connect(running.address).await.unwrap();
    plain.write_all(b"POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));
}

#[tokio::test]
async fn silent_clients_hold_up_nobody_and_are_sent_away() {
    let certificates = Certificates::make();
    let short = Duration::from_millis(500);
    let limits = Limits { handshake: short, first_request: short, ..Limits::default() };
    let running = serve(&certificates, limits).await;
    let client = certificates.client(&[b"http/1.1"]);
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(running.address).await.unwrap());
    }
    let mut after_handshake = connect(&client, running.address).await.unwrap();
    let mut slow = connect(&client, running.address).await.unwrap();
    slow.write_all(b"POST /mutate HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    let started = Instant::now();
    let mut caller = Caller::http1(&client, running.address).await;
    assert_eq!(caller.post("/mutate", body()).await.unwrap().status(), 200);
    assert!(started.elapsed() < short, "{:?}", started.elapsed());
    for stream in &mut silent {
        let mut byte = [0];
        let read = timeout(Duration::from_secs(5), stream.read(&mut byte)).await.unwrap();
        assert!(matches!(read, Ok(0) | Err(_)));
    }
    for stream in [&mut after_handshake, &mut slow] {
        let mut rest = Vec::new();
        let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.unwrap();
    }
    // Who has sent a request may pause for longer.
    assert_eq!(caller.post("/mutate", body()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn further_connections_wait_for_room() {
    let certificates = Certificates::make();
    let limits = Limits { connections: 1, first_request: Duration::from_millis(500), ..Limits::default() };
    let running = serve(&certificates, limits).await;
    let client = certificates.client(&[b"http/1.1"]);
    let _held = connect(&client, running.address).await.unwrap();
    let mut caller = timeout(Duration::from_secs(5), Caller::http1(&client, running.address)).await.unwrap();
    assert_eq!(caller.post("/mutate", body()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn leaving_asks_clients_to_go_and_draining_finishes_what_is_under_way() {
    let certificates = Certificates::make();
    let running = serve(&certificates, Limits::default()).await;
    let client = certificates.client(&[b"http/1.1"]);
    let mut caller = Caller::http1(&client, running.address).await;
    let response = caller.post("/mutate", body()).await.unwrap();
    assert!(response.headers().get("connection").is_none());
    running.health.advance(Phase::Leaving);
    let response = caller.post("/mutate", body()).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["connection"]), (200, &"close".parse().unwrap()));
    // New connections are still served: the endpoints may not know yet.
    let mut late = Caller::http1(&client, running.address).await;
    assert_eq!(late.post("/mutate", body()).await.unwrap().status(), 200);

    let mut half = connect(&client, running.address).await.unwrap();
    let head = format!(
        "POST /mutate HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        tls::NAME,
        body().len()
    );
    half.write_all(head.as_bytes()).await.unwrap();
    half.write_all(&body()[..100]).await.unwrap();
    let mut idle = Caller::http2(&certificates.client(&[b"h2"]), running.address).await;
    assert_eq!(idle.post("/mutate", body()).await.unwrap().status(), 200);
    sleep(Duration::from_millis(100)).await;
    running.health.advance(Phase::Draining);
    sleep(Duration::from_millis(200)).await;
    assert!(TcpStream::connect(running.address).await.is_err());
    half.write_all(&body()[100..]).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(5), half.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    assert!(timeout(Duration::from_secs(5), running.task).await.unwrap().unwrap(), "everything was finished");
}

#[tokio::test]
async fn the_drain_waits_no_longer_than_it_may() {
    let certificates = Certificates::make();
    let limits = Limits { drain: Duration::from_millis(300), ..Limits::default() };
    let running = serve(&certificates, limits).await;
    let mut half = connect(&certificates.client(&[b"http/1.1"]), running.address).await.unwrap();
    half.write_all(b"POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{")
        .await
        .unwrap();
    sleep(Duration::from_millis(100)).await;
    running.health.advance(Phase::Draining);
    assert!(!timeout(Duration::from_secs(3), running.task).await.unwrap().unwrap());
}

#[tokio::test]
async fn idle_connections_end_whatever_the_version_of_http() {
    let certificates = Certificates::make();
    let limits = Limits { idle: Duration::from_millis(500), ..Limits::default() };
    let running = serve(&certificates, limits).await;
    let mut http1 = Caller::http1(&certificates.client(&[b"http/1.1"]), running.address).await;
    let mut http2 = Caller::http2(&certificates.client(&[b"h2"]), running.address).await;
    assert_eq!(http1.post("/mutate", body()).await.unwrap().status(), 200);
    assert_eq!(http2.post("/mutate", body()).await.unwrap().status(), 200);
    // Not looked at again and again, as that takes a request, which would keep them.
    sleep(Duration::from_secs(4)).await;
    assert!(http1.post("/mutate", body()).await.is_err());
    assert!(http2.post("/mutate", body()).await.is_err());
}

#[tokio::test]
async fn idle_connections_make_room_when_places_are_scarce() {
    let certificates = Certificates::make();
    let limits = Limits { connections: 8, idle_when_crowded: Duration::from_millis(500), ..Limits::default() };
    let running = serve(&certificates, limits).await;
    let mut idle = Vec::new();
    for number in 0..8 {
        let mut caller = if number % 2 == 0 {
            Caller::http1(&certificates.client(&[b"http/1.1"]), running.address).await
        } else {
            Caller::http2(&certificates.client(&[b"h2"]), running.address).await
        };
        // One has never sent anything.
        if number > 0 {
            assert_eq!(caller.post("/mutate", body()).await.unwrap().status(), 200);
        }
        idle.push(caller);
    }
    let client = certificates.client(&[b"http/1.1"]);
    let mut caller = timeout(Duration::from_secs(10), Caller::http1(&client, running.address)).await.unwrap();
    assert_eq!(caller.post("/mutate", body()).await.unwrap().status(), 200);
    // With room again nobody is in a hurry.
    drop(idle);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(caller.post("/mutate", body()).await.unwrap().status(), 200);
}
