//! The policies by their names.
use antiphon_core::event::PolicyName;

use super::adaptive::Adaptive;
use super::established::Established;
use super::questions::Policy;

/// The policy of a name.
pub fn named(name: PolicyName) -> &'static dyn Policy {
    match name {
        PolicyName::Established => &Established,
        PolicyName::Adaptive => &Adaptive,
    }
}
