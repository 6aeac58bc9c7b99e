//! The `bit` library: 32-bit operations, as BitOp defines them (<https://bitop.luajit.org/api.html>).

use mlua::{Function, Lua, Table};

use super::native::{Args, Failure, function};

/// A number taken modulo 2^32, as a signed one.
fn to_bits(n: f64) -> i32 {
    if !n.is_finite() {
        return 0;
    }
    // Rounded half to even, then cut to 32 bits.
    #[allow(clippy::cast_possible_truncation)]
    let wide = n.round_ties_even().rem_euclid(4_294_967_296.0) as i64;
    #[allow(clippy::cast_possible_truncation)]
    let bits = wide as i32;
    bits
}

fn bits(lua: &Lua, args: &Args, at: usize) -> Result<i32, Failure> {
    Ok(to_bits(args.number(lua, at)?))
}

fn fold(lua: &Lua, name: &'static str, op: fn(i32, i32) -> i32) -> mlua::Result<Function> {
    function(lua, name, move |lua, args| {
        let mut folded = bits(lua, args, 1)?;
        for at in 2..=args.values.len() {
            folded = op(folded, bits(lua, args, at)?);
        }
        Ok(folded)
    })
}

fn shift(lua: &Lua, name: &'static str, op: fn(i32, u32) -> i32) -> mlua::Result<Function> {
    function(lua, name, move |lua, args| {
        Ok(op(bits(lua, args, 1)?, bits(lua, args, 2)?.cast_unsigned() & 31))
    })
}

fn change(lua: &Lua, name: &'static str, op: fn(i32) -> i32) -> mlua::Result<Function> {
    function(lua, name, move |lua, args| Ok(op(bits(lua, args, 1)?)))
}

pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let bit = lua.create_table()?;
    bit.set("band", fold(lua, "band", |a, b| a & b)?)?;
    bit.set("bor", fold(lua, "bor", |a, b| a | b)?)?;
    bit.set("bxor", fold(lua, "bxor", |a, b| a ^ b)?)?;
    bit.set("lshift", shift(lua, "lshift", |n, by| n << by)?)?;
    bit.set("rshift", shift(lua, "rshift", |n, by| (n.cast_unsigned() >> by).cast_signed())?)?;
    bit.set("arshift", shift(lua, "arshift", |n, by| n >> by)?)?;
    bit.set("rol", shift(lua, "rol", i32::rotate_left)?)?;
    bit.set("ror", shift(lua, "ror", i32::rotate_right)?)?;
    bit.set("bnot", change(lua, "bnot", |n| !n)?)?;
    bit.set("bswap", change(lua, "bswap", i32::swap_bytes)?)?;
    bit.set("tobit", change(lua, "tobit", |n| n)?)?;
    bit.set(
        "tohex",
        function(lua, "tohex", |lua, args| {
            let n = bits(lua, args, 1)?;
            let digits = if args.get(2).is_some() { bits(lua, args, 2)? } else { 8 };
            let hex = format!("{n:08x}");
            let shown = hex[8 - usize::try_from(digits.unsigned_abs().min(8)).unwrap_or(8)..].to_owned();
            Ok(if digits < 0 { shown.to_uppercase() } else { shown })
        })?,
    )?;
    Ok(bit)
}
