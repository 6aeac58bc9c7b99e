//! Rows to store.
use antiphon_core::chain::{Chain, ChainedRow, Proof, Salt};
use antiphon_core::event::{Input, PolicyName};
use antiphon_core::ids::{GuildId, Lane, SessionId, TurnId, UserId};
use antiphon_core::record::{Body, Record};
use antiphon_core::time::Timestamp;

pub(crate) const GUILD: GuildId = GuildId(41_771_983_423_143_937);
/// 2026-03-01T23:59:00Z: a session may go past midnight.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_772_409_540_000);

pub(crate) fn session(n: u128) -> SessionId {
    SessionId(uuid::Uuid::from_u128(0x0195_0000_0000_7000_8000_0000_0000_0000 + n))
}

/// The `i`th record of a session, of one of three kinds.
pub(crate) fn record(session: SessionId, i: u64) -> Record {
    let turn = TurnId(i as u32 / 3 + 1);
    let (lane, body) = match i % 3 {
        0 => (None, Body::Input { input: Input::UserSpeechStarted { turn, user: UserId(u64::MAX - i) } }),
        1 => {
            let action = antiphon_core::event::Action::CancelGeneration { turn };
            (Some(Lane::Sandbox), Body::Action { action, policy: PolicyName::Adaptive, step_us: i })
        }
        _ => {
            let after = Some(format!("'quoted' \"text\" \\ ünï{i}\u{1F600}"));
            (None, Body::Transition { key: format!("key:{i}"), before: None, after })
        }
    };
    Record::new(GUILD, session, Timestamp(START.0 + i * 1_000_000), lane, body)
}

pub(crate) fn chained(session: SessionId, n: u64) -> (Vec<ChainedRow>, Proof) {
    let mut chain = Chain::default();
    let rows = (0..n).map(|i| chain.push(&record(session, i), Salt([i as u8; 16])).unwrap()).collect();
    (rows, chain.proof())
}
