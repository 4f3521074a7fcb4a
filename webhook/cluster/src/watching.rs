//! The watches: each kind is listed once and followed from there, for as long as the process lives, through losses of the
//! API server.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use buttress_policies::policy::Policy;
use futures::{Stream, StreamExt};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{WatchStreamExt, utils::Backoff};
use serde_json::{Value, json};
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::crd::{GROUP, PLURAL, VERSION};
use crate::facts::{Facts, NAMESPACE, place};
use crate::policies::Policies;
use crate::status::Status;

/// How many objects are asked for at a time, so that a large cluster is not held in memory whole.
const PAGE: u32 = 200;
/// How long to wait after a loss of the API server, at first and at most. Verdicts go on by what was known.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
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
    /// Policies were read again; `valid` says whether all are free of mistakes.
    fn read(&self, valid: bool);
}

/// The Policies and the facts of a cluster, followed in the background for as long as this lives.
pub struct Cluster {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    facts: Facts,
    policies: Mutex<Policies>,
    in_force: watch::Sender<Arc<Vec<Policy>>>,
    /// One bit for each kind that was listed, in the order of [`FACTS`], and the Policies' after them.
    synced: AtomicUsize,
    stale_status: Notify,
    observer: Arc<dyn Observer>,
}

impl Cluster {
    /// Begins to follow the cluster of `client`. Must be called in a tokio runtime.
    pub fn follow(client: &Client, observer: Arc<dyn Observer>) -> Self {
        let shared = Arc::new(Shared {
            facts: Facts::default(),
            policies: Mutex::default(),
            in_force: watch::Sender::new(Arc::new(Vec::new())),
            synced: AtomicUsize::new(0),
            stale_status: Notify::new(),
            observer,
        });
        let mut tasks = JoinSet::new();
        for (at, (group, version, kind, plural)) in FACTS.iter().enumerate() {
            let gvk = GroupVersionKind::gvk(group, version, kind);
            let followed = Followed { resource: ApiResource::from_gvk_with_plural(&gvk, plural), plural, kind, at };
            tasks.spawn(follow_facts(client.clone(), followed, Arc::clone(&shared)));
        }
        tasks.spawn(follow_policies(client.clone(), Arc::clone(&shared)));
        tasks.spawn(write_status(client.clone(), Arc::clone(&shared)));
        Self { shared, _tasks: tasks }
    }

    /// What is known of other objects.
    pub fn facts(&self) -> &Facts {
        &self.shared.facts
    }

    /// The Policies in force, now and whenever they change.
    pub fn policies(&self) -> watch::Receiver<Arc<Vec<Policy>>> {
        self.shared.in_force.subscribe()
    }

    /// The kinds, by their plurals, that were not listed yet.
    pub fn unsynced(&self) -> Vec<&'static str> {
        let synced = self.shared.synced.load(Ordering::Acquire);
        let plurals = FACTS.iter().map(|(_, _, _, plural)| *plural).chain([PLURAL]);
        plurals.enumerate().filter(|(at, _)| synced & (1 << at) == 0).map(|(_, plural)| plural).collect()
    }
}

/// The Policy as a resource of the API.
pub(crate) fn policy_resource() -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, "Policy"), PLURAL)
}

/// A kind that is followed.
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
            Err(error) => shared.observer.failed(followed.plural, &error.to_string()),
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
            Ok(Event::Delete(object)) => shared.facts.delete(followed.kind, &value(object, &followed.resource)),
        }
    }
}

async fn follow_policies(client: Client, shared: Arc<Shared>) {
    let resource = policy_resource();
    let mut events = std::pin::pin!(events(client, &resource));
    let mut seen = HashSet::new();
    while let Some(event) = events.next().await {
        let is_listed = matches!(event, Ok(Event::InitDone));
        let mut policies = shared.policies.lock().await;
        match event {
            Err(error) => {
                shared.observer.failed(PLURAL, &error.to_string());
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
        let in_force = policies.in_force();
        shared.observer.read(policies.are_valid());
        drop(policies);
        shared.in_force.send_if_modified(|current| {
            let is_changed = **current != in_force;
            if is_changed {
                *current = Arc::new(in_force);
            }
            is_changed
        });
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
        let namespaces = shared.facts.namespaces();
        let verdicts = shared.policies.lock().await.verdicts(&namespaces);
        status.write(verdicts).await;
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
    }
}

fn events(
    client: Client,
    resource: &ApiResource,
) -> impl Stream<Item = Result<Event<DynamicObject>, watcher::Error>> + use<> {
    let api: Api<DynamicObject> = Api::all_with(client, resource);
    watcher(api, watcher::Config::default().page_size(PAGE)).backoff(Pauses::default())
}

/// How long to wait before the API server is asked again: twice as long each time.
#[derive(Clone, Debug)]
struct Pauses {
    next: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { next: FIRST_PAUSE }
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST_PAUSE);
        Some(pause)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        *self = Self::default();
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
