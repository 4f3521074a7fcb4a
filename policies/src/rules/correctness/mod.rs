//! Rules on what would be refused or ignored.

pub mod missing_selector;
pub mod selector_mismatch;
mod selectors;
pub mod undeclared_resource_claim;
pub mod undefined_variable_reference;
pub mod unexpanded_variable;
pub mod unexplained_exemption;
pub mod unrendered_expression;
mod variables;
