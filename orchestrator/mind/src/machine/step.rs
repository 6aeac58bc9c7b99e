//! Dispatches each input.
use antiphon_core::event::{Action, Input};
use antiphon_core::time::Timestamp;

use super::out::Out;
use super::state::{Machine, Phase};
use super::turn::Origin;

impl Machine {
    pub(super) fn take(&mut self, at: Timestamp, input: &Input) -> Vec<Action> {
        let mut out = Out::default();
        match self.phase {
            Phase::Unstarted => {
                if let Input::SessionStarted { bot, flags, providers, settings, .. } = input {
                    self.start(bot, *flags, providers, settings);
                }
                return out.0;
            }
            Phase::Ended => return out.0,
            Phase::Running | Phase::Draining => {}
        }
        if let Input::SessionEnded { reason } = input {
            self.end(at, reason, &mut out);
            return out.0;
        }
        self.expire(at, &mut out);
        self.route(at, input, &mut out);
        self.pump(at, &mut out);
        out.0
    }

    fn route(&mut self, at: Timestamp, input: &Input, out: &mut Out) {
        match input {
            Input::SessionStarted { .. } | Input::SessionEnded { .. } | Input::TranscriptPartial { .. } => {}
            Input::CandidateStopped { .. } => self.close_adopted(at, out),
            Input::MemberJoined { member, consent } => self.joined(member, *consent),
            Input::MemberLeft { user } => self.left(at, *user, out),
            Input::ConsentChanged { user, consent } => self.consent(at, *user, *consent, out),
            Input::UserSpeechStarted { turn, user } => self.speech_started(at, *turn, *user, out),
            Input::UserSpeechEnded { turn, user, audio } => self.speech_ended(at, *turn, *user, audio, out),
            Input::TranscriptFinal { turn, user, text, confidence_permille, provider, .. } => {
                self.transcript(at, *turn, *user, text, *confidence_permille, provider, out);
            }
            Input::TranscriptFailed { turn, provider, failure } => {
                self.transcript_failed(at, *turn, Some(provider), &failure.detail, out);
            }
            Input::Asked { turn, user, text } => self.written(at, *turn, *user, text, Origin::Asked, out),
            Input::SayRequested { turn, user, text } => {
                self.written(at, *turn, *user, text, Origin::Said, out);
            }
            Input::SentenceReady { turn, index, text, provider } => {
                self.sentence(at, *turn, *index, text, provider, out);
            }
            Input::RateLimited { turn, retry_after_ms, limit } => {
                self.rate_limited(at, *turn, *retry_after_ms, limit, out);
            }
            Input::GenerationFinished { turn, provider, .. } => self.generated(at, *turn, provider, out),
            Input::GenerationFailed { turn, provider, failure } => {
                self.generation_failed(at, *turn, Some(provider), &failure.detail, out);
            }
            Input::SynthesisFinished { turn, index, provider, audio_ms, .. } => {
                self.speech_ready(at, *turn, *index, provider, *audio_ms, out);
            }
            Input::SynthesisFailed { turn, index, provider, failure } => {
                self.speech_failed(at, *turn, *index, Some(provider), &failure.detail, out);
            }
            Input::PlaybackStarted { turn, index } => self.playback_started(*turn, *index),
            Input::PlaybackFailed { turn, index, .. } => self.playback_failed(at, *turn, *index, out),
            Input::PlaybackFinished { turn, index, played_ms, completed } => {
                self.playback_finished(at, *turn, *index, *played_ms, *completed, out);
            }
            Input::TimerFired { turn, timer } => self.timer_fired(at, *turn, *timer, out),
            Input::HealthChanged { kind, provider, healthy, expected_ms } => {
                self.health(*kind, provider, *healthy, *expected_ms);
            }
            Input::FlagsChanged { flags } => self.flags = *flags,
            Input::PolicyChosen { policy, reason } => self.policy_chosen(*policy, reason, out),
            Input::DrainRequested => self.phase = Phase::Draining,
        }
    }
}
