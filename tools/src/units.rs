//! Numbers as people type and read them.

use std::time::Duration;

/// A count: `1000`, `64k`, `1.5M`, `10G` (powers of 1,000), `1e6`.
///
/// # Errors
/// A sentence.
pub fn parse_count(text: &str) -> Result<u64, String> {
    let value = parse_rate(text)?;
    if value.fract() != 0.0 || value >= 2f64.powi(63) {
        return Err("not a whole number".into());
    }
    Ok(value as u64)
}

/// A rate or factor above nothing: `0.5`, `100M`, `1e6`.
///
/// # Errors
/// A sentence.
pub fn parse_positive(text: &str) -> Result<f64, String> {
    match parse_rate(text)? {
        value if value > 0.0 => Ok(value),
        _ => Err("must be more than 0".into()),
    }
}

/// Seconds, fractions allowed.
///
/// # Errors
/// A sentence.
pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_string())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "not a number of seconds".to_string())
}

/// Milliseconds, at least 1.
///
/// # Errors
/// A sentence.
pub fn parse_millis(text: &str) -> Result<Duration, String> {
    match text.parse::<u32>() {
        Ok(0) | Err(_) => Err("not a number of milliseconds from 1 to 4294967295".into()),
        Ok(ms) => Ok(Duration::from_millis(ms.into())),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let (digits, factor) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1e3),
        Some((at, 'm' | 'M')) => (&text[..at], 1e6),
        Some((at, 'g' | 'G')) => (&text[..at], 1e9),
        _ => (text, 1.0),
    };
    match digits.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value * factor),
        _ => Err("not a number (1000, 64k, 1.5M, 10G)".into()),
    }
}

/// A number in at most six characters: `0`, `999`, `12.35k`, `1.235M`, `123.4G`.
pub fn short(value: f64) -> String {
    let (scaled, unit) = scale(value);
    if unit.is_empty() && scaled.fract() == 0.0 {
        return format!("{scaled:.0}");
    }
    format!("{scaled:.*}{unit}", decimals(scaled))
}

/// Frames a second: `12.35 Mpps`.
pub fn pps(rate: f64) -> String {
    let (scaled, unit) = scale(rate);
    format!("{scaled:.3} {unit}pps")
}

/// Bits a second: `5.926 Gbit/s`.
pub fn bits(rate: f64) -> String {
    let (scaled, unit) = scale(rate);
    format!("{scaled:.3} {unit}bit/s")
}

/// `count` things in `time`, a second.
pub fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}

fn scale(value: f64) -> (f64, &'static str) {
    // Below 1,000 after rounding to what is shown, so that 999,999 reads 1.000M and not 1000k.
    for (unit, name) in [(1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T")] {
        if value / unit < 999.95 {
            return (value / unit, name);
        }
    }
    (value / 1e15, "P")
}

fn decimals(scaled: f64) -> usize {
    match scaled {
        s if s < 9.9995 => 3,
        s if s < 99.995 => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_take_suffixes_and_refuse_what_is_no_count() {
        assert_eq!(parse_count("0"), Ok(0));
        assert_eq!(parse_count("64k"), Ok(64_000));
        assert_eq!(parse_count("1.5M"), Ok(1_500_000));
        assert_eq!(parse_count("1e6"), Ok(1_000_000));
        for bad in ["", "k", "-1", "1.5", "ten", "nan", "inf", "1e30", "5é"] {
            assert!(parse_count(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_are_more_than_nothing() {
        assert_eq!(parse_positive("0.5"), Ok(0.5));
        assert_eq!(parse_positive("100M"), Ok(1e8));
        assert!(parse_positive("0").is_err());
        assert!(parse_seconds("-1").is_err());
        assert_eq!(parse_seconds("0.25"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn short_numbers_keep_four_digits() {
        for (value, text) in [
            (0.0, "0"),
            (7.0, "7"),
            (999.0, "999"),
            (1000.0, "1.000k"),
            (12_345.0, "12.35k"),
            (123_456.0, "123.5k"),
            (999_999.0, "1.000M"),
            (1.5e9, "1.500G"),
            (0.25, "0.250"),
        ] {
            assert_eq!(short(value), text);
        }
        assert_eq!(pps(12_345_000.0), "12.345 Mpps");
        assert_eq!(bits(5.926e9), "5.926 Gbit/s");
        assert_eq!(per_second(5, Duration::ZERO), 0.0);
    }
}
