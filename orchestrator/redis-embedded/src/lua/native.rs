//! Functions for scripts, which fail as functions in C do.

use bytes::Bytes;
use mlua::{Function, IntoLuaMulti, Lua, LuaString, MultiValue, Value};

use super::location::caller;
use super::refusal::Refusal;

/// Why a function fails.
pub(super) enum Failure {
    /// In Lua's words, which get the line of the caller (`luaL_error`).
    Text(String),
    /// In Redis' words, as they are.
    Refused(Vec<u8>),
    /// The interpreter itself fails: it is out of memory.
    Host(mlua::Error),
}

impl From<mlua::Error> for Failure {
    fn from(error: mlua::Error) -> Self {
        Self::Host(error)
    }
}

pub(super) fn fail<T>(text: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Text(text.into()))
}

pub(super) fn refuse<T>(text: impl Into<Vec<u8>>) -> Result<T, Failure> {
    Err(Failure::Refused(text.into()))
}

pub(super) fn function<R: IntoLuaMulti>(
    lua: &Lua,
    name: &'static str,
    body: impl Fn(&Lua, &Args) -> Result<R, Failure> + 'static,
) -> mlua::Result<Function> {
    lua.create_function(move |lua, values: MultiValue| {
        body(lua, &Args { name, values }).map_err(|failure| match failure {
            Failure::Text(text) => mlua::Error::RuntimeError(caller(lua) + &text),
            Failure::Refused(text) => mlua::Error::external(Refusal(text)),
            Failure::Host(error) => error,
        })
    })
}

/// What a function was called with. Arguments are counted from 1, as Lua's messages count them.
pub(super) struct Args {
    name: &'static str,
    pub(super) values: MultiValue,
}

impl Args {
    pub(super) fn get(&self, at: usize) -> Option<&Value> {
        self.values.get(at.checked_sub(1)?)
    }

    pub(super) fn bad<T>(&self, at: usize, why: impl std::fmt::Display) -> Result<T, Failure> {
        fail(format!("bad argument #{at} to '{}' ({why})", self.name))
    }

    fn expected<T>(&self, at: usize, what: &str) -> Result<T, Failure> {
        let found = self.get(at).map_or("no value", |value| match value {
            Value::Integer(_) => "number",
            Value::LightUserData(_) | Value::Error(_) => "userdata",
            other => other.type_name(),
        });
        self.bad(at, format!("{what} expected, got {found}"))
    }

    /// A string, or a number as one (`luaL_checklstring`).
    pub(super) fn string(&self, lua: &Lua, at: usize) -> Result<Bytes, Failure> {
        match self.get(at) {
            Some(Value::String(text)) => Ok(Bytes::copy_from_slice(&text.as_bytes())),
            Some(number @ (Value::Integer(_) | Value::Number(_))) => {
                let text: Option<LuaString> = lua.coerce_string(number.clone())?;
                Ok(text.map_or_else(Bytes::new, |text| Bytes::copy_from_slice(&text.as_bytes())))
            }
            _ => self.expected(at, "string"),
        }
    }

    /// A number, or a string that reads as one (`luaL_checknumber`).
    pub(super) fn number(&self, lua: &Lua, at: usize) -> Result<f64, Failure> {
        let number = match self.get(at) {
            Some(value @ (Value::Integer(_) | Value::Number(_) | Value::String(_))) => {
                lua.coerce_number(value.clone())?
            }
            _ => None,
        };
        match number {
            Some(number) => Ok(number),
            None => self.expected(at, "number"),
        }
    }

    /// The same as a whole number; the fraction is cut off, as a cast in C does.
    #[allow(clippy::cast_possible_truncation)]
    pub(super) fn whole(&self, lua: &Lua, at: usize) -> Result<i64, Failure> {
        Ok(self.number(lua, at)? as i64)
    }

    /// A whole number that may be left out.
    pub(super) fn whole_or(&self, lua: &Lua, at: usize, otherwise: i64) -> Result<i64, Failure> {
        match self.get(at) {
            None | Some(Value::Nil) => Ok(otherwise),
            Some(_) => self.whole(lua, at),
        }
    }

    pub(super) fn only_one(&self) -> Result<&Value, Failure> {
        match self.get(1) {
            Some(value) if self.values.len() == 1 => Ok(value),
            _ => self.bad(1, "expected 1 argument"),
        }
    }
}
