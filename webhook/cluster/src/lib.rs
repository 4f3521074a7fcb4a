//! What a cluster holds that verdicts depend on.
