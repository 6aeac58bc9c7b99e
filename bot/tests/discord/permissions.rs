//! Who may use what: every command as `docs/commands.md` lists it, and every HTTP route.
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::stage::{Stage, With, get, request, request_with};

/// What the commands are given that need something.
fn options(command: &str) -> Value {
    match command {
        "/ask" => json!({ "question": "What is two plus two?" }),
        "/say" => json!({ "text": "Hello." }),
        "/consent policy" => json!({ "choice": 0 }),
        "/bundle export" | "/bundle delete" => json!({ "session": "019a0000-0000-7000-8000-000000000000" }),
        _ => json!({}),
    }
}

/// Every command, and whether it takes a manager.
fn commands() -> BTreeMap<String, bool> {
    let table = antiphon::discord::reference();
    let rows = table.lines().skip(2).map(|row| row.split(" | ").collect::<Vec<_>>());
    rows.map(|row| (row[0].trim_matches(['|', ' ', '`']).to_owned(), row[2].starts_with("Manage Server")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_is_open_to_those_it_is_meant_for() {
    let stage = Stage::set(With::env("ANTIPHON_ADMIN_ROLES", "4242")).await;
    let (member, owner) = (stage.sim.add_user("Mallory"), stage.sim.owner_id());
    let trusted = stage.sim.add_user("Trudy");
    stage.sim.grant_role(trusted, discord_sim::RoleId(4242), "keepers", 0);
    let commands = commands();
    assert!(commands.len() >= 19, "{commands:?}");
    assert_eq!(commands.values().filter(|managed| **managed).count(), 10, "{commands:?}");
    for (command, managed) in &commands {
        let refused = async |user| {
            let answer = stage.command_with(user, command, options(command)).await;
            let refused = answer.content().contains("Manage Server");
            assert!(!refused || answer.ephemeral(), "{command}: {answer:?}");
            refused
        };
        assert_eq!(refused(member).await, *managed, "{command} by an ordinary member");
        assert!(!refused(owner).await, "{command} by the owner");
        assert!(!refused(trusted).await, "{command} by a member with a named role");
        if *managed {
            stage.audited("command_refused", &member.to_string()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_is_open_to_those_it_is_meant_for() {
    let stage = Stage::set(With::env("ANTIPHON_ADMIN_TOKEN", "right")).await;
    let forged =
        "/bundles/1/019a0000-0000-7000-8000-000000000000?format=archive&expires=9999999999&signature=00";
    let routes = [
        // The path, without a token, with a wrong one, with the right one.
        ("/health", 200, 200, 200),
        ("/ready", 200, 200, 200),
        ("/metrics", 200, 200, 200),
        ("/debug/config", 401, 401, 200),
        (forged, 403, 403, 403),
        ("/bundles/x/y", 403, 403, 403),
        ("/bundles", 404, 404, 404),
        ("/admin/feature-flags", 404, 404, 404),
        ("/", 404, 404, 404),
    ];
    for (path, without, wrong, right) in routes {
        assert_eq!(get(stage.http, path).await.status, without, "{path}");
        for (token, wanted) in [("Bearer wrong", wrong), ("Bearer right", right), ("right", without)] {
            let reply = request_with(stage.http, "GET", path, &[("Authorization", token)]).await;
            assert_eq!(reply.status, wanted, "{path} with {token}");
        }
        if without != 404 {
            for method in ["POST", "PUT", "DELETE"] {
                assert_eq!(request(stage.http, method, path).await.status, 405, "{method} {path}");
            }
        }
    }
    let shown =
        request_with(stage.http, "GET", "/debug/config", &[("Authorization", "Bearer right")]).await.text();
    for secret in ["right", stage.sim.bot_token()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_admin_token_debug_is_closed() {
    let stage = Stage::set(With::default()).await;
    for token in ["Bearer ", "Bearer x", ""] {
        let reply = request_with(stage.http, "GET", "/debug/config", &[("Authorization", token)]).await;
        assert_eq!(reply.status, 403, "{token}");
        assert!(reply.text().contains("ANTIPHON_ADMIN_TOKEN"), "{}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_never_sees_addresses_or_other_guilds_numbers() {
    let redis = rig::redis::Redis::start();
    let stage = Stage::set(With::env("ANTIPHON_REDIS_URL", redis.url())).await;
    let member = stage.sim.add_user("Mallory");
    let answer = stage.command(member, "/health").await;
    assert!(answer.ephemeral() && answer.content().contains("✅ redis"), "{answer:?}");
    for hidden in ["127.0.0.1", "redis://", "Sessions", &stage.data().display().to_string()] {
        assert!(!answer.content().contains(hidden), "{answer:?}");
    }
}
