//! Who stands in the record under their own name, and who as a guest.
//!
//! A person who has not agreed is a guest to everything behind the session's door: machine, ledger, bundle and Redis know a
//! number of this session, and neither name nor id. Their own name and id come in with their consent. What replay needs
//! (somebody came, somebody left, somebody asked in writing) is all there.
use std::collections::BTreeMap;

use antiphon_core::event::{Consent, Member};
use antiphon_core::ids::UserId;

/// Guests are numbered from here on: lower than any id of Discord's, higher than those of mirrored speakers.
const FIRST_GUEST: u64 = 1_000_001;
/// People kept apart in one session; Discord's own limit for a voice channel is 99, for a stage 10 000 listeners.
const MAX_PEOPLE: usize = 16_384;

/// A change of who is in the channel, as the record knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RosterChange {
    /// Somebody came.
    Joined(Member, Consent),
    /// Somebody went.
    Left(UserId),
    /// Somebody gave or took back consent.
    Consent(UserId, Consent),
}

#[derive(Debug)]
struct Person {
    /// How they are called; nothing for somebody who only writes.
    name: String,
    present: bool,
    /// Shown under their own id at present.
    own: bool,
    /// Their own id stands in the record, from now or from earlier.
    written: bool,
    guest: UserId,
}

/// Everybody the session has seen.
#[derive(Debug)]
pub(super) struct Guests {
    people: BTreeMap<UserId, Person>,
    next: u64,
}

impl Guests {
    /// Nobody but the bot, who has nothing to hide.
    pub(super) fn new(bot: &Member) -> Self {
        let mut guests = Self { people: BTreeMap::new(), next: FIRST_GUEST };
        guests.person(bot.user).own = true;
        guests
    }

    fn person(&mut self, user: UserId) -> &mut Person {
        let next = &mut self.next;
        self.people.entry(user).or_insert_with(|| {
            let guest = UserId(*next);
            *next += 1;
            Person { name: String::new(), present: false, own: false, written: false, guest }
        })
    }

    /// The id that somebody has in the record; none when there are too many to be kept apart.
    pub(super) fn shown(&mut self, user: UserId) -> Option<UserId> {
        if self.people.len() >= MAX_PEOPLE && !self.people.contains_key(&user) {
            return None;
        }
        let person = self.person(user);
        Some(if person.own { user } else { person.guest })
    }

    /// Somebody came in.
    pub(super) fn joined(&mut self, member: &Member, consent: Consent) -> Vec<RosterChange> {
        if self.shown(member.user).is_none() {
            return Vec::new();
        }
        let person = self.person(member.user);
        member.name.clone_into(&mut person.name);
        if person.present {
            return self.consent(member.user, consent);
        }
        person.present = true;
        // Other bots are never listened to, and are no persons.
        person.own = member.bot || consent == Consent::Granted;
        person.written |= person.own;
        let shown = if person.own { member.clone() } else { guest(person) };
        vec![RosterChange::Joined(shown, consent)]
    }

    /// Somebody left.
    pub(super) fn left(&mut self, user: UserId) -> Vec<RosterChange> {
        let Some(person) = self.people.get_mut(&user).filter(|person| person.present) else {
            return Vec::new();
        };
        person.present = false;
        vec![RosterChange::Left(if person.own { user } else { person.guest })]
    }

    /// Somebody gave or took back consent. A guest who agrees leaves, and comes in under their own name.
    pub(super) fn consent(&mut self, user: UserId, consent: Consent) -> Vec<RosterChange> {
        let Some(person) = self.people.get_mut(&user) else { return Vec::new() };
        if !person.present {
            if consent == Consent::Withheld {
                person.own = false;
            }
            // Only a record that knows them is to know that they changed their mind.
            return if person.written { vec![RosterChange::Consent(user, consent)] } else { Vec::new() };
        }
        if person.own {
            return vec![RosterChange::Consent(user, consent)];
        }
        if consent == Consent::Withheld {
            return vec![RosterChange::Consent(person.guest, consent)];
        }
        (person.own, person.written) = (true, true);
        let member = Member { user, name: person.name.clone(), bot: false };
        vec![
            RosterChange::Left(person.guest),
            RosterChange::Joined(member, Consent::Withheld),
            RosterChange::Consent(user, Consent::Granted),
        ]
    }
}

fn guest(person: &Person) -> Member {
    let number = person.guest.0.saturating_sub(FIRST_GUEST);
    Member { user: person.guest, name: format!("Guest {number}"), bot: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOT: UserId = UserId(9_000_000_000);
    const ALICE: UserId = UserId(7_000_000_000);

    fn member(user: UserId, name: &str) -> Member {
        Member { user, name: name.into(), bot: false }
    }

    fn guests() -> Guests {
        Guests::new(&Member { user: BOT, name: "Antiphon".into(), bot: true })
    }

    #[test]
    fn people_are_guests_until_they_agree() {
        let mut guests = guests();
        let changes = guests.joined(&member(ALICE, "Alice"), Consent::Withheld);
        let [RosterChange::Joined(shown, Consent::Withheld)] = changes.as_slice() else {
            panic!("{changes:?}")
        };
        assert_eq!(shown.name, "Guest 1");
        assert_ne!(shown.user, ALICE);
        assert_eq!(guests.shown(ALICE), Some(shown.user));

        let changes = guests.consent(ALICE, Consent::Granted);
        assert_eq!(
            changes,
            [
                RosterChange::Left(shown.user),
                RosterChange::Joined(member(ALICE, "Alice"), Consent::Withheld),
                RosterChange::Consent(ALICE, Consent::Granted)
            ]
        );
        assert_eq!(guests.shown(ALICE), Some(ALICE));
        // Taken back, the record says who took it back.
        assert_eq!(
            guests.consent(ALICE, Consent::Withheld),
            [RosterChange::Consent(ALICE, Consent::Withheld)]
        );
        assert_eq!(guests.left(ALICE), [RosterChange::Left(ALICE)]);
        // A person who comes in again without consent is a guest again.
        let changes = guests.joined(&member(ALICE, "Alice"), Consent::Withheld);
        assert!(matches!(&changes[..], [RosterChange::Joined(again, _)] if again == shown), "{changes:?}");
    }

    #[test]
    fn absent_people_leave_no_trace_unless_the_record_knows_them() {
        let mut guests = guests();
        assert_eq!(guests.consent(ALICE, Consent::Withheld), []);
        assert_eq!(guests.consent(ALICE, Consent::Granted), []);
        assert_eq!(guests.left(ALICE), []);
        guests.joined(&member(ALICE, "Alice"), Consent::Granted);
        guests.left(ALICE);
        assert_eq!(
            guests.consent(ALICE, Consent::Withheld),
            [RosterChange::Consent(ALICE, Consent::Withheld)]
        );
        assert_ne!(guests.shown(ALICE), Some(ALICE), "what they write from now on is a guest's");
    }

    #[test]
    fn bots_keep_their_names_and_so_does_this_one() {
        let mut guests = guests();
        assert_eq!(guests.shown(BOT), Some(BOT));
        let other = Member { user: UserId(5), name: "Jukebox".into(), bot: true };
        assert_eq!(
            guests.joined(&other, Consent::Withheld),
            [RosterChange::Joined(other, Consent::Withheld)]
        );
    }

    proptest! {
        /// Whatever the order of things: no change names somebody who has not agreed up to then, and who
        /// leaves had come before.
        #[test]
        fn nobody_is_named_before_they_agree(steps in proptest::collection::vec((0u8..4, 0u64..3), 0..60)) {
            let mut guests = guests();
            let mut agreed = std::collections::BTreeSet::new();
            let mut inside = std::collections::BTreeSet::new();
            for (what, who) in steps {
                let user = UserId(7_000_000_000 + who);
                let changes = match what {
                    0 => guests.joined(&member(user, "Somebody"), Consent::Withheld),
                    1 => { agreed.insert(user); guests.joined(&member(user, "Somebody"), Consent::Granted) }
                    2 => guests.left(user),
                    _ => { agreed.insert(user); guests.consent(user, Consent::Granted) }
                };
                for change in changes {
                    let shown = match change {
                        RosterChange::Joined(member, _) => {
                            prop_assert!(inside.insert(member.user), "came twice");
                            prop_assert_eq!(member.name == "Somebody", member.user.0 >= 7_000_000_000);
                            member.user
                        }
                        RosterChange::Left(user) => {
                            prop_assert!(inside.remove(&user), "left without coming");
                            user
                        }
                        RosterChange::Consent(user, _) => user,
                    };
                    prop_assert!(shown.0 < 7_000_000_000 || agreed.contains(&shown), "{shown} was named");
                }
            }
        }
    }
}
