//! The virtual machine, and what a script finds in it.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use mlua::{Function, HookTriggers, Lua, LuaOptions, StdLib, Table, VmState};

use super::native::{Args, Failure, function};
use super::{api, bit, cjson, cmsgpack, location, structs};
use crate::version::REDIS_VERSION;

/// How often a running script is checked against its limit.
const STEPS_BETWEEN_CHECKS: u32 = 1000;

pub(crate) struct Interpreter {
    pub(super) lua: Lua,
    /// What scripts see as their globals, where KEYS and ARGV are put.
    pub(super) base: Table,
    pub(super) env: Table,
    /// Where the functions of the run at hand are put.
    pub(super) slot: Table,
    /// Runs a function and gives (worked, result or error).
    pub(super) runner: Function,
    pub(super) steps_left: Rc<Cell<u64>>,
    compiled: HashMap<String, Function>,
}

impl Interpreter {
    pub(super) fn new(bytes: usize, random: &Rc<Cell<u64>>) -> mlua::Result<Self> {
        let lua = Lua::new_with(StdLib::TABLE | StdLib::STRING | StdLib::MATH, LuaOptions::default())?;
        lua.set_memory_limit(bytes)?;
        let steps_left = Rc::new(Cell::new(0_u64));
        let left = Rc::clone(&steps_left);
        lua.set_global_hook(HookTriggers::new().every_nth_instruction(STEPS_BETWEEN_CHECKS), move |_, _| {
            left.set(left.get().saturating_sub(u64::from(STEPS_BETWEEN_CHECKS)));
            if left.get() == 0 {
                return Err(mlua::Error::RuntimeError("script exceeded its step limit".to_owned()));
            }
            Ok(VmState::Continue)
        })?;
        // The prelude itself takes some steps.
        steps_left.set(u64::MAX);
        let slot = lua.create_table()?;
        let natives = natives(&lua, &slot, random)?;
        let left = Rc::clone(&steps_left);
        let exhausted = lua.create_function(move |_, ()| Ok(left.get() == 0))?;
        let prelude = lua.load(include_str!("prelude.lua")).set_name("=prelude");
        let (base, env, runner) =
            prelude.call((slot.clone(), exhausted, natives, location::handler(&lua)?))?;
        Ok(Self { lua, base, env, slot, runner, steps_left, compiled: HashMap::new() })
    }

    /// The function of a script, compiled once.
    pub(super) fn function(&mut self, sha: &str, source: &[u8]) -> mlua::Result<Function> {
        if let Some(function) = self.compiled.get(sha) {
            return Ok(function.clone());
        }
        let function = self.compile(source)?;
        self.compiled.insert(sha.to_owned(), function.clone());
        Ok(function)
    }

    pub(super) fn compile(&self, source: &[u8]) -> mlua::Result<Function> {
        // The first line of a script may say what it wants; the lines keep their numbers.
        let source = source.strip_prefix(b"#!").map_or(source, |rest| {
            rest.iter().position(|&byte| byte == b'\n').map_or(&[][..], |end| &rest[end..])
        });
        self.chunk(source, "@user_script")
    }

    /// Code that sees what scripts see.
    pub(super) fn chunk(&self, source: &[u8], name: &str) -> mlua::Result<Function> {
        let chunk = self.lua.load(source).set_name(name).set_mode(mlua::chunk::ChunkMode::Text);
        chunk.set_environment(self.env.clone()).into_function()
    }

    pub(super) fn forget(&mut self, sha: &str) {
        self.compiled.remove(sha);
    }
}

fn natives(lua: &Lua, slot: &Table, random: &Rc<Cell<u64>>) -> mlua::Result<Table> {
    let natives = lua.create_table()?;
    natives.set("version", REDIS_VERSION)?;
    let mut number = 0_u32;
    for part in REDIS_VERSION.split('.') {
        number = (number << 8) | part.parse::<u32>().unwrap_or(0);
    }
    natives.set("version_number", number)?;
    let worded = |_: &Lua, error: mlua::Value| Ok(location::worded(&error));
    natives.set("worded", lua.create_function(worded)?)?;
    let seed = Rc::clone(random);
    let set_seed = move |lua: &Lua, args: &Args| {
        seed.set(seeded(args.whole(lua, 1)?));
        Ok(())
    };
    natives.set("randomseed", function(lua, "randomseed", set_seed)?)?;
    let state = Rc::clone(random);
    let next = move |lua: &Lua, args: &Args| random_number(lua, args, &state);
    natives.set("random", function(lua, "random", next)?)?;
    natives.set("redis", api::library(lua, slot)?)?;
    natives.set("bit", bit::library(lua)?)?;
    natives.set("cjson", cjson::library(lua)?)?;
    natives.set("cmsgpack", cmsgpack::library(lua)?)?;
    natives.set("struct", structs::library(lua)?)?;
    Ok(natives)
}

/// `math.random`: of [0, 1), of 1 to a number, or of one number to another.
fn random_number(lua: &Lua, args: &Args, state: &Cell<u64>) -> Result<f64, Failure> {
    let unit = draw(state);
    let (low, high, at) = match args.values.len() {
        0 => return Ok(unit),
        1 => (1, args.whole(lua, 1)?, 1),
        2 => (args.whole(lua, 1)?, args.whole(lua, 2)?, 2),
        _ => return super::native::fail("wrong number of arguments"),
    };
    if low > high {
        return args.bad(at, "interval is empty");
    }
    #[allow(clippy::cast_precision_loss)]
    let (low, high) = (low as f64, high as f64);
    Ok(low + (unit * (high - low + 1.0)).floor())
}

/// Where Redis' generator begins.
pub(super) const FIRST_RANDOM: u64 = 0x1234_ABCD_330E;

/// `srand48`.
fn seeded(seed: i64) -> u64 {
    (seed.cast_unsigned() << 16 | 0x330E) & 0xFFFF_FFFF_FFFF
}

/// `lrand48`, which Redis uses so that scripts draw the same numbers everywhere, scaled to [0, 1).
fn draw(state: &Cell<u64>) -> f64 {
    let next = state.get().wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & 0xFFFF_FFFF_FFFF;
    state.set(next);
    let max = u64::from(i32::MAX.unsigned_abs());
    #[allow(clippy::cast_precision_loss)]
    let unit = ((next >> 17) % max) as f64 / max as f64;
    unit
}
