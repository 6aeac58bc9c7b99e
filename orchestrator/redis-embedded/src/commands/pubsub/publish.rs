//! PUBLISH, and PUBSUB to see what is subscribed to.

use crate::commands::prelude::*;
use crate::commands::server::help;
use crate::store::glob;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("publish", 3, FAST | Spec::PUBSUB, NONE, publish),
    Command::new("spublish", 3, FAST | Spec::PUBSUB, ONE, spublish),
    Command::new("pubsub", -2, FAST | Spec::PUBSUB, NONE, pubsub),
];

fn publish(call: &mut Call<'_>) -> Answer {
    let (channel, message) = (&call.args[1], &call.args[2]);
    let reached = call.store.publish(channel, message);
    Ok(Reply::count(reached))
}

/// There is one shard: this server.
fn spublish(call: &mut Call<'_>) -> Answer {
    let (channel, message) = (&call.args[1], &call.args[2]);
    let sent = call.store.subscriptions.publish_in_shard(channel, message);
    let reached = sent.len();
    call.store.effects.extend(sent);
    Ok(Reply::count(reached))
}

fn pubsub(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let word = &args[1];
    if is(word, "channels") && args.len() <= 3 {
        let names = call
            .store
            .subscriptions
            .channels
            .keys()
            .filter(|name| args.get(2).is_none_or(|p| glob::matches(p, name)));
        return Ok(Reply::strings(names.cloned()));
    }
    if is(word, "numsub") {
        let counts = args[2..].iter().flat_map(|name| {
            let subscribers =
                call.store.subscriptions.channels.get(name).map_or(0, std::collections::BTreeSet::len);
            [Reply::Bulk(name.clone()), Reply::count(subscribers)]
        });
        return Ok(Reply::Array(counts.collect()));
    }
    if is(word, "numpat") && args.len() == 2 {
        return Ok(Reply::count(call.store.subscriptions.patterns.len()));
    }
    if is(word, "shardchannels") && args.len() <= 3 {
        let names = call.store.subscriptions.shard_channels.keys();
        let names = names.filter(|name| args.get(2).is_none_or(|p| glob::matches(p, name)));
        return Ok(Reply::strings(names.cloned()));
    }
    if is(word, "shardnumsub") {
        let counts = args[2..].iter().flat_map(|name| {
            let subscribers =
                call.store.subscriptions.shard_channels.get(name).map_or(0, std::collections::BTreeSet::len);
            [Reply::Bulk(name.clone()), Reply::count(subscribers)]
        });
        return Ok(Reply::Array(counts.collect()));
    }
    if is(word, "help") {
        return Ok(help::of("PUBSUB", &["CHANNELS", "NUMPAT", "NUMSUB", "SHARDCHANNELS", "SHARDNUMSUB"]));
    }
    if ["channels", "numpat"].into_iter().any(|known| is(word, known)) {
        return Err(help::arity("PUBSUB", word));
    }
    Err(help::unknown("PUBSUB", word))
}
