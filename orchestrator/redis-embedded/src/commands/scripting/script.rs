//! SCRIPT LOAD, EXISTS, FLUSH, KILL.

use crate::commands::prelude::*;
use crate::lua;

pub(crate) const COMMANDS: &[Command] = &[Command::new("script", -2, NO_SCRIPT, NONE, script)];

fn script(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let word = &args[1];
    let wrong =
        |name: &str| Abort::error(format!("ERR wrong number of arguments for 'script|{name}' command"));
    match () {
        () if is(word, "load") => {
            let [_, _, body] = args else { return Err(wrong("load")) };
            lua::check(call, body)?;
            let sha = lua::sha1_hex(body);
            call.store.scripts.remember(&sha, body);
            Ok(Reply::bulk(sha))
        }
        () if is(word, "exists") => {
            if args.len() < 3 {
                return Err(wrong("exists"));
            }
            let known = |sha: &Bytes| call.store.scripts.knows(&String::from_utf8_lossy(sha).to_lowercase());
            Ok(Reply::Array(args[2..].iter().map(|sha| Reply::Int(i64::from(known(sha)))).collect()))
        }
        () if is(word, "flush") => {
            match &args[2..] {
                [] => {}
                [how] if is(how, "async") || is(how, "sync") => {}
                _ => return Err(Abort::error("ERR SCRIPT FLUSH only support SYNC|ASYNC option")),
            }
            call.store.scripts.forget_all();
            Ok(Reply::OK)
        }
        // A script is stopped by its step limit; while one runs, nothing else is read.
        () if is(word, "kill") => Err(Abort::error("NOTBUSY No scripts in execution right now.")),
        () => Err(Abort::error(format!(
            "ERR unknown subcommand '{}'. Try SCRIPT HELP.",
            String::from_utf8_lossy(word)
        ))),
    }
}
