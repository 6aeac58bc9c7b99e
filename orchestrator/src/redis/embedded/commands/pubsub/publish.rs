//! PUBLISH, and PUBSUB to see who listens.

use crate::redis::embedded::commands::prelude::*;
use crate::redis::embedded::store::Effect;
use crate::redis::embedded::store::glob;

pub(crate) const SPECS: &[Spec] = &[
    Spec::new("publish", 3, FAST | Spec::PUBSUB, NONE, publish),
    Spec::new("pubsub", -2, FAST | Spec::PUBSUB, NONE, pubsub),
];

fn publish(call: &mut Call<'_>) -> Answer {
    let (channel, message) = (&call.args[1], &call.args[2]);
    let mut effects = Vec::new();
    for id in call.store.channels.get(channel).into_iter().flatten() {
        let parts = vec![Reply::copy(b"message"), Reply::Bulk(channel.clone()), Reply::Bulk(message.clone())];
        effects.push(Effect::Send(*id, Reply::Push(parts)));
    }
    for (pattern, listeners) in &call.store.patterns {
        if !glob::matches(pattern, channel) {
            continue;
        }
        for id in listeners {
            let parts = vec![
                Reply::copy(b"pmessage"),
                Reply::Bulk(pattern.clone()),
                Reply::Bulk(channel.clone()),
                Reply::Bulk(message.clone()),
            ];
            effects.push(Effect::Send(*id, Reply::Push(parts)));
        }
    }
    let reached = effects.len();
    call.store.effects.append(&mut effects);
    Ok(Reply::count(reached))
}

fn pubsub(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let word = &args[1];
    if is(word, "channels") && args.len() <= 3 {
        let names =
            call.store.channels.keys().filter(|name| args.get(2).is_none_or(|p| glob::matches(p, name)));
        return Ok(Reply::strings(names.cloned()));
    }
    if is(word, "numsub") {
        let counts = args[2..].iter().flat_map(|name| {
            let listeners = call.store.channels.get(name).map_or(0, std::collections::BTreeSet::len);
            [Reply::Bulk(name.clone()), Reply::count(listeners)]
        });
        return Ok(Reply::Array(counts.collect()));
    }
    if is(word, "numpat") && args.len() == 2 {
        return Ok(Reply::count(call.store.patterns.len()));
    }
    if is(word, "shardchannels") || is(word, "shardnumsub") {
        return Ok(Reply::Array(Vec::new()));
    }
    Err(Abort::error(format!("ERR unknown subcommand '{}'. Try PUBSUB HELP.", String::from_utf8_lossy(word))))
}
