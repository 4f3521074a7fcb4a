//! The engine of Buttress.

pub mod catalog;
pub mod edit;
pub mod path;
