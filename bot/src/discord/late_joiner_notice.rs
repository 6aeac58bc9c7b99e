//! Late joiners get the notice too: once in a session, and however many come, in one message per half minute.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use antiphon_core::ids::{SessionId, UserId};
use poise::serenity_prelude as serenity;

/// Between two messages of a session.
const NOTICE_INTERVAL: Duration = Duration::from_secs(30);
/// People named in one message; the others are counted.
const MAX_NAMED: usize = 20;
/// People of one session who are remembered as notified. Later ones get no notice; they are counted.
const MAX_NOTIFIED: usize = 4_096;

/// Late joiners who await their notice, by session.
#[derive(Debug, Clone, Default)]
pub(super) struct LateJoinerNotice(Arc<Mutex<BTreeMap<SessionId, Pending>>>);

#[derive(Debug)]
struct Pending {
    text_channel: serenity::ChannelId,
    notified: BTreeSet<UserId>,
    waiting: Vec<UserId>,
    /// A task is sending.
    sending: bool,
}

impl LateJoinerNotice {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionId, Pending>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session begins. Those who are in the channel read its notice.
    pub(super) fn open(
        &self,
        session: SessionId,
        text_channel: serenity::ChannelId,
        there: impl IntoIterator<Item = UserId>,
    ) {
        let notified = there.into_iter().take(MAX_NOTIFIED).collect();
        self.lock().insert(session, Pending { text_channel, notified, waiting: Vec::new(), sending: false });
    }

    /// A session ended.
    pub(super) fn close(&self, session: SessionId) {
        self.lock().remove(&session);
    }

    /// A person came. Whether the caller is to [`LateJoinerNotice::send_notices`].
    pub(super) fn joined(&self, session: SessionId, user: UserId) -> bool {
        let mut lines = self.lock();
        let Some(line) = lines.get_mut(&session) else { return false };
        if line.notified.contains(&user) {
            return false;
        }
        if line.notified.len() >= MAX_NOTIFIED {
            metrics::counter!("antiphon_late_joiners_unnotified_total").increment(1);
            return false;
        }
        line.notified.insert(user);
        line.waiting.push(user);
        !std::mem::replace(&mut line.sending, true)
    }

    /// Notifies those who wait, until none is left.
    pub(super) async fn send_notices<F: Future<Output = ()>>(
        &self,
        session: SessionId,
        send: impl Fn(serenity::ChannelId, String) -> F,
    ) {
        loop {
            let next = {
                let mut lines = self.lock();
                let Some(line) = lines.get_mut(&session) else { return };
                if line.waiting.is_empty() {
                    line.sending = false;
                    return;
                }
                (line.text_channel, names(&std::mem::take(&mut line.waiting)))
            };
            send(next.0, next.1).await;
            tokio::time::sleep(NOTICE_INTERVAL).await;
        }
    }
}

/// People as Discord mentions them, so that they see it.
fn names(users: &[UserId]) -> String {
    let named: Vec<String> = users.iter().take(MAX_NAMED).map(|user| format!("<@{user}>")).collect();
    match users.len().saturating_sub(MAX_NAMED) {
        0 => named.join(" "),
        more => format!("{} and {more} more", named.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn late_joiners_are_notified_once_and_in_groups() {
        let (late_joiners, session) = (LateJoinerNotice::default(), SessionId(uuid::Uuid::nil()));
        late_joiners.open(session, serenity::ChannelId::new(3), [UserId(1)]);
        assert!(!late_joiners.joined(session, UserId(1)), "was there from the start");
        assert!(late_joiners.joined(session, UserId(2)));
        let sent = Mutex::new(Vec::new());
        let began = tokio::time::Instant::now();
        let serving = late_joiners.send_notices(session, |channel, names| {
            sent.lock().unwrap().push((channel.get(), names, began.elapsed()));
            async {}
        });
        let crowd = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            for user in 2..=31 {
                assert!(!late_joiners.joined(session, UserId(user)), "a task is sending");
            }
        };
        tokio::join!(serving, crowd);
        let sent = sent.into_inner().unwrap();
        assert_eq!(sent[0], (3, "<@2>".to_owned(), Duration::ZERO));
        assert_eq!(sent[1].2, NOTICE_INTERVAL);
        assert!(
            sent[1].1.starts_with("<@3> <@4>") && sent[1].1.ends_with("<@22> and 9 more"),
            "{}",
            sent[1].1
        );
        assert_eq!(sent.len(), 2);
        // The next one is the first again.
        assert!(late_joiners.joined(session, UserId(40)));
        late_joiners.close(session);
        assert!(!late_joiners.joined(session, UserId(41)));
    }
}
