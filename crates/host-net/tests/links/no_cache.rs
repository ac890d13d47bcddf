//! Nothing about links is remembered between calls.

use crate::namespace::{in_fresh_namespace, ip};

/// Resident memory of this process in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn b29_links_are_asked_of_the_kernel_each_time_and_nothing_grows_with_them() {
    in_fresh_namespace(|links, _| async move {
        // What grows once does so in the first rounds.
        let mut before = 0;
        for round in 0..16 {
            if round == 8 {
                before = resident();
            }
            for number in 0..10 {
                ip(&format!("link add b{number} type bridge"));
            }
            assert!(links.link("b7").await.unwrap().is_some());
            assert_eq!(links.links().await.unwrap().iter().filter(|l| l.name.starts_with('b')).count(), 10);
            ip("link set b7 name renamed");
            assert!(links.link("b7").await.unwrap().is_none());
            assert!(links.link("renamed").await.unwrap().is_some());
            ip("link delete renamed");
            for number in (0..10).filter(|n| *n != 7) {
                ip(&format!("link delete b{number}"));
            }
            assert!(links.link("renamed").await.unwrap().is_none());
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < 1024, "{grown} KiB more after 160 links came and went");
    });
}
