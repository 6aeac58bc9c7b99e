//! What must hold for every message and packet, whatever the other end sends.
use proptest::collection::vec;
use proptest::prelude::*;

use super::crypto::{TransportCipher, TransportMode};
use super::discovery;
use super::rtp::{PacketWriter, ReplayWindow, VoicePacket};
use super::session::SessionCore;
use crate::ids::{ChannelId, GuildId, UserId};
use crate::voice::VoiceCredentials;

fn cipher(mode: TransportMode) -> TransportCipher {
    TransportCipher::new(mode, &[9; 32])
}

fn session() -> SessionCore {
    let credentials = VoiceCredentials {
        guild_id: GuildId(1),
        channel_id: ChannelId(2),
        user_id: UserId(3),
        session_id: "session".to_owned(),
        token: "token".to_owned(),
        endpoint: "localhost:1".to_owned(),
    };
    SessionCore::new(credentials, TransportMode::Aes256Gcm, 1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_datagram_is_opened_or_refused(datagram in vec(any::<u8>(), 0..200), rtp in any::<bool>()) {
        let mut datagram = datagram;
        if rtp && datagram.len() > 1 {
            datagram[0] |= 0x80;
            datagram[1] = 0x78;
        }
        for mode in TransportMode::ALL {
            prop_assert!(VoicePacket::open(&datagram, &cipher(mode)).is_err());
        }
        prop_assert!(discovery::parse_response(&datagram, 1).is_err() || datagram.len() == 74);
    }

    #[test]
    fn any_sealed_packet_is_opened_or_refused_whatever_its_header(
        flags in any::<u8>(),
        rest in vec(any::<u8>(), 14..60),
        clear in 12_usize..20,
    ) {
        let mut packet = [&[flags | 0x80, 0x78][..], &rest].concat();
        let clear = clear.min(packet.len());
        cipher(TransportMode::Aes256Gcm).seal(&mut packet, clear, 1).unwrap();
        // It may be refused, and must not panic nor make bytes up.
        if let Ok(opened) = VoicePacket::open(&packet, &cipher(TransportMode::Aes256Gcm)) {
            prop_assert!(opened.payload.len() <= rest.len());
        }
    }

    #[test]
    fn what_is_written_is_opened(
        frame in vec(any::<u8>(), 0..1300),
        ssrc in any::<u32>(),
        sequence in any::<u16>(),
        timestamp in any::<u32>(),
    ) {
        for mode in TransportMode::ALL {
            let packet = PacketWriter::new(ssrc, sequence, timestamp).write(&frame, &cipher(mode)).unwrap();
            let expected = VoicePacket { ssrc, sequence, timestamp, payload: frame.clone() };
            prop_assert_eq!(VoicePacket::open(&packet, &cipher(mode)), Ok(expected));
        }
    }

    #[test]
    fn of_packets_within_the_window_each_is_new_once(order in vec(0_u16..32, 1..200), start in any::<u16>()) {
        let mut seen = std::collections::HashSet::new();
        let mut window = ReplayWindow::starting_with(start);
        seen.insert(0);
        for step in order {
            prop_assert_eq!(window.is_new(start.wrapping_add(step)), seen.insert(step));
        }
    }

    #[test]
    fn no_message_brings_the_session_down(
        texts in vec((0_u8..35, any::<u32>(), "[a-z0-9{}\":,]{0,20}"), 0..20),
        binaries in vec((25_u8..32, vec(any::<u8>(), 0..60)), 0..10),
    ) {
        let mut session = session();
        session.opened();
        for (op, number, noise) in texts {
            for body in [
                format!(r#"{{"user_id":"{number}","ssrc":{number},"transition_id":{},"protocol_version":1}}"#, number % 5),
                format!(r#"{{"heartbeat_interval":{number},"epoch":{},"protocol_version":{}}}"#, number % 3, number % 3),
                noise,
            ] {
                // Refused or not, it must not panic.
                let _refused = session.text(&format!(r#"{{"op":{op},"seq":{},"d":{body}}}"#, number % 65_536));
            }
        }
        for (op, body) in binaries {
            let _refused = session.binary(&[&[0, 1, op], &body[..]].concat());
        }
        prop_assert!(session.heartbeat(1).is_some());
    }
}
