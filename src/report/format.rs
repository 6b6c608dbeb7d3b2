//! Numbers for people.

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

/// A class's or a run's name, cut where it is long.
pub fn short_name(name: &str) -> String {
    /// Longest name that is written out, in characters.
    const MAX_NAME: usize = 14;
    if name.chars().count() <= MAX_NAME {
        return name.to_owned();
    }
    name.chars().take(MAX_NAME - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(232_650), "232,650");
        assert_eq!(grouped(7), "7");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(decimal(1_970_000_000), "1.97 G");
        assert_eq!(short_name("a class with a long name"), "a class with …");
        assert_eq!(duration(Duration::from_secs(125)), "2 min 05 s");
    }
}
