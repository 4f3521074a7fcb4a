//! Rules on credentials in clear text.

pub mod literal_secret;
