//! The pool: failover, breakers, health, waits.
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use antiphon_core::event::{GenerationRequest, Input, ProviderKind};
use antiphon_core::time::{ManualClock, Timestamp};
use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::suite::request;
use crate::pool::{Pool, PoolChange};
use crate::{Finish, Generated, LanguageError, LanguageModel};
use antiphon_core::breaker::BreakerSettings;

/// Follows its orders call by call; without orders it answers with its name at once.
#[derive(Debug, Default)]
struct Scripted {
    name: &'static str,
    orders: Mutex<VecDeque<Order>>,
}

#[derive(Debug, Clone, Copy)]
enum Order {
    Answer(Duration),
    Fail,
    FailAfterText,
    Wait(Duration),
}

impl Scripted {
    fn new(name: &'static str, orders: &[Order]) -> Arc<Self> {
        Arc::new(Self { name, orders: Mutex::new(orders.iter().copied().collect()) })
    }

    fn fault(&self) -> LanguageError {
        LanguageError::CutShort { provider: self.name.into() }
    }
}

#[async_trait]
impl LanguageModel for Scripted {
    fn name(&self) -> &str {
        self.name
    }

    async fn generate(
        &self,
        _: &GenerationRequest,
        _: &CancellationToken,
        deltas: mpsc::Sender<String>,
    ) -> Result<Generated, LanguageError> {
        let order =
            self.orders.lock().unwrap().pop_front().unwrap_or(Order::Answer(Duration::from_millis(5)));
        match order {
            Order::Fail => Err(self.fault()),
            Order::Wait(after) => Err(LanguageError::RateLimited {
                provider: self.name.into(),
                status: 429,
                retry_after: Some(after),
            }),
            Order::FailAfterText => {
                deltas.send("Half".into()).await.map_err(|_| LanguageError::Cancelled)?;
                Err(self.fault())
            }
            Order::Answer(first_token) => {
                deltas.send(format!("{} speaks.", self.name)).await.map_err(|_| LanguageError::Cancelled)?;
                Ok(Generated { first_token, took: first_token, finish: Finish::Complete })
            }
        }
    }

    async fn probe(&self) -> Result<(), LanguageError> {
        match self.orders.lock().unwrap().pop_front() {
            Some(Order::Fail) => Err(self.fault()),
            _ => Ok(()),
        }
    }
}

struct Rig {
    pool: Pool,
    clock: ManualClock,
}

impl Rig {
    fn new(models: Vec<Arc<Scripted>>) -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_000_000));
        let models = models.into_iter().map(|m| (m as Arc<dyn LanguageModel>, 100)).collect();
        let breaker = BreakerSettings { failures: 5, slow_ms: 2000, reset_ms: 30_000 };
        Self { pool: Pool::new(models, breaker, Arc::new(clock.clone())), clock }
    }

    async fn first(&self) -> (Result<String, LanguageError>, String) {
        let (deltas, mut pieces) = mpsc::channel(8);
        let result = self.pool.generate(&request("hello", 3), &CancellationToken::new(), deltas).await;
        let mut text = String::new();
        while let Some(piece) = pieces.recv().await {
            text.push_str(&piece);
        }
        (result.map(|(by, _)| by), text)
    }

    async fn from(&self, name: &str) -> Result<Generated, LanguageError> {
        let (deltas, _pieces) = mpsc::channel(8);
        self.pool.generate_with(name, &request("hello", 3), &CancellationToken::new(), deltas).await
    }
}

#[tokio::test]
async fn the_first_able_model_answers_and_failures_move_on() {
    let rig = Rig::new(vec![Scripted::new("groq", &[Order::Fail]), Scripted::new("offline", &[])]);
    assert_eq!(rig.first().await, (Ok("offline".into()), "offline speaks.".into()));
    assert_eq!(rig.first().await, (Ok("groq".into()), "groq speaks.".into()));
}

#[tokio::test]
async fn a_reply_begun_by_one_is_not_continued_by_another() {
    let rig = Rig::new(vec![Scripted::new("groq", &[Order::FailAfterText]), Scripted::new("offline", &[])]);
    let (result, text) = rig.first().await;
    assert_eq!(result, Err(LanguageError::CutShort { provider: "groq".into() }));
    assert_eq!(text, "Half");
}

#[tokio::test]
async fn five_failures_open_the_breaker_for_half_a_minute() {
    let rig = Rig::new(vec![Scripted::new("groq", &[Order::Fail; 5]), Scripted::new("offline", &[])]);
    let mut changes = rig.pool.changes();
    for _ in 0..5 {
        assert_eq!(rig.from("groq").await, Err(LanguageError::CutShort { provider: "groq".into() }));
    }
    let PoolChange { healthy, trip, .. } = changes.recv().await.unwrap();
    assert!(!healthy && trip.is_some_and(|t| t.to.as_str() == "open"));
    assert_eq!(rig.from("groq").await, Err(LanguageError::BreakerOpen { provider: "groq".into() }));
    assert_eq!(rig.first().await.0, Ok("offline".into()));
    assert!(!rig.pool.providers()[0].healthy);
    rig.clock.advance(Duration::from_secs(30));
    assert!(rig.from("groq").await.is_ok());
    assert_eq!(rig.pool.breaker("groq").unwrap().as_str(), "closed");
}

#[tokio::test]
async fn a_slow_first_token_is_a_failure_and_learnt() {
    let slow = Order::Answer(Duration::from_millis(2500));
    let rig = Rig::new(vec![Scripted::new("groq", &[slow; 5])]);
    let mut changes = rig.pool.changes();
    for _ in 0..5 {
        assert!(rig.from("groq").await.is_ok());
    }
    assert_eq!(rig.pool.breaker("groq").unwrap().as_str(), "open");
    let first = changes.recv().await.unwrap();
    assert_eq!(
        first.input(),
        Input::HealthChanged {
            kind: ProviderKind::Llm,
            provider: "groq".into(),
            healthy: true,
            expected_ms: 580,
        }
    );
}

#[tokio::test]
async fn probes_end_an_outage_and_find_one() {
    let rig = Rig::new(vec![Scripted::new("groq", &[Order::Fail; 5])]);
    for _ in 0..5 {
        rig.pool.probe().await;
    }
    assert_eq!(rig.pool.breaker("groq").unwrap().as_str(), "open");
    rig.pool.probe().await;
    assert_eq!(rig.pool.breaker("groq").unwrap().as_str(), "open", "not before its time");
    rig.clock.advance(Duration::from_secs(30));
    let mut changes = rig.pool.changes();
    rig.pool.probe().await;
    let trips: Vec<_> =
        std::iter::from_fn(|| changes.try_recv().ok()).map(|c| (c.healthy, c.trip.unwrap().to)).collect();
    assert_eq!(
        trips.iter().map(|(h, to)| (*h, to.as_str())).collect::<Vec<_>>(),
        [(false, "half_open"), (true, "closed")]
    );
}

#[tokio::test]
async fn an_unknown_name_is_answered_with_the_known_ones() {
    let rig = Rig::new(vec![Scripted::new("groq", &[]), Scripted::new("offline", &[])]);
    let error = rig.from("grok").await.unwrap_err().to_string();
    assert_eq!(error, "no language model is called \"grok\"; configured: groq, offline");
}

#[tokio::test]
async fn a_server_that_asks_to_wait_is_left_alone() {
    let busy = Order::Wait(Duration::from_secs(7));
    let rig = Rig::new(vec![Scripted::new("groq", &[busy]), Scripted::new("offline", &[])]);
    let mut changes = rig.pool.changes();
    assert_eq!(rig.first().await.0, Ok("offline".into()));
    let mut of_groq = || {
        std::iter::from_fn(|| changes.try_recv().ok())
            .filter(|c| c.provider == "groq")
            .map(|c| c.healthy)
            .collect::<Vec<_>>()
    };
    assert_eq!(of_groq(), [false]);
    assert!(!rig.pool.providers()[0].healthy);
    rig.clock.advance(Duration::from_secs(5));
    let left = Some(Duration::from_secs(2));
    let provider = "groq".to_owned();
    assert_eq!(
        rig.from("groq").await,
        Err(LanguageError::RateLimited { provider, status: 429, retry_after: left })
    );
    assert_eq!(rig.pool.next_wait_end(), left);
    rig.pool.probe().await;
    assert_eq!(of_groq(), Vec::<bool>::new(), "nor is it probed");
    rig.clock.advance(Duration::from_secs(2));
    rig.pool.probe().await;
    assert_eq!(of_groq(), [true]);
    assert_eq!(rig.first().await.0, Ok("groq".into()));
    assert_eq!((rig.pool.breaker("groq").unwrap().as_str(), rig.pool.next_wait_end()), ("closed", None));
}
