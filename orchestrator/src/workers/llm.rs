//! Replies, as one function from a request to sentences and an input.
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::event::{Failure, FailureKind, GenerationRequest, Input, Message, Role};
use antiphon_core::ids::TurnId;
use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::jobs::LlmJob;
use super::timing::{Stage, millis, timed};
use language::pool::Pool;
use language::stream::by_sentence;
use language::{Finish, Generated, LanguageError, LanguageModel};
use speech::Limits;

/// Sentences that may wait for the result stream.
const SENTENCES: usize = 4;

/// What a model adds to a reply that is complete.
const NOTHING_MORE: Generated =
    Generated { first_token: Duration::ZERO, took: Duration::ZERO, finish: Finish::Complete };

/// One model of a pool, asked through its breaker.
#[derive(Debug)]
struct Member<'a> {
    pool: &'a Pool,
    name: &'a str,
}

#[async_trait]
impl LanguageModel for Member<'_> {
    fn name(&self) -> &str {
        self.name
    }

    async fn generate(
        &self,
        request: &GenerationRequest,
        cancel: &CancellationToken,
        deltas: mpsc::Sender<String>,
    ) -> Result<Generated, LanguageError> {
        self.pool.generate_with(self.name, request, cancel, deltas).await
    }

    /// The pool probes by itself.
    async fn probe(&self) -> Result<(), LanguageError> {
        Ok(())
    }
}

/// The request of another attempt: the reply so far is the assistant's beginning.
fn continued(request: &GenerationRequest, said: &[String]) -> GenerationRequest {
    let mut request = request.clone();
    if !said.is_empty() {
        request.messages.push(Message { role: Role::Assistant, name: None, text: said.join(" ") });
    }
    request
}

/// Has a reply written that begins with the sentences of `said`; `answer` takes each sentence after them as it is complete,
/// and the end. Fails itself only when answering does.
pub async fn generate<F, E>(
    pool: &Arc<Pool>,
    turn: TurnId,
    work: &LlmJob,
    said: &[String],
    limits: &Limits,
    mut answer: impl FnMut(Input) -> F,
) -> Result<(), E>
where
    F: Future<Output = Result<(), E>>,
{
    let member = Member { pool, name: &work.provider };
    let request = continued(&work.request, said);
    let begun = u32::try_from(said.len()).unwrap_or(u32::MAX);
    let stage = Stage { name: "llm", provider: &work.provider };
    let (sink, mut sentences) = mpsc::channel(SENTENCES);
    // Ends the model when the answers cannot be sent or the time is over.
    let stop = limits.cancel.child_token();
    let writing = async {
        let written = timed(stage, |failure: &Failure| failure.clone(), async {
            let deadline = async {
                match limits.deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let mut writing = std::pin::pin!(by_sentence(&member, &request, &stop, sink));
            tokio::select! {
                biased;
                written = &mut writing => match written {
                    // What was said was all of the reply.
                    Err(LanguageError::Empty { .. }) if begun > 0 => Ok(NOTHING_MORE),
                    written => written.map(|(_, generated)| generated).map_err(|e| e.failure()),
                },
                () = deadline => {
                    // Told, not dropped: the breaker should hear how it ended.
                    stop.cancel();
                    let _ = writing.await;
                    Err(Failure {
                        kind: FailureKind::Timeout,
                        detail: format!("{} was given up at its deadline", work.provider),
                    })
                }
            }
        })
        .await;
        stop.cancel();
        written
    };
    let provider = || work.provider.clone();
    let answering = async {
        let (mut index, mut repeated) = (begun, 0);
        while let Some(text) = sentences.recv().await {
            // A model that begins the reply again, where it should go on, is not heard twice.
            if said.get(repeated) == Some(&text) {
                repeated += 1;
                continue;
            }
            repeated = said.len();
            if begun > 0 && index >= work.request.max_sentences {
                continue;
            }
            let sent = answer(Input::SentenceReady { turn, index, text, provider: provider() }).await;
            if let Err(error) = sent {
                stop.cancel();
                return Err(error);
            }
            index += 1;
        }
        Ok(index)
    };
    let (written, answered) = tokio::join!(writing, answering);
    let sentences = answered?;
    let end = match written {
        Ok(generated) => Input::GenerationFinished {
            turn,
            provider: provider(),
            sentences,
            first_token_ms: millis(generated.first_token),
            took_ms: millis(generated.took),
        },
        Err(failure) => Input::GenerationFailed { turn, provider: provider(), failure },
    };
    answer(end).await
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Mutex;

    use antiphon_core::event::ReplyStyle;
    use antiphon_core::time::ManualClock;

    use super::*;
    use antiphon_core::breaker::BreakerSettings;

    /// Says its words one after the other, then does as told.
    #[derive(Debug)]
    struct Talker {
        words: &'static str,
        then: Then,
    }

    #[derive(Debug, Clone, Copy)]
    enum Then {
        Ends,
        Fails,
        Hangs,
    }

    #[async_trait]
    impl LanguageModel for Talker {
        fn name(&self) -> &str {
            "talker"
        }

        async fn generate(
            &self,
            _request: &GenerationRequest,
            cancel: &CancellationToken,
            deltas: mpsc::Sender<String>,
        ) -> Result<Generated, LanguageError> {
            for word in self.words.split_inclusive(' ') {
                if deltas.send(word.into()).await.is_err() {
                    return Err(LanguageError::Cancelled);
                }
            }
            match self.then {
                Then::Ends => Ok(Generated {
                    first_token: Duration::from_millis(3),
                    took: Duration::from_millis(9),
                    finish: Finish::Complete,
                }),
                Then::Fails => Err(LanguageError::CutShort { provider: "talker".into() }),
                Then::Hangs => {
                    cancel.cancelled().await;
                    Err(LanguageError::Cancelled)
                }
            }
        }

        async fn probe(&self) -> Result<(), LanguageError> {
            Ok(())
        }
    }

    async fn inputs(then: Then, provider: &str, limits: &Limits) -> Vec<Input> {
        inputs_after(&[], then, provider, limits).await
    }

    async fn inputs_after(said: &[&str], then: Then, provider: &str, limits: &Limits) -> Vec<Input> {
        let said: Vec<String> = said.iter().map(|&text| text.to_owned()).collect();
        let talker = Arc::new(Talker { words: "It is noon. Have lunch. And then", then });
        let clock = Arc::new(ManualClock::default());
        let pool = Arc::new(Pool::new(vec![(talker, 10)], BreakerSettings::default(), clock));
        let request = GenerationRequest {
            messages: vec![Message { role: Role::User, name: None, text: "what time is it".into() }],
            style: ReplyStyle::Full,
            max_sentences: 8,
        };
        let work = LlmJob { provider: provider.into(), request };
        let all = Mutex::new(Vec::new());
        generate(&pool, TurnId(7), &work, &said, limits, |input| {
            all.lock().unwrap().push(input);
            async { Ok::<(), Infallible>(()) }
        })
        .await
        .unwrap();
        all.into_inner().unwrap()
    }

    fn sentence(index: u32, text: &str) -> Input {
        Input::SentenceReady { turn: TurnId(7), index, text: text.into(), provider: "talker".into() }
    }

    fn failure(input: &Input) -> FailureKind {
        match input {
            Input::GenerationFailed { failure, .. } => failure.kind,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn sentences_come_in_order_and_then_the_end() {
        let all = inputs(Then::Ends, "talker", &Limits::default()).await;
        assert_eq!(
            all[..3],
            [sentence(0, "It is noon."), sentence(1, "Have lunch."), sentence(2, "And then")]
        );
        assert!(
            matches!(all[3], Input::GenerationFinished { sentences: 3, first_token_ms: 3, took_ms: 9, .. }),
            "{all:?}"
        );
    }

    #[tokio::test]
    async fn a_reply_goes_on_after_what_was_said() {
        let all = inputs_after(&["It was noon."], Then::Ends, "talker", &Limits::default()).await;
        let texts = [sentence(1, "It is noon."), sentence(2, "Have lunch."), sentence(3, "And then")];
        assert_eq!(all[..3], texts);
        assert!(matches!(all[3], Input::GenerationFinished { sentences: 4, .. }), "{all:?}");
    }

    #[tokio::test]
    async fn a_model_that_repeats_what_was_said_is_not_heard_twice() {
        let said = ["It is noon.", "Have lunch."];
        let all = inputs_after(&said, Then::Ends, "talker", &Limits::default()).await;
        assert_eq!(all[..1], [sentence(2, "And then")]);
        assert!(matches!(all[1], Input::GenerationFinished { sentences: 3, .. }), "{all:?}");
    }

    #[tokio::test]
    async fn sentences_before_a_failure_stand() {
        let all = inputs(Then::Fails, "talker", &Limits::default()).await;
        assert_eq!(all[..2], [sentence(0, "It is noon."), sentence(1, "Have lunch.")]);
        assert_eq!((all.len(), failure(&all[2])), (3, FailureKind::Error));
    }

    #[tokio::test]
    async fn a_model_that_hangs_is_given_up_at_the_deadline() {
        let all = inputs(Then::Hangs, "talker", &Limits::within(Duration::from_millis(30))).await;
        assert_eq!(failure(all.last().unwrap()), FailureKind::Timeout);
    }

    #[tokio::test]
    async fn a_cancelled_turn_and_an_unknown_model_are_said_to_be_so() {
        let cancel = CancellationToken::new();
        cancel.cancel();
        let all = inputs(Then::Hangs, "talker", &Limits::default().cancelled_by(cancel)).await;
        assert_eq!(failure(all.last().unwrap()), FailureKind::Cancelled);
        let all = inputs(Then::Ends, "nobody", &Limits::default()).await;
        assert_eq!((all.len(), failure(&all[0])), (1, FailureKind::Unavailable));
    }

    #[tokio::test]
    async fn when_an_answer_cannot_be_sent_the_model_is_stopped() {
        let talker = Arc::new(Talker { words: "One. Two. Three. ", then: Then::Hangs });
        let clock = Arc::new(ManualClock::default());
        let pool = Arc::new(Pool::new(vec![(talker, 10)], BreakerSettings::default(), clock));
        let request = GenerationRequest { messages: vec![], style: ReplyStyle::Full, max_sentences: 8 };
        let work = LlmJob { provider: "talker".into(), request };
        let sent =
            generate(&pool, TurnId(1), &work, &[], &Limits::default(), |_| async { Err("no Redis") }).await;
        assert_eq!(sent, Err("no Redis"));
    }
}
