//! Bridges.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    BridgeStpState, InfoBridge, InfoData, InfoKind, LinkAttribute, LinkInfo as InfoNla, LinkMessage,
};
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use rustix::io::Errno;

use crate::link::about;
use crate::name::checked;
use crate::socket::Subject;
use crate::{Links, Result};

impl Links {
    /// Makes a bridge that forwards at once (forward delay 0, no spanning tree), without an IPv6 address of its
    /// own, up. `mtu` in bytes; `None`: as it is.
    ///
    /// # Errors
    /// [`crate::Error::Foreign`] when the name belongs to a link of another kind.
    pub async fn ensure_bridge(&self, name: &str, mtu: Option<u32>) -> Result<()> {
        let on = Subject::new("creating", checked(name)?);
        if self.link(name).await?.is_none() {
            let mut message = LinkMessage::default();
            message.attributes.push(LinkAttribute::IfName(name.to_owned()));
            message.attributes.push(settings());
            let created =
                self.change(on, RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL).await;
            if let Err(error) = created
                && !error.is(Errno::EXIST)
            {
                return Err(error);
            }
        }
        let bridge = self.existing(on).await?.expect(&InfoKind::Bridge)?;
        let mut message = about(bridge.index);
        message.attributes.push(settings());
        self.change(Subject::new("configuring", name), RouteNetlinkMessage::NewLink(message), 0).await?;
        self.forbid_own_ipv6(&bridge).await?;
        if let Some(mtu) = mtu {
            self.bring_to_mtu(&bridge, mtu).await?;
        }
        self.set_up(name, true).await
    }

    /// Deletes a bridge; an absent one is deleted. Its ports stay, without a master.
    ///
    /// # Errors
    /// [`crate::Error::Foreign`] when the link is not a bridge; it is left alone.
    pub async fn delete_bridge(&self, name: &str) -> Result<()> {
        match self.link(name).await? {
            Some(link) => self.delete(&link.expect(&InfoKind::Bridge)?).await,
            None => Ok(()),
        }
    }
}

fn settings() -> LinkAttribute {
    LinkAttribute::LinkInfo(vec![
        InfoNla::Kind(InfoKind::Bridge),
        InfoNla::Data(InfoData::Bridge(vec![
            InfoBridge::ForwardDelay(0),
            InfoBridge::StpState(BridgeStpState::Disabled),
        ])),
    ])
}
