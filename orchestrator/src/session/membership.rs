//! Who comes, goes, agrees and withdraws consent; what they write. The record knows them as [`super::guests`] says.
use antiphon_core::event::{Consent, Input, Member};
use antiphon_core::ids::UserId;
use antiphon_core::record::Body;
use antiphon_core::time::Timestamp;
use bundle::Tail;
use tokio::sync::oneshot;

use super::guests::RosterChange;
use super::notice::Notice;
use super::playback::PlaybackOrder;
use super::runner::Runner;

impl Runner {
    /// The first inputs: what the session is, and who is there.
    pub(super) fn open_with(&mut self, first: Input, members: Vec<(Member, Consent)>) {
        let started = self.started;
        self.happened(started, first);
        for (member, consent) in members {
            let changes = self.guests.joined(&member, consent);
            self.apply_roster_changes(started, changes);
        }
    }

    /// Capture and the record learn who came, went or changed their mind.
    pub(super) fn apply_roster_changes(&mut self, now: Timestamp, changes: Vec<RosterChange>) {
        for change in changes {
            match change {
                RosterChange::Joined(member, consent) => {
                    if !member.bot {
                        self.pipeline.member_joined(now, member.user, consent);
                    }
                    self.happened(now, Input::MemberJoined { member, consent });
                }
                RosterChange::Left(user) => {
                    self.pipeline.member_left(now, user);
                    self.drain(now);
                    self.happened(now, Input::MemberLeft { user });
                }
                RosterChange::Consent(user, consent) => self.consent(now, user, consent),
            }
        }
    }

    /// Withdrawn consent counts from this frame on: the machine learns of it before the turn's end does.
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
        self.turns.asks(turn, answer);
        self.happened(now, Input::Asked { turn, user, text });
    }

    pub(super) fn say(&mut self, now: Timestamp, user: UserId, text: String) {
        let Some(user) = self.guests.shown(user) else { return };
        let turn = self.pipeline.next_turn();
        self.happened(now, Input::SayRequested { turn, user, text });
    }

    /// Ends the bundle while the session goes on. Its chain goes on as well, so the bundle holds no proof of it.
    pub(super) fn stop_recording(&mut self, now: Timestamp, reason: String, reply: oneshot::Sender<bool>) {
        let stopped = self.sinks.stop_bundle(Tail { ended: now, reason, ledger: None });
        if reply.send(stopped).is_err() {
            tracing::debug!("the stop of a recording was asked for by a caller that no longer waits");
        }
        if stopped {
            self.status.send_modify(|status| status.recording = false);
        }
    }

    /// People learn when their recording is in danger or has stopped, and the ledger keeps that they did.
    pub(super) fn announce_notices(&mut self, now: Timestamp) {
        while let Some(notice) = self.sinks.notice() {
            tracing::warn!(notice = notice.as_str(), "a notice about the recording is posted");
            let details = serde_json::json!({ "notice": notice.as_str() });
            self.sinks.row(now, Body::Audit { what: "recording".into(), who: "disk".into(), details });
            if !matches!(notice, Notice::DiskLow { .. }) {
                self.status.send_modify(|status| status.recording = false);
            }
            self.playback.order(PlaybackOrder::Post { text: notice.in_words() });
        }
    }
}
