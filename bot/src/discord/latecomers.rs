//! People who come later are told as well: once in a session, and however many come, in one message for each half
//! minute.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use antiphon_core::ids::{SessionId, UserId};
use poise::serenity_prelude as serenity;

/// Between two messages of a session.
const PAUSE: Duration = Duration::from_secs(30);
/// People named in one message; the others are counted.
const NAMED: usize = 20;
/// People of one session who are remembered as told; beyond, nobody is told.
const MOST: usize = 4_096;

/// Everybody who is to be told, by session.
#[derive(Debug, Clone, Default)]
pub(super) struct Latecomers(Arc<Mutex<BTreeMap<SessionId, Line>>>);

#[derive(Debug)]
struct Line {
    text_channel: serenity::ChannelId,
    told: BTreeSet<UserId>,
    waiting: Vec<UserId>,
    /// A task is at it.
    served: bool,
}

impl Latecomers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionId, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session begins. Those who are in the channel read its notice.
    pub(super) fn open(
        &self,
        session: SessionId,
        text_channel: serenity::ChannelId,
        there: impl IntoIterator<Item = UserId>,
    ) {
        let told = there.into_iter().take(MOST).collect();
        self.lock().insert(session, Line { text_channel, told, waiting: Vec::new(), served: false });
    }

    /// A session is over.
    pub(super) fn close(&self, session: SessionId) {
        self.lock().remove(&session);
    }

    /// Somebody came. Whether the caller is to [`Latecomers::serve`].
    pub(super) fn came(&self, session: SessionId, user: UserId) -> bool {
        let mut lines = self.lock();
        let Some(line) = lines.get_mut(&session) else { return false };
        if line.told.len() >= MOST || !line.told.insert(user) {
            return false;
        }
        line.waiting.push(user);
        !std::mem::replace(&mut line.served, true)
    }

    /// Tells who waits, until nobody does.
    pub(super) async fn serve<F: Future<Output = ()>>(
        &self,
        session: SessionId,
        tell: impl Fn(serenity::ChannelId, String) -> F,
    ) {
        loop {
            let next = {
                let mut lines = self.lock();
                let Some(line) = lines.get_mut(&session) else { return };
                if line.waiting.is_empty() {
                    line.served = false;
                    return;
                }
                (line.text_channel, names(&std::mem::take(&mut line.waiting)))
            };
            tell(next.0, next.1).await;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// People as Discord mentions them, so that they see it.
fn names(users: &[UserId]) -> String {
    let named: Vec<String> = users.iter().take(NAMED).map(|user| format!("<@{user}>")).collect();
    match users.len().saturating_sub(NAMED) {
        0 => named.join(" "),
        more => format!("{} and {more} more", named.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_is_told_at_once_the_crowd_after_it_in_one_message_and_nobody_twice() {
        let (latecomers, session) = (Latecomers::default(), SessionId(uuid::Uuid::nil()));
        latecomers.open(session, serenity::ChannelId::new(3), [UserId(1)]);
        assert!(!latecomers.came(session, UserId(1)), "was there from the start");
        assert!(latecomers.came(session, UserId(2)));
        let told = Mutex::new(Vec::new());
        let began = tokio::time::Instant::now();
        let serving = latecomers.serve(session, |channel, names| {
            told.lock().unwrap().push((channel.get(), names, began.elapsed()));
            async {}
        });
        let crowd = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            for user in 2..=31 {
                assert!(!latecomers.came(session, UserId(user)), "somebody is at it");
            }
        };
        tokio::join!(serving, crowd);
        let told = told.into_inner().unwrap();
        assert_eq!(told[0], (3, "<@2>".to_owned(), Duration::ZERO));
        assert_eq!(told[1].2, PAUSE);
        assert!(
            told[1].1.starts_with("<@3> <@4>") && told[1].1.ends_with("<@22> and 9 more"),
            "{}",
            told[1].1
        );
        assert_eq!(told.len(), 2);
        // Whoever comes after that is the first again.
        assert!(latecomers.came(session, UserId(40)));
        latecomers.close(session);
        assert!(!latecomers.came(session, UserId(41)));
    }
}
