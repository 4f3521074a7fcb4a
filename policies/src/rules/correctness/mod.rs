//! Rules on what would be refused or ignored.

pub mod undeclared_resource_claim;
pub mod undefined_variable_reference;
pub mod unexpanded_variable;
pub mod unexplained_exemption;
mod variables;
