//! Sessions whose candidate panics, stalls or is not wanted: production is the same in all of them.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::event::{
    Consent, Flags, Input, Member, PolicyName, Provider, ProviderKind, ReplyStyle, Settings,
};
use antiphon_core::ids::{ChannelId, GuildId, Lane, SessionId, UserId};
use antiphon_core::time::{ManualClock, Timestamp};
use broker::{RedisConfig, RedisHandle};
use bundle::{Fsync, PcmForm, Reader};
use mind::lanes::Lanes;
use mind::machine::Machine;
use mind::policy::{Adaptive, Choice, Conversation, Policy, ProviderRequest, ReplyDecision, Utterance};

use super::start::start_with;
use super::*;
use crate::replay::bundle::verify_bundle;

const ALICE: UserId = UserId(7_000_000_000);

/// Does as the adaptive policy does, until it is asked for a voice.
#[derive(Debug)]
struct Faulty(fn());

impl Policy for Faulty {
    fn respond(&self, conversation: &Conversation<'_>, utterance: &Utterance<'_>) -> Choice<ReplyDecision> {
        Adaptive.respond(conversation, utterance)
    }

    fn provider(
        &self,
        conversation: &Conversation<'_>,
        request: &ProviderRequest<'_>,
    ) -> Option<Choice<String>> {
        (self.0)();
        Adaptive.provider(conversation, request)
    }

    fn style(&self, conversation: &Conversation<'_>, text: &str) -> Choice<ReplyStyle> {
        Adaptive.style(conversation, text)
    }
}

static SOUND: Faulty = Faulty(|| {});
static PANICS: Faulty = Faulty(|| panic!("no voice is good enough"));
static STALLS: Faulty = Faulty(|| std::thread::sleep(Duration::from_secs(8)));

/// What a session came to.
struct Outcome {
    /// Production's actions as they are in the bundle, without the numbers of their steps.
    production: Vec<String>,
    inputs: Vec<Input>,
    stopped: Option<String>,
    /// The longest that production took to take in a wish.
    slowest: Duration,
}

/// Alice has three texts spoken, the last two after the candidate has failed if `fails`.
async fn session(policy: &'static dyn Policy, flags: Flags, fails: bool) -> Outcome {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("bundle");
    let redis = RedisHandle::open(RedisConfig::embedded()).await.unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000)));
    let services = Services { clock, redis, ledger: None, outbox: None, limiter: None };
    let (link, link_events) = NullVoiceOutput::new(1);
    let new = NewSession {
        session: SessionId(uuid::Uuid::from_u128(1)),
        guild: GuildId(1),
        channel: ChannelId(2),
        bot: Member { user: UserId(3), name: "Antiphon".into(), bot: true },
        members: vec![(Member { user: ALICE, name: "Alice".into(), bot: false }, Consent::Granted)],
        flags,
        providers: vec![Provider {
            kind: ProviderKind::Tts,
            name: "espeak".into(),
            healthy: true,
            expected_ms: 100,
        }],
        settings: Settings::default(),
        capture: capture::Config::default(),
        vad: capture::VadSource::default(),
        link: Arc::new(link),
        link_events,
        versions: BTreeMap::new(),
        speed: 1,
        bundle: Some(folder.clone()),
        fsync: Fsync::default(),
        pcm: PcmForm::default(),
    };
    let lanes = Lanes::with_candidate(Machine::with_policy(PolicyName::Adaptive, policy));
    let handle = start_with(services, new, lanes).await.unwrap();
    let mut status = handle.watch();
    let mut slowest = Duration::ZERO;
    for (n, text) in (1..).zip(["One.", "Two.", "Three."]) {
        let begun = std::time::Instant::now();
        assert!(handle.say(ALICE, text).await);
        status.wait_for(|status| status.turns >= n).await.unwrap();
        slowest = slowest.max(begun.elapsed());
        if n == 1 && fails {
            status.wait_for(|status| status.candidate_stopped.is_some()).await.unwrap();
        }
    }
    let ended = handle.end("a test").await.unwrap();
    assert_eq!(ended.recording_fault, None);
    outcome(&folder, ended.status.candidate_stopped, slowest)
}

fn outcome(folder: &Path, stopped: Option<String>, slowest: Duration) -> Outcome {
    let reader = Reader::open(folder).unwrap();
    let replayed = verify_bundle(&reader).unwrap();
    assert!(replayed.identical(), "{:?}", replayed.first_difference());
    let production = reader.actions(Lane::Production).unwrap().map(|line| {
        let line = line.unwrap();
        serde_json::to_string(&(line.at, line.policy, line.action)).unwrap()
    });
    let production = production.collect();
    let inputs = reader.inputs().unwrap().map(|line| line.unwrap().input).collect();
    Outcome { production, inputs, stopped, slowest }
}

fn stops(outcome: &Outcome) -> usize {
    outcome.inputs.iter().filter(|input| matches!(input, Input::CandidateStopped { .. })).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_that_panics_does_not_touch_production() {
    let sound = session(&SOUND, Flags::default(), false).await;
    assert_eq!((stops(&sound), &sound.stopped), (0, &None));
    let failed = session(&PANICS, Flags::default(), true).await;
    assert_eq!(failed.production, sound.production);
    assert_eq!(stops(&failed), 1);
    assert_eq!(failed.stopped.unwrap(), "it panicked: no voice is good enough");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_that_stalls_does_not_hold_up_production() {
    let sound = session(&SOUND, Flags::default(), false).await;
    let stalled = session(&STALLS, Flags::default(), true).await;
    assert_eq!(stalled.production, sound.production);
    assert_eq!(stops(&stalled), 1);
    assert!(stalled.slowest < Duration::from_secs(4), "{:?}", stalled.slowest);
    assert!(stalled.stopped.unwrap().contains("its budget is 400"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_mirror_off_a_faulty_candidate_is_not_run() {
    let off = Flags { mirror_enabled: false, ..Flags::default() };
    let sound = session(&SOUND, off, false).await;
    for faulty in [&PANICS, &STALLS] {
        let session = session(faulty, off, false).await;
        assert_eq!((stops(&session), &session.stopped), (0, &None));
        assert_eq!(session.production, sound.production);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_established_policy_takes_over_when_the_acting_one_panics() {
    let acting = Flags { adaptive_enabled: true, ..Flags::default() };
    let sound = session(&SOUND, acting, false).await;
    assert!(sound.production.iter().any(|line| line.contains("\"adaptive\"")));
    let failed = session(&PANICS, acting, true).await;
    assert_eq!(stops(&failed), 1);
    // The turn in which it failed is lost; the next is the established policy's.
    let spoken = |line: &String| line.contains("\"type\":\"synthesize\",\"turn\":2");
    assert!(failed.production.iter().any(spoken), "{:#?}", failed.production);
    let last = failed.inputs.iter().rev().find_map(|input| match input {
        Input::PolicyChosen { policy, reason } => Some((*policy, reason.clone())),
        _ => None,
    });
    let (policy, reason) = last.unwrap();
    assert!(policy == PolicyName::Established && reason.contains("out of service"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_adaptive_policy_acts_when_its_flag_comes_on() {
    let sound = session(&SOUND, Flags { adaptive_enabled: true, ..Flags::default() }, false).await;
    let by_adaptive =
        |kind: &str| sound.production.iter().any(|line| line.contains("\"adaptive\"") && line.contains(kind));
    assert!(by_adaptive("\"synthesize\"") && by_adaptive("\"close_turn\""), "{:#?}", sound.production);
    let chosen = |input: &Input| matches!(input, Input::PolicyChosen { policy: PolicyName::Adaptive, .. });
    assert!(sound.inputs.iter().any(chosen));
}
