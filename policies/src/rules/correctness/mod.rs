//! Rules on what would be refused or ignored.

pub mod unexplained_exemption;
