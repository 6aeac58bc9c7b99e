//! How long one change of a session takes, alone and with others.
use std::time::Duration;

use antiphon_core::ids::{GuildId, SessionId};
use broker::RedisHandle;
use broker::sessions::Sessions;

use crate::rig;

const TIME: Duration = Duration::from_secs(2);

pub async fn measure(name: &str, redis: &RedisHandle) {
    let sessions = Sessions::new(redis);
    let whose =
        |task: usize| (GuildId(task as u64 + 1), SessionId(uuid::Uuid::from_u128(task as u128 + 1_000)));
    for task in 0..32 {
        let (guild, session) = whose(task);
        sessions.open(guild, session, &[("channel", "1")]).await.unwrap();
    }
    for tasks in [1, 32] {
        let changing = sessions.clone();
        let change = move |task: usize, n: usize| {
            let (sessions, (guild, session)) = (changing.clone(), whose(task));
            async move {
                sessions.change(guild, session, None, &[("turn", &n.to_string())]).await.unwrap();
            }
        };
        let (rate, p50, p99) = rig::closed_loop(tasks, TIME, change).await;
        println!("sessions/{name}: changes, {tasks} at once: {rate:.0}/s, p50 {p50:.2?}, p99 {p99:.2?}");
    }
}
