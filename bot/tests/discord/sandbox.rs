//! `/sandbox on|off|status`: the sandbox lane of a guild, switched while nothing runs and in the middle of a session.
use antiphon_core::ids::Lane;
use bundle::Reader;
use discord_sim::UserId;
use serde_json::json;

use crate::stage::{LONG, Stage, With, only_bundle};

async fn status(stage: &Stage) -> String {
    let answer = stage.command(stage.sim.owner_id(), "/sandbox status").await;
    assert!(answer.ephemeral(), "{answer:?}");
    answer.content().to_owned()
}

async fn ask(stage: &Stage, user: UserId, question: &str) {
    let answer = stage.command_with(user, "/ask", json!({ "question": question })).await;
    assert!(!answer.content().is_empty(), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lane_is_switched_and_reported_without_a_session() {
    let stage = Stage::set(With::env("ANTIPHON_MIRROR_ENABLED", "false")).await;
    let owner = stage.sim.owner_id();
    let before = status(&stage).await;
    assert!(
        before.contains("The sandbox lane is off") && before.contains("No session is running"),
        "{before}"
    );
    let on = stage.command(owner, "/sandbox on").await;
    assert!(on.ephemeral() && on.content().contains("only writes down"), "{on:?}");
    assert!(status(&stage).await.contains("The sandbox lane is on"));
    let changed = stage.audited("flag_changed", &owner.to_string()).await;
    assert!(changed.contains("sandbox.mirror_enabled") && changed.contains("false -> true"), "{changed}");
    let off = stage.command(owner, "/sandbox off").await;
    assert!(off.content().contains("no longer follows"), "{off:?}");
    assert!(status(&stage).await.contains("The sandbox lane is off"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lane_follows_a_session_only_while_it_is_on() {
    let with = With::env("ANTIPHON_MIRROR_ENABLED", "false").and("ANTIPHON_SPOKEN_NOTICE", "false");
    let stage = Stage::set(with).await;
    let (alice, owner) = (stage.seated("Alice"), stage.sim.owner_id());
    stage.join(alice).await;
    ask(&stage, alice, "What is one plus one?").await;
    assert!(status(&stage).await.contains("This session: 1 turns so far"), "{}", status(&stage).await);

    stage.command(owner, "/sandbox on").await;
    ask(&stage, alice, "What is two plus two?").await;
    let following = async { while !status(&stage).await.contains("the sandbox lane follows") {} };
    tokio::time::timeout(LONG, following).await.unwrap();

    stage.command(owner, "/sandbox off").await;
    ask(&stage, alice, "What is three plus three?").await;
    let stopped = async { while status(&stage).await.contains("the sandbox lane follows") {} };
    tokio::time::timeout(LONG, stopped).await.unwrap();
    stage.command(alice, "/voice leave").await;

    let reader = Reader::open(&only_bundle(&stage.data())).unwrap();
    assert!(reader.verify(|_, _| {}).unwrap().whole());
    let turns = |lane| {
        let actions = reader.actions(lane).unwrap().map(Result::unwrap);
        let turns: std::collections::BTreeSet<u32> =
            actions.filter_map(|line| line.action.turn()).map(|turn| turn.0).collect();
        turns.len()
    };
    assert_eq!(turns(Lane::Production), 3);
    assert!((1..3).contains(&turns(Lane::Sandbox)), "{}", turns(Lane::Sandbox));
}
