//! Who was there and how many turns were opened, followed from the inputs.
use std::collections::BTreeMap;

use crate::format::lines::TimelineLine;
use crate::format::manifest::Attendance;
use antiphon_core::event::Input;
use antiphon_core::ids::UserId;
use antiphon_core::time::Timestamp;

/// Whether an input opens a turn.
pub(crate) fn opens_turn(input: &Input) -> bool {
    matches!(input, Input::UserSpeechStarted { .. } | Input::Asked { .. } | Input::SayRequested { .. })
}

#[derive(Debug, Default)]
pub(crate) struct Roster {
    members: BTreeMap<UserId, Attendance>,
    turns: u64,
}

impl Roster {
    /// Takes an input; gives the timeline's line when it is about people.
    pub(crate) fn input(&mut self, at: Timestamp, input: &Input) -> Option<TimelineLine> {
        match input {
            Input::MemberJoined { member, consent } => {
                let member = member.clone();
                self.members
                    .entry(member.user)
                    .and_modify(|entry| (entry.left, entry.consent) = (None, *consent))
                    .or_insert_with(|| Attendance {
                        user: member.user,
                        name: member.name.clone(),
                        bot: member.bot,
                        joined: at,
                        left: None,
                        consent: *consent,
                    });
                return Some(TimelineLine::Joined { at, member, consent: *consent });
            }
            Input::MemberLeft { user } => {
                if let Some(entry) = self.members.get_mut(user) {
                    entry.left = Some(at);
                }
                return Some(TimelineLine::Left { at, user: *user });
            }
            Input::ConsentChanged { user, consent } => {
                if let Some(entry) = self.members.get_mut(user) {
                    entry.consent = *consent;
                }
                return Some(TimelineLine::Consent { at, user: *user, consent: *consent });
            }
            input => self.turns += u64::from(opens_turn(input)),
        }
        None
    }

    /// A name, or the id of somebody who never joined.
    pub(crate) fn name_of(&self, user: UserId) -> String {
        self.members.get(&user).map_or_else(|| user.to_string(), |entry| entry.name.clone())
    }

    pub(crate) fn turns(&self) -> u64 {
        self.turns
    }

    pub(crate) fn into_members(self) -> Vec<Attendance> {
        self.members.into_values().collect()
    }
}
