//! PodDisruptionBudgets: which pods they select.

use super::{Inventory, Sight, Source, may_meet};
use crate::object::Identity;
use crate::selector::Selector;

/// A PodDisruptionBudget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Its name.
    pub name: String,
    /// Its namespace, when it names one.
    pub namespace: Option<String>,
    selector: Option<Selector>,
}

impl Budget {
    pub(super) fn of(source: Source<'_>) -> Self {
        Self {
            name: source.name(),
            namespace: source.namespace(),
            selector: source.spec.get("selector").and_then(Selector::from_value),
        }
    }
}

impl Inventory {
    /// The budgets that select, or could select, a pod with these labels in `namespace`. Where one of the two names no
    /// namespace they may well meet.
    pub fn budgets_of<'a, 'l>(
        &'a self,
        namespace: Option<&str>,
        label: impl Fn(&str) -> Option<&'l str>,
    ) -> Sight<Vec<&'a Budget>> {
        let found: Vec<_> = self
            .budgets
            .iter()
            .filter(|budget| may_meet(budget.namespace.as_deref(), namespace))
            .filter(|budget| budget.selector.as_ref().is_some_and(|selector| selector.matches(&label)))
            .collect();
        self.answer(found)
    }

    /// Whether a budget of this name is, or may be, in `namespace` already.
    pub fn has_budget_named(&self, name: &str, namespace: Option<&str>) -> bool {
        self.note_question();
        self.budgets.iter().any(|budget| budget.name == name && may_meet(budget.namespace.as_deref(), namespace))
    }

    /// Whether `selector` selects pods of a workload that is another than `workload`, or a workload of another kind has its
    /// name: a budget made for the one would then be about the other too, or take its place.
    pub fn is_contested(&self, selector: &Selector, workload: Identity<'_>, namespace: Option<&str>) -> bool {
        self.note_question();
        self.workloads.iter().filter(|other| may_meet(other.namespace.as_deref(), namespace)).any(|other| {
            let same_kind = other.kind.0 == workload.group && other.kind.1 == workload.kind;
            let same_name = other.name == workload.name;
            !(same_kind && same_name) && (same_name && other.scalable || selector.matches(|key| other.label(key)))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::whole;
    use super::*;

    fn budget(namespace: Option<&str>) -> Value {
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b", "namespace": namespace},
               "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "llm"}}}})
    }

    fn label(key: &str) -> Option<&'static str> {
        (key == "app").then_some("llm")
    }

    #[test]
    fn absence_is_known_only_when_the_whole_is_in_sight() {
        assert_eq!(Inventory::unknown().budgets_of(None, label), Sight::Unknown);
        assert_eq!(Inventory::whole().budgets_of(None, label), Sight::Absent);
    }

    #[test]
    fn a_budget_without_namespace_may_meet_every_pod() {
        let inventory = whole(&[budget(None)]);
        assert!(matches!(inventory.budgets_of(Some("ml"), label), Sight::Present(found) if found.len() == 1));
        let inventory = whole(&[budget(Some("other"))]);
        assert_eq!(inventory.budgets_of(Some("ml"), label), Sight::Absent);
    }
}
