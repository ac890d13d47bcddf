//! The netlink socket: requests under a deadline, and the kernel's refusals in its own words.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use netlink_packet_route::RouteNetlinkMessage;
use rtnetlink::packet_core::{
    ErrorMessage, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::sys::{AsyncSocket, Socket, TokioSocket, protocols::NETLINK_ROUTE};
use rustix::io::Errno;

use crate::{Error, Result};

/// How long one request may take. The kernel answers within milliseconds; a lost answer must not hang its caller.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// A dump that raced with a change is asked for again, this often at most.
const DUMP_TRIES: usize = 5;
/// `NLM_F_DUMP_INTR` of `linux/netlink.h`.
const DUMP_INTERRUPTED: u16 = 0x10;

/// The links of one network namespace. Cheap to clone; its socket stays in the namespace it was opened in.
#[derive(Debug, Clone)]
pub struct Links {
    handle: rtnetlink::Handle,
    /// The kernel runs one dump per socket and refuses a second with `EBUSY`.
    dumping: Arc<tokio::sync::Mutex<()>>,
    /// The namespace is kept to open further sockets in it (events).
    netns: Arc<os::netns::NetNs>,
}

/// The outside of a request, for its errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) operation: &'static str,
    pub(crate) link: &'a str,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(operation: &'static str, link: &'a str) -> Self {
        Self { operation, link }
    }
}

impl Links {
    /// Opens the network namespace of the calling thread. Call it inside a tokio runtime, which drives the socket.
    ///
    /// # Errors
    /// [`Error::Socket`].
    pub fn open() -> Result<Self> {
        Self::open_netns(os::netns::NetNs::current().map_err(Error::Namespace)?)
    }

    /// Opens the network namespace behind a descriptor, which may be closed afterwards. The calling thread stays in
    /// its own.
    ///
    /// # Errors
    /// [`Error::Namespace`] when it cannot be entered, [`Error::Socket`].
    pub fn open_in(netns: BorrowedFd<'_>) -> Result<Self> {
        let netns = os::netns::run_in_fd(netns, os::netns::NetNs::current)
            .and_then(|netns| netns)
            .map_err(Error::Namespace)?;
        Self::open_netns(netns)
    }

    fn open_netns(netns: os::netns::NetNs) -> Result<Self> {
        let (connection, handle, _unsolicited) = rtnetlink::from_socket(socket_in(&netns, |_| Ok(()))?);
        tokio::spawn(connection);
        Ok(Self { handle, dumping: Arc::default(), netns: Arc::new(netns) })
    }

    /// The namespace these links are in.
    #[must_use]
    pub fn netns(&self) -> &os::netns::NetNs {
        &self.netns
    }

    pub(crate) fn shared_netns(&self) -> &Arc<os::netns::NetNs> {
        &self.netns
    }

    /// Sends a change and waits for its acknowledgement. `flags` are added to request and acknowledge. A link that
    /// vanished since it was looked up is absent.
    pub(crate) async fn change(
        &self,
        on: Subject<'_>,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<()> {
        match self.exchange(on, message, NLM_F_REQUEST | NLM_F_ACK | flags).await {
            Err(error) if error.is(Errno::NODEV) => {
                Err(Error::Absent { operation: on.operation, link: on.link.to_owned() })
            }
            outcome => outcome.map(drop),
        }
    }

    /// Asks for one object.
    pub(crate) async fn query(
        &self,
        on: Subject<'_>,
        message: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>> {
        Ok(self.exchange(on, message, NLM_F_REQUEST).await?.0)
    }

    /// Asks for all objects of a kind; asked again while changes make the answer inconsistent.
    pub(crate) async fn dump(
        &self,
        on: Subject<'_>,
        message: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>> {
        let mut last = Vec::new();
        // Each exchange has its deadline, so the wait for others is bounded too.
        let _turn = self.dumping.lock().await;
        for _ in 0..DUMP_TRIES {
            let (messages, interrupted) =
                self.exchange(on, message.clone(), NLM_F_REQUEST | NLM_F_DUMP).await?;
            if !interrupted {
                return Ok(messages);
            }
            last = messages;
        }
        tracing::debug!(operation = on.operation, "links keep changing, the list may be a mixture");
        Ok(last)
    }

    async fn exchange(
        &self,
        on: Subject<'_>,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<(Vec<RouteNetlinkMessage>, bool)> {
        let no_answer =
            |seconds| Error::NoAnswer { operation: on.operation, link: on.link.to_owned(), seconds };
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
        request.finalize();
        let mut replies = self.handle.clone().request(request).map_err(|_| no_answer(None))?;
        let collect = async {
            let mut messages = Vec::new();
            let mut interrupted = false;
            let mut answered = flags & (NLM_F_ACK | NLM_F_DUMP) != 0;
            while let Some(reply) = replies.next().await {
                interrupted |= reply.header.flags & DUMP_INTERRUPTED != 0;
                match reply.payload {
                    NetlinkPayload::InnerMessage(message) => {
                        answered = true;
                        messages.push(message);
                    }
                    NetlinkPayload::Error(error) if error.code.is_some() => return Err(refused(on, &error)),
                    NetlinkPayload::Overrun(_) => interrupted = true,
                    _ => {}
                }
            }
            if answered { Ok((messages, interrupted)) } else { Err(no_answer(None)) }
        };
        match tokio::time::timeout(DEADLINE, collect).await {
            Ok(outcome) => outcome,
            Err(_) => Err(no_answer(Some(DEADLINE.as_secs()))),
        }
    }
}

/// A route socket in the namespace, with the kernel's explanations turned on.
pub(crate) fn socket_in(
    netns: &os::netns::NetNs,
    prepare: impl FnOnce(&mut Socket) -> std::io::Result<()> + Send,
) -> Result<TokioSocket> {
    let runtime =
        tokio::runtime::Handle::try_current().map_err(|error| Error::Socket(std::io::Error::other(error)))?;
    os::netns::run_in(netns, move || {
        // The socket registers with the caller's runtime from inside the namespace.
        let _context = runtime.enter();
        let mut wrapped = TokioSocket::new(NETLINK_ROUTE)?;
        let socket = wrapped.socket_mut();
        socket.bind_auto()?;
        // Refusals then carry the request's header only, so that the explanation is found at a fixed place.
        socket.set_cap_ack(true)?;
        socket.set_ext_ack(true)?;
        prepare(socket)?;
        Ok(wrapped)
    })
    .map_err(Error::Namespace)?
    .map_err(Error::Socket)
}

fn refused(on: Subject<'_>, error: &ErrorMessage) -> Error {
    Error::Kernel {
        operation: on.operation,
        link: on.link.to_owned(),
        errno: error.raw_code().wrapping_neg(),
        text: explanation(&error.header),
    }
}

/// The text of the extended acknowledgement: attributes behind the 16 bytes of the request's header
/// (`NLMSGERR_ATTR_MSG` of `linux/netlink.h`).
fn explanation(payload: &[u8]) -> String {
    const HEADER: usize = 16;
    const MESSAGE: u16 = 1;
    let mut rest = payload.get(HEADER..).unwrap_or_default();
    while let [a, b, c, d, ..] = *rest {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let Some(value) = rest.get(4..length) else { break };
        if u16::from_ne_bytes([c, d]) & 0x3fff == MESSAGE {
            return String::from_utf8_lossy(value).trim_end_matches('\0').trim().to_owned();
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_explanation_is_found_behind_other_attributes() {
        let mut payload = vec![0_u8; 16];
        payload.extend([8, 0, 2, 0, 1, 2, 3, 4]);
        payload.extend([12, 0, 1, 0]);
        payload.extend(b"Too bad\0");
        assert_eq!(explanation(&payload), "Too bad");
    }

    #[test]
    fn a_damaged_explanation_is_none() {
        for length in [0_u8, 3, 4, 200] {
            let mut payload = vec![0_u8; 16];
            payload.extend([length, 0, 9, 0, 1]);
            assert_eq!(explanation(&payload), "");
        }
        assert_eq!(explanation(&[1, 2]), "");
    }
}
