//! News about links.

use futures_util::StreamExt;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::sys::SocketAddr;

use crate::socket::socket_in;
use crate::{LinkInfo, Links, Result};

/// `RTNLGRP_LINK` of `linux/rtnetlink.h`.
const LINK_GROUP: u32 = 1;
/// Bytes the kernel may hold back for a slow reader.
const BUFFER: u32 = 1 << 20;

/// Something happened to a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// It appeared or changed.
    Changed(LinkInfo),
    /// It is gone, deleted or moved to another namespace.
    Gone(LinkInfo),
    /// News were lost: list the links and start from there.
    Resync,
}

type Unsolicited = (NetlinkMessage<RouteNetlinkMessage>, SocketAddr);

/// A subscription. Events from its opening on are kept for the reader.
pub struct LinkEvents {
    messages: std::pin::Pin<Box<dyn futures_util::Stream<Item = Unsolicited> + Send>>,
    /// The connection ends with its last handle.
    _handle: rtnetlink::Handle,
}

impl std::fmt::Debug for LinkEvents {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LinkEvents").finish_non_exhaustive()
    }
}

impl Links {
    /// Subscribes to the links of the namespace. Subscribe first, list afterwards, and nothing is missed.
    ///
    /// # Errors
    /// [`crate::Error::Socket`], [`crate::Error::Namespace`].
    pub fn link_events(&self) -> Result<LinkEvents> {
        let socket = socket_in(self.netns(), |socket| {
            socket.set_rx_buf_sz(BUFFER)?;
            socket.add_membership(LINK_GROUP)
        })?;
        let (connection, handle, messages) = rtnetlink::from_socket(socket);
        tokio::spawn(connection);
        Ok(LinkEvents { messages: Box::pin(messages), _handle: handle })
    }
}

impl LinkEvents {
    /// The next event; `None` when the socket is closed.
    pub async fn next(&mut self) -> Option<LinkEvent> {
        loop {
            let (message, _) = self.messages.next().await?;
            if let Some(event) = as_event(message) {
                return Some(event);
            }
        }
    }
}

fn as_event(message: NetlinkMessage<RouteNetlinkMessage>) -> Option<LinkEvent> {
    match message.payload {
        NetlinkPayload::Overrun(_) => Some(LinkEvent::Resync),
        // A port that leaves a bridge is reported as a deleted link of the bridge family; the link lives on.
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link))
            if link.header.interface_family == AddressFamily::Unspec =>
        {
            Some(LinkEvent::Changed(LinkInfo::from_message(&link)))
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link))
            if link.header.interface_family == AddressFamily::Unspec =>
        {
            Some(LinkEvent::Gone(LinkInfo::from_message(&link)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtnetlink::packet_core::NetlinkHeader;

    #[test]
    fn lost_news_ask_for_a_resync() {
        let lost = NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::Overrun(Vec::new()));
        assert_eq!(as_event(lost), Some(LinkEvent::Resync));
    }
}
