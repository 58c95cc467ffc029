//! How much memory there is for jobs.

/// What a job may plan with on a machine that does not say how much memory it has.
const WHEN_UNKNOWN_BYTES: u64 = 4 << 30;

/// The memory that is free for programs now, in bytes.
pub fn available_memory_bytes() -> u64 {
    std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| available(&text))
        .unwrap_or(WHEN_UNKNOWN_BYTES)
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_linux_is_read() {
        let text = "MemTotal:       24656284 kB\nMemFree: 1 kB\nMemAvailable:   20123456 kB\n";
        assert_eq!(available(text), Some(20_123_456 * 1024));
        assert_eq!(available("nothing"), None);
    }
}
