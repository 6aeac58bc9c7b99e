//! Sessions of a call: coming, speaking, losing their connection, resuming, leaving.
use serde_json::Value;

use super::*;
use crate::faults::LinkFaults;

const CALL: ChannelId = ChannelId(9);
const WINDOW: Duration = Duration::from_secs(15);

struct Test {
    room: Room,
    faults: Faults,
    at: Duration,
    sessions: u32,
}

fn connection(user: u64) -> ConnectionId {
    ConnectionId(user)
}

impl Test {
    fn new() -> Self {
        Self { room: Room::new(CALL, WINDOW, None), faults: Faults::new(0), at: Duration::ZERO, sessions: 0 }
    }

    fn step<T>(&mut self, happen: impl FnOnce(&mut Room, Step<'_>) -> T) -> (T, Vec<Output>) {
        let result = happen(&mut self.room, Step { at: self.at, faults: &self.faults });
        (result, self.room.take())
    }

    /// A user identifies on a connection with its own number, and chooses its encryption.
    fn enter(&mut self, user: u64, version: u8) -> Vec<Output> {
        self.sessions += 1;
        let new = Newcomer {
            connection: connection(user),
            user: UserId(user),
            session_id: format!("session {user}"),
            token: "token".to_owned(),
            version,
            max_dave: 1,
            ssrc: 1000 + self.sessions,
            udp_port: 1,
        };
        let (_, mut out) = self.step(|room, step| room.identify(step, new));
        out.extend(self.step(|room, step| room.select(step, UserId(user), Mode::Aes256Gcm, [0; 32])).1);
        out
    }
}

/// The opcodes of JSON frames to a connection.
fn ops(outputs: &[Output], to: ConnectionId) -> Vec<u64> {
    let frames = outputs.iter().filter_map(|output| match output {
        Output::Send(connection, WireFrame::Text(text)) if *connection == to => Some(text),
        _ => None,
    });
    frames.map(|text| serde_json::from_str::<Value>(text).unwrap()["op"].as_u64().unwrap()).collect()
}

#[test]
fn a_newcomer_and_the_others_are_introduced_to_each_other() {
    let mut test = Test::new();
    assert_eq!(ops(&test.enter(1, 4), connection(1)), [2, 4]);
    test.step(|room, step| room.speaking(step, UserId(1), 1));
    let out = test.enter(2, 8);
    assert_eq!(ops(&out, connection(2)), [2, 4, 11, 18, 20, 5]);
    assert_eq!(ops(&out, connection(1)), [11, 18, 20]);
    let (_, out) = test.step(|room, step| room.speaking(step, UserId(2), 1));
    assert_eq!((ops(&out, connection(1)), ops(&out, connection(2))), (vec![5], vec![]));
}

#[test]
fn a_resumed_session_gets_what_it_missed() {
    let mut test = Test::new();
    test.enter(1, 4);
    test.enter(2, 4);
    test.step(|room, step| room.detach(step, UserId(1), connection(1)));
    let (_, out) = test.step(|room, step| room.speaking(step, UserId(2), 1));
    assert_eq!(ops(&out, connection(1)), Vec::<u64>::new());
    test.at = WINDOW - Duration::from_millis(1);
    test.step(|room, step| room.tick(step));
    let again = ConnectionId(77);
    let (wrong, _) = test.step(|room, step| room.resume(step, again, UserId(1), "stolen", None));
    assert_eq!(wrong, None);
    let (replayed, out) = test.step(|room, step| room.resume(step, again, UserId(1), "token", None));
    assert_eq!((replayed, ops(&out, again)), (Some(1), vec![9, 5]));
}

#[test]
fn a_session_that_does_not_resume_in_time_ends() {
    let mut test = Test::new();
    test.enter(1, 4);
    test.enter(2, 4);
    test.step(|room, step| room.detach(step, UserId(1), connection(1)));
    assert_eq!(test.room.deadline(), Some(WINDOW));
    test.at = WINDOW;
    let (_, out) = test.step(|room, step| room.tick(step));
    assert_eq!(ops(&out, connection(2)), [13]);
    assert!(out.contains(&Output::Silence { ssrc: 1001 }));
    assert!(out.contains(&Output::Lapsed { user: UserId(1), token: "token".to_owned() }));
    assert!(out.contains(&Output::Event(Event::VoiceEnded { user: UserId(1) })));
    assert_eq!(test.room.deadline(), None);
}

#[test]
fn an_old_connections_end_does_not_end_the_resumed_one() {
    let mut test = Test::new();
    test.enter(1, 8);
    let again = ConnectionId(77);
    let (replayed, out) = test.step(|room, step| room.resume(step, again, UserId(1), "token", Some(2)));
    assert_eq!(replayed, Some(0));
    assert!(out.contains(&Output::Close(connection(1), close::SESSION_TIMEOUT)));
    test.step(|room, step| room.detach(step, UserId(1), connection(1)));
    assert_eq!(test.room.connection_of(UserId(1)), Some(again));
}

#[test]
fn a_users_second_session_closes_the_first_with_4014() {
    let mut test = Test::new();
    test.enter(1, 4);
    test.enter(2, 4);
    let out = test.enter(2, 4);
    assert!(out.contains(&Output::Close(connection(2), 4014)));
    assert_eq!(ops(&out, connection(1)), [13, 11, 18, 20]);
}

#[test]
fn a_late_op_5_does_not_reach_an_ended_session() {
    let mut test = Test::new();
    test.enter(1, 4);
    test.enter(2, 4);
    test.faults.set_receiver(UserId(1), LinkFaults { late_speaking_ms: 300, ..LinkFaults::NONE });
    let (_, out) = test.step(|room, step| room.speaking(step, UserId(2), 1));
    assert_eq!(ops(&out, connection(1)), Vec::<u64>::new());
    let due = test.room.deadline().unwrap();
    assert_eq!(due, Duration::from_millis(300));
    test.at = due;
    let (_, out) = test.step(|room, step| room.tick(step));
    assert_eq!(ops(&out, connection(1)), [5]);

    test.step(|room, step| room.speaking(step, UserId(2), 0));
    test.enter(1, 4);
    test.at = Duration::from_secs(1);
    let (_, out) = test.step(|room, step| room.tick(step));
    assert_eq!(ops(&out, connection(1)), [5], "the new session's own, and not the old one's");
}
