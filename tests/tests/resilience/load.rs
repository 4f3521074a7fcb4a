//! Pods created at a steady rate, whatever becomes of them, and a record of each.

use std::fmt::{self, Display, Formatter};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use buttress_tests::cluster::{Cluster, eventually};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::support::{gpu_pod, is_repaired};

/// The most pods and the longest time of one load, whatever happens to the test.
const MOST: usize = 20_000;
const LONGEST: Duration = Duration::from_secs(150);
/// The most requests at a time. What would be sent then is sent later: the rate holds on average, unless the machine is too
/// slow for it, and then it is kept as busy as it can be.
const IN_FLIGHT: u32 = 200;

/// Creates pods in the background.
pub(crate) struct Load {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    created: Mutex<Vec<Created>>,
    is_over: AtomicBool,
}

/// What became of one request.
#[derive(Clone, Debug)]
pub(crate) struct Created {
    pub(crate) begun: Instant,
    pub(crate) took: Duration,
    /// Whether the pod was repaired, or why it was refused.
    pub(crate) outcome: Result<bool, String>,
}

impl Load {
    /// Begins to create `per_second` pods in `namespace`.
    pub(crate) async fn start(cluster: &Cluster, namespace: &str, per_second: u32) -> Self {
        let pods = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Pod"));
        let pods: Api<DynamicObject> = Api::namespaced_with(cluster.client().await, namespace, &pods);
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(create(pods, per_second, Arc::clone(&shared)));
        Self { shared, task }
    }

    /// Waits until `count` more pods were created or refused.
    pub(crate) async fn more(&self, count: usize) {
        let until = self.shared.created().len() + count;
        eventually(&format!("{count} more pods"), async || (self.shared.created().len() >= until).then_some(())).await;
    }

    /// Waits until `count` pods that followed one another were repaired, the latest among them.
    pub(crate) async fn repairs(&self, count: usize) {
        eventually("pods are repaired again", async || {
            let created = self.shared.created();
            let latest = &created[created.len().saturating_sub(count)..];
            (latest.len() == count && latest.iter().all(|it| it.outcome == Ok(true))).then_some(())
        })
        .await;
    }

    /// Ends it, and waits for what is under way.
    pub(crate) async fn stop(self) -> Record {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        let mut created = std::mem::take(&mut *self.shared.created());
        created.sort_by_key(|created| created.begun);
        Record(created)
    }
}

impl Shared {
    fn created(&self) -> std::sync::MutexGuard<'_, Vec<Created>> {
        self.created.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn create(pods: Api<DynamicObject>, per_second: u32, shared: Arc<Shared>) {
    let pod: DynamicObject = serde_json::from_value(gpu_pod()).unwrap();
    let slots = Arc::new(Semaphore::new(IN_FLIGHT as usize));
    let mut ticks = interval(Duration::from_secs(1) / per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let began = Instant::now();
    for _ in 0..MOST {
        ticks.tick().await;
        if shared.is_over.load(Ordering::Relaxed) || began.elapsed() > LONGEST {
            break;
        }
        let slot = Arc::clone(&slots).acquire_owned().await.unwrap();
        let (pods, pod, shared) = (pods.clone(), pod.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let begun = Instant::now();
            let made = pods.create(&PostParams::default(), &pod).await;
            let outcome = made.map_err(|error| error.to_string());
            let outcome = outcome.map(|made| is_repaired(&serde_json::to_value(made).unwrap()));
            shared.created().push(Created { begun, took: begun.elapsed(), outcome });
            drop(slot);
        });
    }
    let _ = slots.acquire_many(IN_FLIGHT).await;
}

/// What became of all requests of a load, in the order of their beginnings.
pub(crate) struct Record(Vec<Created>);

impl Record {
    /// Those that were begun from `from` on and ended before `to`.
    pub(crate) fn within(&self, from: Instant, to: Instant) -> Self {
        let within = |it: &&Created| it.begun >= from && it.begun + it.took <= to;
        Self(self.0.iter().filter(within).cloned().collect())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// How many pods were repaired.
    pub(crate) fn repaired(&self) -> usize {
        self.0.iter().filter(|it| it.outcome == Ok(true)).count()
    }

    /// How many were begun in each second, on average.
    pub(crate) fn rate(&self) -> f64 {
        match (self.0.first(), self.0.last()) {
            (Some(first), Some(last)) => self.0.len() as f64 / (last.begun - first.begun).as_secs_f64(),
            _ => 0.0,
        }
    }

    /// Why requests failed.
    pub(crate) fn failures(&self) -> Vec<&str> {
        self.0.iter().filter_map(|it| it.outcome.as_ref().err().map(String::as_str)).collect()
    }

    /// The time that a share of the requests took at most; 1.0 for the slowest.
    pub(crate) fn took(&self, share: f64) -> Duration {
        let mut took: Vec<Duration> = self.0.iter().map(|it| it.took).collect();
        took.sort_unstable();
        took.get((took.len().saturating_sub(1) as f64 * share) as usize).copied().unwrap_or_default()
    }

    /// Prints the figures.
    pub(crate) fn show(&self, what: &str) {
        eprintln!("{what}: {self}");
    }

    /// Fails when a request failed.
    pub(crate) fn assert_no_failure(&self) {
        let failures = self.failures();
        assert!(failures.is_empty(), "{self}; the first of them: {:#?}", &failures[..failures.len().min(5)]);
    }
}

impl Display for Record {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let milliseconds = |share| self.took(share).as_secs_f64() * 1000.0;
        write!(
            formatter,
            "{} pods at {:.0}/s, {} failed, {} repaired, p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
            self.count(),
            self.rate(),
            self.failures().len(),
            self.repaired(),
            milliseconds(0.5),
            milliseconds(0.99),
            milliseconds(1.0),
        )
    }
}
