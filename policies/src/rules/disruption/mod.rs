//! Rules on drains, evictions and budgets.

pub mod blocking_disruption_budget;
pub mod disruption_counts_as_failure;
pub mod evictable_training;
pub mod missing_disruption_budget;
