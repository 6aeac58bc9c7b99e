//! Findings of checking one file, or a few that belong together.
use super::marks::Marks;
use super::packet_slots::PacketSlots;
use super::problems::Problems;

#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Sizes and digests that differ.
    pub(super) digests: Problems,
    /// What is wrong with the content.
    pub(super) problems: Problems,
    pub(super) packets: u64,
    pub(super) timeline: Option<Marks>,
    pub(super) packet_slots: Option<PacketSlots>,
}
