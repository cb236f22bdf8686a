//! Repair.

/// The folder of what was set aside.
pub(super) const DAMAGED: &str = "damaged";
