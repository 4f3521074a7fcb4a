//! Rules on credentials in clear text.

pub mod committed_secret;
pub mod literal_secret;
mod reference;
pub mod static_cloud_credentials;
