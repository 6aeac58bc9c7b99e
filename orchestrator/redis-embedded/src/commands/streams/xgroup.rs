//! XGROUP: consumer groups made and unmade.

use super::xadd::{parse_id, range_id};
use crate::commands::prelude::*;
use crate::store::stream::{Group, StreamId};

pub(crate) const COMMANDS: &[Command] = &[Command::new("xgroup", -2, W, (2, 2, 1), xgroup)];

const NO_KEY: &str = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you \
 may want to use the MKSTREAM option to create an empty stream automatically.";

fn xgroup(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let word = &args[1];
    // Least and most words of each.
    let known = [
        ("create", 5, 8),
        ("setid", 5, 7),
        ("destroy", 4, 4),
        ("createconsumer", 5, 5),
        ("delconsumer", 5, 5),
        ("help", 2, 2),
    ];
    let Some((name, least, max)) = known.into_iter().find(|(name, ..)| is(word, name)) else {
        return Err(Abort::error(format!(
            "ERR unknown subcommand '{}'. Try XGROUP HELP.",
            String::from_utf8_lossy(word)
        )));
    };
    if args.len() < least || (args.len() > max && name != "create" && name != "setid") {
        return Err(Abort::error(format!("ERR wrong number of arguments for 'xgroup|{name}' command")));
    }
    match name {
        "create" => create(call),
        "setid" => setid(call),
        "destroy" => destroy(call),
        "createconsumer" => createconsumer(call),
        "delconsumer" => delconsumer(call),
        _ => Ok(Reply::Array(vec![Reply::Simple(
            "XGROUP CREATE|SETID|DESTROY|CREATECONSUMER|DELCONSUMER key group …",
        )])),
    }
}

/// MKSTREAM and ENTRIESREAD.
fn options(args: &[Bytes], creating: bool) -> Result<(bool, Option<u64>), Abort> {
    let (mut make, mut read) = (false, None);
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if is(arg, "mkstream") && creating {
            make = true;
        } else if is(arg, "entriesread") {
            let n = int(rest.next().ok_or_else(syntax)?)?;
            if n < -1 {
                return Err(Abort::error("ERR value for ENTRIESREAD must be positive or -1"));
            }
            read = u64::try_from(n).ok();
        } else {
            let word = if creating { "CREATE" } else { "SETID" };
            return Err(Abort::error(format!(
                "ERR unknown subcommand or wrong number of arguments for '{word}'. Try XGROUP HELP."
            )));
        }
    }
    Ok((make, read))
}

fn create(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let (make, read) = options(&args[5..], true)?;
    let last = match call.stream(&args[2])? {
        Some(stream) => stream.last_id,
        None if make => StreamId::MIN,
        None => return Err(Abort::error(NO_KEY)),
    };
    let from = if &args[4][..] == b"$" { last } else { range_id(&args[4], 0)? };
    let stream = call.stream_mut(&args[2])?;
    if stream.groups.contains_key(&args[3]) {
        return Err(Abort::error("BUSYGROUP Consumer Group name already exists"));
    }
    stream.groups.insert(args[3].clone(), Group { last_id: from, entries_read: read, ..Group::default() });
    call.wrote(&args[2]);
    Ok(Reply::OK)
}

/// The group meant, with the errors of XGROUP.
fn group<'c>(call: &'c mut Call<'_>) -> Result<&'c mut Group, Abort> {
    let (key, name) = (&call.args[2], &call.args[3]);
    if call.stream(key)?.is_none() {
        return Err(Abort::error(NO_KEY));
    }
    call.stream_mut(key)?.groups.get_mut(name).ok_or_else(|| {
        Abort::error(format!(
            "NOGROUP No such consumer group '{}' for key name '{}'",
            String::from_utf8_lossy(name),
            String::from_utf8_lossy(key)
        ))
    })
}

fn setid(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let (_, read) = options(&args[5..], false)?;
    group(call)?;
    let last = call.stream(&args[2])?.map_or(StreamId::MIN, |stream| stream.last_id);
    let to =
        if &args[4][..] == b"$" { last } else { range_id(&args[4], 0).or_else(|_| parse_id(&args[4], 0))? };
    let group = group(call)?;
    group.last_id = to;
    group.entries_read = read;
    call.wrote(&args[2]);
    Ok(Reply::OK)
}

fn destroy(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    if call.stream(&args[2])?.is_none() {
        return Err(Abort::error(NO_KEY));
    }
    let removed = call.stream_mut(&args[2])?.groups.remove(&args[3]).is_some();
    if removed {
        // Reads that wait for this group run again, and fail because it was destroyed.
        call.wrote(&args[2]);
    }
    Ok(Reply::Int(i64::from(removed)))
}

fn createconsumer(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let now = call.now();
    let group = group(call)?;
    let new = !group.consumers.contains_key(&args[4]);
    if new {
        group.consumer(&args[4], now);
        call.wrote(&args[2]);
    }
    Ok(Reply::Int(i64::from(new)))
}

fn delconsumer(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let group = group(call)?;
    let Some(consumer) = group.consumers.remove(&args[4]) else { return Ok(Reply::Int(0)) };
    for id in &consumer.pending {
        group.pending.remove(id);
    }
    call.wrote(&args[2]);
    Ok(Reply::count(consumer.pending.len()))
}
