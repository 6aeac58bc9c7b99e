//! Replies that were recorded: when a candidate asks the same provider for the very same reply, it gets the same one.
use std::collections::BTreeMap;

use antiphon_core::event::{Action, GenerationRequest, Input};
use antiphon_core::ids::TurnId;
use bundle::{ActionLine, InputLine};

/// A reply as a provider wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapedReply {
    /// Who wrote it.
    pub provider: String,
    /// What had been asked.
    pub request: GenerationRequest,
    /// Its sentences.
    pub sentences: Vec<String>,
    /// How long the first token took.
    pub first_token_ms: u32,
}

/// The complete replies of a session, by turn. Memory grows with the session's text, and with nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tape {
    replies: BTreeMap<TurnId, TapedReply>,
}

impl Tape {
    /// Reads a recorded session: its inputs and what production wanted. Only complete replies are kept: of one that
    /// was interrupted nobody knows the rest.
    pub fn read<E>(
        inputs: impl IntoIterator<Item = Result<InputLine, E>>,
        production: impl IntoIterator<Item = Result<ActionLine, E>>,
    ) -> Result<Self, E> {
        let mut asked: BTreeMap<(TurnId, String), GenerationRequest> = BTreeMap::new();
        for line in production {
            if let Action::Generate { turn, provider, request } = line?.action {
                asked.insert((turn, provider), request);
            }
        }
        let mut written: BTreeMap<TurnId, Vec<(String, String)>> = BTreeMap::new();
        let mut tape = Self::default();
        for line in inputs {
            match line?.input {
                Input::SentenceReady { turn, text, provider, .. } => {
                    written.entry(turn).or_default().push((provider, text));
                }
                Input::GenerationFinished { turn, provider, first_token_ms, .. } => {
                    let sentences = written.remove(&turn).unwrap_or_default();
                    let sentences = sentences
                        .into_iter()
                        .filter(|(by, _)| *by == provider)
                        .map(|(_, text)| text)
                        .collect();
                    if let Some(request) = asked.remove(&(turn, provider.clone())) {
                        tape.replies
                            .insert(turn, TapedReply { provider, request, sentences, first_token_ms });
                    }
                }
                _ => {}
            }
        }
        Ok(tape)
    }

    /// The recorded reply to the same request by the same provider, if there is one.
    pub fn reply(&self, turn: TurnId, provider: &str, request: &GenerationRequest) -> Option<&TapedReply> {
        self.replies.get(&turn).filter(|reply| reply.provider == provider && reply.request == *request)
    }
}
