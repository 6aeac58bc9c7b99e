//! The virtual machine, and what a script finds in it.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use mlua::{Function, HookTriggers, Lua, LuaOptions, StdLib, Table, VmState};

use super::{bit, cjson, cmsgpack, sha1_hex};
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
    pub(super) random: Rc<Cell<u64>>,
    pub(super) clock: Rc<Cell<f64>>,
    compiled: HashMap<String, Function>,
}

impl Interpreter {
    pub(super) fn new(bytes: usize) -> mlua::Result<Self> {
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
        let random = Rc::new(Cell::new(0));
        let clock = Rc::new(Cell::new(0.0));
        let natives = natives(&lua, &random, &clock)?;
        let left = Rc::clone(&steps_left);
        let exhausted = lua.create_function(move |_, ()| Ok(left.get() == 0))?;
        let slot = lua.create_table()?;
        let prelude = lua.load(include_str!("prelude.lua")).set_name("=prelude");
        let (base, env, runner) = prelude.call((slot.clone(), exhausted, natives))?;
        Ok(Self { lua, base, env, slot, runner, steps_left, random, clock, compiled: HashMap::new() })
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

fn natives(lua: &Lua, random: &Rc<Cell<u64>>, clock: &Rc<Cell<f64>>) -> mlua::Result<Table> {
    let natives = lua.create_table()?;
    natives.set("version", REDIS_VERSION)?;
    let mut number = 0_u32;
    for part in REDIS_VERSION.split('.') {
        number = (number << 8) | part.parse::<u32>().unwrap_or(0);
    }
    natives.set("version_number", number)?;
    let sha1 = |_: &Lua, text: mlua::LuaString| Ok(sha1_hex(&text.as_bytes()));
    natives.set("sha1hex", lua.create_function(sha1)?)?;
    let seed = Rc::clone(random);
    natives.set(
        "randomseed",
        lua.create_function(move |_, to: i64| {
            seed.set(seeded(to));
            Ok(())
        })?,
    )?;
    let state = Rc::clone(random);
    natives.set(
        "random",
        lua.create_function(move |_, (low, high): (Option<i64>, Option<i64>)| {
            let unit = draw(&state);
            let (low, high) = match (low, high) {
                (None, _) => return Ok(unit),
                (Some(high), None) => (1, high),
                (Some(low), Some(high)) => (low, high),
            };
            if low > high {
                return Err(mlua::Error::RuntimeError(
                    "bad argument to 'random' (interval is empty)".to_owned(),
                ));
            }
            #[allow(clippy::cast_precision_loss)]
            let span = (high - low) as f64 + 1.0;
            #[allow(clippy::cast_precision_loss)]
            let low = low as f64;
            Ok(low + (unit * span).floor())
        })?,
    )?;
    let clock = Rc::clone(clock);
    natives.set("clock", lua.create_function(move |_, ()| Ok(clock.get()))?)?;
    natives.set("bit", bit::library(lua)?)?;
    natives.set("cjson", cjson::library(lua)?)?;
    natives.set("cmsgpack", cmsgpack::library(lua)?)?;
    Ok(natives)
}

/// `srand48`: the seed of Redis' own generator.
pub(super) fn seeded(seed: i64) -> u64 {
    (seed.cast_unsigned() << 16 | 0x330E) & 0xFFFF_FFFF_FFFF
}

/// `lrand48`, which Redis uses so that scripts draw the same numbers everywhere, scaled to [0, 1).
fn draw(state: &Cell<u64>) -> f64 {
    let next = state.get().wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & 0xFFFF_FFFF_FFFF;
    state.set(next);
    #[allow(clippy::cast_precision_loss)]
    let unit = (next >> 17) as f64 / f64::from(1_u32 << 31);
    unit
}
