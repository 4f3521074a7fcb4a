//! The engine of Buttress.

pub mod edit;
pub mod path;
