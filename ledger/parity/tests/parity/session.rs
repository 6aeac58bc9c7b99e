//! A made-up session of 20 s with four turns, in which the two lanes don't always agree.
use std::collections::BTreeMap;
use std::path::Path;

use antiphon_core::audio::{AudioSpan, SLOT_SAMPLES_48K, SlotMark};
use antiphon_core::capture_note::CaptureNote;
use antiphon_core::event::{
    Action, Consent, Decision, DecisionKind, Flags, GenerationRequest, Input, Member, Outcome, PolicyName,
    Provider, ProviderKind, ReplyStyle, Settings, StopReason,
};
use antiphon_core::ids::{ChannelId, GuildId, Lane, SessionId, TurnId, UserId};
use antiphon_core::time::Timestamp;
use bundle::{ActionLine, Head, InputLine, PacketInfo, Policies, Tail, Writer};

pub(crate) const ADA: UserId = UserId(101);
pub(crate) const BEN: UserId = UserId(102);
pub(crate) const BOT: UserId = UserId(999);
pub(crate) const START: Timestamp = Timestamp::from_millis(1_772_366_400_000);
pub(crate) const SESSION: SessionId =
    SessionId(uuid::Uuid::from_u128(0x0195_0000_0000_7000_8000_0000_0000_0042));
/// What somebody might say to break out of a page.
pub(crate) const NASTY: &str = "Stop </script><script>window.broken = true</script> \"now\" & <b>here</b>";

pub(crate) fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(START.as_millis() + ms)
}

/// Inputs and both lanes' actions, in order.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) inputs: Vec<InputLine>,
    pub(crate) production: Vec<ActionLine>,
    pub(crate) sandbox: Vec<ActionLine>,
}

impl Script {
    pub(crate) fn input(&mut self, ms: u64, input: Input) {
        self.inputs.push(InputLine { at: at(ms), input });
    }

    fn both(&mut self, actions: &[Action]) {
        self.lane(Lane::Production, actions);
        self.lane(Lane::Sandbox, actions);
    }

    pub(crate) fn lane(&mut self, lane: Lane, actions: &[Action]) {
        let (step, at) = (self.inputs.len() as u64 - 1, self.inputs[self.inputs.len() - 1].at);
        let (list, policy) = match lane {
            Lane::Production => (&mut self.production, PolicyName::Established),
            Lane::Sandbox => (&mut self.sandbox, PolicyName::Adaptive),
        };
        list.extend(actions.iter().map(|action| ActionLine { at, step, policy, action: action.clone() }));
    }

    fn spoken(&mut self, turn: u32, user: UserId, from: u64, to: u64, text: &str) {
        let turn = TurnId(turn);
        self.input(from, Input::UserSpeechStarted { turn, user });
        let audio = AudioSpan { first_slot: from / 20, slots: (to - from) / 20, ..AudioSpan::default() };
        self.input(to, Input::UserSpeechEnded { turn, user, audio });
        self.both(&[Action::Transcribe { turn, user, provider: "script".into() }]);
        self.input(
            to + 60,
            Input::TranscriptFinal {
                turn,
                user,
                text: text.into(),
                confidence_permille: 930,
                provider: "script".into(),
                took_ms: 60,
            },
        );
    }
}

pub(crate) fn decide(turn: u32, kind: DecisionKind, chose: &str, because: &str) -> Action {
    let decision = Decision {
        turn: Some(TurnId(turn)),
        kind,
        choice: chose.into(),
        reason: because.into(),
        alternatives: vec![],
    };
    Action::Decide { decision }
}

fn generate(turn: u32, style: ReplyStyle) -> Action {
    let request = GenerationRequest { messages: vec![], style, max_sentences: 4 };
    Action::Generate { turn: TurnId(turn), provider: "offline".into(), request }
}

fn synthesize(turn: u32, index: u32, text: &str) -> Action {
    Action::Synthesize { turn: TurnId(turn), index, provider: "espeak".into(), text: text.into() }
}

fn close(turn: u32, outcome: Outcome, said: &str) -> Action {
    Action::CloseTurn { turn: TurnId(turn), outcome, said: said.into() }
}

/// Turn 1: both lanes answer, the sandbox more briefly. Turn 2: only production answers what was not said to the bot.
/// Turn 3 is interrupted by turn 4, on which both agree.
pub(crate) fn script() -> Script {
    use DecisionKind::{Intent, Interrupt, Respond, Style};
    let mut s = Script::default();
    let member = |user, name: &str| Member { user, name: name.into(), bot: user == BOT };
    s.input(
        0,
        Input::SessionStarted {
            session: SESSION,
            guild: GuildId(1),
            channel: ChannelId(2),
            bot: member(BOT, "Antiphon"),
            flags: Flags::default(),
            providers: providers(),
            settings: Settings::default(),
        },
    );
    s.input(10, Input::MemberJoined { member: member(ADA, "Ada"), consent: Consent::Granted });
    s.input(20, Input::MemberJoined { member: member(BEN, "Ben & Söhne"), consent: Consent::Withheld });

    s.spoken(1, ADA, 1_000, 2_600, "Antiphon, what time is it?");
    s.both(&[
        decide(1, Intent, "question", "by the words"),
        decide(1, Respond, "answer", "the bot was named"),
    ]);
    s.lane(
        Lane::Production,
        &[decide(1, Style, "full", "the established style"), generate(1, ReplyStyle::Full)],
    );
    s.lane(
        Lane::Sandbox,
        &[
            decide(1, Style, "brief", "the question was short, and so may be the answer"),
            generate(1, ReplyStyle::Brief),
        ],
    );
    s.input(
        2_700,
        Input::SentenceReady {
            turn: TurnId(1),
            index: 0,
            text: "It is twelve o'clock.".into(),
            provider: "offline".into(),
        },
    );
    s.both(&[synthesize(1, 0, "It is twelve o'clock.")]);
    s.input(
        2_710,
        Input::GenerationFinished {
            turn: TurnId(1),
            provider: "offline".into(),
            sentences: 1,
            first_token_ms: 12,
            took_ms: 40,
        },
    );
    let ready = Input::SynthesisFinished {
        turn: TurnId(1),
        index: 0,
        provider: "espeak".into(),
        audio_ms: 1_400,
        took_ms: 20,
    };
    s.input(2_760, ready);
    s.both(&[Action::Play { turn: TurnId(1), index: 0 }]);
    s.input(2_800, Input::PlaybackStarted { turn: TurnId(1), index: 0 });
    s.input(4_200, Input::PlaybackFinished { turn: TurnId(1), index: 0, played_ms: 1_400, completed: true });
    s.both(&[close(1, Outcome::Answered, "It is twelve o'clock.")]);

    s.input(5_000, Input::ConsentChanged { user: BEN, consent: Consent::Granted });
    s.spoken(2, BEN, 6_000, 7_500, "I like the second one better.");
    s.lane(
        Lane::Production,
        &[decide(2, Respond, "answer", "every utterance is answered"), generate(2, ReplyStyle::Full)],
    );
    s.lane(
        Lane::Sandbox,
        &[decide(2, Respond, "ignore", "it was not said to the bot"), close(2, Outcome::Ignored, "")],
    );
    s.input(
        7_700,
        Input::SentenceReady { turn: TurnId(2), index: 0, text: "Noted.".into(), provider: "offline".into() },
    );
    s.lane(Lane::Production, &[synthesize(2, 0, "Noted.")]);
    let ready = Input::SynthesisFinished {
        turn: TurnId(2),
        index: 0,
        provider: "espeak".into(),
        audio_ms: 500,
        took_ms: 9,
    };
    s.input(7_750, ready);
    s.lane(Lane::Production, &[Action::Play { turn: TurnId(2), index: 0 }]);
    s.input(7_800, Input::PlaybackStarted { turn: TurnId(2), index: 0 });
    s.input(8_300, Input::PlaybackFinished { turn: TurnId(2), index: 0, played_ms: 500, completed: true });
    s.lane(Lane::Production, &[close(2, Outcome::Answered, "Noted.")]);

    s.spoken(3, ADA, 9_000, 10_400, "Antiphon, tell me everything about time.");
    s.both(&[decide(3, Respond, "answer", "the bot was named"), generate(3, ReplyStyle::Full)]);
    let long = "Time is what keeps everything from happening at once, and it has done so for a good while.";
    s.input(
        10_600,
        Input::SentenceReady { turn: TurnId(3), index: 0, text: long.into(), provider: "offline".into() },
    );
    s.both(&[synthesize(3, 0, long)]);
    let ready = Input::SynthesisFinished {
        turn: TurnId(3),
        index: 0,
        provider: "espeak".into(),
        audio_ms: 5_600,
        took_ms: 31,
    };
    s.input(10_700, ready);
    s.both(&[Action::Play { turn: TurnId(3), index: 0 }]);
    s.input(10_740, Input::PlaybackStarted { turn: TurnId(3), index: 0 });
    s.input(13_000, Input::UserSpeechStarted { turn: TurnId(4), user: ADA });
    s.both(&[
        decide(3, Interrupt, "fall silent", "Ada started to speak"),
        Action::StopPlayback { turn: TurnId(3), reason: StopReason::BargeIn },
    ]);
    s.input(
        13_060,
        Input::PlaybackFinished { turn: TurnId(3), index: 0, played_ms: 2_320, completed: false },
    );
    s.both(&[close(3, Outcome::Interrupted, "Time is what keeps everything from")]);
    let audio = AudioSpan { first_slot: 650, slots: 50, ..AudioSpan::default() };
    s.input(14_000, Input::UserSpeechEnded { turn: TurnId(4), user: ADA, audio });
    s.both(&[Action::Transcribe { turn: TurnId(4), user: ADA, provider: "script".into() }]);
    s.input(
        14_050,
        Input::TranscriptFinal {
            turn: TurnId(4),
            user: ADA,
            text: NASTY.into(),
            confidence_permille: 910,
            provider: "script".into(),
            took_ms: 50,
        },
    );
    s.both(&[
        decide(4, Intent, "stop", "by the words"),
        decide(4, Respond, "ignore", "silence was asked for"),
        close(4, Outcome::Ignored, ""),
    ]);
    s.input(20_000, Input::SessionEnded { reason: "everybody left".into() });
    s
}

fn providers() -> Vec<Provider> {
    let provider = |kind, name: &str| Provider { kind, name: name.into(), healthy: true, expected_ms: 50 };
    vec![
        provider(ProviderKind::Stt, "script"),
        provider(ProviderKind::Llm, "offline"),
        provider(ProviderKind::Tts, "espeak"),
    ]
}

pub(crate) fn head() -> Head {
    Head {
        session: SESSION,
        guild: GuildId(1),
        channel: ChannelId(2),
        started: START,
        bot: Member { user: BOT, name: "Antiphon".into(), bot: true },
        flags: Flags::default(),
        settings: Settings::default(),
        providers: providers(),
        policies: Policies::default(),
        versions: BTreeMap::from([("antiphon".into(), "0.1.0".into())]),
    }
}

/// Something like speech: a tone whose loudness rises and falls as syllables do.
fn voice(pitch: f64, slot: u64) -> Vec<i16> {
    (0..SLOT_SAMPLES_48K as u64)
        .map(|i| {
            let t = (slot * SLOT_SAMPLES_48K as u64 + i) as f64 / 48_000.0;
            let syllable = (t * 4.0 * std::f64::consts::TAU).sin().mul_add(0.5, 0.5);
            let phrase = (t * 0.7 * std::f64::consts::TAU).sin().mul_add(0.3, 0.7);
            ((t * pitch * std::f64::consts::TAU).sin() * syllable * phrase * 14_000.0) as i16
        })
        .collect()
}

/// Writes the session as a bundle.
pub(crate) fn write(dir: &Path, script: &Script) {
    let mut writer = Writer::create(dir, head()).unwrap();
    let mut encoders: BTreeMap<UserId, opus2::Encoder> = BTreeMap::new();
    let mut sequence = 0u16;
    for slot in 0..1_000u64 {
        let ms = slot * 20;
        let speaks = |user: UserId| match user {
            ADA => {
                (1_000..2_600).contains(&ms)
                    || (9_000..10_400).contains(&ms)
                    || (13_000..14_000).contains(&ms)
            }
            _ => (6_000..7_500).contains(&ms),
        };
        for (user, pitch) in [(ADA, 220.0), (BEN, 140.0)] {
            let mark = match (user, speaks(user)) {
                (BEN, _) if ms < 5_000 => SlotMark::Withheld,
                (_, true) if slot % 37 == 0 => SlotMark::Concealed,
                (_, true) => SlotMark::Received,
                _ => SlotMark::Silent,
            };
            if mark != SlotMark::Received {
                writer.slot(user, slot, mark, None).unwrap();
                continue;
            }
            let encoder = encoders.entry(user).or_insert_with(|| {
                opus2::Encoder::new(48_000, opus2::Channels::Mono, opus2::Application::LowDelay).unwrap()
            });
            let payload = encoder.encode_vec(&voice(pitch, slot), 1_500).unwrap();
            sequence = sequence.wrapping_add(1);
            let packet = PacketInfo {
                ssrc: user.0 as u32,
                sequence,
                timestamp: u32::from(sequence) * 960,
                epoch: Some(1),
                arrival: at(ms + 2),
                payload: &payload,
            };
            writer.slot(user, slot, mark, Some(packet)).unwrap();
        }
        let bot_speaks =
            (2_800..4_200).contains(&ms) || (7_800..8_300).contains(&ms) || (10_740..13_060).contains(&ms);
        if bot_speaks {
            writer.bot_voice(slot, &voice(180.0, slot)).unwrap();
        }
    }
    writer
        .note(at(5_000), CaptureNote::EpochChanged { user: None, before: Some(1), after: Some(2) })
        .unwrap();
    let (mut production, mut sandbox) =
        (script.production.iter().peekable(), script.sandbox.iter().peekable());
    for line in &script.inputs {
        let step = writer.input(line.at, &line.input).unwrap();
        for (lane, actions) in [(Lane::Production, &mut production), (Lane::Sandbox, &mut sandbox)] {
            while let Some(line) = actions.next_if(|line| line.step == step) {
                let one = std::slice::from_ref(&line.action);
                writer.actions(lane, line.policy, line.at, step, one).unwrap();
            }
        }
    }
    writer.seal(Tail { ended: at(20_000), reason: "everybody left".into(), ledger: None }).unwrap();
}
