//! The fuzz targets' functions on mutated good input. `make fuzz` runs the same functions under libFuzzer
//! (`fuzz/README.md`).
use proptest::prelude::*;
use proptest::sample::Index;

#[allow(unreachable_pub, reason = "public for the fuzz targets")]
#[path = "../../../../fuzz/src/redis.rs"]
mod entries;

/// One change of a place in the input.
#[derive(Debug, Clone)]
enum Change {
    Put(Index, Vec<u8>),
    Cut(Index, u8),
    Twice(Index, u8),
    End(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let words = [
        "\r\n",
        "*",
        "$",
        "-1",
        "0",
        "18446744073709551616",
        "$-1\r\n",
        "*1\r\n",
        "nan",
        "\0",
        "\"",
        "999999",
    ];
    let words = proptest::sample::select(words.map(|word| word.as_bytes().to_vec()).to_vec());
    let put = prop_oneof![words, proptest::collection::vec(any::<u8>(), 1..4)];
    prop_oneof![
        4 => (any::<Index>(), put).prop_map(|(at, bytes)| Change::Put(at, bytes)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, len)| Change::Cut(at, len)),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, len)| Change::Twice(at, len)),
        1 => any::<Index>().prop_map(Change::End),
    ]
}

fn changed(seed: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for change in changes {
        let place = |at: &Index| at.index(bytes.len() + 1);
        let end = |at: usize, len: &u8| (at + usize::from(*len)).min(bytes.len());
        match change {
            Change::Put(at, put) => {
                let at = place(at);
                bytes.splice(at..at, put.iter().copied());
            }
            Change::Cut(at, len) => {
                let at = place(at);
                let end = end(at, len);
                bytes.drain(at..end);
            }
            Change::Twice(at, len) => {
                let at = place(at);
                let piece = bytes[at..end(at, len)].to_vec();
                bytes.splice(at..at, piece);
            }
            Change::End(at) => bytes.truncate(at.index(bytes.len() + 1)),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_requests_are_read_the_same_however_they_are_cut(
        which in any::<Index>(), changes in proptest::collection::vec(change(), 0..6),
    ) {
        let seeds = &entries::seeds()["resp"];
        entries::resp(&changed(which.get::<Vec<u8>>(seeds), &changes));
    }

    #[test]
    fn mutated_requests_are_carried_out_or_refused(
        which in any::<Index>(), changes in proptest::collection::vec(change(), 0..6),
    ) {
        let seeds = &entries::seeds()["redis"];
        entries::commands(&changed(which.get::<Vec<u8>>(seeds), &changes));
    }
}
