//! Who is in the channel: the session's roster follows the cache's present state. Events come on several tasks and in no
//! certain order, so an event only says which person to look at.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use antiphon_core::event::Member;
use antiphon_core::ids::{ChannelId, GuildId, UserId};
use orchestrator::session::SessionHandle;
use poise::serenity_prelude as serenity;

use super::{Shared, components, ids, notice};

/// Locks by guild: a session that is slow to take orders must not hold up the others.
#[derive(Debug, Clone, Default)]
pub(super) struct SyncLocks(Arc<Mutex<BTreeMap<GuildId, Arc<tokio::sync::Mutex<()>>>>>);

impl SyncLocks {
    fn of(&self, guild: GuildId) -> Arc<tokio::sync::Mutex<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(guild).or_default().clone()
    }
}

/// Where a person is. The outer `None` means that it is not known.
fn place(
    ctx: &serenity::Context,
    guild: serenity::GuildId,
    user: serenity::UserId,
) -> Option<Option<ChannelId>> {
    let guild = ctx.cache.guild(guild)?;
    Some(guild.voice_states.get(&user).and_then(|state| state.channel_id).map(ids::channel))
}

/// Where the bot itself is. The outer `None` means that it is not known.
pub(super) fn own_place(ctx: &serenity::Context, guild: serenity::GuildId) -> Option<Option<ChannelId>> {
    let me = ctx.cache.current_user().id;
    place(ctx, guild, me)
}

/// Looks at everybody once: people came, left and changed their mind while the channel was being joined.
pub(super) async fn reconcile(
    ctx: &serenity::Context,
    shared: &Shared,
    guild: serenity::GuildId,
    session: &SessionHandle,
) {
    let roster = session.roster();
    let mut users: BTreeSet<serenity::UserId> =
        roster.iter().map(|(member, _)| serenity::UserId::new(member.user.0)).collect();
    users.extend(people_in(ctx, guild, session.channel()));
    for user in users {
        sync_member(ctx, shared, guild, session, user, None).await;
    }
    for (member, held) in roster {
        let consent = shared.app.consent_of(session.guild(), member.user);
        if consent != held && session.has_member(member.user) {
            session.consent(member.user, consent).await;
        }
    }
    if session.is_alone() {
        shared.app.sessions().leave_when_empty(session.clone());
    }
}

/// Everybody else in a channel. Names that are not known are left out: reconciling asks for them.
pub(super) fn members_in(
    ctx: &serenity::Context,
    guild: serenity::GuildId,
    channel: serenity::ChannelId,
) -> Vec<Member> {
    let users = people_in(ctx, guild, ids::channel(channel));
    users.into_iter().filter_map(|user| cached(ctx, guild, user)).collect()
}

fn people_in(ctx: &serenity::Context, guild: serenity::GuildId, channel: ChannelId) -> Vec<serenity::UserId> {
    let me = ctx.cache.current_user().id;
    let Some(guild) = ctx.cache.guild(guild) else { return Vec::new() };
    let here =
        guild.voice_states.values().filter(|state| state.channel_id.map(ids::channel) == Some(channel));
    here.map(|state| state.user_id).filter(|user| *user != me).collect()
}

/// Brings the session's roster up to date for one person. `said` is what Discord said just now.
pub(super) async fn sync_member(
    ctx: &serenity::Context,
    shared: &Shared,
    guild: serenity::GuildId,
    session: &SessionHandle,
    user: serenity::UserId,
    said: Option<&serenity::VoiceState>,
) {
    let id = ids::user(user);
    let is_here = || {
        let said = || said.and_then(|state| state.channel_id).map(ids::channel);
        place(ctx, guild, user).unwrap_or_else(said) == Some(session.channel())
    };
    // The name may have to be asked for, so it is found out before others wait.
    let newcomer =
        if is_here() && !session.has_member(id) { member_of(ctx, guild, user, said).await } else { None };
    let lock = shared.sync_locks.of(session.guild());
    let one_at_a_time = lock.lock().await;
    match (session.has_member(id), is_here()) {
        (false, true) => {
            let Some(member) = newcomer else { return };
            let bot = member.bot;
            let consent = shared.app.consent_of(session.guild(), id);
            session.joined(member, consent).await;
            // A person may agree or refuse between the question and the session's knowing them.
            let now = shared.app.consent_of(session.guild(), id);
            if now != consent {
                session.consent(id, now).await;
            }
            drop(one_at_a_time);
            if !bot {
                shared.app.sessions().occupied(session.guild());
                notify_late_joiner(ctx, shared, session, id);
            }
        }
        (true, false) => {
            session.left(id).await;
            if session.is_alone() {
                shared.app.sessions().leave_when_empty(session.clone());
            }
        }
        _ => {}
    }
}

/// Notifies a late joiner, together with those who come next.
fn notify_late_joiner(ctx: &serenity::Context, shared: &Shared, session: &SessionHandle, user: UserId) {
    if !shared.late_joiners.joined(session.id(), user) {
        return;
    }
    let (http, shared, session) = (ctx.http.clone(), shared.clone(), session.clone());
    tokio::spawn(async move {
        let (app, stop) = (shared.app.clone(), shared.app.stopping());
        let send = |channel: serenity::ChannelId, names: String| {
            let words = notice::joined(&names, app.opt_in(session.guild()));
            let message =
                serenity::CreateMessage::new().content(words).components(vec![components::consent()]);
            let http = http.clone();
            async move {
                if let Err(error) = channel.send_message(&http, message).await {
                    tracing::warn!(%channel, %error, "a late joiner could not be notified");
                }
            }
        };
        tokio::select! {
            () = shared.late_joiners.send_notices(session.id(), send) => {}
            () = stop.cancelled() => {}
        }
    });
}

async fn member_of(
    ctx: &serenity::Context,
    guild: serenity::GuildId,
    user: serenity::UserId,
    said: Option<&serenity::VoiceState>,
) -> Option<Member> {
    if let Some(member) = said.and_then(|state| state.member.as_ref()) {
        return Some(ids::member(member));
    }
    if let Some(member) = cached(ctx, guild, user) {
        return Some(member);
    }
    match guild.member(ctx, user).await {
        Ok(member) => Some(ids::member(&member)),
        Err(error) => {
            tracing::warn!(%guild, %error, "a person joined whose name Discord did not give");
            None
        }
    }
}

fn cached(ctx: &serenity::Context, guild: serenity::GuildId, user: serenity::UserId) -> Option<Member> {
    let guild = ctx.cache.guild(guild)?;
    let state = guild.voice_states.get(&user);
    state.and_then(|state| state.member.as_ref()).or_else(|| guild.members.get(&user)).map(ids::member)
}
