//! Rules on what would be refused or ignored.

pub mod undeclared_resource_claim;
pub mod unexplained_exemption;
