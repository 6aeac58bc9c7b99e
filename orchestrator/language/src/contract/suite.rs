//! The contract, run against each implementation.
use std::sync::Arc;

use antiphon_core::event::{GenerationRequest, Message, ReplyStyle, Role};
use antiphon_core::time::{ManualClock, Timestamp};
use jiff::tz::TimeZone;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::server::{Answer, Server, piece, reply};
use crate::offline::Offline;
use crate::pool::Pool;
use crate::stream::by_sentence;
use crate::{Finish, LanguageError, LanguageModel};
use antiphon_core::breaker::BreakerSettings;

pub(super) fn request(text: &str, max_sentences: u32) -> GenerationRequest {
    let message = Message { role: Role::User, name: Some("Alice".into()), text: text.into() };
    GenerationRequest { messages: vec![message], style: ReplyStyle::Full, max_sentences }
}

const STORY: &str =
    "Once there was a fox. It found a bell. It rang the bell, and a bird answered. The end is near. Amen.";

async fn a_reply_comes_in_pieces_and_is_complete(model: &dyn LanguageModel) {
    let (deltas, mut pieces) = mpsc::channel(256);
    let cancel = CancellationToken::new();
    let generated = model.generate(&request("tell me a story", 8), &cancel, deltas).await.unwrap();
    assert_eq!(generated.finish, Finish::Complete);
    assert!(generated.first_token <= generated.took);
    let mut count = 0;
    let mut text = String::new();
    while let Some(piece) = pieces.recv().await {
        assert!(!piece.is_empty());
        text.push_str(&piece);
        count += 1;
    }
    assert!(count > 2, "streamed, not sent whole: {count}");
    assert!(text.len() > 60, "{text}");
}

async fn cancelling_ends_it_midway(model: &dyn LanguageModel) {
    // The second piece is never received: sending it waits, and only the cancellation ends that.
    let (deltas, mut pieces) = mpsc::channel(1);
    let cancel = CancellationToken::new();
    let asked = request("tell me a story", 8);
    let (result, ()) = tokio::join!(model.generate(&asked, &cancel, deltas), async {
        assert!(pieces.recv().await.is_some());
        cancel.cancel();
    });
    assert_eq!(result, Err(LanguageError::Cancelled));
}

async fn cancelled_before_it_starts_it_sends_nothing(model: &dyn LanguageModel) {
    let (deltas, mut pieces) = mpsc::channel(256);
    let cancel = CancellationToken::new();
    cancel.cancel();
    assert_eq!(model.generate(&request("hello", 8), &cancel, deltas).await, Err(LanguageError::Cancelled));
    assert_eq!(pieces.recv().await, None);
}

async fn it_stops_when_the_receiver_is_dropped(model: &dyn LanguageModel) {
    let (deltas, pieces) = mpsc::channel(1);
    drop(pieces);
    let result = model.generate(&request("tell me a story", 8), &CancellationToken::new(), deltas).await;
    assert_eq!(result, Err(LanguageError::Cancelled));
}

async fn sentences_are_limited_to_what_was_asked_for(model: &dyn LanguageModel) {
    let (sender, mut sentences) = mpsc::channel(16);
    let cancel = CancellationToken::new();
    let (count, _) = by_sentence(model, &request("tell me a story", 2), &cancel, sender).await.unwrap();
    assert_eq!(count, 2);
    let mut got = Vec::new();
    while let Some(sentence) = sentences.recv().await {
        got.push(sentence);
    }
    assert_eq!(got.len(), 2);
    assert!(got.iter().all(|s| s.ends_with('.')), "{got:?}");
}

async fn a_probe_says_that_it_is_there(model: &dyn LanguageModel) {
    assert_eq!(model.probe().await, Ok(()));
}

async fn whole_contract(model: &dyn LanguageModel) {
    assert!(!model.name().is_empty());
    a_reply_comes_in_pieces_and_is_complete(model).await;
    cancelling_ends_it_midway(model).await;
    cancelled_before_it_starts_it_sends_nothing(model).await;
    it_stops_when_the_receiver_is_dropped(model).await;
    sentences_are_limited_to_what_was_asked_for(model).await;
    a_probe_says_that_it_is_there(model).await;
}

#[tokio::test]
async fn the_offline_responder_keeps_the_contract() {
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    whole_contract(&Offline::new(Arc::new(clock), TimeZone::UTC)).await;
}

#[tokio::test]
async fn the_openai_client_keeps_the_contract() {
    let server = Server::start(Answer::Events(reply(STORY))).await;
    whole_contract(&server.model()).await;
}

#[tokio::test]
async fn a_model_asked_through_a_pool_keeps_the_contract() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
    let offline: Arc<dyn LanguageModel> = Arc::new(Offline::new(clock.clone(), TimeZone::UTC));
    let pool = Pool::new(vec![(offline, 1)], BreakerSettings::default(), clock);
    whole_contract(&pool.named("offline")).await;
    assert_eq!(
        pool.breaker("offline").unwrap().as_str(),
        "closed",
        "our own cancelling is no failure of its"
    );
}

#[tokio::test]
async fn cancelling_ends_it_though_no_sentence_is_received() {
    let server = Server::start(Answer::Flood(piece("One more sentence. "))).await;
    let (sender, mut sentences) = mpsc::channel(1);
    let cancel = CancellationToken::new();
    let (asked, model) = (request("go on", 1000), server.model());
    let (result, ()) = tokio::join!(by_sentence(&model, &asked, &cancel, sender), async {
        assert!(sentences.recv().await.is_some());
        cancel.cancel();
    });
    assert_eq!(result.unwrap_err(), LanguageError::Cancelled);
}
