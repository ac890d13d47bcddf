//! The namespaces of a private host.

use std::io;

use rustix::thread::UnshareFlags;

/// Moves the calling thread into new mount, network, UTS and IPC namespaces; its future children also into a new
/// pid namespace. Meant for a process of one thread that was started for this purpose.
///
/// # Errors
/// The kernel's refusal, usually for lack of privilege.
pub fn unshare_host() -> io::Result<()> {
    let flags = UnshareFlags::NEWNS
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWIPC;
    // SAFETY: the flags do not include FILES, the only one that could invalidate file descriptors other code in
    // this process relies on.
    unsafe { rustix::thread::unshare_unsafe(flags) }?;
    Ok(())
}
