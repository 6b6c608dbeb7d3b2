//! Numbers for people.

use std::borrow::Cow;
use std::time::Duration;

/// Bytes with a binary unit.
pub fn bytes(n: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = n as f64;
    if n < 1 << 10 {
        format!("{n} B")
    } else if n < 1 << 20 {
        format!("{:.1} KiB", value / 1024.0)
    } else if n < 1 << 30 {
        format!("{:.1} MiB", value / 1_048_576.0)
    } else {
        format!("{:.2} GiB", value / 1_073_741_824.0)
    }
}

/// A number with a decimal unit: `1.97 G`.
pub fn decimal(n: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = n as f64;
    match n {
        0..1_000 => format!("{n} "),
        1_000..1_000_000 => format!("{:.1} k", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} M", value / 1e6),
        _ => format!("{:.2} G", value / 1e9),
    }
}

/// A count with thousands separators: `232,650`.
pub fn grouped(n: usize) -> String {
    grouped_u64(n as u64)
}

/// As [`grouped`].
pub fn grouped_u64(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Minutes and seconds.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60)
    }
}

/// A loss in four significant digits, whatever its size: `2.346`, `0.01234`, `1.235e7`.
pub fn loss(value: f64) -> String {
    /// Digits behind the first one.
    const MORE: usize = 3;
    if value == 0.0 || !value.is_finite() {
        return format!("{value:.MORE$}");
    }
    // Rounding first: 9.9996 has two digits in front of the point.
    let rounded = format!("{value:.MORE$e}");
    let exponent = rounded.split_once('e').and_then(|(_, digits)| digits.parse::<i32>().ok());
    match exponent {
        Some(exponent @ -3..=3) => {
            let digits = MORE.saturating_add_signed(-exponent as isize);
            format!("{value:.digits$}")
        }
        _ => rounded,
    }
}

/// Text for a terminal: characters that would steer it, or turn the direction of what follows, are
/// shown as escapes. Line feeds stay; see [`visible_name`].
pub fn visible(text: &str) -> Cow<'_, str> {
    shown(text, |c| c != '\n' && steers(c))
}

/// A name that users chose, on one line: as [`visible`], and its line feeds are shown, too.
pub fn visible_name(name: &str) -> Cow<'_, str> {
    shown(name, steers)
}

/// Whether a character is no picture but an order: the control characters, and those that mark or
/// turn the direction of text.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn shown(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if hidden(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// A class's or a run's name on one line; of a long one, beginning and end.
pub fn short_name(name: &str) -> String {
    /// Longest name that is written out, in characters.
    const MAX_NAME: usize = 14;
    let name = visible_name(name);
    let count = name.chars().count();
    if count <= MAX_NAME {
        return name.into_owned();
    }
    let end = name.chars().skip(count - (MAX_NAME - 1) / 2);
    name.chars().take(MAX_NAME / 2).chain(['…']).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_have_four_significant_digits() {
        for (value, text) in [
            (2.345_67, "2.346"),
            (9.999_6, "10.00"),
            (0.012_345, "0.01235"),
            (0.001, "0.001000"),
            (1.234_5e-6, "1.234e-6"),
            (123.456, "123.5"),
            (9_999.6, "1.000e4"),
            (1e27, "1.000e27"),
            (-2.5, "-2.500"),
            (0.0, "0.000"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(loss(value), text, "{value:?}");
        }
    }

    #[test]
    fn what_would_steer_a_terminal_is_shown() {
        assert_eq!(visible("a\nb"), "a\nb");
        assert_eq!(visible_name("a\nb"), "a\\nb");
        assert_eq!(visible("\u{1b}[2J\r\t\u{7}\u{9b}"), "\\u{1b}[2J\\r\\t\\u{7}\\u{9b}");
        assert_eq!(visible("gpj.\u{202e}exe"), "gpj.\\u{202e}exe");
        for word in ["été", "猫", "العربية", "🐈", "a b"] {
            assert_eq!(visible_name(word), word);
        }
        assert_eq!(short_name("x\u{1b}"), "x\\u{1b}");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(232_650), "232,650");
        assert_eq!(grouped(7), "7");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(decimal(1_970_000_000), "1.97 G");
        assert_eq!(short_name("a class with a long name"), "a class…g name");
        assert_eq!(duration(Duration::from_secs(125)), "2 min 05 s");
    }
}
