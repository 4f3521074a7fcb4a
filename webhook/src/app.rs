//! The router of the TLS port: from an HTTP request to the bytes that `buttress-review` answers, within bounds of size,
//! time and number.

use std::fmt;
use std::num::NonZero;
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::{self, Request};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use buttress_cluster::Cluster;
use buttress_policies::policy::Policy;
use buttress_review::{Answer, Hook, Malformed, Settings, mutate, validate};
use http_body_util::BodyExt;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;

use crate::health::Health;
use crate::log;
use crate::metrics::{InFlight, Metrics};

/// The most bytes of a request. The API server takes objects of 3 MiB, and a review may hold an old and a new one.
pub const BODY_LIMIT: usize = 7 * 1024 * 1024;

/// The body up to which a request counts as small. Larger ones take longer, so they have threads of their own and the
/// small ones do not queue behind them.
const SMALL_BODY: usize = 32 * 1024;
/// How many large bodies are judged at a time.
const LARGE_AT_A_TIME: usize = 2;
/// How many small bodies are judged at a time for each processor: more than one, as one that takes long keeps its thread
/// past its deadline.
const SMALL_PER_PROCESSOR: usize = 4;
/// The least number of small bodies judged at a time, for the same reason.
const SMALL_AT_LEAST: usize = 8;
/// The bytes of bodies that may lie in memory together, in KiB.
const BODIES_KIB: usize = 64 * 1024;
/// The least that a body counts for in [`BODIES_KIB`]: connections and headers take room too.
const LEAST_KIB: usize = 16;
/// How long the API server waits when it does not say.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);
/// The longest that it can be told to wait.
const LONGEST_DEADLINE: Duration = Duration::from_secs(30);

/// How many small bodies are judged at a time.
fn small_at_a_time() -> usize {
    let processors = available_parallelism().map_or(1, NonZero::get);
    (SMALL_PER_PROCESSOR * processors).max(SMALL_AT_LEAST)
}

/// How many threads judging takes at most. A runtime that may have more starts them, as a thread that has just finished
/// is not free at once, and each keeps some memory.
pub(crate) fn judging_threads() -> usize {
    small_at_a_time() + LARGE_AT_A_TIME
}

/// What may be set about answering requests.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many requests are judged, or wait for it, at a time. One more is turned away with 503 at once, so that the
    /// failure policy decides while the API server still has time.
    pub concurrency: usize,
    /// Who knows what day it is.
    pub today: fn() -> Date,
}

impl Default for Options {
    fn default() -> Self {
        Self { concurrency: 128, today: || Timestamp::now().to_zoned(TimeZone::UTC).date() }
    }
}

/// What all requests share.
#[derive(Clone, Debug)]
pub struct State(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: ArcSwap<Settings>,
    /// The cluster that is followed, if any.
    cluster: OnceLock<Followed>,
    options: Options,
    metrics: Arc<Metrics>,
    health: Health,
    slots: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

struct Followed(Cluster);

impl fmt::Debug for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Followed")
    }
}

impl State {
    /// Answers by `settings`.
    pub fn new(settings: Settings, options: Options) -> Self {
        let metrics = Metrics::new();
        Self(Arc::new(Shared {
            settings: ArcSwap::from_pointee(settings),
            cluster: OnceLock::new(),
            options,
            metrics,
            health: Health::default(),
            slots: Arc::new(Semaphore::new(options.concurrency)),
            bodies: Arc::new(Semaphore::new(BODIES_KIB)),
            small: Arc::new(Semaphore::new(small_at_a_time())),
            large: Arc::new(Semaphore::new(LARGE_AT_A_TIME)),
        }))
    }

    /// The phase of the process.
    pub fn health(&self) -> &Health {
        &self.0.health
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// Answers by these Policies from now on. What is being judged is finished by those before.
    pub fn replace_policies(&self, policies: Vec<Policy>) {
        let settings = self.0.settings.load().with_policies(policies);
        self.0.settings.store(Arc::new(settings));
    }

    /// Answers nothing until `cluster` was listed whole; it is followed for as long as the process lives. Only the first call
    /// counts.
    pub fn follow(&self, cluster: Cluster) {
        let _ = self.0.cluster.set(Followed(cluster));
    }

    /// The kinds, by their plurals, that must be listed before anything is judged and were not yet.
    pub fn unsynced(&self) -> Vec<&'static str> {
        self.0.cluster.get().map(|followed| followed.0.unsynced()).unwrap_or_default()
    }

    fn answer(&self, hook: Hook, body: &[u8]) -> Result<Answer, Malformed> {
        let today = (self.0.options.today)();
        let settings = self.0.settings.load_full();
        match hook {
            Hook::Mutate => mutate(body, &settings, today),
            Hook::Validate => validate(body, &settings, today),
        }
    }
}

/// The router of the TLS port.
pub fn app(state: State) -> Router {
    let metrics = Arc::clone(state.metrics());
    let panicked = move |_| {
        metrics.panicked();
        (StatusCode::INTERNAL_SERVER_ERROR, "internal error\n").into_response()
    };
    Router::new()
        .route("/mutate", post(|state, request| respond(Hook::Mutate, state, request)))
        .route("/validate", post(|state, request| respond(Hook::Validate, state, request)))
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(state)
}

/// Why a request gets an HTTP error for an answer.
#[derive(Debug)]
enum Failure {
    MediaType,
    TooLarge,
    Unreadable,
    Malformed(Malformed),
    Starting,
    Overload,
    Late,
    Panic,
}

impl Failure {
    /// The status, what it is called in metrics, and what the client is told.
    fn tell(&self) -> (StatusCode, &'static str, String) {
        match self {
            Self::MediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "malformed",
                "the content type must be application/json".to_owned(),
            ),
            Self::TooLarge => {
                let text = format!("the body is larger than {} MiB", BODY_LIMIT / (1024 * 1024));
                (StatusCode::PAYLOAD_TOO_LARGE, "too_large", text)
            }
            Self::Unreadable => (StatusCode::BAD_REQUEST, "malformed", "the body broke off".to_owned()),
            Self::Malformed(malformed) => {
                let status = StatusCode::from_u16(Malformed::STATUS).unwrap_or(StatusCode::BAD_REQUEST);
                (status, "malformed", malformed.to_string())
            }
            Self::Starting => {
                (StatusCode::SERVICE_UNAVAILABLE, "starting", "the cluster was not listed whole yet".to_owned())
            }
            Self::Overload => {
                (StatusCode::SERVICE_UNAVAILABLE, "overload", "too many requests are being answered".to_owned())
            }
            Self::Late => (StatusCode::GATEWAY_TIMEOUT, "late", "the deadline passed".to_owned()),
            Self::Panic => (StatusCode::INTERNAL_SERVER_ERROR, "panic", "internal error".to_owned()),
        }
    }
}

async fn respond(hook: Hook, extract::State(state): extract::State<State>, request: Request) -> Response {
    let started = Instant::now();
    let _in_flight = InFlight::new(state.metrics());
    let deadline = deadline(request.uri());
    let outcome = match timeout(deadline, judge(hook, &state, request)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::Late),
    };
    let took = started.elapsed();
    match outcome {
        Ok(answer) => {
            state.metrics().answered(&answer.summary, took);
            log::answered(&answer.summary, took);
            ([(header::CONTENT_TYPE, "application/json")], answer.body).into_response()
        }
        Err(failure) => {
            let (status, decision, text) = failure.tell();
            state.metrics().failed(hook, decision, took);
            match failure {
                Failure::Overload => state.metrics().overloaded(),
                Failure::Panic => state.metrics().panicked(),
                _ => {}
            }
            log::failed(hook, decision, &text, took);
            (status, format!("{text}\n")).into_response()
        }
    }
}

async fn judge(hook: Hook, state: &State, request: Request) -> Result<Answer, Failure> {
    let shared = &state.0;
    if !is_json(request.headers()) {
        return Err(Failure::MediaType);
    }
    if announced(request.headers()).is_some_and(|length| length > BODY_LIMIT) {
        return Err(Failure::TooLarge);
    }
    let (body, room) = read(request.into_body(), &shared.bodies).await?;
    // Without all Policies and facts a verdict would let in what they refuse. Looked at here and not only by readiness: who
    // calls may not have asked for that.
    if !state.unsynced().is_empty() {
        return Err(Failure::Starting);
    }
    // Taken once the body is here: a client that sends slowly holds its connection and no more.
    let slot = Arc::clone(&shared.slots).try_acquire_owned().map_err(|_| Failure::Overload)?;
    let lane = if body.len() <= SMALL_BODY { &shared.small } else { &shared.large };
    let turn = Arc::clone(lane).acquire_owned().await.map_err(|_| Failure::Overload)?;
    // However small the body, a judgement is never made on the threads that answer: there it would stop the deadlines,
    // its own and those of others, and the answers to the probes.
    let state = state.clone();
    let judged = tokio::task::spawn_blocking(move || {
        // Kept by the thread, which goes on when the request is given up at its deadline.
        let _kept = (slot, turn, room);
        state.answer(hook, &body)
    });
    judged.await.map_err(|_| Failure::Panic)?.map_err(Failure::Malformed)
}

/// The whole body, and the room in `bodies` that it takes as it comes in.
async fn read(mut body: Body, bodies: &Arc<Semaphore>) -> Result<(Vec<u8>, OwnedSemaphorePermit), Failure> {
    let room = |kib: usize| {
        let kib = u32::try_from(kib).unwrap_or(u32::MAX);
        Arc::clone(bodies).try_acquire_many_owned(kib).map_err(|_| Failure::Overload)
    };
    let mut taken = room(LEAST_KIB)?;
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::Unreadable)?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > BODY_LIMIT {
            return Err(Failure::TooLarge);
        }
        let needed = (bytes.len() + data.len()).div_ceil(1024);
        if needed > taken.num_permits() {
            taken.merge(room(needed - taken.num_permits())?);
        }
        bytes.extend_from_slice(data);
    }
    Ok((bytes, taken))
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    value.split(';').next().is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// How long the API server waits: it says so in the URL, as `timeout=5s`. An answer after that helps nobody.
fn deadline(uri: &Uri) -> Duration {
    let said = uri.query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("timeout="));
    let seconds = said.and_then(|text| text.strip_suffix('s')).and_then(|number| number.parse::<u64>().ok());
    match seconds {
        Some(seconds) if seconds > 0 => Duration::from_secs(seconds).min(LONGEST_DEADLINE),
        _ => DEFAULT_DEADLINE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_is_what_the_api_server_says_within_reason() {
        for (uri, seconds) in [
            ("/mutate?timeout=3s", 3),
            ("/mutate?a=b&timeout=1s", 1),
            ("/mutate?timeout=99999s", 30),
            ("/mutate", 10),
            ("/mutate?timeout=0s", 10),
            ("/mutate?timeout=-1s", 10),
            ("/mutate?timeout=soon", 10),
        ] {
            assert_eq!(deadline(&Uri::from_static(uri)).as_secs(), seconds, "{uri}");
        }
    }

    #[test]
    fn a_charset_does_not_make_json_something_else() {
        let is_json = |value: &str| is_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]));
        assert!(is_json("application/json") && is_json("Application/JSON; charset=utf-8"));
        assert!(!is_json("application/jsonp") && !is_json("text/plain"));
        assert!(!super::is_json(&HeaderMap::new()));
    }
}
