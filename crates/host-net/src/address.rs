//! Addresses of links.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use rustix::io::Errno;

use crate::socket::Subject;
use crate::{Links, Result};

impl Links {
    /// Gives a link an address with its prefix length; an address it has already is fine. IPv6 addresses are
    /// usable at once: duplicates are the business of whoever hands addresses out.
    ///
    /// # Errors
    /// [`crate::Error::Absent`], [`crate::Error::Kernel`].
    pub async fn add_address(&self, link: &str, address: IpNet) -> Result<()> {
        let on = Subject::new("adding an address", link);
        let index = self.existing(on).await?.index;
        let request = RouteNetlinkMessage::NewAddress(message(index, address));
        match self.change(on, request, NLM_F_CREATE | NLM_F_EXCL).await {
            Err(error) if error.is(Errno::EXIST) => Ok(()),
            outcome => outcome,
        }
    }

    /// Takes an address away; an absent address or link has none.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`].
    pub async fn remove_address(&self, link: &str, address: IpNet) -> Result<()> {
        let Some(found) = self.link(link).await? else { return Ok(()) };
        let request = RouteNetlinkMessage::DelAddress(message(found.index, address));
        match self.change(Subject::new("removing an address", link), request, 0).await {
            Err(error) if error.is(Errno::ADDRNOTAVAIL) || error.is_absent() => Ok(()),
            outcome => outcome,
        }
    }

    /// The addresses of a link, link-local ones included.
    ///
    /// # Errors
    /// [`crate::Error::Absent`], [`crate::Error::Kernel`].
    pub async fn addresses(&self, link: &str) -> Result<Vec<IpNet>> {
        let on = Subject::new("listing addresses", link);
        let index = self.existing(on).await?.index;
        let replies = self.dump(on, RouteNetlinkMessage::GetAddress(AddressMessage::default())).await?;
        Ok(replies
            .iter()
            .filter_map(|reply| match reply {
                RouteNetlinkMessage::NewAddress(found) if found.header.index == index => local(found),
                _ => None,
            })
            .collect())
    }
}

fn message(index: u32, address: IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = address.prefix_len();
    message.attributes =
        vec![AddressAttribute::Local(address.addr()), AddressAttribute::Address(address.addr())];
    message.header.family = match address {
        IpNet::V4(_) => AddressFamily::Inet,
        IpNet::V6(_) => {
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
            AddressFamily::Inet6
        }
    };
    message
}

/// IPv4 tells its own address apart from a point-to-point peer's, IPv6 usually has one attribute only.
fn local(message: &AddressMessage) -> Option<IpNet> {
    let mut own: Option<IpAddr> = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => own = Some(*address),
            AddressAttribute::Address(address) => own = own.or(Some(*address)),
            _ => {}
        }
    }
    IpNet::new(own?, message.header.prefix_len).ok()
}
