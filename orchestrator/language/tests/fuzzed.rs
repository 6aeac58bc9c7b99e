//! The fuzz target of language model servers' answers, on good answers that were damaged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;

#[allow(unreachable_pub, reason = "public for the fuzz targets")]
#[path = "../../../fuzz/src/reply.rs"]
mod reply;

#[test]
fn good_answers_are_read() {
    for seed in reply::seeds().remove("reply").unwrap() {
        reply::reply(&seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn damaged_answers_do_no_harm(
        which in 0usize..6,
        how: u8,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = reply::seeds().remove("reply").unwrap().remove(which);
        bytes[0] = how;
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        reply::reply(&bytes);
    }
}
