//! HTTP and the frame of AdmissionReview: what is refused before anything is judged, and within which bounds.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use buttress_review::Settings;
use buttress_webhook::{BODY_LIMIT, Options, Phase, Readiness, State, app, ops};
use serde_json::{Value, json};
use support::{ask, call, gpu_pod, privileged_pod, review, router, send, state};

const HOOKS: [&str; 2] = ["/mutate", "/validate"];

fn ops_of(state: State) -> Router {
    let readiness = Readiness::new(&state, None);
    ops(state, readiness)
}

#[tokio::test]
async fn what_is_malformed_is_a_client_error_and_never_allowed() {
    let router = router("warn");
    let good = review("CREATE", &gpu_pod());
    let with = |pointer: &str, value: Value| {
        let mut review = good.clone();
        *review.pointer_mut(pointer).unwrap() = value;
        review.to_string().into_bytes()
    };
    let without_request = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"});
    let deep =
        good.to_string().replacen(r#""do-not-print-me""#, &format!("{}{}", "[".repeat(5000), "]".repeat(5000)), 1);
    let cases: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"not json".to_vec(),
        b"[]".to_vec(),
        b"\xff\xfe".to_vec(),
        good.to_string().into_bytes()[..200].to_vec(),
        without_request.to_string().into_bytes(),
        with("/apiVersion", json!("admission.k8s.io/v1beta1")),
        with("/kind", json!("Pod")),
        with("/request", Value::Null),
        with("/request/uid", json!("")),
        with("/request/uid", Value::Null),
        with("/request/uid", json!(5)),
        with("/request/operation", json!("PATCH")),
        with("/request/object", Value::Null),
        with("/request/object", json!([1])),
        deep.into_bytes(),
    ];
    for hook in HOOKS {
        for body in &cases {
            let (status, answer) = send(&router, hook, body.clone()).await;
            let text = String::from_utf8_lossy(&answer);
            assert_eq!(
                status,
                StatusCode::BAD_REQUEST,
                "{hook} {} {text}",
                String::from_utf8_lossy(&body[..body.len().min(200)])
            );
            assert!(!text.contains("allowed") && !text.contains("do-not-print-me"), "{text}");
        }
    }
}

#[tokio::test]
async fn only_json_by_post_at_the_two_paths() {
    let router = router("warn");
    let body = review("CREATE", &gpu_pod()).to_string();
    let post = |path: &str, media: Option<&str>| {
        let mut request = Request::post(path);
        if let Some(media) = media {
            request = request.header("content-type", media);
        }
        request.body(Body::from(body.clone())).unwrap()
    };
    assert_eq!(call(&router, post("/mutate", Some("application/json; charset=utf-8"))).await.0, StatusCode::OK);
    assert_eq!(call(&router, post("/mutate", Some("text/plain"))).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(call(&router, post("/mutate", None)).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for path in ["/", "/mutate/", "/metrics", "/healthz", "/debug/pprof", "/MUTATE"] {
        assert_eq!(call(&router, post(path, Some("application/json"))).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let request = Request::builder().method(method).uri("/validate").body(Body::empty()).unwrap();
        assert_eq!(call(&router, request).await.0, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
}

#[tokio::test]
async fn bodies_are_taken_up_to_the_limit_and_not_beyond() {
    let router = router("warn");
    let mut pod = gpu_pod();
    pod["metadata"]["annotations"] = json!({"big": "x".repeat(BODY_LIMIT - 64 * 1024)});
    let response = ask(&router, "/mutate", &review("CREATE", &pod)).await;
    assert!(response.get("patch").is_some());
    pod["metadata"]["annotations"] = json!({"big": "x".repeat(BODY_LIMIT)});
    let body = review("CREATE", &pod).to_string();
    for hook in HOOKS {
        assert_eq!(send(&router, hook, body.clone()).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    }
    let announced = Request::post("/mutate")
        .header("content-type", "application/json")
        .header("content-length", (BODY_LIMIT + 1).to_string())
        .body(Body::empty())
        .unwrap();
    assert_eq!(call(&router, announced).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

/// A body that begins and never ends.
fn endless() -> Body {
    Body::new(Endless(Some(Bytes::from_static(b"{"))))
}

struct Endless(Option<Bytes>);

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        match self.0.take() {
            Some(beginning) => std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(beginning)))),
            None => std::task::Poll::Pending,
        }
    }
}

#[tokio::test]
async fn the_deadline_of_the_api_server_holds() {
    let state = state("warn");
    let router = app(state.clone());
    let started = Instant::now();
    let (status, _) = send(&router, "/mutate?timeout=1s", endless()).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    assert!(started.elapsed() < Duration::from_secs(5));
    let (_, text) = call(&ops_of(state), Request::get("/metrics").body(Body::empty()).unwrap()).await;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("buttress_admission_in_flight 0"), "{text}");
}

#[tokio::test]
async fn one_request_too_many_is_turned_away_at_once() {
    fn slow() -> jiff::civil::Date {
        std::thread::sleep(Duration::from_secs(1));
        jiff::civil::date(2026, 1, 1)
    }
    let state = State::new(Settings::new(Vec::new()), Options { concurrency: 2, today: slow });
    let router = app(state.clone());
    let mut large = review("CREATE", &gpu_pod());
    large["request"]["object"]["metadata"]["annotations"] = json!({"big": "x".repeat(100_000)});
    let held: Vec<_> = (0..2)
        .map(|_| {
            let (router, body) = (router.clone(), large.to_string());
            tokio::spawn(async move { send(&router, "/mutate", body).await.0 })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let started = Instant::now();
    let (status, _) = send(&router, "/mutate", review("CREATE", &gpu_pod()).to_string()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(started.elapsed() < Duration::from_millis(500));
    for held in held {
        assert_eq!(held.await.unwrap(), StatusCode::OK);
    }
    // The slots are free again.
    ask(&router, "/mutate", &review("CREATE", &gpu_pod())).await;
    let (_, text) = call(&ops_of(state), Request::get("/metrics").body(Body::empty()).unwrap()).await;
    assert!(String::from_utf8(text).unwrap().contains("buttress_admission_rejected_overload_total 1"));
}

/// On a runtime of one thread: were anything judged on it, nothing else would happen meanwhile.
#[tokio::test]
async fn a_judgement_that_takes_long_stops_neither_deadlines_nor_probes_nor_others() {
    fn slow_once() -> jiff::civil::Date {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        if CALLS.fetch_add(1, Ordering::SeqCst) < 2 {
            std::thread::sleep(Duration::from_secs(4));
        }
        jiff::civil::date(2026, 1, 1)
    }
    let state = State::new(Settings::new(Vec::new()), Options { today: slow_once, ..Options::default() });
    state.health().advance(Phase::Ready);
    let (router, ops) = (app(state.clone()), ops_of(state));
    let body = review("CREATE", &gpu_pod()).to_string();
    let started = Instant::now();
    let slow: Vec<_> = HOOKS
        .into_iter()
        .map(|hook| {
            let (router, body) = (router.clone(), body.clone());
            tokio::spawn(async move { send(&router, &format!("{hook}?timeout=1s"), body).await.0 })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(call(&ops, Request::get(path).body(Body::empty()).unwrap()).await.0, StatusCode::OK, "{path}");
    }
    for hook in HOOKS {
        assert_eq!(send(&router, hook, body.clone()).await.0, StatusCode::OK);
    }
    assert!(started.elapsed() < Duration::from_millis(900), "{:?}", started.elapsed());
    for slow in slow {
        assert_eq!(slow.await.unwrap(), StatusCode::GATEWAY_TIMEOUT);
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn clients_that_send_slowly_take_nobodys_place() {
    let router = app(State::new(Settings::new(Vec::new()), Options { concurrency: 2, ..Options::default() }));
    let slow: Vec<_> = (0..200)
        .map(|_| {
            let router = router.clone();
            tokio::spawn(async move { send(&router, "/mutate?timeout=1s", endless()).await.0 })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    ask(&router, "/mutate", &review("CREATE", &gpu_pod())).await;
    for slow in slow {
        assert_eq!(slow.await.unwrap(), StatusCode::GATEWAY_TIMEOUT);
    }
}

#[tokio::test]
async fn bodies_fill_no_more_memory_than_there_is_for_them() {
    let router = router("warn");
    // Nearly as large as may be, and then no more of it for a while.
    let large = || Body::new(Endless(Some(Bytes::from(vec![b' '; BODY_LIMIT - 1]))));
    let held: Vec<_> = (0..20)
        .map(|_| {
            let router = router.clone();
            tokio::spawn(async move { send(&router, "/mutate?timeout=1s", large()).await.0 })
        })
        .collect();
    let mut turned_away = 0;
    for held in held {
        match held.await.unwrap() {
            StatusCode::SERVICE_UNAVAILABLE => turned_away += 1,
            status => assert_eq!(status, StatusCode::GATEWAY_TIMEOUT),
        }
    }
    assert_eq!(turned_away, 11);
    ask(&router, "/mutate", &review("CREATE", &gpu_pod())).await;
}

#[tokio::test]
async fn a_panic_costs_its_own_request_only() {
    fn broken() -> jiff::civil::Date {
        panic!("on purpose: {}", "do-not-print-me")
    }
    let state = State::new(Settings::new(Vec::new()), Options { today: broken, ..Options::default() });
    let router = app(state.clone());
    let small = review("CREATE", &gpu_pod());
    let mut large = small.clone();
    large["request"]["object"]["metadata"]["annotations"] = json!({"big": "x".repeat(100_000)});
    for body in [small, large] {
        let (status, text) = send(&router, "/mutate", body.to_string()).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!String::from_utf8_lossy(&text).contains("do-not-print-me"));
    }
    let (_, text) = call(&ops_of(state), Request::get("/metrics").body(Body::empty()).unwrap()).await;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("buttress_panics_total 2") && text.contains("buttress_admission_in_flight 0"), "{text}");
}

#[tokio::test]
async fn what_is_too_large_to_be_judged_is_told_in_time_and_no_way_around_the_rules() {
    let mut many_containers = privileged_pod();
    let container = many_containers["spec"]["containers"][0].clone();
    many_containers["spec"]["containers"] = Value::Array(vec![container; 30_000]);
    let mut many_items = gpu_pod();
    many_items["spec"]["containers"][0]["env"] =
        (0..50_000).map(|n| json!({"name": format!("TOKEN_{n}"), "value": "x"})).collect();
    let started = Instant::now();
    // As many findings as are judged, and as many keys as the API server lets an object have.
    let mut many_keys = privileged_pod();
    let container = many_keys["spec"]["containers"][0].clone();
    many_keys["spec"]["containers"] = Value::Array(vec![container; 90]);
    many_keys["spec"]["volumes"] =
        (0..9000).map(|n| json!({"name": format!("v{n}"), "hostPath": {"path": "/"}})).collect();
    many_keys["metadata"]["annotations"] = (0..60_000).map(|n| (format!("{n:x}"), json!(""))).collect();
    for pod in [many_containers, many_items, many_keys] {
        let denied = ask(&router("deny"), "/validate", &review("CREATE", &pod)).await;
        assert!(denied["status"]["message"].as_str().unwrap().contains("too large to be judged"), "{denied}");
        let warned = ask(&router("warn"), "/validate", &review("CREATE", &pod)).await;
        let warning = warned["warnings"][0].as_str().unwrap();
        assert!(warning.contains("let in without a verdict, as it is too large to be judged"), "{warned}");
        let left_alone = ask(&router("deny"), "/mutate", &review("CREATE", &pod)).await;
        assert!(left_alone["allowed"] == true && left_alone["warnings"].as_array().unwrap().len() == 1);
        let mut update = review("UPDATE", &pod);
        update["request"]["oldObject"] = pod.clone();
        assert_eq!(ask(&router("deny"), "/validate", &update).await["allowed"], true);
        let template = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": "ml"},
            "spec": {"template": {"spec": pod["spec"]}}});
        assert_eq!(ask(&router("deny"), "/validate", &review("CREATE", &template)).await["allowed"], true);
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[tokio::test]
async fn long_lists_end_in_time() {
    let router = router("deny");
    let mut pod = privileged_pod();
    let container = pod["spec"]["containers"][0].clone();
    pod["spec"]["containers"] = Value::Array(vec![container; 100]);
    pod["spec"]["volumes"] = (0..9000).map(|n| json!({"name": format!("v{n}"), "emptyDir": {}})).collect();
    let started = Instant::now();
    for hook in HOOKS {
        ask(&router, hook, &review("CREATE", &pod)).await;
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[tokio::test]
async fn readiness_follows_the_life_of_the_process() {
    let state = state("warn");
    let router = ops_of(state.clone());
    let get = |path: &str| call(&router, Request::get(path).body(Body::empty()).unwrap());
    assert_eq!(get("/healthz").await.0, StatusCode::OK);
    assert_eq!(get("/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    state.health().advance(Phase::Ready);
    assert_eq!(get("/readyz").await.0, StatusCode::OK);
    state.health().advance(Phase::Leaving);
    assert_eq!(get("/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get("/healthz").await.0, StatusCode::OK);
    assert_eq!(get("/mutate").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn metrics_count_and_name_no_object() {
    let state = state("deny");
    let router = app(state.clone());
    ask(&router, "/mutate", &review("CREATE", &gpu_pod())).await;
    ask(&router, "/validate", &review("CREATE", &privileged_pod())).await;
    let mut odd = review("CREATE", &json!({"apiVersion": "made.up/v1", "kind": "Thing", "metadata": {"name": "n"}}));
    odd["request"]["resource"]["resource"] = json!("made-up-resource");
    ask(&router, "/validate", &odd).await;
    send(&router, "/validate", "garbage").await;
    let (status, text) = call(&ops_of(state), Request::get("/metrics").body(Body::empty()).unwrap()).await;
    let text = String::from_utf8(text).unwrap();
    assert_eq!(status, StatusCode::OK);
    for line in [
        r#"buttress_admission_requests_total{webhook="mutate",operation="CREATE",resource="pods",decision="patched"} 1"#,
        r#"buttress_admission_requests_total{webhook="validate",operation="CREATE",resource="pods",decision="denied"} 1"#,
        r#"buttress_admission_requests_total{webhook="validate",operation="CREATE",resource="other",decision="clean"} 1"#,
        r#"buttress_admission_requests_total{webhook="validate",operation="unknown",resource="unknown",decision="malformed"} 1"#,
        r#"buttress_rule_results_total{rule="privileged-container",result="denied",mode="deny"} 1"#,
        r#"buttress_injections_total{kind="gpu-toleration-missing",outcome="injected",reason="none"} 1"#,
        r#"buttress_admission_duration_seconds_count{webhook="validate"} 3"#,
        "buttress_admission_in_flight 0",
        "buttress_admission_rejected_overload_total 0",
        "buttress_patch_selfcheck_failures_total 0",
        "buttress_panics_total 0",
        "buttress_config_last_reload_successful 1",
        "# TYPE buttress_tls_cert_not_after_seconds gauge",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    for name in ["llm", "made-up", "do-not-print-me", "vllm-openai"] {
        assert!(!text.contains(name), "{name}");
    }
}
