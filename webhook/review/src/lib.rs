//! AdmissionReview bytes in, AdmissionReview bytes out: the engine behind the protocol of Kubernetes admission webhooks.
//!
//! [`mutate`] answers the mutating hook with the safe repairs of a pod, [`validate`] the validating one with warnings or
//! a refusal, [`review`] both at once. [`admit_pod`] and [`pods_of`] do the same for plain manifests. Nothing here does
//! I/O, reads a clock or knows HTTP, so a command line can show what the webhook would answer.
//!
//! # Code map
//! - [`Request`], `response`: the protocol. Bytes that are no request are [`Malformed`] and never allowed.
//! - `mutate`, `validate`: which requests are judged, and what comes of it; [`Settings`]: by which Policies.
//! - `bulk`: what is too large to be judged in time; `novelty`: what is judged of a change to such a pod.
//! - `patch`: edits as JSON Patch, and the checks on it; [`Injected`]: the annotation that tells of repairs.
//! - `words`: warnings and denials; [`Summary`]: what logs and metrics may know.
//! - `pods`, `admit`: plain manifests.
//!
//! # Invariants
//! 1. An answer allows only what was read whole; whatever cannot be read is an error for the caller to report.
//! 2. A patch consists of `add` operations and was applied, compared, and found to be calm before it is sent. On any
//!    doubt the mutating hook repairs nothing, and says so where it warns at all; the validating one judges all the same.
//! 3. No value of an object is put into a warning, denial, summary or annotation by this crate: rule names, paths and
//!    the engine's messages are all that is told.

mod admit;
mod bulk;
mod injected;
mod mutate;
mod novelty;
mod patch;
mod pods;
mod request;
mod response;
mod settings;
mod summary;
mod validate;
mod words;

use jiff::civil::Date;

pub use admit::{Admitted, admit_pod};
pub use injected::{ANNOTATION, Injected, Injection};
pub use pods::pods_of;
pub use request::{Malformed, Operation, Request};
pub use settings::{Facts, Settings};
pub use summary::{Decision, Doubt, Hook, Outcome, Summary, Verdict};

/// What is answered to an AdmissionReview.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The AdmissionReview to send back.
    pub body: Vec<u8>,
    /// What became of the request, for logs and metrics.
    pub summary: Summary,
}

/// Answers the mutating hook: pods get their safe repairs as a patch, everything else passes as it is.
///
/// # Errors
/// When `bytes` is no AdmissionReview that can be answered.
pub fn mutate(bytes: &[u8], settings: &Settings, today: Date) -> Result<Answer, Malformed> {
    let request = Request::read(bytes)?;
    let (response, summary, _) = mutate::respond(&request, settings, today)?;
    Ok(Answer { body: response.to_bytes(&request.uid), summary })
}

/// Answers the validating hook: what is wrong is recorded, warned of or refused, as the Policy says.
///
/// # Errors
/// When `bytes` is no AdmissionReview that can be answered.
pub fn validate(bytes: &[u8], settings: &Settings, today: Date) -> Result<Answer, Malformed> {
    let request = Request::read(bytes)?;
    let (response, summary) = validate::respond(&request, None, settings, today)?;
    Ok(Answer { body: response.to_bytes(&request.uid), summary })
}

/// Answers as both hooks together would, the validating one after the patch of the mutating one. The summary is that of
/// the validating hook, with the repairs of the mutating one.
///
/// # Errors
/// When `bytes` is no AdmissionReview that can be answered.
pub fn review(bytes: &[u8], settings: &Settings, today: Date) -> Result<Answer, Malformed> {
    let request = Request::read(bytes)?;
    let (mutation, repairs, patched) = mutate::respond(&request, settings, today)?;
    let (mut response, mut summary) = validate::respond(&request, patched.as_ref(), settings, today)?;
    response.patch = mutation.patch;
    response.warnings.splice(0..0, mutation.warnings);
    summary.repairs = repairs.repairs;
    summary.withheld = repairs.withheld;
    summary.doubt = repairs.doubt;
    Ok(Answer { body: response.to_bytes(&request.uid), summary })
}
