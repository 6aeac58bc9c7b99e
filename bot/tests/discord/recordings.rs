//! `/record` and `/bundle`: what is kept, handed out and deleted, and who may do so.
use discord_sim::speaker::Voice;
use discord_sim::{Answer, UserId};
use serde_json::json;

use crate::stage::{LONG, Reply, Stage, With, get, only_bundle};

/// The bit "Manage Server".
const MANAGE_GUILD: u64 = 1 << 5;

/// A session with a few words of Alice's, recorded and sealed. Gives its id.
async fn record(stage: &Stage) -> String {
    let alice = stage.speaker("Alice").await;
    stage.join(alice.user()).await;
    stage.command(alice.user(), "/consent grant").await;
    alice.wait_for_key_with(&[stage.bot()], LONG).await.unwrap();
    alice.speak_text("This is worth keeping.", &Voice::named("en-us")).await.unwrap();
    stage.command(alice.user(), "/voice leave").await;
    alice.leave().await;
    only_bundle(&stage.data()).file_name().unwrap().to_str().unwrap().to_owned()
}

async fn export(stage: &Stage, who: UserId, session: &str) -> Answer {
    stage.command_with(who, "/bundle export", json!({ "session": session })).await
}

/// The link of an answer: its path, and all of it.
fn link(answer: &Answer) -> (String, String) {
    let words = answer.content();
    let url = words.split('<').find(|part| part.starts_with("http")).unwrap().split('>').next().unwrap();
    let path = url.splitn(4, '/').nth(3).unwrap();
    (format!("/{path}"), url.to_owned())
}

/// The ledger's rows of a session.
async fn rows_of(stage: &Stage, session: &str) -> usize {
    let store = store::open(&stage.data().join("ledger.db").display().to_string()).await.unwrap();
    let rows = store.read(session.parse().unwrap(), 0, 10_000).await.unwrap();
    store.close().await;
    rows.len()
}

fn refused(answer: &Answer) -> bool {
    answer.ephemeral() && answer.content().contains("Manage Server")
}

#[tokio::test(flavor = "multi_thread")]
async fn recording_stops_and_restarts_while_listening_goes_on() {
    let stage = Stage::set(With::default()).await;
    let (alice, owner) = (stage.speaker("Alice").await, stage.sim.owner_id());
    let nowhere = stage.command(owner, "/record start").await;
    assert!(nowhere.content().contains("in no voice channel"), "{nowhere:?}");
    stage.join(alice.user()).await;
    stage.command(alice.user(), "/consent grant").await;
    let status = stage.command(owner, "/record status").await;
    assert!(status.content().contains("I have been recording session"), "{status:?}");
    assert!(stage.command(owner, "/record start").await.content().contains("already"));

    let outsider = stage.command(alice.user(), "/record stop").await;
    assert!(refused(&outsider), "{outsider:?}");
    let stopped = stage.command(owner, "/record stop").await;
    assert!(stopped.content().contains("I no longer record sound") && !stopped.ephemeral(), "{stopped:?}");
    let again = stage.command(owner, "/record stop").await;
    assert!(again.content().contains("No sound is being recorded"), "{again:?}");
    let status = stage.command(alice.user(), "/voice status").await;
    assert!(
        status.content().contains("I am listening")
            && status.content().contains("No sound is being recorded")
    );

    // It still speaks, and nothing of that is in what was kept: that is sealed already.
    let first = only_bundle(&stage.data());
    let sealed = async { while bundle::Reader::open(&first).is_err() {} };
    tokio::time::timeout(LONG, sealed).await.unwrap();
    alice.wait_for_key_with(&[stage.bot()], LONG).await.unwrap();
    stage.command_with(alice.user(), "/say", json!({ "text": "Nobody keeps this." })).await;
    alice.wait_until_hearing(stage.bot(), LONG).await.unwrap();
    let reader = bundle::Reader::open(&first).unwrap();
    assert!(reader.verify(|_, _| {}).unwrap().whole());
    assert_eq!(reader.manifest().end_reason, "stopped by /record stop");

    let from = stage.sim.events().cursor();
    let started = stage.command(owner, "/record start").await;
    assert!(started.content().contains("recording again"), "{started:?}\n{}", stage.logs());
    stage.bot_is(from, None).await;
    stage.bot_is(from, Some(stage.sim.voice_channel_id())).await;
    let status = stage.command(alice.user(), "/voice status").await;
    assert!(status.content().contains("I am recording."), "{status:?}");
    stage.command(alice.user(), "/voice leave").await;
    let guild = first.parent().unwrap();
    let kept: Vec<_> = std::fs::read_dir(guild).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(kept.len(), 2, "{kept:?}");
    for bundle in kept {
        let reader = bundle::Reader::open(&bundle).unwrap();
        assert!(reader.verify(|_, _| {}).unwrap().whole());
        let replayed = orchestrator::replay::bundle::verify_bundle(&reader).unwrap();
        assert!(replayed.identical(), "{}", bundle.display());
        let inputs = std::fs::read_to_string(bundle.join("inputs.jsonl")).unwrap();
        assert!(!inputs.contains("Nobody keeps this"));
    }
    stage.audited("recording_stopped", &owner.to_string()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_managers_list_export_and_delete() {
    let stage = Stage::set(With::default()).await;
    let session = record(&stage).await;
    let (owner, mallory) = (stage.sim.owner_id(), stage.sim.add_user("Mallory"));
    for (command, options) in [
        ("/bundle list", json!({})),
        ("/bundle export", json!({ "session": session })),
        ("/bundle delete", json!({ "session": session })),
    ] {
        let answer = stage.command_with(mallory, command, options).await;
        assert!(refused(&answer), "{command}: {answer:?}");
    }
    let row = stage.audited("command_refused", &mallory.to_string()).await;
    assert!(row.contains("bundle list"), "{row}");
    let typed =
        stage.sim.autocomplete(mallory, "/bundle export", &json!({ "session": "" }), "session").unwrap();
    assert_eq!(
        typed.answer(LONG).await.unwrap().choices(),
        [],
        "a member who may not use it is offered none"
    );

    let listed = stage.command(owner, "/bundle list").await;
    assert!(listed.ephemeral() && listed.content().contains(&session), "{listed:?}");
    let typed =
        stage.sim.autocomplete(owner, "/bundle export", &json!({ "session": "0" }), "session").unwrap();
    let choices = typed.answer(LONG).await.unwrap().choices();
    assert_eq!(choices, [(session.clone(), json!(session))]);
    let exported = export(&stage, owner, &session).await;
    assert!(exported.ephemeral(), "{exported:?}");
    let file = &exported.message.as_ref().unwrap().attachments[0];
    assert_eq!(file.filename, format!("{session}.tar.zst"));
    assert_eq!(&file.data[..4], [0x28, 0xb5, 0x2f, 0xfd], "a zstd frame begins like this");
    let nonsense = export(&stage, owner, "../../etc/passwd").await;
    assert!(nonsense.content().contains("no session id"), "{nonsense:?}");
    let unknown = export(&stage, owner, "01890a5d-ac96-774b-bcce-b302099a8057").await;
    assert!(unknown.content().contains("no such session"), "{unknown:?}");

    let asked = stage.command_with(owner, "/bundle delete", json!({ "session": session })).await;
    let question = asked.message.as_ref().unwrap();
    assert!(question.ephemeral && question.content.contains("The ledger keeps its rows"), "{question:?}");
    assert!(!question.content.contains("for good"), "not everything goes: {question:?}");
    let bundle = only_bundle(&stage.data());
    // An ephemeral message is seen by the asker alone, but its button's id is no secret.
    let forged = stage.press(mallory, question.id, &format!("bundle:delete:{session}")).await;
    assert!(forged.content().contains("Manage Server"), "{forged:?}");
    assert!(bundle.is_dir());
    let asked = stage.command_with(owner, "/bundle delete", json!({ "session": session })).await;
    let question = asked.message.as_ref().unwrap().id;
    stage.press(owner, question, "bundle:keep").await;
    assert!(bundle.is_dir());
    let asked = stage.command_with(owner, "/bundle delete", json!({ "session": session })).await;
    let question = asked.message.as_ref().unwrap().id;
    let deleted = stage.press(owner, question, &format!("bundle:delete:{session}")).await;
    assert!(deleted.content().contains("is deleted"), "{deleted:?}");
    assert!(deleted.content().contains("The ledger keeps its rows"), "{deleted:?}");
    assert!(rows_of(&stage, &session).await > 0, "and so it does");
    assert!(deleted.message.as_ref().unwrap().components.is_empty(), "the question is answered");
    assert!(!bundle.exists());
    stage.audited("bundle_deleted", &owner.to_string()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_role_stands_in_for_manage_server() {
    let stage = Stage::set(With::env("ANTIPHON_ADMIN_ROLES", "4242")).await;
    let (alice, steward) = (stage.seated("Alice"), stage.sim.add_user("Steward"));
    stage.join(alice).await;
    let session = only_bundle(&stage.data()).file_name().unwrap().to_str().unwrap().to_owned();
    assert!(refused(&stage.command(steward, "/bundle list").await));
    stage.sim.grant(steward, "managers", MANAGE_GUILD);
    let running = stage.command_with(steward, "/bundle delete", json!({ "session": session })).await;
    assert!(running.content().contains("still running"), "{running:?}");
    let helper = stage.sim.add_user("Helper");
    stage.sim.grant_role(helper, discord_sim::RoleId(4242), "helpers", 0);
    let listed = stage.command(helper, "/bundle list").await;
    assert!(listed.content().contains(&session), "{listed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_recordings_come_by_a_signed_link() {
    // A limit that no archive keeps to, and two guilds' folders in one process.
    let port = free_port();
    let with = With { attachment_limit: Some(1), ..With::default() }
        .and("ANTIPHON_HTTP", format!("127.0.0.1:{port}"))
        .and("ANTIPHON_PUBLIC_URL", format!("http://127.0.0.1:{port}/"))
        .and("ANTIPHON_LINK_KEY", "a key of the operator's");
    let stage = Stage::set(with).await;
    let session = record(&stage).await;
    let owner = stage.sim.owner_id();
    let answer = export(&stage, owner, &session).await;
    assert!(answer.ephemeral() && answer.content().contains("too much for an attachment"), "{answer:?}");
    let (path, url) = link(&answer);
    assert!(!url.contains(stage.home.path().to_str().unwrap()), "nothing of the disk is in it: {url}");
    // A HEAD request is answered, and nothing is packed for it.
    let asked = crate::stage::request(stage.http, "HEAD", &path).await;
    assert!(asked.status == 200 && asked.body.is_empty() && asked.head.contains("zstd"), "{}", asked.head);
    let counted = |result: &str| format!("antiphon_bundle_links_total{{result=\"{result}\"}} 1");
    let metrics = get(stage.http, "/metrics").await.text();
    assert!(metrics.contains(&counted("asked")) && !metrics.contains("result=\"sent\""), "{metrics}");
    let got = get(stage.http, &path).await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(&got.body[..4], [0x28, 0xb5, 0x2f, 0xfd]);
    let length = format!("content-length: {}", got.body.len());
    assert!(got.head.to_lowercase().contains(&length) && got.head.contains("no-store"), "{}", got.head);
    unpacks_to_the_bundle(&stage, &got);
    stage.audited("bundle_downloaded", "link").await;

    // Another guild has a session of the same name: the link does not reach it, bent or not.
    let guild = stage.sim.guild_id().to_string();
    let mine = only_bundle(&stage.data());
    let theirs = stage.data().join("bundles/4242").join(&session);
    std::fs::create_dir_all(theirs.parent().unwrap()).unwrap();
    let copied = std::process::Command::new("cp").arg("-r").args([&mine, &theirs]).status().unwrap();
    assert!(copied.success());
    let bent = [
        path.replace(&guild, "4242"),
        path.replace(&format!("/{guild}/"), &format!("/{guild}%2f..%2f4242/")),
        path.replace(&session, "01890a5d-ac96-774b-bcce-b302099a8057"),
        path.replace("expires=1", "expires=2"),
        path.replace("format=archive", "format=wav"),
        path.replace("format=archive", "format=archive%00"),
        path.split("&signature").next().unwrap().to_owned(),
        format!("{path}0"),
        format!("/bundles/{guild}/{session}"),
        format!("/bundles/{guild}/..%2f..%2fledger.db"),
    ];
    for bent in bent {
        let got = get(stage.http, &bent).await;
        assert_eq!(got.status, 403, "{bent}: {}", got.text());
        assert!(got.text().contains("not valid") && !got.text().contains(&session), "{}", got.text());
    }
    let wandering = get(stage.http, &format!("/bundles/{guild}/../{guild}/{session}")).await;
    assert_ne!(wandering.status, 200);

    // Once it is deleted, the link gives nothing more.
    let asked = stage.command_with(owner, "/bundle delete", json!({ "session": session })).await;
    stage.press(owner, asked.message.unwrap().id, &format!("bundle:delete:{session}")).await;
    assert!(theirs.is_dir() && !mine.exists(), "the other guild's is untouched");
    let gone = get(stage.http, &path).await;
    assert_eq!(gone.status, 410, "{}", gone.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_expires_and_needs_a_public_address() {
    let port = free_port();
    let with = With { attachment_limit: Some(1), ..With::default() }
        .and("ANTIPHON_HTTP", format!("127.0.0.1:{port}"))
        .and("ANTIPHON_PUBLIC_URL", format!("http://127.0.0.1:{port}"))
        .and("ANTIPHON_LINK_MINUTES", "0");
    let stage = Stage::set(with).await;
    let session = record(&stage).await;
    let answer = export(&stage, stage.sim.owner_id(), &session).await;
    let (path, _) = link(&answer);
    let expired = async {
        loop {
            let got = get(stage.http, &path).await;
            if got.status != 200 {
                return got;
            }
        }
    };
    let got = tokio::time::timeout(LONG, expired).await.unwrap();
    assert_eq!(got.status, 410, "{}", got.text());
    assert!(got.text().contains("has expired"), "{}", got.text());
    drop(stage);

    let stage = Stage::set(With { attachment_limit: Some(1), ..With::default() }).await;
    let session = record(&stage).await;
    let answer = export(&stage, stage.sim.owner_id(), &session).await;
    assert!(answer.content().contains("ANTIPHON_PUBLIC_URL"), "it says how to fix that: {answer:?}");
    assert_eq!(get(stage.http, &format!("/bundles/1/{session}?signature=00")).await.status, 403);
}

fn unpacks_to_the_bundle(stage: &Stage, got: &Reply) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.tar.zst");
    std::fs::write(&file, &got.body).unwrap();
    let unpacked = std::process::Command::new("tar")
        .args(["--zstd", "-xf"])
        .arg(&file)
        .arg("-C")
        .arg(folder.path())
        .status()
        .unwrap();
    assert!(unpacked.success());
    let manifest = std::fs::read(only_bundle(&stage.data()).join("manifest.json")).unwrap();
    let found = std::process::Command::new("find")
        .arg(folder.path())
        .args(["-name", "manifest.json"])
        .output()
        .unwrap();
    let path = String::from_utf8(found.stdout).unwrap();
    assert_eq!(std::fs::read(path.trim()).unwrap(), manifest);
}

/// A port that was free a moment ago: the bot gets its public address before it is there.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_use_what_is_declared_to_discord() {
    let stage = Stage::set(With::default()).await;
    let declared = stage.sim.declared_commands();
    let names: Vec<&str> = declared.iter().filter_map(|command| command["name"].as_str()).collect();
    assert_eq!(names.len(), 8, "{names:?}");
    for command in &declared {
        let name = command["name"].as_str().unwrap();
        let managed = ["record", "bundle", "sandbox"].contains(&name);
        let wanted = if managed { json!(MANAGE_GUILD.to_string()) } else { json!(null) };
        let held = &command["default_member_permissions"];
        assert!(*held == wanted || (!managed && *held == "0"), "{name}: {held}");
    }
    let bundle = declared.iter().find(|command| command["name"] == "bundle").unwrap();
    for sub in bundle["options"].as_array().unwrap() {
        let completes = sub["options"][0]["autocomplete"] == true;
        assert_eq!(completes, sub["name"] != "list", "{sub}");
    }
}
