//! Rules on drains, evictions and budgets.

pub mod blocking_disruption_budget;
pub mod missing_disruption_budget;
