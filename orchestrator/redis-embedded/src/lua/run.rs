//! One script, run on behalf of one command.

use std::cell::{Cell, RefCell};

use bytes::Bytes;
use mlua::Value;

use super::convert::{argument, bytes_of, error_text, from_lua, to_lua};
use super::interpreter::Interpreter;
use crate::commands::answer::{Abort, Answer, Caller, OUT_OF_MEMORY};
use crate::commands::args::database;
use crate::commands::call::Call;
use crate::resp::Reply;
use crate::spec::Spec;
use crate::store::acl::selector::Denied;

/// Takes the interpreter out of the store, makes one when there is none, and puts it back after.
fn with_interpreter<T>(
    call: &mut Call<'_>,
    work: impl FnOnce(&mut Call<'_>, &mut Interpreter) -> T,
) -> Result<T, Abort> {
    let mut interpreter = match call.store.scripts.interpreter.take() {
        Some(interpreter) => interpreter,
        None => Interpreter::new(call.store.scripts.bytes, &call.store.scripts.random)
            .map_err(|error| Abort::error(format!("ERR the script interpreter could not start: {error}")))?,
    };
    interpreter.steps_left.set(call.store.scripts.steps.max(1));
    let result = work(call, &mut interpreter);
    call.store.scripts.interpreter = Some(interpreter);
    Ok(result)
}

fn compile_error(error: &mlua::Error) -> Abort {
    let text = match error {
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    };
    Abort::error(format!("ERR Error compiling script (new function): {text}"))
}

/// Whether a script can be compiled.
pub(crate) fn check(call: &mut Call<'_>, source: &[u8]) -> Result<(), Abort> {
    super::shebang::flags(source).map_err(Abort::error)?;
    with_interpreter(call, |_, interpreter| {
        interpreter.compile(source).map(|_| ()).map_err(|e| compile_error(&e))
    })?
}

/// Runs a script that is remembered.
pub(crate) fn run(call: &mut Call<'_>, sha: &str, keys: &[Bytes], args: &[Bytes], read_only: bool) -> Answer {
    let Some(source) = call.store.scripts.source(sha).cloned() else {
        return Err(Abort::error("NOSCRIPT No matching script. Please use EVAL."));
    };
    let flags = super::shebang::flags(&source).map_err(Abort::error)?;
    if flags.declared && !flags.without_memory && !read_only && !flags.no_writes && call.store.is_full() {
        return Err(Abort::error(OUT_OF_MEMORY));
    }
    if flags.declared && read_only && !flags.no_writes {
        return Err(Abort::error("ERR Can not execute a script with write flag using *_ro command."));
    }
    let read_only = read_only || flags.no_writes;
    let answer = with_interpreter(call, |call, interpreter| {
        let function = interpreter.function(sha, &source).map_err(|error| compile_error(&error))?;
        execute(call, interpreter, &function, sha, keys, args, read_only, User::Script, flags.without_memory)
    })?;
    if matches!(&answer, Err(Abort::Error(text)) if text.starts_with(b"ERR Error compiling")) {
        call.store.scripts.forget(sha);
    }
    answer
}

/// What kind of code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum User {
    Script,
    Function,
}

impl User {
    fn chunk(self) -> &'static str {
        match self {
            Self::Script => "user_script",
            Self::Function => "user_function",
        }
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) fn execute(
    call: &mut Call<'_>,
    interpreter: &mut Interpreter,
    function: &mlua::Function,
    sha: &str,
    keys: &[Bytes],
    args: &[Bytes],
    read_only: bool,
    user: User,
    without_memory: bool,
) -> Answer {
    let lua = interpreter.lua.clone();
    let db = Cell::new(call.db);
    let resp3 = Cell::new(false);
    let cell = RefCell::new(call);
    let result = lua.scope(|scope| {
        let strings = |items: &[Bytes]| -> mlua::Result<mlua::Table> {
            let table = lua.create_table()?;
            for (at, item) in items.iter().enumerate() {
                table.raw_set(at + 1, lua.create_string(item)?)?;
            }
            Ok(table)
        };
        let (keys, args) = (strings(keys)?, strings(args)?);
        if user == User::Script {
            interpreter.base.raw_set("KEYS", &keys)?;
            interpreter.base.raw_set("ARGV", &args)?;
        }
        // A table: thousands of arguments would not fit the stack of a function in C.
        let invoke = scope.create_function(|lua, (args, count): (mlua::Table, usize)| {
            let mut call = cell.try_borrow_mut().map_err(|_| mlua::Error::RecursiveMutCallback)?;
            let reply = command(&mut call, &args, count, &db, (resp3.get(), without_memory), read_only);
            let failed = matches!(reply, Reply::Error(_));
            Ok((failed, to_lua(lua, reply, resp3.get())?))
        })?;
        interpreter.slot.raw_set("call", invoke)?;
        let setresp = scope.create_function(|_, version: i64| {
            resp3.set(version == 3);
            Ok(())
        })?;
        interpreter.slot.raw_set("setresp", setresp)?;
        let acl_check = scope.create_function(|_, (args, count): (mlua::Table, usize)| {
            let call = cell.try_borrow().map_err(|_| mlua::Error::RecursiveMutCallback)?;
            let name =
                (count > 0).then(|| args.raw_get::<Value>(1).ok().as_ref().and_then(argument)).flatten();
            Ok(name.and_then(|name| call.find(&name)).map(|_| true))
        })?;
        interpreter.slot.raw_set("acl_check", acl_check)?;
        match user {
            User::Script => interpreter.runner.call::<(bool, Value)>(function.clone()),
            User::Function => interpreter.runner.call::<(bool, Value)>((function.clone(), keys, args)),
        }
    });
    match result {
        Ok((true, value)) => Ok(from_lua(&value)),
        Ok((false, error)) => Err(Abort::Error(failure(&error, sha, user))),
        Err(error) => Err(Abort::error(format!("ERR {error} script: {sha}, on @{}.", user.chunk()))),
    }
}

/// A command called by a script.
fn command(
    call: &mut Call<'_>,
    args: &mlua::Table,
    count: usize,
    db: &Cell<usize>,
    (resp3, without_memory): (bool, bool),
    read_only: bool,
) -> Reply {
    if count == 0 {
        return Reply::error("ERR Please specify at least one argument for this redis lib call");
    }
    let words: Option<Vec<Bytes>> =
        (1..=count).map(|at| args.raw_get::<Value>(at).ok().as_ref().and_then(argument)).collect();
    let Some(words) = words else {
        return Reply::error("ERR Lua redis lib command arguments must be strings or integers");
    };
    let Some(spec) = words.first().and_then(|name| call.find(name)) else {
        return Reply::error("ERR Unknown Redis command called from script");
    };
    if !spec.accepts(words.len()) {
        return Reply::error("ERR Wrong number of args calling Redis command from script");
    }
    if spec.has(Spec::NO_SCRIPT) {
        return Reply::error("ERR This Redis command is not allowed from script");
    }
    match call.store.check_user(call.client, spec, &words) {
        Ok(()) => {}
        Err(Denied::Command(_)) => {
            return Reply::error("ERR The user executing the script can't run this command or subcommand");
        }
        Err(Denied::Key(_)) => {
            return Reply::error(
                "ERR The user executing the script can't access at least one of the keys mentioned in the command arguments",
            );
        }
        Err(Denied::Channel(_)) => {
            return Reply::error(
                "ERR The user executing the script can't publish to the channel mentioned in the command",
            );
        }
    }
    if read_only && spec.has(Spec::WRITE) {
        return Reply::error("ERR Write commands are not allowed from read-only scripts.");
    }
    if spec.name.starts_with("xread") && words.iter().any(|word| word.eq_ignore_ascii_case(b"block")) {
        let streams =
            words.iter().position(|word| word.eq_ignore_ascii_case(b"streams")).unwrap_or(words.len());
        if words[..streams].iter().any(|word| word.eq_ignore_ascii_case(b"block")) {
            let name = String::from_utf8_lossy(&words[0]);
            return Reply::error(format!("ERR {name} command is not allowed with BLOCK option from scripts"));
        }
    }
    if spec.name == "select" {
        // A script's choice of database is its own.
        return match database(&words[1]) {
            Ok(chosen) => {
                db.set(chosen);
                Reply::OK
            }
            Err(Abort::Error(text)) => Reply::Error(text),
            Err(Abort::Wait(_)) => Reply::Nil,
        };
    }
    match call.run(spec, db.get(), &words, Caller::Script { resp3, without_memory }) {
        Ok(reply) => reply,
        Err(Abort::Error(text)) => Reply::Error(text),
        Err(Abort::Wait(_)) => Reply::NilArray,
    }
}

/// The error of a script that failed: its text, the script, and the line that raised it.
fn failure(error: &Value, sha: &str, user: User) -> Bytes {
    let mut worded = Vec::new();
    let mut place = format!("@{}", user.chunk());
    match error {
        Value::Table(table) => {
            match table.raw_get::<Value>("err") {
                Ok(Value::String(text)) => worded.extend_from_slice(&error_text(&bytes_of(&text))),
                _ => worded.extend_from_slice(b"ERR unknown error"),
            }
            if let (Ok(source), Ok(line)) = (table.raw_get::<String>("source"), table.raw_get::<u64>("line"))
            {
                place = format!("{source}:{line}");
            }
        }
        other => worded.extend_from_slice(format!("ERR {}", super::location::worded(other)).as_bytes()),
    }
    worded.extend_from_slice(format!(" script: {sha}, on {place}.").as_bytes());
    Bytes::from(worded)
}
