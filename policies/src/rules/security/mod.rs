//! Rules on other holes than those of pod security.

pub mod open_authorization_policy;
pub mod unauthenticated_public_server;
