//! The admission webhook of Buttress: serves the verdicts of `buttress-review` over TLS, and says how it is doing.
//!
//! # Code map
//! - [`run`], `cli`, `config`: from the command line to a running process; mistakes are told with the file and a way out.
//! - [`app`], [`State`]: `POST /mutate` and `POST /validate` as a router, which tests call without a socket.
//! - [`ops`], [`Readiness`], `metrics`, [`Phase`]: `/healthz`, `/readyz` and `/metrics`, for a plain port of their own.
//! - [`Server`], `activity`, `tls`: the accept loop, handshakes and pauses with a deadline, the drain, and where the certificate comes from.
//! - `life`: signals, and what must not end before them; leaving in order.
//! - `observers`: what happens to caches and certificates, as metrics.
//! - `disable`: breaking the glass.
//! - `log`: one line of JSON a request, without a word of the object.
//!
//! # Invariants
//! 1. What cannot be read or judged is answered with a 4xx or 5xx, never with `allowed: true`, so that the failure policy
//!    of the webhook configuration decides and not we.
//! 2. No content of an object reaches a log, a metric or an error.
//! 3. No request holds up another for longer than its own deadline. Connections are bounded in number, and idle ones are
//!    closed sooner when most places are taken, so that to hold all of them a client must go on sending requests. One that
//!    does can keep others out; who may connect at all is for a NetworkPolicy or `--client-ca-file` to say.

mod activity;
mod app;
mod cli;
mod config;
mod disable;
mod health;
mod life;
mod log;
mod metrics;
mod observers;
mod ops;
mod readiness;
mod run;
mod serve;
mod tls;

pub use app::{BODY_LIMIT, Options, State, app};
pub use config::{ConfigError, read_policies};
pub use health::{Health, Phase};
pub use ops::ops;
pub use readiness::Readiness;
pub use run::run;
pub use serve::{Limits, Server};
