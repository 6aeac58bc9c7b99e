//! Connections that fail, are refused, or are closed.
use std::time::Duration;

use discord_sim::client::{ClientError, TransportMode};
use discord_sim::speaker::{Speaker, SpeakerError, SpeakerOptions};

use crate::support::{Call, HUSH, PATIENCE, clip};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_websocket_is_resumed_within_a_sentence() {
    let call = Call::begin().await;
    let ([anna, ben], [a, b]) = call.pair().await;
    let says = clip("This sentence goes on while both of its ends lose their connections.", "en-us").await;
    let speaking = tokio::spawn({
        let (a, says) = (a.clone(), says.clone());
        async move { a.speak_clip(&says, "x").await.unwrap() }
    });
    b.wait_until_hearing(anna, PATIENCE).await.unwrap();
    a.client().cut().await.unwrap();
    b.client().cut().await.unwrap();
    speaking.await.unwrap();
    b.wait_until_silent(anna, HUSH, PATIENCE).await.unwrap();
    // A third one comes: both must still take part in the group.
    let cleo = call.sim.add_user("Cleo");
    let c = call.join(cleo, TransportMode::XChaCha20Poly1305).await;
    for speaker in [&a, &b] {
        speaker.wait_for_key_with(&[cleo], PATIENCE).await.unwrap();
    }
    c.wait_for_key_with(&[anna, ben], PATIENCE).await.unwrap();
    a.leave().await;
    let report = b.leave().await;
    assert_eq!(report.stats.reconnects, 1);
    assert_eq!(report.heard[0].stats.lost, 0);
    assert_eq!(report.heard[0].stats.frames, says.frames().len() as u64 + 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_and_missing_servers_are_named() {
    let call = Call::begin().await;
    let anna = call.sim.add_user("Anna");
    let good = call.sim.join_voice(anna, call.sim.voice_channel_id()).unwrap();
    let options = || SpeakerOptions::new(call.sim.ca_pem_path());
    let mut wrong = good.clone();
    wrong.token = "wrong".to_owned();
    let error = Speaker::join(wrong, options()).await.unwrap_err().to_string();
    assert!(error.contains("closed the session with 40"), "{error}");
    let mut nowhere = good.clone();
    nowhere.endpoint = "localhost:1".to_owned();
    let error = Speaker::join(nowhere, options()).await.unwrap_err().to_string();
    assert!(error.contains("wss://localhost:1") && error.contains("running there"), "{error}");
    let other = call.folder.path().join("another authority.pem");
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = authority.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    std::fs::write(&other, authority.pem()).unwrap();
    let error = Speaker::join(good, SpeakerOptions::new(other)).await.unwrap_err().to_string();
    assert!(error.to_lowercase().contains("certificate"), "another authority is not trusted: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn close_codes_lead_to_resuming_identifying_or_giving_up() {
    let call = Call::begin().await;
    let ([anna, ben], [a, b]) = call.pair().await;
    let hello = clip("Still here.", "en-us").await;

    call.sim.close_voice(anna, 4015).unwrap();
    a.speak_clip(&hello, "resumed").await.unwrap();
    b.wait_until_silent(anna, HUSH, PATIENCE).await.unwrap();
    // A session that is no longer valid is identified again: out of the group, and into it again.
    let mut status = a.client().watch();
    call.sim.faults().refuse_resume(anna, 1);
    call.sim.cut_voice(anna).unwrap();
    tokio::time::timeout(PATIENCE, status.wait_for(|status| status.epoch.is_none())).await.unwrap().unwrap();
    a.wait_for_key_with(&[ben], PATIENCE).await.unwrap();
    b.wait_for_key_with(&[anna], PATIENCE).await.unwrap();
    a.speak_clip(&hello, "identified again").await.unwrap();
    assert_eq!(a.client().stats().reconnects, 3, "the close, the cut, and the refused resume");
    b.wait_until_silent(anna, HUSH, PATIENCE).await.unwrap();

    call.sim.close_voice(anna, 4014).unwrap();
    tokio::time::timeout(PATIENCE, status.wait_for(|status| status.ended)).await.unwrap().unwrap();
    let said = a.speak_clip(&hello, "thrown out").await;
    assert_eq!(said.unwrap_err(), SpeakerError::Client(ClientError::Gone));
    let report = b.leave().await;
    let heard = report.heard.iter().find(|person| person.user == anna).unwrap();
    let once = hello.frames().len() as u64 + 5;
    assert_eq!(heard.stats.frames, 2 * once, "{:?}", heard.stats);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_dave_is_heard_as_plain() {
    let call = Call::begin().await;
    let channel = call.sim.add_voice_channel("Open", false);
    let mut speakers = Vec::new();
    for name in ["Anna", "Ben"] {
        let credentials = call.sim.join_voice(call.sim.add_user(name), channel).unwrap();
        speakers.push(Speaker::join(credentials, SpeakerOptions::new(call.sim.ca_pem_path())).await.unwrap());
    }
    let [a, b] = <[Speaker; 2]>::try_from(speakers).unwrap();
    assert_eq!(b.status().dave_version, 0);
    let hello = clip("In the open.", "en-us").await;
    let (_, report, _) = Call::speak(a, b, &hello).await;
    let stats = report.heard[0].stats;
    assert_eq!((stats.plain, stats.silence), (hello.frames().len() as u64, 5), "{stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_key_that_never_comes_ends() {
    let call = Call::begin().await;
    let anna = call.sim.add_user("Anna");
    let a = call.join(anna, TransportMode::Aes256Gcm).await;
    let waited = a.wait_for_key_with(&[call.sim.bot_id()], Duration::from_millis(200)).await;
    assert!(waited.unwrap_err().to_string().contains("no key shared"));
    // Alone, one speaks to nobody, in one's own time.
    let hello = clip("Anybody?", "en-us").await;
    let played = a.speak_clip(&hello, "Anybody?").await.unwrap();
    assert_eq!((played.sent, played.unsent as usize), (0, hello.frames().len()));
}
