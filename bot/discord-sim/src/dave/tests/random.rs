//! Random calls: members come, go, lose messages, in any order of answers. Once it is quiet, everybody who is still
//! there hears everybody.
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};

use super::call::Call;

fn play(seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut call = Call::new();
    for _ in 0..dice.random_range(10..60) {
        match dice.random_range(0..10) {
            0 | 1 => {
                let user = dice.random_range(1..=6);
                if !call.clients.contains_key(&user) {
                    call.enter(user);
                }
            }
            2 => {
                let user = dice.random_range(1..=6);
                if call.clients.contains_key(&user) {
                    call.leave(user);
                }
            }
            3 => {
                let lost = [27, 29, 30][dice.random_range(0..3)];
                let user = dice.random_range(1..=6);
                if let Some(client) = call.clients.get_mut(&user).filter(|client| client.loses.is_empty()) {
                    client.loses.push(lost);
                }
            }
            4 => {
                call.wait();
            }
            _ => {
                call.answer(dice.random_range(0..8));
            }
        }
    }
    for client in call.clients.values_mut() {
        client.loses.clear();
    }
    let quiet = |call: &mut Call| {
        call.settle();
        while call.wait() {
            call.settle();
        }
    };
    quiet(&mut call);
    // A member that lost a commit in silence is deaf until the next one; two more members bring it about.
    for user in [7, 8] {
        call.enter(user);
        quiet(&mut call);
    }
    let users: Vec<u64> = call.clients.keys().copied().collect();
    assert_eq!(call.epoch().1, users, "seed {seed}");
    call.assert_all_hear_all();
}

#[test]
fn random_calls_end_with_everybody_hearing_everybody() {
    let first = rand::random::<u64>() >> 8;
    for seed in first..first + 25 {
        // Named before it fails, so that it can be pinned below.
        eprintln!("seed {seed}");
        play(seed);
    }
}

#[test]
fn pinned_seeds() {
    for seed in 0..25 {
        play(seed);
    }
}

#[test]
fn commits_and_key_packages_changed_by_chance_harm_nothing() {
    let mut dice = StdRng::seed_from_u64(11);
    for _ in 0..20 {
        let mut call = Call::new();
        call.garble = Some(StdRng::seed_from_u64(dice.random()));
        for user in 1..=3 {
            call.enter(user);
            for _ in 0..40 {
                call.answer(0);
            }
        }
        call.garble = None;
        call.settle();
        // A commit whose signature was changed is announced, and its readers report it.
        while call.wait() {
            call.settle();
        }
        for user in [7, 8] {
            call.enter(user);
            call.settle();
            while call.wait() {
                call.settle();
            }
        }
        assert!(call.epoch().1.ends_with(&[7, 8]), "{:?}", call.epoch());
    }
}
