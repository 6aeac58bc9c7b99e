//! Every name is documented, and every documented name exists.
use antiphon_core::ids::{GuildId, SessionId, TurnId, UserId};

use super::*;

const GUILD: GuildId = GuildId(81_384_788_765_712_384);

fn session() -> SessionId {
    SessionId(uuid::Uuid::from_u128(7))
}

/// Whether a name is one that a pattern describes.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('<') {
        None => pattern == name,
        Some((fixed, rest)) => {
            let Some(name) = name.strip_prefix(fixed) else { return false };
            let after = rest.split_once('>').map_or("", |(_, after)| after);
            let end = name.find([':', '{', '}']).unwrap_or(name.len());
            end > 0 && fits(after, &name[end..])
        }
    }
}

#[test]
fn every_name_is_documented_and_every_documented_name_exists() {
    let guild = GuildKeys::new(GUILD);
    let part = PartitionKeys::new(WorkQueue::Stt, 3);
    let turn = TurnId(5);
    let names = [
        part.work.clone(),
        part.later.clone(),
        part.dead.clone(),
        part.dead_job(uuid::Uuid::from_u128(1)),
        part.once(GUILD, "a:b{c}"),
        guild.frames(session(), turn),
        guild.synthesis(session(), turn, 0),
        guild.results(session()),
        guild.effect(uuid::Uuid::from_u128(1)),
        guild.sentences_pushed(uuid::Uuid::from_u128(1)),
        guild.reply(uuid::Uuid::from_u128(1)),
        guild.cancelled(session(), turn),
        guild.cancellations(session()),
        guild.session(session()),
        guild.sessions(),
        guild.session_events(),
        guild.session_items(session()),
        session_guilds(),
        guild.quotas(),
        guild.limit(None),
        guild.limit(Some(UserId(5))),
        guild.flags(),
        global_flags(),
        hot_keys(),
        recent_guilds(),
        worker(WorkQueue::Tts, "host:1"),
        barrier(),
        doctor(),
    ];
    for name in &names {
        let fitting = DEFINITIONS.iter().filter(|d| fits(d.pattern, name)).count();
        assert_eq!(fitting, 1, "{name}");
    }
    for definition in DEFINITIONS {
        assert!(names.iter().any(|name| fits(definition.pattern, name)), "{}", definition.pattern);
    }
}

#[test]
fn the_page_about_redis_has_the_table_of_keys() {
    let page = include_str!("../../../../docs/redis.md");
    assert!(page.contains(&documentation()), "docs/redis.md should hold:\n{}", documentation());
}

#[test]
fn each_name_has_exactly_one_hash_tag() {
    for definition in DEFINITIONS {
        assert_eq!(definition.pattern.matches('{').count(), 1, "{}", definition.pattern);
    }
}

#[test]
fn guilds_keep_their_partition_and_spread_over_all() {
    let seen: std::collections::BTreeSet<u8> = (0..100).map(|id| partition(GuildId(id), 4)).collect();
    assert_eq!(seen.len(), 4);
    assert_eq!(partition(GUILD, 4), partition(GUILD, 4));
    assert_eq!(partition(GUILD, 0), 0);
}
