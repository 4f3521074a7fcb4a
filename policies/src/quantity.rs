//! Kubernetes quantities (`500m`, `16Gi`, `1e3`), read, compared, reckoned with and written as Go's `resource.Quantity`
//! does, because it is that code which decides in the cluster.
//!
//! Source: `k8s.io/apimachinery/pkg/api/resource/quantity.go` and `suffix.go`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// Billionths in one unit: the smallest amount that a quantity can hold.
const NANOS: i128 = 1_000_000_000;
/// What Go caps quantities with a binary suffix at.
const MAX_BINARY: i128 = i64::MAX as i128 * NANOS;
/// Where quantities end here. Go has no end for decimal ones, but none beyond 10^26 means anything.
const MAX: i128 = 100_000_000_000_000_000_000_000_000 * NANOS;

/// An amount of a resource. Two quantities are equal when their amounts are: `1024Mi` is `1Gi`.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    /// Billionths of the unit.
    nanos: i128,
    family: Family,
}

/// How a quantity is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `n u m k M G T P E`, powers of 1000.
    Decimal,
    /// `Ki Mi Gi Ti Pi Ei`, powers of 1024.
    Binary,
    /// `e3`, powers of ten.
    Exponent,
}

/// Why a text is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantityError {
    /// It is not a number followed by a suffix.
    Format,
    /// The suffix is none that Kubernetes knows.
    Suffix,
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => "a quantity is a number and perhaps a suffix",
            Self::Suffix => "the suffix is none of n u m k M G T P E, Ki Mi Gi Ti Pi Ei or an exponent",
        })
    }
}

impl std::error::Error for QuantityError {}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self { nanos: 0, family: Family::Decimal };

    /// So many whole units, written with decimal suffixes: processors, devices.
    pub fn units(units: i64) -> Self {
        Self { nanos: i128::from(units) * NANOS, family: Family::Decimal }
    }

    /// So many bytes, written with binary suffixes.
    pub fn bytes(bytes: i64) -> Self {
        Self { nanos: i128::from(bytes) * NANOS, family: Family::Binary }
    }

    /// So many thousandths.
    pub fn millis(millis: i64) -> Self {
        Self { nanos: i128::from(millis) * (NANOS / 1000), family: Family::Decimal }
    }

    /// Reads a quantity from where it stands in an object: text, with spaces around it as the API server allows, or a
    /// number. `None` for anything else and for text that is no quantity.
    pub fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => text.trim().parse().ok(),
            Value::Number(number) => number.to_string().parse().ok(),
            _ => None,
        }
    }

    /// How it is written.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    /// Whether it is less than nothing.
    pub fn is_negative(&self) -> bool {
        self.nanos < 0
    }

    /// Whether it is a whole number of units, as extended resources must be.
    pub fn is_whole(&self) -> bool {
        self.nanos % NANOS == 0
    }

    /// The amount in whole units, rounded away from zero as Go's `Value()` does; at the borders of `i64` where Go's
    /// wraps around.
    pub fn value(&self) -> i64 {
        clamp(divide_up(self.nanos, NANOS))
    }

    /// The amount in thousandths, rounded away from zero as Go's `MilliValue()` does.
    pub fn milli_value(&self) -> i64 {
        clamp(divide_up(self.nanos, NANOS / 1000))
    }

    /// The sum, written as this one is, or as the other if this one is nothing.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "an operator would hide that sums end at a border")]
    pub fn add(self, other: Self) -> Self {
        let family = if self.is_zero() { other.family } else { self.family };
        Self { nanos: (self.nanos + other.nanos).clamp(-MAX, MAX), family }
    }

    /// The difference, written as this one is.
    #[must_use]
    pub fn subtract(self, other: Self) -> Self {
        self.add(Self { nanos: -other.nanos, ..other })
    }

    /// This many times as much. The factor counts to the millionth; what is left of a billionth is rounded up.
    ///
    /// A binary quantity stays a whole number of bytes.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        const PARTS: i128 = 1_000_000;
        if !factor.is_finite() {
            return self;
        }
        // The factor is rounded first, so that 1.1 means eleven tenths and not the nearest binary fraction.
        let parts = clamp((factor * 1e6).round() as i128);
        let nanos = self.nanos.saturating_mul(i128::from(parts));
        let product = Self { nanos: divide_up(nanos, PARTS).clamp(-MAX, MAX), family: self.family };
        if self.family == Family::Binary { product.round_up_to(1) } else { product }
    }

    /// The next multiple of `step` units that is not less.
    #[must_use]
    pub fn round_up_to(self, step: i64) -> Self {
        let step = i128::from(step.max(1)) * NANOS;
        let rest = self.nanos.rem_euclid(step);
        if rest == 0 { self } else { Self { nanos: (self.nanos - rest + step).min(MAX), ..self } }
    }
}

fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// The quotient, rounded away from zero.
fn divide_up(value: i128, by: i128) -> i128 {
    let quotient = value / by;
    if value % by == 0 { quotient } else { quotient + value.signum() }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Format);
        }
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, rest) = digits(rest);
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => digits(rest),
            None => ("", rest),
        };
        let (scale, family) = interpret(suffix)?;
        // Without any digit Go reads a zero where it needs no big numbers, and nothing where it does.
        let big = matches!(scale, Scale::Two(50..) | Scale::Ten(..-9));
        if big && whole.is_empty() && fraction.is_empty() {
            return Err(QuantityError::Format);
        }
        let nanos = match scale {
            Scale::Ten(exponent) => decimal(whole, fraction, exponent.saturating_add(9)),
            Scale::Two(exponent) => binary(whole, fraction, exponent),
        };
        // Go writes a binary quantity below one byte as a decimal one.
        let below_one = family == Family::Binary && nanos > 0 && nanos < NANOS;
        let family = if below_one { Family::Decimal } else { family };
        Ok(Self { nanos: if negative { -nanos } else { nanos }, family })
    }
}

enum Scale {
    Ten(i64),
    Two(u32),
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn interpret(suffix: &str) -> Result<(Scale, Family), QuantityError> {
    let ten = |exponent| Ok((Scale::Ten(exponent), Family::Decimal));
    let two = |exponent| Ok((Scale::Two(exponent), Family::Binary));
    match suffix {
        "" => ten(0),
        "n" => ten(-9),
        "u" => ten(-6),
        "m" => ten(-3),
        "k" => ten(3),
        "M" => ten(6),
        "G" => ten(9),
        "T" => ten(12),
        "P" => ten(15),
        "E" => ten(18),
        "Ki" => two(10),
        "Mi" => two(20),
        "Gi" => two(30),
        "Ti" => two(40),
        "Pi" => two(50),
        "Ei" => two(60),
        _ => match suffix.strip_prefix(['e', 'E']) {
            Some(exponent) => exponent
                .parse()
                .map(|exponent| (Scale::Ten(exponent), Family::Exponent))
                .map_err(|_| QuantityError::Suffix),
            None if suffix.bytes().all(|byte| b"eEinumkKMGTP".contains(&byte)) => Err(QuantityError::Suffix),
            None => Err(QuantityError::Format),
        },
    }
}

/// `whole.fraction × 10^exponent`, rounded up.
fn decimal(whole: &str, fraction: &str, exponent: i64) -> i128 {
    let count = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let (mut amount, mut dropped) = (0_i128, exponent.saturating_sub(count));
    for digit in whole.bytes().chain(fraction.bytes()) {
        if amount > MAX {
            return MAX;
        }
        amount = amount * 10 + i128::from(digit - b'0');
    }
    if amount == 0 {
        return 0;
    }
    while dropped > 0 && amount < MAX {
        amount *= 10;
        dropped -= 1;
    }
    // Beyond forty places nothing but the rounding is left of any amount that fits.
    match u32::try_from(-dropped.clamp(-40, 0)) {
        Ok(places) if places <= 38 => divide_up(amount, 10_i128.pow(places)).min(MAX),
        _ => 1,
    }
}

/// `whole.fraction × 2^exponent`, rounded up to the billionth and capped as Go does.
fn binary(whole: &str, fraction: &str, exponent: u32) -> i128 {
    let unit = 1_i128 << exponent;
    let whole = decimal(whole, "", 0).saturating_mul(unit).min(MAX_BINARY).saturating_mul(NANOS);
    // Nineteen places after the point are more than any amount of bytes can use.
    let kept = &fraction[..fraction.len().min(19)];
    let part = decimal(kept, "", 0).saturating_mul(unit);
    let places = 10_i128.pow(u32::try_from(kept.len()).unwrap_or(0));
    let nanos = (part / places).saturating_mul(NANOS) + divide_up((part % places) * NANOS, places);
    whole.saturating_add(nanos).min(MAX_BINARY)
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

/// The canonical form: the biggest suffix of its family that keeps the number whole.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
        const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
        if self.nanos == 0 {
            return f.write_str("0");
        }
        // Small or broken amounts lose their binary suffix, because it would have to round them.
        if self.family == Family::Binary && self.is_whole() && self.nanos.abs() >= 1024 * NANOS {
            let (mut amount, mut power) = (self.nanos / NANOS, 0);
            while amount % 1024 == 0 && power + 1 < BINARY.len() {
                amount /= 1024;
                power += 1;
            }
            return write!(f, "{amount}{}", BINARY[power]);
        }
        let (mut amount, mut power) = (self.nanos, 0);
        while amount % 1000 == 0 && power + 1 < DECIMAL.len() {
            amount /= 1000;
            power += 1;
        }
        match (self.family, power) {
            (Family::Exponent, 3) => write!(f, "{amount}"),
            (Family::Exponent, _) => write!(f, "{amount}e{}", i64::try_from(power).unwrap_or(0) * 3 - 9),
            _ => write!(f, "{amount}{}", DECIMAL[power]),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Quantity {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn canonical_forms_are_those_of_go() {
        for (text, canonical) in [
            ("0", "0"),
            ("0Gi", "0"),
            ("-0", "0"),
            ("000", "0"),
            ("1", "1"),
            ("+1", "1"),
            ("-1", "-1"),
            ("1000", "1k"),
            ("1500", "1500"),
            ("10000", "10k"),
            ("0.5", "500m"),
            (".5", "500m"),
            ("5.", "5"),
            ("500m", "500m"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("100u", "100u"),
            ("1n", "1n"),
            ("0.1n", "1n"),
            ("1.0000000001", "1000000001n"),
            ("1k", "1k"),
            ("1M", "1M"),
            ("1G", "1G"),
            ("1T", "1T"),
            ("1P", "1P"),
            ("1E", "1E"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("1e+3", "1e3"),
            ("1e-3", "1e-3"),
            ("1e0", "1"),
            ("12e4", "120e3"),
            ("1.5e3", "1500"),
            ("1Ki", "1Ki"),
            ("1024", "1024"),
            ("1024Ki", "1Mi"),
            ("1023Ki", "1023Ki"),
            ("0.5Ki", "512"),
            ("1.5Gi", "1536Mi"),
            ("16Gi", "16Gi"),
            ("1Ei", "1Ei"),
            ("0.5Mi", "512Ki"),
            ("100Mi", "100Mi"),
            ("1025Mi", "1025Mi"),
            ("0.0000001Ki", "102400n"),
            ("1.1Ki", "1126400m"),
            ("100Ei", "9223372036854775807"),
            ("-1.5Gi", "-1536Mi"),
            ("1000Ki", "1000Ki"),
            ("1e-20", "1e-9"),
        ] {
            assert_eq!(read(text).to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn canonical_forms_are_stable() {
        for text in ["1k", "500m", "1536Mi", "120e3", "1126400m", "9223372036854775807", "1n", "7E"] {
            assert_eq!(read(text).to_string(), text);
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in [
            "", "1K", "1ki", "1e", "1GiB", "1 Gi", " 1", "Gi1", "1.2.3", "1kk", "1e3.5", "one", "1m5", "--1", "1e3m",
            "1µ", "1Zi", "{{ x }}", "$(CPU)",
        ] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
        assert_eq!("1K".parse::<Quantity>(), Err(QuantityError::Suffix));
        assert_eq!("1x".parse::<Quantity>(), Err(QuantityError::Format));
    }

    #[test]
    fn amounts_compare_across_families() {
        assert_eq!(read("1024Mi"), read("1Gi"));
        assert_eq!(read("1"), read("1000m"));
        assert!(read("1G") < read("1Gi"));
        assert!(read("1E") < read("1Ei"));
        assert!(read("-1") < Quantity::ZERO);
        assert_eq!(read("1E"), read("1e18"));
    }

    #[test]
    fn values_round_away_from_zero() {
        assert_eq!(read("1100m").value(), 2);
        assert_eq!(read("-1100m").value(), -2);
        assert_eq!(read("1u").milli_value(), 1);
        assert_eq!(read("16Gi").value(), 17_179_869_184);
        assert_eq!(read("1e30").value(), i64::MAX);
        assert!(read("4").is_whole() && !read("500m").is_whole() && read("1000m").is_whole());
    }

    #[test]
    fn sums_and_products_keep_the_family() {
        assert_eq!(read("1Gi").add(read("512Mi")).to_string(), "1536Mi");
        assert_eq!(Quantity::ZERO.add(read("1Gi")).to_string(), "1Gi");
        assert_eq!(read("2Gi").subtract(read("512Mi")).to_string(), "1536Mi");
        assert_eq!(read("1Gi").times(1.5).to_string(), "1536Mi");
        assert_eq!(read("1Gi").times(2.0).to_string(), "2Gi");
        assert_eq!(read("100Mi").times(1.1).to_string(), "110Mi");
        assert_eq!(read("1Gi").times(1.1).round_up_to(1 << 20).to_string(), "1127Mi");
        assert_eq!(read("250m").times(3.0).to_string(), "750m");
        assert_eq!(read("1").times(f64::NAN), read("1"));
        assert_eq!(Quantity::bytes(17_179_869_184).to_string(), "16Gi");
        assert_eq!(Quantity::units(4).to_string(), "4");
        assert_eq!(Quantity::millis(1500).to_string(), "1500m");
    }

    #[test]
    fn json_numbers_and_spaced_text_are_quantities() {
        assert_eq!(Quantity::from_value(&json!(0.5)).map(|quantity| quantity.to_string()).as_deref(), Some("500m"));
        assert_eq!(Quantity::from_value(&json!(8)), Some(Quantity::units(8)));
        assert_eq!(Quantity::from_value(&json!(1e21)), "1e21".parse().ok());
        assert_eq!(Quantity::from_value(&json!(" 1Gi ")), "1Gi".parse().ok());
        assert_eq!(Quantity::from_value(&json!(null)), None);
        assert_eq!(Quantity::from_value(&json!(true)), None);
        assert_eq!(Quantity::from_value(&json!([])), None);
    }

    #[test]
    fn no_text_makes_it_panic() {
        for text in [
            "9".repeat(60),
            format!("1e{}", i64::MAX),
            format!("1e{}", i64::MIN),
            format!("0.{}1Ei", "0".repeat(50)),
            "9".repeat(60) + "Ei",
            "-".to_owned(),
            ".".to_owned(),
            format!("{}.{}", "9".repeat(40), "9".repeat(40)),
            "1e999999999999999999999".to_owned(),
            "é".to_owned(),
            "-é".to_owned(),
        ] {
            if let Ok(quantity) = text.parse::<Quantity>() {
                let _ = (
                    quantity.to_string(),
                    quantity.times(1e30),
                    quantity.add(quantity),
                    quantity.round_up_to(i64::MAX),
                );
            }
        }
    }
}
