//! What a rule may know besides the object: the Policy in force, the other objects in sight, and today's date.

use jiff::civil::Date;

use crate::catalog::Catalog;
use crate::inventory::Inventory;
use crate::policy::Effective;

/// Everything that comes from outside the object.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The Policy in force for the object's namespace.
    pub policy: &'a Effective,
    /// The other objects in sight.
    pub inventory: &'a Inventory,
    /// The namespace of objects that name none, when it is known.
    pub namespace: Option<&'a str>,
    /// Where the object comes from, in the words in which it stands in the inventory; empty in admission.
    pub origin: &'a str,
    /// Today, for exemptions that end. The engine reads no clock.
    pub today: Date,
}

impl<'a> Context<'a> {
    /// The runtimes, accelerators and kinds that the Policy knows.
    pub fn catalog(&self) -> &'a Catalog {
        self.policy.catalog()
    }
}
