//! CLIENT TRACKING, CACHING, TRACKINGINFO, GETREDIR.

use crate::commands::prelude::*;
use crate::store::tracking::Tracking;

pub(super) fn tracking(call: &mut Call<'_>, args: &[Bytes]) -> Answer {
    let Some((how, rest)) = args.split_first() else { return Err(syntax()) };
    let mut wanted = Tracking::default();
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match () {
            () if is(word, "redirect") => {
                if wanted.redirect.is_some() {
                    return Err(Abort::error("ERR A client can only redirect to a single other client"));
                }
                let id = int(rest.next().ok_or_else(syntax)?)?;
                let id = u64::try_from(id).ok().filter(|id| call.store.clients.contains_key(id));
                let id =
                    id.ok_or_else(|| Abort::error("ERR The client ID you want redirect to does not exist"))?;
                wanted.redirect = Some(id);
            }
            () if is(word, "bcast") => wanted.broadcast = true,
            () if is(word, "optin") => wanted.opt_in = true,
            () if is(word, "optout") => wanted.opt_out = true,
            () if is(word, "noloop") => wanted.no_loop = true,
            () if is(word, "prefix") => wanted.prefixes.push(rest.next().ok_or_else(syntax)?.clone()),
            () => return Err(syntax()),
        }
    }
    let id = call.client;
    if is(how, "off") {
        call.store.untrack(id);
        return Ok(Reply::OK);
    }
    if !is(how, "on") {
        return Err(syntax());
    }
    check(call, &mut wanted)?;
    let client = call.client()?;
    if client.tracking.replace(wanted).is_none() {
        call.store.tracked.clients += 1;
    }
    Ok(Reply::OK)
}

/// Whether all of this goes together, and with what is so already.
fn check(call: &mut Call<'_>, wanted: &mut Tracking) -> Result<(), Abort> {
    if !wanted.broadcast && !wanted.prefixes.is_empty() {
        return Err(Abort::error("ERR PREFIX option requires BCAST mode to be enabled"));
    }
    let before = call.client()?.tracking.clone();
    if before.as_ref().is_some_and(|before| before.broadcast != wanted.broadcast) {
        return Err(Abort::error(
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling \
             it with a different mode.",
        ));
    }
    if wanted.broadcast && (wanted.opt_in || wanted.opt_out) {
        return Err(Abort::error("ERR OPTIN and OPTOUT are not compatible with BCAST"));
    }
    if wanted.opt_in && wanted.opt_out {
        return Err(Abort::error("ERR You can't specify both OPTIN mode and OPTOUT mode"));
    }
    let switched = |before: &Tracking| (wanted.opt_in && before.opt_out) || (wanted.opt_out && before.opt_in);
    if before.as_ref().is_some_and(switched) {
        return Err(Abort::error(
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling \
             it with a different mode.",
        ));
    }
    let overlap = |a: &Bytes, b: &Bytes| a.starts_with(b) || b.starts_with(a);
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let known = before.map(|before| before.prefixes).unwrap_or_default();
    for (at, prefix) in wanted.prefixes.iter().enumerate() {
        if let Some(other) = known.iter().find(|other| overlap(prefix, other)) {
            return Err(Abort::error(format!(
                "ERR Prefix '{}' overlaps with an existing prefix '{}'. Prefixes for a single client must not overlap.",
                text(prefix),
                text(other)
            )));
        }
        if let Some(other) = wanted.prefixes[at + 1..].iter().find(|other| overlap(prefix, other)) {
            return Err(Abort::error(format!(
                "ERR Prefix '{}' overlaps with another provided prefix '{}'. Prefixes for a single client must not \
                 overlap.",
                text(prefix),
                text(other)
            )));
        }
    }
    wanted.prefixes.splice(0..0, known);
    Ok(())
}

pub(super) fn caching(call: &mut Call<'_>, args: &[Bytes]) -> Answer {
    let Some(tracking) = call.client()?.tracking.as_mut().filter(|t| t.opt_in || t.opt_out) else {
        return Err(Abort::error(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    };
    match args {
        [word] if is(word, "yes") && tracking.opt_in => {}
        [word] if is(word, "no") && tracking.opt_out => {}
        [word] if is(word, "yes") => {
            return Err(Abort::error(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            ));
        }
        [word] if is(word, "no") => {
            return Err(Abort::error(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            ));
        }
        _ => return Err(syntax()),
    }
    tracking.caching = true;
    Ok(Reply::OK)
}

/// The connection that is notified: -1 without tracking, 0 for this one.
fn redirect(tracking: Option<&Tracking>) -> Reply {
    match tracking {
        None => Reply::Int(-1),
        Some(tracking) => Reply::Int(tracking.redirect.and_then(|id| i64::try_from(id).ok()).unwrap_or(0)),
    }
}

pub(super) fn getredir(call: &mut Call<'_>) -> Answer {
    Ok(redirect(call.client()?.tracking.as_ref()))
}

pub(super) fn info(call: &mut Call<'_>) -> Answer {
    let tracking = call.client()?.tracking.clone();
    let mut flags = vec![if tracking.is_some() { "on" } else { "off" }];
    if let Some(tracking) = &tracking {
        let all = [
            (tracking.broadcast, "bcast"),
            (tracking.opt_in, "optin"),
            (tracking.opt_in && tracking.caching, "caching-yes"),
            (tracking.opt_out, "optout"),
            (tracking.opt_out && tracking.caching, "caching-no"),
            (tracking.no_loop, "noloop"),
            (tracking.broken, "broken_redirect"),
        ];
        flags.extend(all.into_iter().filter(|(set, _)| *set).map(|(_, name)| name));
    }
    let prefixes = tracking.as_ref().map(|tracking| tracking.prefixes.clone()).unwrap_or_default();
    Ok(Reply::Map(vec![
        (
            Reply::copy(b"flags"),
            Reply::Set(flags.into_iter().map(|flag| Reply::copy(flag.as_bytes())).collect()),
        ),
        (Reply::copy(b"redirect"), redirect(tracking.as_ref())),
        (Reply::copy(b"prefixes"), Reply::strings(prefixes)),
    ]))
}
