//! Memory of this process, where the system tells it.

/// Resident memory in bytes, now.
pub(super) fn resident() -> Option<u64> {
    status("VmRSS:")
}

/// Largest resident memory so far, in bytes.
pub(super) fn peak() -> Option<u64> {
    status("VmHWM:")
}

/// A line of `/proc/self/status`, which Linux has.
fn status(key: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn the_peak_is_no_less_than_what_is_used() {
        let now = super::resident().expect("Linux tells it");
        assert!(now > 1 << 20 && super::peak().expect("Linux tells it") >= now);
    }
}
