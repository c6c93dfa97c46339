//! What the system says about this process and the machine it runs on.

/// The machine's name.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The memory that this process has, in bytes, where the system tells.
pub fn resident_bytes() -> Option<u64> {
    let pages = resident_pages(&std::fs::read_to_string("/proc/self/statm").ok()?)?;
    pages.checked_mul(u64::try_from(rustix::param::page_size()).ok()?)
}

/// Asks the allocator to give back to the system what is free.
pub fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, and locks what it touches.
    unsafe {
        libc::malloc_trim(0);
    }
}

fn resident_pages(statm: &str) -> Option<u64> {
    statm.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_number_of_statm_is_what_is_resident() {
        assert_eq!(resident_pages("5432 1789 700 400 0 900 0\n"), Some(1_789));
        for bad in ["", "5432", "5432 many 700", "5432 -1"] {
            assert_eq!(resident_pages(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn this_process_has_memory_and_its_machine_a_name() {
        assert!(resident_bytes().is_none_or(|bytes| bytes > 100_000));
        assert!(!hostname().is_empty());
    }
}
