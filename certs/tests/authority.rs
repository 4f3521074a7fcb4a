//! The built-in authority over simulated time: whatever happens to replicas, their leaders, their clocks and the Secret,
//! every API server can verify every replica. Verified by the TLS library itself, with the bundles as they are written.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use buttress_certs::Identity;
use buttress_certs::authority::{Lifetimes, Signer, State};
use jiff::{SignedDuration, Timestamp};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

const NAME: &str = "buttress-webhook.buttress-system.svc";

/// Long enough for any delay.
const LONG: Option<Duration> = Some(Duration::from_secs(3600));

type Data = BTreeMap<String, Vec<u8>>;

/// A small generator of numbers, so that a failure can be had again by its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

struct Replica {
    signer: Signer,
    leaf: Option<Identity>,
    next_look: Timestamp,
    /// Until when it does not reach the API server.
    lost: Timestamp,
    /// How far its clock is off, in seconds.
    skew: i64,
    leads: bool,
    /// Until when nobody expects that it is trusted.
    excused: Timestamp,
    /// The bundle that it sees everywhere, and since when, by a clock that does not jump.
    published: Option<(String, Timestamp)>,
}

/// A Secret, webhook configurations, API servers that learn of them late, and replicas.
struct World {
    now: Timestamp,
    random: Random,
    lifetimes: Lifetimes,
    poll: Duration,
    secret: Data,
    version: u64,
    /// What stood in the configurations from when on, newest last.
    written: Vec<(Timestamp, String)>,
    replicas: Vec<Replica>,
    verifiers: BTreeMap<String, Arc<WebPkiServerVerifier>>,
    /// How many authorities have been signing.
    switches: usize,
}

impl World {
    fn new(seed: u64, lifetimes: Lifetimes, poll: Duration) -> Self {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let replica = |leads| Replica {
            signer: Signer::new(vec![NAME.to_owned()], lifetimes.certificate),
            leaf: None,
            next_look: now,
            lost: now,
            skew: 0,
            leads,
            excused: now,
            published: None,
        };
        Self {
            now,
            random: Random(seed),
            lifetimes,
            poll,
            secret: Data::new(),
            version: 0,
            written: Vec::new(),
            replicas: vec![replica(true), replica(false), replica(false)],
            verifiers: BTreeMap::new(),
            switches: 0,
        }
    }

    fn step(&mut self, by: Duration) {
        self.now += by;
        for index in 0..self.replicas.len() {
            if self.replicas[index].next_look <= self.now {
                self.look(index);
                // Not all at the same time, and none in the same order for ever.
                let poll = self.poll.as_secs().max(1);
                let wait = poll / 2 + self.random.below(poll / 2 + 1);
                self.replicas[index].next_look = self.now + Duration::from_secs(wait.max(1));
            }
        }
    }

    fn clock(&self, index: usize) -> Timestamp {
        self.now.checked_add(SignedDuration::from_secs(self.replicas[index].skew)).unwrap()
    }

    /// What a replica does at each poll, as the part for the cluster does it.
    fn look(&mut self, index: usize) {
        let clock = self.clock(index);
        if self.replicas[index].lost <= self.now {
            let state = self.read_and_lead(index, clock);
            self.replicas[index].signer.learn(state);
        }
        let replica = &mut self.replicas[index];
        if let Ok(Some(identity)) = replica.signer.renew(clock) {
            replica.leaf = Some(identity);
        }
    }

    fn read_and_lead(&mut self, index: usize, clock: Timestamp) -> State {
        for _ in 0..3 {
            let (mut state, faults) = State::read(&self.secret);
            let damaged = !faults.is_empty() || state.is_empty();
            if let Some(known) = self.replicas[index].signer.known().filter(|_| damaged) {
                state.recover(known);
            }
            if !self.replicas[index].leads {
                self.replicas[index].published = None;
                return state;
            }
            let version = self.version;
            let published = self.written.last().is_some_and(|(_, bundle)| *bundle == state.bundle());
            let replica = &mut self.replicas[index];
            let since = match replica.published.take() {
                Some((bundle, since)) if bundle == state.bundle() => since,
                _ => self.now,
            };
            replica.published = published.then(|| (state.bundle(), since));
            let published_for = published.then(|| Duration::try_from(since.duration_until(self.now)).unwrap());
            self.replicas[index].signer.learn(state.clone());
            let advice = state.advance(clock, published_for, &self.lifetimes).unwrap();
            let untidy = !faults.is_empty() || !state.is_told_by(&self.secret);
            let Some(new) = advice.as_ref().map(|advice| &advice.state).or(untidy.then_some(&state)) else {
                if self.written.last().is_none_or(|(_, bundle)| *bundle != state.bundle()) {
                    self.written.push((self.now, state.bundle()));
                }
                return state;
            };
            // Another one that believes to lead comes in between; then our version is not the newest.
            let others = self.replicas.iter().position(|other| other.leads && other.skew == 0);
            if let Some(other) = others.filter(|other| *other > index && self.random.one_in(2)) {
                self.look(other);
            }
            if self.version == version {
                self.secret = new.data();
                self.version += 1;
                self.switches += usize::from(advice.is_some_and(|advice| advice.switched));
            }
        }
        State::read(&self.secret).0
    }

    /// The bundles that API servers may know by now: what is in the configurations, and what was until just now.
    fn bundles(&self) -> Vec<String> {
        let late = self.now.checked_sub(SignedDuration::try_from(self.lifetimes.propagation).unwrap()).unwrap();
        let first = self.written.iter().rposition(|(at, _)| *at <= late).unwrap_or(0);
        self.written[first..].iter().map(|(_, bundle)| bundle.clone()).collect()
    }

    fn verifies(&mut self, bundle: &str, leaf: &Identity) -> bool {
        let verifier = self.verifiers.entry(bundle.to_owned()).or_insert_with(|| {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
                roots.add(certificate.unwrap()).unwrap();
            }
            let provider = Arc::new(default_provider());
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap()
        });
        let now = UnixTime::since_unix_epoch(Duration::from_secs(self.now.as_second().try_into().unwrap()));
        let name = ServerName::try_from(NAME).unwrap();
        verifier.verify_server_cert(&leaf.chain()[0], &[], &name, &[], now).is_ok()
    }

    /// Holds every leaf that may be served, of replicas that know what time it is, against every bundle that may be known.
    fn check(&mut self, seed: u64) {
        for bundle in self.bundles() {
            for index in 0..self.replicas.len() {
                let replica = &self.replicas[index];
                let excused = replica.skew != 0 || self.now < replica.excused;
                let Some(leaf) = replica.leaf.clone().filter(|_| !excused) else { continue };
                assert!(
                    self.verifies(&bundle, &leaf),
                    "seed {seed}: at {} replica {index} serves {leaf:?}, which nobody trusts who knows only\n{bundle}",
                    self.now
                );
            }
        }
    }

    /// Lets everybody come to serve something that all trust.
    fn settle(&mut self, seed: u64) {
        for _ in 0..20 {
            self.step(self.poll);
        }
        self.written.drain(..self.written.len() - 1);
        assert!(self.replicas.iter().all(|replica| replica.leaf.is_some()));
        self.check(seed);
    }
}

fn short() -> (Lifetimes, Duration) {
    (Lifetimes::new(Duration::from_secs(3600), Duration::from_secs(300)).unwrap(), Duration::from_secs(10))
}

#[test]
fn the_first_authority_signs_at_once_and_is_what_the_bundle_holds() {
    let now = Timestamp::now();
    let lifetimes = Lifetimes::DEFAULT;
    let advice = State::default().advance(now, None, &lifetimes).unwrap().unwrap();
    assert!(advice.made && advice.switched && advice.state.next.is_none());
    let (read, faults) = State::read(&advice.state.data());
    assert!(faults.is_empty(), "{faults:?}");
    assert_eq!(read.data(), advice.state.data());
    assert_eq!(read.bundle().matches("BEGIN CERTIFICATE").count(), 1);
    assert!(read.advance(now, LONG, &lifetimes).unwrap().is_none());
    let validity = read.signing.as_ref().unwrap().validity();
    assert_eq!(validity.not_after.as_second() - now.as_second(), 365 * 24 * 3600);
    assert_eq!(now.as_second() - validity.not_before.as_second(), 3600);

    let mut signer = Signer::new(vec![NAME.to_owned(), "10.0.0.1".to_owned()], lifetimes.certificate);
    signer.learn(read);
    let leaf = signer.renew(now).unwrap().unwrap();
    assert!(leaf.is_valid_for(NAME) && leaf.is_valid_for("10.0.0.1") && !leaf.is_valid_for("example.com"));
    assert_eq!(leaf.not_after().as_second() - now.as_second(), 7 * 24 * 3600);
    assert!(signer.renew(now).unwrap().is_none());
    let before = now + Duration::from_secs(7 * 24 * 3600 * 2 / 3 - 3600);
    let after = now + Duration::from_secs(7 * 24 * 3600 * 2 / 3);
    assert!(signer.renew(before).unwrap().is_none());
    assert!(signer.renew(after).unwrap().is_some());
}

#[test]
fn rotation_goes_its_way_step_by_step() {
    let lifetimes = Lifetimes::DEFAULT;
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let at = |days: u64| start + Duration::from_secs(days * 24 * 3600);
    let first = State::default().advance(start, None, &lifetimes).unwrap().unwrap().state;
    assert!(first.advance(at(243), LONG, &lifetimes).unwrap().is_none());

    let second = first.advance(at(244), LONG, &lifetimes).unwrap().unwrap();
    assert!(second.made && !second.switched && second.state.trusted.len() == 2);
    assert!(second.state.bundle().contains(&first.bundle()));
    // Not trusted everywhere yet: it waits, for days if need be.
    assert!(second.state.advance(at(250), None, &lifetimes).unwrap().is_none());
    assert!(second.state.advance(at(250), Some(Duration::from_secs(59)), &lifetimes).unwrap().is_none());
    let third = second.state.advance(at(250), Some(Duration::from_secs(60)), &lifetimes).unwrap().unwrap();
    assert!(third.switched && third.state.next.is_none() && third.state.trusted.len() == 2);

    // The first has ended, and stays for one round more; then it goes.
    assert!(third.state.advance(at(370), LONG, &lifetimes).unwrap().is_none());
    let mut state = third.state;
    for day in 371..250 + 2 * 365 {
        if let Some(advice) = state.advance(at(day), LONG, &lifetimes).unwrap() {
            state = advice.state;
        }
        assert!((2..=3).contains(&state.trusted.len()), "{} on day {day}", state.trusted.len());
    }
    assert!(!state.bundle().contains(&first.bundle()));
}

#[test]
fn lifetimes_of_seconds_are_as_good() {
    let lifetimes = Lifetimes::new(Duration::from_secs(30), Duration::from_secs(6)).unwrap();
    let mut world = World::new(1, lifetimes, Duration::from_secs(1));
    world.settle(1);
    for _ in 0..600 {
        world.step(Duration::from_millis(500));
        world.check(1);
    }
    assert!(world.switches >= 8, "{}", world.switches);
    assert!(Lifetimes::new(Duration::from_secs(5), Duration::from_secs(6)).is_err());
    assert!(Lifetimes::new(Duration::from_secs(5), Duration::ZERO).is_err());
}

#[test]
fn years_go_by() {
    let mut world = World::new(2, Lifetimes::DEFAULT, Duration::from_secs(6 * 3600));
    world.settle(2);
    for _ in 0..5 * 365 {
        world.step(Duration::from_secs(24 * 3600));
        world.check(2);
    }
    assert!(world.switches >= 6, "{}", world.switches);
}

#[test]
fn replicas_come_and_go_lead_together_or_not_at_all_and_lose_the_api_server() {
    for seed in 0..3 {
        let (lifetimes, poll) = short();
        let mut world = World::new(seed, lifetimes, poll);
        world.settle(seed);
        for _ in 0..1000 {
            world.step(Duration::from_secs(5));
            let index = usize::try_from(world.random.below(3)).unwrap();
            if world.random.one_in(20) {
                world.replicas[index].leads ^= true;
            }
            let led = world.replicas.iter().any(|replica| replica.leads && replica.lost <= world.now);
            if !led && world.random.one_in(20) {
                world.replicas[index].leads = true;
            }
            let reached = world.replicas.iter().all(|replica| replica.lost <= world.now);
            if reached && world.random.one_in(40) {
                // Less than what an authority has left when the next one is made.
                let span = Duration::from_secs(world.random.below(600));
                world.replicas[index].lost = world.now + span;
            }
            if world.random.one_in(60) && world.replicas[index].lost <= world.now {
                let signer = Signer::new(vec![NAME.to_owned()], lifetimes.certificate);
                world.replicas[index].signer = signer;
                world.replicas[index].leaf = None;
                world.look(index);
            }
            world.check(seed);
        }
        assert!(world.switches >= 2, "seed {seed}: {}", world.switches);
    }
}

#[test]
fn a_secret_that_is_emptied_or_spoilt_is_mended_and_nobody_notices() {
    for seed in 0..3 {
        let (lifetimes, poll) = short();
        let mut world = World::new(seed, lifetimes, poll);
        world.settle(seed);
        for round in 0..400 {
            world.step(Duration::from_secs(5));
            if round % 40 == 39 {
                let keys: Vec<_> = world.secret.keys().cloned().collect();
                let key = keys[usize::try_from(world.random.below(keys.len() as u64)).unwrap()].clone();
                match world.random.below(6) {
                    0 => world.secret.clear(),
                    1 => drop(world.secret.remove(&key)),
                    2 => drop(world.secret.insert(key, Vec::new())),
                    3 => drop(world.secret.insert(key, b"\xff\x00nonsense".to_vec())),
                    4 => {
                        let value = world.secret.get_mut(&key).unwrap();
                        value.truncate(value.len() / 2);
                    }
                    _ => {
                        let other = keys[usize::try_from(world.random.below(keys.len() as u64)).unwrap()].clone();
                        let value = world.secret[&other].clone();
                        world.secret.insert(key, value);
                    }
                }
                world.version += 1;
            }
            world.check(seed);
        }
        // Long enough without a mishap, all is as if nothing had been.
        for _ in 0..240 {
            world.step(Duration::from_secs(5));
            world.check(seed);
        }
        let (state, faults) = State::read(&world.secret);
        assert!(faults.is_empty() && state.signing.is_some(), "seed {seed}: {faults:?}");
        assert!(state.signing.as_ref().unwrap().validity().holds(world.now));
    }
}

#[test]
fn a_clock_that_jumps_harms_only_its_own_replica_and_only_while_it_is_wrong() {
    for seed in 0..12 {
        let (lifetimes, poll) = short();
        let mut world = World::new(seed, lifetimes, poll);
        world.settle(seed);
        for _ in 0..world.random.below(600) {
            world.step(Duration::from_secs(5));
        }
        // As much as two lives of an authority to either side, and it is the leader's.
        let random = i64::try_from(world.random.below(4 * 3600)).unwrap() - 2 * 3600;
        // Every third time so far ahead and for so long that what signs is replaced and seems to have ended long ago.
        let (skew, span) = if seed % 3 == 0 { (2 * 3600, 17) } else { (random, world.random.below(17)) };
        world.replicas[0].skew = skew;
        // No longer than a serving certificate has left: past that nobody signs for the others.
        for _ in 0..span {
            world.step(Duration::from_secs(5));
            world.check(seed);
        }
        // It goes right again. What the replica served may never have been good, nor what signs now by this clock; then it
        // serves what comes next, and API servers have yet to learn of that. Another one may lead then.
        world.replicas[0].skew = 0;
        world.replicas[0].excused = world.now + lifetimes.propagation + poll * 2;
        world.look(0);
        world.check(seed);
        if seed % 2 == 0 {
            world.replicas[0].leads = false;
            world.replicas[1].leads = true;
        }
        for _ in 0..60 {
            world.step(Duration::from_secs(5));
            world.check(seed);
        }
        let (state, _) = State::read(&world.secret);
        assert!(state.signing.as_ref().unwrap().validity().holds(world.now), "seed {seed}");
    }
}
