//! The situations of a call.
use super::call::Call;
use crate::ids::UserId;
use crate::trace::Event;

#[test]
fn two_members_form_a_group_and_hear_each_other() {
    let mut call = Call::new();
    call.join(&[1]);
    assert_eq!(call.epoch(), (0, vec![]), "one alone needs no group");
    call.join(&[2]);
    assert_eq!(call.epoch(), (1, vec![1, 2]));
    assert_eq!(call.ignored(), ["another one won"], "both committed; the first one won");
    call.assert_all_hear_all();
}

#[test]
fn joiners_in_any_order_end_in_one_epoch() {
    let mut one_by_one = Call::new();
    one_by_one.join(&[1, 2, 3, 4]);
    assert_eq!(one_by_one.epoch(), (3, vec![1, 2, 3, 4]));
    one_by_one.assert_all_hear_all();

    let mut at_once = Call::new();
    for user in 1..=5 {
        at_once.enter(user);
    }
    at_once.settle();
    assert_eq!(at_once.epoch().1, [1, 2, 3, 4, 5]);
    at_once.assert_all_hear_all();
}

#[test]
fn a_leavers_leaf_is_given_to_the_next_joiner() {
    let mut call = Call::new();
    call.join(&[1, 2, 3]);
    call.leave(2);
    call.settle();
    assert_eq!(call.epoch(), (3, vec![1, 3]));
    call.join(&[4]);
    assert_eq!(call.epoch(), (4, vec![1, 3, 4]));
    call.assert_all_hear_all();
    call.leave(4);
    call.settle();
    call.assert_all_hear_all();
}

#[test]
fn the_creator_can_leave() {
    let mut call = Call::new();
    call.join(&[1, 2, 3]);
    call.leave(1);
    call.settle();
    assert_eq!(call.epoch().1, [2, 3]);
    call.assert_all_hear_all();
}

#[test]
fn a_lone_member_starts_over_and_can_be_joined() {
    let mut call = Call::new();
    call.join(&[1, 2]);
    call.leave(2);
    call.settle();
    assert!(matches!(call.events.last(), Some(Event::DaveReset { .. })));
    call.join(&[2]);
    assert_eq!(call.epoch(), (1, vec![1, 2]));
    call.assert_all_hear_all();
    call.leave(1);
    call.leave(2);
    call.join(&[3, 4]);
    call.assert_all_hear_all();
}

#[test]
fn a_join_during_a_transition_waits_for_its_end() {
    let mut call = Call::new();
    call.join(&[1, 2]);
    call.enter(3);
    // The key package, then the first commit: the transition is on, and no member is ready yet.
    assert!(call.answer(0) && call.answer(0));
    let committed =
        |call: &Call| call.events.iter().filter(|event| matches!(event, Event::DaveCommitted { .. })).count();
    assert_eq!(committed(&call), 2);
    call.enter(4);
    let proposed =
        |call: &Call| call.events.iter().filter(|event| matches!(event, Event::DaveProposed { .. })).count();
    let before = proposed(&call);
    while call.epoch().0 < 2 {
        assert_eq!(proposed(&call), before, "no second batch before the first one's end");
        assert!(call.answer(0));
    }
    call.settle();
    assert_eq!(call.epoch().1, [1, 2, 3, 4]);
    call.assert_all_hear_all();
}

#[test]
fn a_joiner_that_leaves_early_is_added_and_removed() {
    let mut call = Call::new();
    call.join(&[1, 2]);
    call.enter(3);
    assert!(call.answer(0), "its key package: the proposals are out");
    call.leave(3);
    call.settle();
    assert_eq!(call.epoch().1, [1, 2]);
    call.assert_all_hear_all();
}

#[test]
fn a_member_that_never_acknowledges_delays_only_until_the_timeout() {
    let mut call = Call::new();
    call.join(&[1, 2, 3]);
    call.clients.get_mut(&2).unwrap().dead = true;
    call.join(&[4]);
    assert_eq!(call.epoch().0, 2, "still waiting");
    assert!(call.wait());
    let Some(Event::DaveEpoch { missing, epoch, .. }) =
        call.events.iter().rev().find(|event| matches!(event, Event::DaveEpoch { .. }))
    else {
        panic!("no epoch")
    };
    assert_eq!((*epoch, missing.as_slice()), (3, &[UserId(2)][..]));
    call.assert_all_hear_all();
}

#[test]
fn a_session_without_a_connection_is_not_waited_for() {
    let mut call = Call::new();
    call.join(&[1, 2, 3]);
    call.clients.get_mut(&2).unwrap().dead = true;
    let now = call.now;
    call.group.attach(now, UserId(2), false);
    call.join(&[4]);
    assert_eq!(call.epoch().0, 3);
    call.assert_all_hear_all();
}

#[test]
fn a_lost_commit_is_recovered_from_at_the_next_one() {
    let mut call = Call::new();
    call.join(&[1, 2, 3]);
    call.clients.get_mut(&2).unwrap().loses.push(29);
    call.enter(4);
    call.settle();
    assert!(call.wait(), "2 never acknowledges");
    call.settle();
    call.join(&[5]);
    while call.wait() {
        call.settle();
    }
    assert!(
        call.events.contains(&Event::DaveInvalid { channel: crate::ids::ChannelId(77), user: UserId(2) })
    );
    let recovery = call.events.iter().rev().find_map(|event| match event {
        Event::DaveProposed { adds, removes, .. } => Some((adds.clone(), removes.clone())),
        _ => None,
    });
    assert_eq!(recovery, Some((vec![UserId(2)], vec![UserId(2)])), "removed and added in one batch");
    assert_eq!(call.epoch().1, [1, 2, 3, 4, 5]);
    call.assert_all_hear_all();
}

#[test]
fn a_lost_welcome_is_recovered_too() {
    let mut call = Call::new();
    call.join(&[1, 2]);
    call.enter(3);
    call.clients.get_mut(&3).unwrap().loses.push(30);
    call.settle();
    while call.wait() {
        call.settle();
    }
    // Nothing shows that 3 is deaf, until the next commit.
    call.join(&[4]);
    while call.wait() {
        call.settle();
    }
    assert_eq!(call.epoch().1, [1, 2, 3, 4]);
    call.assert_all_hear_all();
}

#[test]
fn uncommitted_proposals_are_revoked_and_made_again() {
    let mut call = Call::new();
    call.join(&[1, 2]);
    for user in [1, 2] {
        call.clients.get_mut(&user).unwrap().loses.push(27);
    }
    call.join(&[3]);
    assert_eq!(call.epoch().1, [1, 2]);
    assert!(call.wait());
    call.settle();
    assert!(call.events.iter().any(|event| matches!(event, Event::DaveRevoked { .. })));
    assert_eq!(call.epoch().1, [1, 2, 3]);
    call.assert_all_hear_all();
}

#[test]
fn when_nobody_can_commit_all_start_over() {
    let mut call = Call::new();
    call.join(&[1, 2]);
    for user in [1, 2] {
        let client = call.clients.get_mut(&user).unwrap();
        client.loses.extend([27, 27, 27]);
    }
    call.join(&[3]);
    for _ in 0..4 {
        call.wait();
        call.settle();
    }
    assert!(call.events.iter().any(|event| matches!(event, Event::DaveReset { .. })));
    while call.wait() {
        call.settle();
    }
    assert_eq!(call.epoch().1, [1, 2, 3]);
    call.assert_all_hear_all();
}

#[test]
fn a_user_with_a_new_session_is_removed_and_added() {
    let mut call = Call::new();
    call.join(&[1, 2, 3]);
    call.leave(2);
    call.enter(2);
    call.settle();
    assert_eq!(call.epoch().1, [1, 2, 3]);
    call.assert_all_hear_all();
}

#[test]
fn nonsense_instead_of_mls_messages_is_refused() {
    let mut call = Call::new();
    call.join(&[1, 2]);
    call.enter(3);
    call.answer(0);
    let now = call.now;
    call.group.commit(now, UserId(1), b"nonsense");
    assert!(call.group.key_package(now, UserId(1), b"nonsense").is_err());
    call.settle();
    assert_eq!(call.epoch().1, [1, 2, 3]);
    call.assert_all_hear_all();
}

#[test]
fn somebody_elses_key_package_is_refused() {
    let mut call = Call::new();
    call.join(&[1]);
    let package = call.clients.get_mut(&1).unwrap().session.create_key_package().unwrap();
    let refused = call.group.key_package(call.now, UserId(9), &package).unwrap_err();
    assert!(refused.contains("user's id"), "{refused}");
}
