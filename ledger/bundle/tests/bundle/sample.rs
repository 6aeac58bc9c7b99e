//! A small session, always the same to the byte.
use std::collections::BTreeMap;
use std::path::Path;

use antiphon_core::audio::{AudioSpan, SLOT_SAMPLES_48K, SlotMark};
use antiphon_core::capture_note::CaptureNote;
use antiphon_core::chain::{Digest, Proof};
use antiphon_core::event::{
    Action, Consent, Decision, DecisionKind, Flags, Input, Member, Outcome, PolicyName, Provider,
    ProviderKind, Settings,
};
use antiphon_core::ids::{ChannelId, GuildId, Lane, SessionId, TurnId, UserId};
use antiphon_core::time::Timestamp;
use bundle::{Head, Manifest, PacketInfo, Policies, Tail, Writer};
use opus2::{Application, Channels, Encoder};

pub(crate) const ADA: UserId = UserId(80_351_110_224_678_912);
pub(crate) const BEN: UserId = UserId(80_351_110_224_678_913);
pub(crate) const BOT: UserId = UserId(80_351_110_224_678_999);
/// 2026-03-01T12:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_772_366_400_000);
/// A secret that may not be found in anything written: the bytes of Ben's packets.
pub(crate) const WITHHELD_BYTES: &[u8] = b"Ben's voice, which nobody may keep";

pub(crate) fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(START.as_millis() + ms)
}

pub(crate) fn member(user: UserId, name: &str) -> Member {
    Member { user, name: name.into(), bot: user == BOT }
}

pub(crate) fn head() -> Head {
    Head {
        session: SessionId(uuid::Uuid::from_u128(0x0195_0000_0000_7000_8000_0000_0000_0001)),
        guild: GuildId(41_771_983_423_143_937),
        channel: ChannelId(127_121_515_262_115_840),
        started: START,
        bot: member(BOT, "Antiphon"),
        flags: Flags::default(),
        settings: Settings::default(),
        providers: vec![Provider {
            kind: ProviderKind::Stt,
            name: "script".into(),
            healthy: true,
            expected_ms: 50,
        }],
        policies: Policies::default(),
        versions: BTreeMap::from([("antiphon".into(), "0.1.0".into())]),
    }
}

/// 20 ms packets of a 440 Hz tone, in CELT, which finds its feet within a frame wherever decoding begins.
pub(crate) fn tone(slots: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(48_000, Channels::Stereo, Application::LowDelay).unwrap();
    encoder.set_bitrate(opus2::Bitrate::Bits(64_000)).unwrap();
    (0..slots)
        .map(|slot| {
            let pcm: Vec<i16> = (0..SLOT_SAMPLES_48K)
                .flat_map(|i| {
                    let t = (slot * SLOT_SAMPLES_48K + i) as f64 / 48_000.0;
                    let sample = ((t * 440.0 * std::f64::consts::TAU).sin() * 12_000.0) as i16;
                    [sample, sample]
                })
                .collect();
            encoder.encode_vec(&pcm, 1500).unwrap()
        })
        .collect()
}

pub(crate) fn packet(n: u16, slot: u64, payload: &[u8]) -> PacketInfo<'_> {
    PacketInfo {
        ssrc: 4711,
        sequence: 65_530u16.wrapping_add(n),
        timestamp: (u32::MAX - 2_000).wrapping_add(960 * u32::from(n)),
        epoch: Some(1),
        arrival: at(slot * 20 + 3 + u64::from(n % 3)),
        payload,
    }
}

/// What Ada sends: frames that don't come out of an encoder, so that the golden bundle is the same with every libopus.
pub(crate) fn made_up_packet(n: u16) -> Vec<u8> {
    // CELT, fullband, 20 ms, stereo: any bytes are a valid range-coded frame.
    let mut packet = vec![0xFC];
    packet.extend((0..40).map(|i| (u32::from(n) * 31 + i * 7) as u8));
    packet
}

pub(crate) fn transcript(turn: u32, user: UserId, text: &str) -> Input {
    Input::TranscriptFinal {
        turn: TurnId(turn),
        user,
        text: text.into(),
        confidence_permille: 940,
        provider: "script".into(),
        took_ms: 40,
    }
}

/// Ada speaks in slots 25 to 64 with one packet lost, Ben (who has not consented) all the while, and the bot answers in
/// slots 80 to 109. Slots up to 119.
pub(crate) fn write(dir: &Path) -> Manifest {
    write_with(dir, made_up_packet)
}

pub(crate) fn write_with(dir: &Path, payload: impl Fn(u16) -> Vec<u8>) -> Manifest {
    let mut writer = Writer::create(dir, head()).unwrap();
    let started = Input::SessionStarted {
        session: head().session,
        guild: head().guild,
        channel: head().channel,
        bot: head().bot,
        flags: head().flags,
        providers: head().providers,
        settings: head().settings,
    };
    let joined = |user, name: &str, consent| Input::MemberJoined { member: member(user, name), consent };
    writer.input(at(0), &started).unwrap();
    writer.input(at(1), &joined(ADA, "Ada", Consent::Granted)).unwrap();
    writer.input(at(2), &joined(BEN, "Ben", Consent::Withheld)).unwrap();
    let mut n = 0;
    for slot in 0..120u64 {
        match slot {
            40 => writer.slot(ADA, slot, SlotMark::Concealed, None).unwrap(),
            41 => writer.slot(ADA, slot, SlotMark::Undecryptable, None).unwrap(),
            25..65 => {
                let bytes = payload(n);
                writer.slot(ADA, slot, SlotMark::Received, Some(packet(n, slot, &bytes))).unwrap();
            }
            _ => writer.slot(ADA, slot, SlotMark::Silent, None).unwrap(),
        }
        n += u16::from((25..65).contains(&slot));
        if slot >= 10 {
            writer.slot(BEN, slot, SlotMark::Withheld, None).unwrap();
        }
        if (80..110).contains(&slot) {
            let tone: Vec<i16> = (0..960i32).map(|i| (i % 96 * 100) as i16).collect();
            writer.bot_voice(slot, &tone).unwrap();
        }
        match slot {
            28 => {
                writer.input(at(570), &Input::UserSpeechStarted { turn: TurnId(1), user: ADA }).unwrap();
            }
            50 => {
                let note = CaptureNote::EpochChanged { user: None, before: Some(1), after: Some(2) };
                writer.note(at(1_005), note).unwrap();
            }
            70 => {
                let audio = AudioSpan { first_slot: 22, slots: 45, ..AudioSpan::default() };
                writer
                    .input(at(1_400), &Input::UserSpeechEnded { turn: TurnId(1), user: ADA, audio })
                    .unwrap();
                let step = writer.input(at(1_450), &transcript(1, ADA, "What time is it?")).unwrap();
                let decision = Decision {
                    turn: Some(TurnId(1)),
                    kind: DecisionKind::Respond,
                    choice: "yes".into(),
                    reason: "something was asked".into(),
                    alternatives: vec![],
                };
                let decide = [Action::Decide { decision }];
                writer.actions(Lane::Production, PolicyName::Established, at(1_450), step, &decide).unwrap();
                writer.actions(Lane::Sandbox, PolicyName::Adaptive, at(1_450), step, &decide).unwrap();
            }
            80 => {
                writer.input(at(1_600), &Input::PlaybackStarted { turn: TurnId(1), index: 0 }).unwrap();
            }
            110 => {
                let finished =
                    Input::PlaybackFinished { turn: TurnId(1), index: 0, played_ms: 600, completed: true };
                let step = writer.input(at(2_200), &finished).unwrap();
                let close = Action::CloseTurn {
                    turn: TurnId(1),
                    outcome: Outcome::Answered,
                    said: "It is noon.".into(),
                };
                writer.actions(Lane::Production, PolicyName::Established, at(2_200), step, &[close]).unwrap();
            }
            _ => {}
        }
    }
    writer.input(at(2_390), &Input::MemberLeft { user: BEN }).unwrap();
    writer.input(at(2_400), &Input::SessionEnded { reason: "everybody left".into() }).unwrap();
    let ledger = Some(Proof { rows: 9, head: Digest::of(b"a head") });
    writer.seal(Tail { ended: at(2_400), reason: "everybody left".into(), ledger }).unwrap()
}
