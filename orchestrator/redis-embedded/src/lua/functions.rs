//! Libraries of functions: loaded once, called by name (FUNCTION LOAD, FCALL).

use std::cell::RefCell;

use bytes::Bytes;
use mlua::{MultiValue, Value};

use super::interpreter::Interpreter;
use super::libraries::{Library, Registered};
use super::run::{User, execute};
use super::shebang;
use crate::commands::answer::{Abort, Answer};
use crate::commands::call::Call;

const BAD_NAME: &str = "Library names can only contain letters, numbers, or underscores(_) and must be at least one \
 character long";

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn refused(why: impl std::fmt::Display) -> Abort {
    Abort::error(format!("ERR {why}"))
}

/// Loads a library; gives its name.
pub(crate) fn load(call: &mut Call<'_>, code: &Bytes, replace: bool) -> Result<String, Abort> {
    let words = shebang::words(code).map_err(|()| refused("Invalid library metadata"))?;
    let words = words.ok_or_else(|| refused("Missing library metadata"))?;
    let name = library_name(&words)?;
    let engine = words.first().map_or("", String::as_str);
    if !engine.eq_ignore_ascii_case("lua") {
        return Err(refused(format!("Engine '{engine}' not found")));
    }
    let functions = &call.store.scripts.functions;
    if functions.libraries.contains_key(&name) && !replace {
        return Err(refused(format!("Library '{name}' already exists")));
    }
    if functions.libraries.len() >= call.store.config.limits.scripts {
        return Err(refused("too many libraries of functions; delete some (FUNCTION DELETE)"));
    }
    let interpreter = match call.store.scripts.functions.interpreter.take() {
        Some(interpreter) => interpreter,
        None => Interpreter::new(call.store.scripts.bytes, &call.store.scripts.random)
            .map_err(|error| refused(format!("the script interpreter could not start: {error}")))?,
    };
    // Loading is not work: a twentieth of what a script may take.
    interpreter.steps_left.set((call.store.scripts.steps / 20).max(1));
    let registered = register(&interpreter, code);
    call.store.scripts.functions.interpreter = Some(interpreter);
    let registered = registered?;
    if registered.is_empty() {
        return Err(refused("No functions registered"));
    }
    let others = call.store.scripts.functions.libraries.iter().filter(|(other, _)| **other != name);
    for (_, other) in others {
        if let Some(twice) = registered
            .iter()
            .find(|new| other.functions.iter().any(|old| old.name.eq_ignore_ascii_case(&new.name)))
        {
            return Err(refused(format!("Function {} already exists", twice.name)));
        }
    }
    let library = Library { code: code.clone(), functions: registered };
    call.store.scripts.functions.libraries.insert(name.clone(), library);
    Ok(name)
}

fn library_name(words: &[String]) -> Result<String, Abort> {
    let mut name: Option<String> = None;
    for word in words.iter().skip(1) {
        let Some(given) =
            word.get(..5).filter(|start| start.eq_ignore_ascii_case("name=")).map(|_| &word[5..])
        else {
            return Err(refused(format!("Invalid metadata value given: {word}")));
        };
        if name.replace(given.to_owned()).is_some() {
            return Err(refused("Invalid metadata value, name argument was given multiple times"));
        }
    }
    let name = name.ok_or_else(|| refused("Library name was not given"))?;
    if is_name(&name) { Ok(name) } else { Err(refused(BAD_NAME)) }
}

/// Runs the code of a library, which registers its functions.
fn register(interpreter: &Interpreter, code: &[u8]) -> Result<Vec<Registered>, Abort> {
    let end = code.iter().position(|&byte| byte == b'\n').unwrap_or(code.len());
    let body = interpreter.chunk(&code[end..], "@user_function").map_err(|error| {
        let text = match &error {
            mlua::Error::SyntaxError { message, .. } => message.clone(),
            other => other.to_string(),
        };
        refused(format!("Error compiling function: {text}"))
    })?;
    let found = RefCell::new(Vec::<Registered>::new());
    let result = interpreter.lua.scope(|scope| {
        let register = scope.create_function(|_, args: MultiValue| {
            Ok(match registration(&args) {
                Ok(new) if found.borrow().iter().any(|known| known.name.eq_ignore_ascii_case(&new.name)) => {
                    Some("Function already exists in the library".to_owned())
                }
                Ok(new) => {
                    found.borrow_mut().push(new);
                    None
                }
                Err(why) => Some(why.to_owned()),
            })
        })?;
        interpreter.slot.raw_set("register", register)?;
        let result = interpreter.runner.call::<(bool, Value)>(body.clone());
        interpreter.slot.raw_set("register", Value::Nil)?;
        result
    });
    match result {
        Ok((true, _)) => Ok(found.into_inner()),
        Ok((false, _)) if interpreter.steps_left.get() == 0 => Err(refused("FUNCTION LOAD timeout")),
        Ok((false, error)) => {
            let text = match &error {
                Value::Table(table) => table.raw_get::<String>("err").unwrap_or_default(),
                Value::String(text) => text.to_string_lossy(),
                other @ Value::Error(_) => super::location::worded(other),
                _ => "unknown error".to_owned(),
            };
            Err(refused(format!("Error registering functions: {text}")))
        }
        Err(error) => Err(refused(format!("Error registering functions: {error}"))),
    }
}

/// What was given to `redis.register_function`: a name and a function, or a table of named arguments.
fn registration(args: &MultiValue) -> Result<Registered, &'static str> {
    let args: Vec<&Value> = args.iter().collect();
    let registered = match args[..] {
        [Value::Table(named)] => named_registration(named)?,
        [_] => {
            return Err(
                "calling redis.register_function with a single argument is only applicable to Lua table \
                 (representing named arguments).",
            );
        }
        [name, body] => {
            let name = text(name).ok_or("first argument to redis.register_function must be a string")?;
            let Value::Function(body) = body else {
                return Err("second argument to redis.register_function must be a function");
            };
            Registered { name, description: None, flags: Vec::new(), body: body.clone() }
        }
        _ => return Err("wrong number of arguments to redis.register_function"),
    };
    if is_name(&registered.name) { Ok(registered) } else { Err(BAD_NAME) }
}

/// A string, or a number, as Lua takes one for the other.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_string_lossy()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn named_registration(named: &mlua::Table) -> Result<Registered, &'static str> {
    let (mut name, mut body, mut description, mut flags) = (None, None, None, Vec::new());
    for (key, value) in named.pairs::<Value, Value>().flatten() {
        let Value::String(key) = key else {
            return Err("named argument key given to redis.register_function is not a string");
        };
        match key.to_string_lossy().to_ascii_lowercase().as_str() {
            "function_name" => {
                let given = text(&value);
                name = Some(
                    given
                        .ok_or("function_name argument given to redis.register_function must be a string")?,
                );
            }
            "description" => {
                let given = text(&value);
                description = Some(
                    given.ok_or("description argument given to redis.register_function must be a string")?,
                );
            }
            "callback" => match value {
                Value::Function(given) => body = Some(given),
                _ => return Err("callback argument given to redis.register_function must be a function"),
            },
            "flags" => {
                let Value::Table(list) = value else {
                    return Err(
                        "flags argument to redis.register_function must be a table representing function flags",
                    );
                };
                for flag in list.sequence_values::<Value>().flatten() {
                    let flag = text(&flag).unwrap_or_default();
                    if !["no-writes", "allow-oom", "allow-stale", "no-cluster"].contains(&flag.as_str()) {
                        return Err("unknown flag given");
                    }
                    flags.push(flag);
                }
            }
            _ => return Err("unknown argument given to redis.register_function"),
        }
    }
    let name = name.ok_or("redis.register_function must get a function name argument")?;
    let body = body.ok_or("redis.register_function must get a callback argument")?;
    Ok(Registered { name, description, flags, body })
}

/// Calls a function.
pub(crate) fn run(
    call: &mut Call<'_>,
    function: &Registered,
    keys: &[Bytes],
    args: &[Bytes],
    read_only: bool,
) -> Answer {
    let Some(mut interpreter) = call.store.scripts.functions.interpreter.take() else {
        return Err(refused("Function not found"));
    };
    interpreter.steps_left.set(call.store.scripts.steps.max(1));
    let read_only = read_only || function.has("no-writes");
    let answer = execute(
        call,
        &mut interpreter,
        &function.body,
        &function.name,
        keys,
        args,
        read_only,
        User::Function,
        function.has("allow-oom"),
    );
    call.store.scripts.functions.interpreter = Some(interpreter);
    answer
}
