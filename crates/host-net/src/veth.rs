//! Pairs of virtual Ethernet links.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo as InfoNla, LinkMessage,
};
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use rustix::io::Errno;

use crate::link::LinkInfo;
use crate::name::checked;
use crate::socket::Subject;
use crate::{Error, Links, Result};

/// A wanted pair, both ends in the namespace of the [`Links`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VethSpec {
    /// The end that stays on the host.
    pub host: String,
    /// The end a container will get.
    pub peer: String,
    /// Ethernet address of the peer.
    pub mac: Option<[u8; 6]>,
    /// MTU in bytes of both ends; `None`: the kernel's default.
    pub mtu: Option<u32>,
}

impl Links {
    /// Makes the pair, host end up, peer down. Neither end has or gets an address while it is here. A pair that
    /// exists with these two names is brought to what is wanted.
    ///
    /// # Errors
    /// [`Error::Foreign`] when one of the names belongs to something else: another kind, a veth with another
    /// peer, or one whose peer is in another namespace, hence in use.
    pub async fn ensure_veth(&self, spec: &VethSpec) -> Result<()> {
        checked(&spec.host)?;
        checked(&spec.peer)?;
        let (host, peer) = match self.link(&spec.host).await? {
            Some(host) => self.pair_of(host, spec).await?,
            None => self.create_veth(spec).await?,
        };
        for (end, mac) in [(&host, None), (&peer, spec.mac)] {
            self.forbid_own_ipv6(end).await?;
            if let Some(mtu) = spec.mtu {
                self.bring_to_mtu(end, mtu).await?;
            }
            if mac.is_some() && end.mac != mac {
                self.set_mac(&end.name, mac.unwrap_or_default()).await?;
            }
        }
        // Last, so that no moment exists at which the kernel would invent a link-local address.
        self.set_up(&spec.host, true).await
    }

    /// Deletes a veth pair by the name of one end; an absent one is deleted.
    ///
    /// # Errors
    /// [`Error::Foreign`] when the link is not a veth; it is left alone.
    pub async fn delete_veth(&self, name: &str) -> Result<()> {
        match self.link(name).await? {
            Some(link) => self.delete(&link.expect(&InfoKind::Veth)?).await,
            None => Ok(()),
        }
    }

    async fn create_veth(&self, spec: &VethSpec) -> Result<(LinkInfo, LinkInfo)> {
        let on = Subject::new("creating", &spec.host);
        let created = self.change(on, wanted(spec), NLM_F_CREATE | NLM_F_EXCL).await;
        if let Err(error) = created
            && !error.is(Errno::EXIST)
        {
            return Err(error);
        }
        match self.link(&spec.host).await? {
            Some(host) => self.pair_of(host, spec).await,
            None => match self.link(&spec.peer).await? {
                Some(peer) => Err(foreign(&peer, spec, peer.described())),
                None => Err(Error::Absent { operation: "creating", link: spec.host.clone() }),
            },
        }
    }

    /// Both ends, when they are the wanted pair.
    async fn pair_of(&self, host: LinkInfo, spec: &VethSpec) -> Result<(LinkInfo, LinkInfo)> {
        if host.kind.as_deref() != Some("veth") {
            return Err(foreign(&host, spec, host.described()));
        }
        if host.peer_elsewhere {
            return Err(foreign(&host, spec, "a veth whose peer is in another network namespace".into()));
        }
        let peer = match host.peer {
            Some(index) => self.link_at(index).await?,
            None => None,
        };
        match peer {
            Some(peer) if peer.name == spec.peer => Ok((host, peer)),
            Some(peer) => Err(foreign(&host, spec, format!("a veth with peer {}", peer.name))),
            // The ends of a pair go together, so it was deleted since it was looked up.
            None => Err(Error::Absent { operation: "looking at the peer", link: host.name }),
        }
    }
}

fn wanted(spec: &VethSpec) -> RouteNetlinkMessage {
    let end = |name: &str| {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        message.attributes.extend(spec.mtu.map(LinkAttribute::Mtu));
        message
    };
    let mut peer = end(&spec.peer);
    peer.attributes.extend(spec.mac.map(|mac| LinkAttribute::Address(mac.to_vec())));
    let mut host = end(&spec.host);
    host.attributes.push(LinkAttribute::LinkInfo(vec![
        InfoNla::Kind(InfoKind::Veth),
        InfoNla::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    RouteNetlinkMessage::NewLink(host)
}

fn foreign(link: &LinkInfo, spec: &VethSpec, found: String) -> Error {
    Error::Foreign {
        link: link.name.clone(),
        found,
        wanted: format!("one end of the veth pair {}, {}", spec.host, spec.peer),
    }
}
