//! What a scalar without quotes means to go-yaml v2, and how Go writes numbers.

use serde_json::{Number, Value};

/// What a plain scalar resolves to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer that only an unsigned number holds.
    Uint(u64),
    Float(f64),
    /// Nothing but text, dates included.
    Text,
}

impl Scalar {
    /// The value in JSON; `None` for infinities and not-a-number, which JSON lacks, and for text.
    pub(crate) fn to_value(self) -> Option<Value> {
        match self {
            Self::Null => Some(Value::Null),
            Self::Bool(value) => Some(Value::Bool(value)),
            Self::Int(value) => Some(Value::Number(value.into())),
            Self::Uint(value) => Some(Value::Number(value.into())),
            Self::Float(value) => float(value).map(Value::Number),
            Self::Text => None,
        }
    }
}

/// A float as it comes back from the JSON that Go writes: `1e3` is written `1000` and so is an integer.
pub(crate) fn float(value: f64) -> Option<Number> {
    if value.fract() == 0.0 && (-9.2e18..9.2e18).contains(&value) {
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked and there is no fraction")]
        return Some(Number::from(value as i64));
    }
    Number::from_f64(value)
}

/// What `text` means without quotes and without a tag.
pub(crate) fn resolve(text: &str) -> Scalar {
    let Some(first) = text.bytes().next() else { return Scalar::Null };
    match first {
        b'0'..=b'9' | b'+' | b'-' => special(text).unwrap_or_else(|| number(text)),
        b'.' => special(text).unwrap_or_else(|| underscored(text).map_or(Scalar::Text, Scalar::Float)),
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => {
            special(text).unwrap_or(Scalar::Text)
        }
        _ => Scalar::Text,
    }
}

fn special(text: &str) -> Option<Scalar> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

/// A scalar that starts with a digit or a sign, tried as go-yaml tries it: integer, float, then `0b`.
fn number(text: &str) -> Scalar {
    // Nothing longer than this is a number that a float could not hold just as badly; it keeps the work bounded.
    if text.len() > 4096 || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte)) {
        return Scalar::Text;
    }
    let plain: String = text.chars().filter(|character| *character != '_').collect();
    if let Some(integer) = go_integer(&plain) {
        return integer;
    }
    if is_float(&plain)
        && let Some(value) = go_float(&plain)
    {
        return Scalar::Float(value);
    }
    let (negative, digits) = match (plain.strip_prefix("0b"), plain.strip_prefix("-0b")) {
        (Some(digits), _) => (false, digits),
        (_, Some(digits)) => (true, digits),
        _ => return Scalar::Text,
    };
    // `0b-1` reaches this, because Go's parser takes a sign after the prefix was cut off.
    let (flip, digits) = match (negative, digits.strip_prefix('-'), digits.strip_prefix('+')) {
        (false, Some(rest), _) => (true, rest),
        (false, _, Some(rest)) => (false, rest),
        _ => (negative, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| matches!(byte, b'0' | b'1')) {
        return Scalar::Text;
    }
    signed(u64::from_str_radix(digits, 2).ok(), flip).unwrap_or(Scalar::Text)
}

/// `strconv.ParseInt(text, 0, 64)`, then `ParseUint`.
fn go_integer(text: &str) -> Option<Scalar> {
    let (negative, signed_text, digits) = match text.as_bytes().first()? {
        b'-' => (true, true, &text[1..]),
        b'+' => (false, true, &text[1..]),
        _ => (false, false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    // ParseUint takes no sign, so a number with one must fit a signed integer.
    match signed(Some(magnitude), negative)? {
        Scalar::Uint(_) if signed_text => None,
        scalar => Some(scalar),
    }
}

fn signed(magnitude: Option<u64>, negative: bool) -> Option<Scalar> {
    let magnitude = magnitude?;
    match (i64::try_from(magnitude), negative) {
        (Ok(value), false) => Some(Scalar::Int(value)),
        (Ok(value), true) => Some(Scalar::Int(-value)),
        (Err(_), true) if magnitude == 1 << 63 => Some(Scalar::Int(i64::MIN)),
        (Err(_), true) => None,
        (Err(_), false) => Some(Scalar::Uint(magnitude)),
    }
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
pub(crate) fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa_fits && exponent_fits
}

/// `strconv.ParseFloat`, which fails where the number is out of range.
fn go_float(text: &str) -> Option<f64> {
    if !is_float(text) {
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// A float that starts with a dot: there go-yaml leaves underscores to Go, which takes them between digits only.
fn underscored(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let placed = |(at, byte): (usize, &u8)| *byte != b'_' || digit(at.checked_sub(1)) && digit(Some(at + 1));
    if text.len() > 4096 || !bytes.iter().enumerate().all(placed) {
        return None;
    }
    go_float(&text.replace('_', ""))
}

/// A float as a key: Go's `FormatFloat(value, 'g', -1, 32)`.
pub(crate) fn float_key(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "Go formats the key as a 32-bit float")]
    let short = value as f32;
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if short.is_infinite() {
        return if short > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    // `{:e}` gives the shortest digits that come back to the same number, as Go's precision of -1 does.
    let shortest = format!("{short:e}");
    let Some((digits, exponent)) = shortest.split_once('e') else { return shortest };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{short}")
}

fn days_in(year: &str, month: &str) -> u32 {
    let year: u32 = year.parse().unwrap_or_default();
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month.parse().unwrap_or(0u32) {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The forms of a date that go-yaml takes for a timestamp; only an explicit `!!timestamp` asks.
pub(crate) fn is_timestamp(text: &str) -> bool {
    let Some((year, rest)) = text.split_once('-') else { return false };
    let Some((month, rest)) = rest.split_once('-') else { return false };
    let day_length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (day, time) = rest.split_at(day_length);
    let within = |text: &str, low: u32, high: u32| {
        (1..=2).contains(&text.len()) && text.parse::<u32>().is_ok_and(|value| (low..=high).contains(&value))
    };
    if year.len() != 4
        || !year.bytes().all(|byte| byte.is_ascii_digit())
        || !within(month, 1, 12)
        || !within(day, 1, days_in(year, month))
    {
        return false;
    }
    let zoned = match time.as_bytes().first() {
        None => return true,
        Some(b'T' | b't') => true,
        Some(b' ') => false,
        _ => return false,
    };
    let clock = &time[1..];
    let clock = match (zoned, clock.find(['Z', '+', '-'])) {
        (true, Some(at)) => &clock[..at],
        (true, None) => return false,
        (false, Some(_)) => return false,
        (false, None) => clock,
    };
    let mut parts = clock.splitn(3, ':');
    let (hour, minute, second) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let second = second.split('.').next().unwrap_or_default();
    within(hour, 0, 23) && within(minute, 0, 59) && within(second, 0, 59)
}
