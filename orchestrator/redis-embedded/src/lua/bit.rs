//! The `bit` library: 32-bit operations, as BitOp defines them (<https://bitop.luajit.org/api.html>).

use mlua::{Lua, Table, Variadic};

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

pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let bit = lua.create_table()?;
    let fold = |op: fn(i32, i32) -> i32| {
        lua.create_function(move |_, args: Variadic<f64>| {
            let mut bits = args.iter().map(|n| to_bits(*n));
            let first = bits
                .next()
                .ok_or_else(|| mlua::Error::RuntimeError("number expected, got no value".to_owned()))?;
            Ok(bits.fold(first, op))
        })
    };
    bit.set("band", fold(|a, b| a & b)?)?;
    bit.set("bor", fold(|a, b| a | b)?)?;
    bit.set("bxor", fold(|a, b| a ^ b)?)?;
    let shift = |op: fn(i32, u32) -> i32| {
        lua.create_function(move |_, (n, by): (f64, f64)| {
            Ok(op(to_bits(n), to_bits(by).cast_unsigned() & 31))
        })
    };
    bit.set("lshift", shift(|n, by| n << by)?)?;
    bit.set("rshift", shift(|n, by| (n.cast_unsigned() >> by).cast_signed())?)?;
    bit.set("arshift", shift(|n, by| n >> by)?)?;
    bit.set("rol", shift(i32::rotate_left)?)?;
    bit.set("ror", shift(i32::rotate_right)?)?;
    bit.set("bnot", lua.create_function(|_, n: f64| Ok(!to_bits(n)))?)?;
    bit.set("bswap", lua.create_function(|_, n: f64| Ok(to_bits(n).swap_bytes()))?)?;
    bit.set("tobit", lua.create_function(|_, n: f64| Ok(to_bits(n)))?)?;
    bit.set(
        "tohex",
        lua.create_function(|_, (n, digits): (f64, Option<f64>)| {
            let digits = digits.map_or(8, to_bits);
            let hex = format!("{:08x}", to_bits(n));
            let shown = hex[8 - usize::try_from(digits.unsigned_abs().min(8)).unwrap_or(8)..].to_owned();
            Ok(if digits < 0 { shown.to_uppercase() } else { shown })
        })?,
    )?;
    Ok(bit)
}
