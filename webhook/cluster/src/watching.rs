//! The watches: each kind is listed once and followed from there, for as long as the process lives, through losses of the
//! API server.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use buttress_policies::policy::Policy;
use futures::stream::{BoxStream, unfold};
use futures::{FutureExt, Stream, StreamExt};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::{Value, json};
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::crd::{GROUP, PLURAL, VERSION};
use crate::facts::{Facts, NAMESPACE, place};
use crate::pauses::{LONGEST_PAUSE, Pauses, reason};
use crate::policies::Policies;
use crate::status::Status;

/// How many objects are asked for at a time, so that a large cluster is not held in memory whole.
const PAGE: u32 = 200;
/// The longest that a part of a list may take to come.
const LIST_DEADLINE: Duration = Duration::from_secs(30);
/// How long changes gather before statuses are written.
const STATUS_DELAY: Duration = Duration::from_millis(100);

/// The kinds of which facts are taken: group, version, kind, plural.
const FACTS: &[(&str, &str, &str, &str)] = &[
    ("", "v1", NAMESPACE, "namespaces"),
    ("", "v1", "LimitRange", "limitranges"),
    ("", "v1", "ResourceQuota", "resourcequotas"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
];

/// What those who run the process want to hear.
pub trait Observer: Send + Sync + 'static {
    /// The list of a kind, by its plural, is complete, for the first time or again.
    fn synced(&self, plural: &'static str);
    /// A watch broke off, with the reason.
    fn failed(&self, plural: &'static str, reason: &str);
    /// These Policies are in force from now on. `valid` says whether all Policies are free of mistakes.
    fn in_force(&self, policies: Vec<Policy>, valid: bool);
}

/// The watches of a cluster, in the background for as long as this lives.
pub struct Cluster {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    facts: Facts,
    policies: Mutex<Policies>,
    /// One bit for each kind that was listed, in the order of [`FACTS`], and the Policies' after them.
    synced: AtomicUsize,
    stale_status: Notify,
    observer: Arc<dyn Observer>,
}

impl Cluster {
    /// Begins to follow the cluster of `client`: what is known of other objects goes to `facts`, Policies to `observer`. Must
    /// be called in a tokio runtime.
    pub fn follow(client: &Client, facts: Facts, observer: Arc<dyn Observer>) -> Self {
        let shared = Arc::new(Shared {
            facts,
            policies: Mutex::default(),
            synced: AtomicUsize::new(0),
            stale_status: Notify::new(),
            observer,
        });
        let mut tasks = JoinSet::new();
        for (at, (group, version, kind, plural)) in FACTS.iter().enumerate() {
            let gvk = GroupVersionKind::gvk(group, version, kind);
            let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
            let followed = Followed { resource, plural, kind, at };
            let (client, of) = (client.clone(), Arc::clone(&shared));
            let follow = move || follow_facts(client.clone(), followed.clone(), Arc::clone(&of));
            tasks.spawn(without_end(plural, Arc::clone(&shared), follow));
        }
        let (of_client, of) = (client.clone(), Arc::clone(&shared));
        let follow = move || follow_policies(of_client.clone(), Arc::clone(&of));
        tasks.spawn(without_end(PLURAL, Arc::clone(&shared), follow));
        let (of_client, of) = (client.clone(), Arc::clone(&shared));
        let write = move || write_status(of_client.clone(), Arc::clone(&of));
        tasks.spawn(without_end(PLURAL, Arc::clone(&shared), write));
        Self { shared, _tasks: tasks }
    }

    /// The kinds, by their plurals, that were not listed yet.
    pub fn unsynced(&self) -> Vec<&'static str> {
        self.shared.unsynced()
    }
}

/// The Policy as a resource of the API.
pub(crate) fn policy_resource() -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, "Policy"), PLURAL)
}

/// Does `work`, which does not end by itself, and begins it anew should it panic: a watch that is gone without a word would
/// leave verdicts to what was known then, for ever.
async fn without_end<F: Future<Output = ()>>(plural: &'static str, shared: Arc<Shared>, work: impl Fn() -> F) {
    loop {
        if AssertUnwindSafe(work()).catch_unwind().await.is_err() {
            shared.observer.failed(plural, "a panic; please report this");
        }
        sleep(LONGEST_PAUSE).await;
    }
}

/// A kind that is followed.
#[derive(Clone)]
struct Followed {
    resource: ApiResource,
    plural: &'static str,
    kind: &'static str,
    at: usize,
}

async fn follow_facts(client: Client, followed: Followed, shared: Arc<Shared>) {
    let mut events = std::pin::pin!(events(client, &followed.resource));
    let mut seen = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Err(reason) => shared.observer.failed(followed.plural, &reason),
            Ok(Event::Init) => seen.clear(),
            Ok(Event::InitApply(object)) => {
                let object = value(object, &followed.resource);
                seen.extend(place(followed.kind, &object));
                shared.apply(followed.kind, &object);
            }
            Ok(Event::InitDone) => {
                shared.facts.keep(followed.kind, &seen);
                seen = HashSet::new();
                shared.listed(followed.at, followed.plural);
            }
            Ok(Event::Apply(object)) => shared.apply(followed.kind, &value(object, &followed.resource)),
            Ok(Event::Delete(object)) => {
                shared.facts.delete(followed.kind, &value(object, &followed.resource));
                // Where a namespace is gone, Policies may meet no longer.
                if followed.kind == NAMESPACE {
                    shared.stale_status.notify_one();
                }
            }
        }
    }
}

async fn follow_policies(client: Client, shared: Arc<Shared>) {
    let resource = policy_resource();
    let mut events = std::pin::pin!(events(client, &resource));
    let mut seen = HashSet::new();
    let mut told = None;
    while let Some(event) = events.next().await {
        let is_listed = matches!(event, Ok(Event::InitDone));
        let mut policies = shared.policies.lock().await;
        match event {
            Err(reason) => {
                shared.observer.failed(PLURAL, &reason);
                continue;
            }
            Ok(Event::Init) => {
                seen.clear();
                continue;
            }
            Ok(Event::InitApply(object)) => {
                let object = value(object, &resource);
                seen.extend(object["metadata"]["name"].as_str().map(str::to_owned));
                policies.apply(&object);
                // A list takes effect as a whole: half of the Policies may say the opposite of all.
                continue;
            }
            Ok(Event::InitDone) => policies.keep(&seen),
            Ok(Event::Apply(object)) => policies.apply(&value(object, &resource)),
            Ok(Event::Delete(object)) => policies.delete(&value(object, &resource)),
        }
        // Before the list counts as complete: who is told that it is judges by these Policies already.
        let now = (policies.in_force(), policies.are_valid());
        drop(policies);
        if told.as_ref() != Some(&now) {
            shared.observer.in_force(now.0.clone(), now.1);
            told = Some(now);
        }
        if is_listed {
            shared.listed(FACTS.len(), PLURAL);
        }
        shared.stale_status.notify_one();
    }
}

async fn write_status(client: Client, shared: Arc<Shared>) {
    let mut status = Status::new(client);
    loop {
        shared.stale_status.notified().await;
        sleep(STATUS_DELAY).await;
        // Which Policies meet is known only when all namespaces are; the word comes again with them.
        if !shared.unsynced().is_empty() {
            continue;
        }
        let namespaces = shared.facts.namespaces();
        let verdicts = shared.policies.lock().await.verdicts(&namespaces);
        if !status.write(verdicts).await {
            sleep(LONGEST_PAUSE).await;
            shared.stale_status.notify_one();
        }
    }
}

impl Shared {
    fn apply(&self, kind: &'static str, object: &Value) {
        // In a new namespace two Policies may meet that met in none before.
        if self.facts.apply(kind, object) {
            self.stale_status.notify_one();
        }
    }

    fn listed(&self, at: usize, plural: &'static str) {
        self.synced.fetch_or(1 << at, Ordering::AcqRel);
        self.observer.synced(plural);
        self.stale_status.notify_one();
    }

    fn unsynced(&self) -> Vec<&'static str> {
        let synced = self.synced.load(Ordering::Acquire);
        let plurals = FACTS.iter().map(|(_, _, _, plural)| *plural).chain([PLURAL]);
        plurals.enumerate().filter(|(at, _)| synced & (1 << at) == 0).map(|(_, plural)| plural).collect()
    }
}

/// What happens to a kind, for ever. After an error, which comes as its reason, it goes on when the pause is over.
fn events(client: Client, resource: &ApiResource) -> impl Stream<Item = Result<Event<DynamicObject>, String>> + use<> {
    let api: Api<DynamicObject> = Api::all_with(client, resource);
    unfold(
        Following { watch: watch(&api), api, is_listing: true, pauses: Pauses::default(), pause: Duration::ZERO },
        Following::next,
    )
}

type Watch = BoxStream<'static, watcher::Result<Event<DynamicObject>>>;

fn watch(api: &Api<DynamicObject>) -> Watch {
    watcher(api.clone(), watcher::Config::default().page_size(PAGE)).boxed()
}

struct Following {
    api: Api<DynamicObject>,
    watch: Watch,
    /// Whether a list is under way. It has a deadline, while a watch is silent for as long as nothing changes and has one of
    /// its own, by the API server.
    is_listing: bool,
    pauses: Pauses,
    pause: Duration,
}

impl Following {
    async fn next(mut self) -> Option<(Result<Event<DynamicObject>, String>, Self)> {
        sleep(self.pause).await;
        let limit = if self.is_listing { LIST_DEADLINE } else { Duration::MAX };
        let Ok(event) = timeout(limit, self.watch.next()).await else {
            // A connection on which nothing comes any more may stay so for ever.
            self.watch = watch(&self.api);
            self.pause = self.pauses.failed();
            return Some((Err(format!("no answer in {} s", LIST_DEADLINE.as_secs())), self));
        };
        let event = event?;
        self.pause = self.pauses.after(&event);
        self.is_listing = match &event {
            Ok(Event::Init | Event::InitApply(_)) => true,
            Ok(_) => false,
            // What follows an error may be a list.
            Err(_) => self.is_listing || !matches!(event, Err(watcher::Error::WatchFailed(_))),
        };
        Some((event.map_err(|error| reason(&error)), self))
    }
}

/// The object as it would stand in a file; the items of a list do not say what they are.
fn value(object: DynamicObject, resource: &ApiResource) -> Value {
    let DynamicObject { types: _, mut metadata, data } = object;
    metadata.managed_fields = None;
    let mut value = if data.is_object() { data } else { json!({}) };
    value["apiVersion"] = json!(resource.api_version);
    value["kind"] = json!(resource.kind);
    value["metadata"] = json!(metadata);
    value
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;
    use tower_test::mock;

    use super::*;

    fn list(version: &str) -> Response<Body> {
        let list = json!({"apiVersion": "v1", "kind": "LimitRangeList", "metadata": {"resourceVersion": version}, "items": [
            {"metadata": {"name": "a", "namespace": "ml", "uid": "1", "resourceVersion": "1"}}]});
        Response::new(Body::from(list.to_string().into_bytes()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_is_never_answered_is_asked_for_again() {
        let (service, mut server) = mock::pair::<Request<Body>, Response<Body>>();
        let client = Client::new(service, "default");
        let gvk = GroupVersionKind::gvk("", "v1", "LimitRange");
        let resource = ApiResource::from_gvk_with_plural(&gvk, "limitranges");
        let mut events = std::pin::pin!(events(client, &resource));
        let server = tokio::spawn(async move {
            let (_, never) = server.next_request().await.unwrap();
            let (request, answer) = server.next_request().await.unwrap();
            assert!(request.uri().path().ends_with("/limitranges"), "{}", request.uri());
            answer.send_response(list("7"));
            drop(never);
        });
        let mut seen = Vec::new();
        loop {
            match events.next().await.unwrap() {
                Ok(Event::InitDone) => break,
                Ok(Event::InitApply(object)) => seen.push(object.metadata.name.unwrap()),
                Ok(_) => {}
                Err(reason) => seen.push(reason),
            }
        }
        assert_eq!(seen, ["no answer in 30 s", "a"]);
        server.await.unwrap();
    }
}
