//! What Buttress is for, on a node that really runs pods: a server that its liveness probe kills while it loads comes up, a
//! server without probes gets traffic when it serves and is restarted when it hangs, and one that nobody knows is let be.

#![allow(clippy::unwrap_used, reason = "tests fail by it")]

mod impatience;
mod probes;
mod stage;
