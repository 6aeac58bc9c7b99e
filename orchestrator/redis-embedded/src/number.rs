//! Numbers as Redis reads and writes them.

/// A decimal integer, as `string2ll` reads it: no plus sign, no leading zeros, nothing around it.
pub(crate) fn parse_i64(bytes: &[u8]) -> Option<i64> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let plain = match digits {
        [b'0'] => bytes.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.len() < 19 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !plain {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// A float, as `strtod` reads the whole of it; not NaN.
pub(crate) fn parse_f64(bytes: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let known = unsigned.eq_ignore_ascii_case("inf")
        || unsigned.eq_ignore_ascii_case("infinity")
        || unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if !known {
        return None;
    }
    let value: f64 = if unsigned.starts_with("0x") || unsigned.starts_with("0X") {
        let value = hexadecimal(&unsigned[2..])?;
        if text.starts_with('-') { -value } else { value }
    } else {
        text.parse().ok()?
    };
    // A number too great for a double is out of range; a written infinity is not.
    if value.is_infinite() && unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    (!value.is_nan()).then_some(value)
}

/// Hexadecimal digits, with a point or without, and perhaps a power of two, as `strtod` reads them (C99, 7.20.1.3).
fn hexadecimal(digits: &str) -> Option<f64> {
    let (mantissa, power) = match digits.split_once(['p', 'P']) {
        Some((mantissa, power)) => (mantissa, power.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let mut value = 0.0_f64;
    for digit in whole.chars().chain(part.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let places = i32::try_from(part.len()).ok()?.checked_mul(4)?;
    Some(value * 2.0_f64.powi(power.checked_sub(places)?))
}

/// The shortest text that reads back as the same double, as Redis 7.2 writes scores.
pub(crate) fn format_f64(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let exponent = value.abs().log10().floor();
    if (-5.0..17.0).contains(&exponent) {
        return format!("{value}");
    }
    // C writes at least two digits of exponent, and its sign.
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => match exponent.strip_prefix('-') {
            Some(digits) => format!("{mantissa}e-{digits:0>2}"),
            None => format!("{mantissa}e+{exponent:0>2}"),
        },
        None => text,
    }
}

/// What C writes for `%.17g`.
pub(crate) fn format_g17(value: f64) -> String {
    format_g(value, 17)
}

/// What C writes for `%.{digits}g`.
pub(crate) fn format_g(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let precision = digits.max(1);
    let scientific = format!("{value:.*e}", precision - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| {
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text.to_owned()
        }
    };
    let places = i32::try_from(precision).unwrap_or(i32::MAX);
    if (-4..places).contains(&exponent) {
        let after = usize::try_from(places - 1 - exponent).unwrap_or(0);
        return trimmed(&format!("{value:.after$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
}

/// Decimal digits that `INCRBYFLOAT` keeps (`%.17Lf`).
const FRACTION: u32 = 17;

/// The sum of two decimal numbers, as INCRBYFLOAT and HINCRBYFLOAT give it. Redis adds long
/// doubles, which Rust does not have; adding the decimal digits exactly gives the same for
/// anything that fits, and doubles do for the rest. `None` when the sum is not a number.
pub(crate) fn add_decimals(a: &[u8], b: &[u8]) -> Option<String> {
    if let (Some(x), Some(y)) = (fixed_point(a), fixed_point(b))
        && let Some(sum) = x.checked_add(y)
    {
        return Some(format_fixed(sum));
    }
    let sum = parse_f64(a)? + parse_f64(b)?;
    if !sum.is_finite() {
        return None;
    }
    Some(format!("{sum}"))
}

fn fixed_point(bytes: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fits = whole.len() <= 18 && fraction.len() <= FRACTION as usize && (whole.len() + fraction.len()) > 0;
    if !fits || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let padded = format!("{fraction:0<width$}", width = FRACTION as usize);
    let value = whole * 10_i128.pow(FRACTION) + padded.parse::<i128>().ok()?;
    Some(if negative { -value } else { value })
}

fn format_fixed(value: i128) -> String {
    let unit = 10_i128.pow(FRACTION);
    let sign = if value < 0 { "-" } else { "" };
    let (whole, fraction) = (value.abs() / unit, value.abs() % unit);
    let fraction = format!("{fraction:0width$}", width = FRACTION as usize);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_strictly_as_redis_does() {
        assert_eq!(parse_i64(b"-9223372036854775808"), Some(i64::MIN));
        for bad in ["", "-", "+1", "01", "-0", " 1", "1 ", "1.0", "9223372036854775808", "abc"] {
            assert_eq!(parse_i64(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn floats_refuse_nan_and_overflow() {
        assert_eq!(parse_f64(b"-inf"), Some(f64::NEG_INFINITY));
        assert_eq!(parse_f64(b"1e3"), Some(1000.0));
        assert_eq!(parse_f64(b"0x10"), Some(16.0));
        assert_eq!(parse_f64(b"-0X1.8p3"), Some(-12.0));
        for bad in ["0x", "0x.", "0xg", "0x1p", "0x1p99999", "0x1 "] {
            assert_eq!(parse_f64(bad.as_bytes()), None, "{bad:?}");
        }
        for bad in ["nan", "", " 1", "1x", "1e999", "--1"] {
            assert_eq!(parse_f64(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn decimal_sums_have_no_binary_dust() {
        assert_eq!(add_decimals(b"0.1", b"0.2").unwrap(), "0.3");
        assert_eq!(add_decimals(b"5.0e3", b"2.0e2").unwrap(), "5200");
        assert_eq!(add_decimals(b"-1.5", b"1.5").unwrap(), "0");
    }

    #[test]
    fn numbers_of_scripts_are_written_as_printf_writes_them() {
        assert_eq!(format_g17(0.1), "0.10000000000000001");
        assert_eq!(format_g17(3.0), "3");
        assert_eq!(format_g17(1e17), "1e+17");
        assert_eq!(format_g(1.0 / 3.0, 14), "0.33333333333333");
        assert_eq!(format_g(1e-7, 14), "1e-07");
    }

    #[test]
    fn doubles_are_written_short_and_as_c_writes_exponents() {
        assert_eq!(format_f64(0.1), "0.1");
        assert_eq!(format_f64(3.0), "3");
        assert_eq!(format_f64(1e21), "1e+21");
        assert_eq!(format_f64(1.5e-9), "1.5e-09");
    }
}
