//! Where in a script an error was raised, and how it is worded.

use mlua::{Function, Lua, Value};

use super::refusal::Refusal;

/// Frames looked at: deeper ones are of no interest.
const MAX_FRAMES: usize = 64;

/// `user_script:1: ` when the function at hand was called by one in Lua, as `luaL_where` has it.
pub(super) fn caller(lua: &Lua) -> String {
    let place = lua.inspect_stack(1, |frame| {
        let line = frame.current_line().filter(|_| frame.source().what != "C")?;
        Some(format!("{}:{line}: ", frame.source().short_src?))
    });
    place.flatten().unwrap_or_default()
}

/// An error as Redis' own handler makes it: a table with its text, the chunk and the line.
pub(super) fn handler(lua: &Lua) -> mlua::Result<Function> {
    lua.create_function(|lua, error: Value| {
        let table = lua.create_table()?;
        let text = match &error {
            Value::Table(given) => given.raw_get::<Value>("err")?,
            Value::Error(error) if refusal(error).is_some() => {
                Value::String(lua.create_string(refusal(error).unwrap_or_default())?)
            }
            other => Value::String(lua.create_string([b"ERR ", &text(lua, other)?[..]].concat())?),
        };
        table.raw_set("err", text)?;
        if let Some((source, line)) = raised_at(lua) {
            table.raw_set("source", source)?;
            table.raw_set("line", line)?;
        }
        Ok(table)
    })
}

/// The innermost frame that is the script's own: neither C nor the prelude.
fn raised_at(lua: &Lua) -> Option<(String, usize)> {
    for level in 1..MAX_FRAMES {
        let frame = lua.inspect_stack(level, |frame| {
            let source = frame.source();
            let own =
                source.what != "C" && source.source.as_deref().is_some_and(|name| name.starts_with('@'));
            own.then(|| (source.source.unwrap_or_default().into_owned(), frame.current_line().unwrap_or(0)))
        })?;
        if frame.is_some() {
            return frame;
        }
    }
    None
}

/// What `tostring` makes of it.
fn text(lua: &Lua, error: &Value) -> mlua::Result<Vec<u8>> {
    Ok(match error {
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Nil => b"nil".to_vec(),
        Value::Boolean(yes) => yes.to_string().into_bytes(),
        Value::Error(_) => worded(error).into_bytes(),
        Value::Integer(_) | Value::Number(_) => {
            lua.coerce_string(error.clone())?.map(|text| text.as_bytes().to_vec()).unwrap_or_default()
        }
        other => other.type_name().as_bytes().to_vec(),
    })
}

fn cause(error: &mlua::Error) -> &mlua::Error {
    let mut error = error;
    while let mlua::Error::CallbackError { cause, .. } = error {
        error = cause;
    }
    error
}

fn refusal(error: &mlua::Error) -> Option<&[u8]> {
    match cause(error) {
        mlua::Error::ExternalError(error) => error.downcast_ref::<Refusal>().map(|refusal| &refusal.0[..]),
        _ => None,
    }
}

/// An error of the host in one line.
pub(super) fn worded(error: &Value) -> String {
    let Value::Error(error) = error else { return error.type_name().to_owned() };
    let text = cause(error).to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("runtime error: ").to_owned()
}
