//! A namespace for each test.

use std::process::Command;

use host_net::{Links, VethSpec};
use os::netns::{NetNs, run_in};

/// Runs a test in a fresh namespace. Panics without the right to make one: a skipped test proves nothing.
pub(crate) fn in_fresh_namespace<F: Future<Output = ()>>(test: impl FnOnce(Links, NetNs) -> F + Send) {
    let netns = NetNs::new_unshared().expect("these tests need root to make network namespaces");
    run_in(&netns.clone(), move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { test(Links::open().unwrap(), netns).await });
    })
    .unwrap();
}

/// What `ip` prints in the namespace of the calling thread.
pub(crate) fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("these tests need iproute2");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A wanted pair.
pub(crate) fn pair(host: &str, peer: &str) -> VethSpec {
    VethSpec { host: host.into(), peer: peer.into(), mac: Some([2, 0, 0, 0, 0, 7]), mtu: Some(1442) }
}
