//! Bad links: what is lost is concealed and counted, and what comes late, twice or in disorder is put right.
use std::time::Duration;

use discord_sim::LinkFaults;
use discord_sim::client::BeforeKeys;
use discord_sim::speaker::{Recording, Speaker, SpeakerOptions};

use crate::support::{Call, PATIENCE, clip, find, samples, slack};

const TEXT: &str = "Peter Piper picked a peck of pickled peppers, and sells sea shells by the shore.";

#[tokio::test(flavor = "multi_thread")]
async fn lost_packets_are_concealed_in_their_place() {
    let call = Call::begin().await;
    let ([anna, ben], [a, b]) = call.pair().await;
    call.sim.faults().set_receiver(ben, LinkFaults::lossy(0.05));
    let says = clip(TEXT, "en-us").await;
    let (played, report, started) = Call::speak(a, b, &says).await;
    let stats = report.heard[0].stats;
    assert!(stats.lost > 0 && stats.concealed > 0, "{stats:?}");
    assert!(stats.frames + stats.lost <= says.frames().len() as u64 + 5, "{stats:?}");
    let near = samples(started, played.started);
    let (alike, at) = find(&says.decoded().unwrap(), &Call::recorded(&report, anna), near, 1200);
    let slack = slack(&report, anna, started, &played);
    assert!(alike > 0.7 && at.abs_diff(near) <= slack, "{alike} alike at {at}, not {near}; {stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn disorder_doubles_padding_and_extensions_change_nothing_of_the_sound() {
    let call = Call::begin().await;
    let ([anna, ben], [a, b]) = call.pair().await;
    let faults = LinkFaults {
        reorder: 0.1,
        duplicate: 0.1,
        jitter_ms: 10,
        padding: true,
        extension: true,
        ..LinkFaults::NONE
    };
    call.sim.faults().set_receiver(ben, faults);
    let says = clip(TEXT, "en-us").await;
    let (played, report, started) = Call::speak(a, b, &says).await;
    let stats = report.heard[0].stats;
    // The very first packet may be overtaken: then it comes too late, or DAVE refuses it (its nonce precedes all known).
    let refused = report.stats.dropped_undecryptable;
    assert!(stats.lost == 0 && stats.late + refused <= 2, "{stats:?} {:?}", report.stats);
    assert_eq!(stats.frames + stats.late + refused, says.frames().len() as u64 + 5, "{stats:?}");
    assert!(report.stats.duplicates > 0, "{:?}", report.stats);
    let near = samples(started, played.started);
    let (alike, at) = find(&says.decoded().unwrap(), &Call::recorded(&report, anna), near, 1200);
    let slack = slack(&report, anna, started, &played);
    assert!(alike > 0.99 && at.abs_diff(near) <= slack, "{alike} alike at {at}, not {near}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_owner_costs_no_sound() {
    let call = Call::begin().await;
    let ([_, ben], [a, b]) = call.pair().await;
    let late = LinkFaults { late_speaking_ms: 600, ..LinkFaults::NONE };
    call.sim.faults().set_receiver(ben, late);
    let says = clip("Who am I?", "en-us").await;
    let (_, report, _) = Call::speak(a, b, &says).await;
    assert_eq!(report.heard[0].stats.frames, says.frames().len() as u64 + 5, "{:?}", report.stats);
    assert_eq!((report.stats.dropped_ownerless, report.stats.dropped_undecryptable), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn before_keys_speech_waits_or_goes_unencrypted() {
    for (before_keys, plain) in [(BeforeKeys::Hold, false), (BeforeKeys::Plaintext, true)] {
        let call = Call::begin().await;
        let [anna, ben] = ["Anna", "Ben"].map(|name| call.sim.add_user(name));
        let late = LinkFaults { late_keys_ms: 1500, ..LinkFaults::NONE };
        call.sim.faults().set_channel(call.sim.voice_channel_id(), late);
        let mut speakers = Vec::new();
        for user in [anna, ben] {
            let credentials = call.sim.join_voice(user, call.sim.voice_channel_id()).unwrap();
            let folder = call.folder.path().join(user.to_string());
            let mut options =
                SpeakerOptions::new(call.sim.ca_pem_path()).record(Recording::into_folder(folder));
            options.client.before_keys = before_keys;
            speakers.push(Speaker::join(credentials, options).await.unwrap());
        }
        let [a, b] = <[Speaker; 2]>::try_from(speakers).unwrap();
        let mut status = a.client().watch();
        let met = status.wait_for(|status| status.others.contains(&ben));
        tokio::time::timeout(PATIENCE, met).await.unwrap().unwrap();
        assert_eq!(a.status().epoch, None, "the keys are late");
        let says = clip("This was said at once, before anybody had a key.", "en-us").await;
        let (played, report, _) = Call::speak(a, b, &says).await;
        let stats = report.heard[0].stats;
        assert_eq!(stats.plain > 0, plain, "{before_keys:?}: {stats:?}");
        assert_eq!(played.unsent, 0);
        assert!(stats.frames - stats.plain > 10, "with keys, the rest was encrypted: {stats:?}");
        assert!(played.ended - played.started >= Duration::from_millis(20) * played.sent);
    }
}
