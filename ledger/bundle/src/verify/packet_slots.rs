//! The slots in which a track's packets begin.
use crate::format::slot_set::SlotSet;
use antiphon_core::ids::UserId;

#[derive(Debug)]
pub(super) struct PacketSlots {
    pub(super) user: UserId,
    pub(super) file: String,
    pub(super) slots: SlotSet,
}
