//! What users do with a bot's commands and components, and how the bot answers: `command` is a chat command and its
//! options, `target` a user or message command, `press` a component, `form` a modal, `resolved` the objects that ids stand for, and
//! `answer` what the bot says.
mod answer;
mod command;
mod form;
mod press;
mod resolved;
mod target;

pub use answer::{Answer, AnswerMessage, Invocation};
pub(crate) use command::CommandUse;
pub(crate) use form::Submission;
pub(crate) use press::Press;
pub use target::Target;
pub(crate) use target::TargetUse;
