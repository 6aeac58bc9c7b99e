//! Who comes, goes, agrees and takes it back; what they write. The record knows them as [`super::guests`] says.
use antiphon_core::event::{Consent, Input, Member};
use antiphon_core::ids::UserId;
use antiphon_core::time::Timestamp;
use bundle::Tail;
use tokio::sync::oneshot;

use super::guests::Told;
use super::runner::Runner;

impl Runner {
    /// The first inputs: what the session is, and who is there.
    pub(super) fn open_with(&mut self, first: Input, members: Vec<(Member, Consent)>) {
        let started = self.started;
        self.happened(started, first);
        for (member, consent) in members {
            let told = self.guests.joined(&member, consent);
            self.tell(started, told);
        }
    }

    /// Tells capture and the record who came, went or changed their mind.
    pub(super) fn tell(&mut self, now: Timestamp, told: Vec<Told>) {
        for told in told {
            match told {
                Told::Joined(member, consent) => {
                    if !member.bot {
                        self.pipeline.member_joined(now, member.user, consent);
                    }
                    self.happened(now, Input::MemberJoined { member, consent });
                }
                Told::Left(user) => {
                    self.pipeline.member_left(now, user);
                    self.drain(now);
                    self.happened(now, Input::MemberLeft { user });
                }
                Told::Consent(user, consent) => self.consent(now, user, consent),
            }
        }
    }

    /// Consent taken back counts from this frame on: the machine learns of it before the turn's end does.
    fn consent(&mut self, now: Timestamp, user: UserId, consent: Consent) {
        self.pipeline.consent(now, user, consent);
        self.happened(now, Input::ConsentChanged { user, consent });
        self.drain(now);
    }

    pub(super) fn asked(
        &mut self,
        now: Timestamp,
        user: UserId,
        text: String,
        answer: oneshot::Sender<String>,
    ) {
        let Some(user) = self.guests.shown(user) else { return };
        let turn = self.pipeline.next_turn();
        self.asked.insert(turn, answer);
        self.happened(now, Input::Asked { turn, user, text });
    }

    pub(super) fn say(&mut self, now: Timestamp, user: UserId, text: String) {
        let Some(user) = self.guests.shown(user) else { return };
        let turn = self.pipeline.next_turn();
        self.happened(now, Input::SayRequested { turn, user, text });
    }

    /// Seals the bundle while the session goes on. Its chain goes on as well, so the bundle holds no proof of it.
    pub(super) fn stop_recording(&mut self, now: Timestamp, reason: String, told: oneshot::Sender<bool>) {
        let recording = self.recording.take();
        if told.send(recording.is_some()).is_err() {
            tracing::debug!("whoever stopped the recording no longer waits");
        }
        let Some(recording) = recording else { return };
        self.status.send_modify(|status| status.recording = false);
        let tail = Tail { ended: now, reason, ledger: None };
        self.sealing = Some(tokio::task::spawn_blocking(move || recording.seal(tail)));
    }
}
