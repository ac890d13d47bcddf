//! Settings of virtual functions (`IFLA_VFINFO_LIST` of `linux/if_link.h`).

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    LinkAttribute, LinkExtentMask, LinkMessage, LinkVfInfo, VfInfo, VfInfoMac, VfInfoSpoofCheck, VfInfoVlan,
};
use rustix::io::Errno;

use crate::link::about;
use crate::socket::Subject;
use crate::{Error, Links, Result};

/// What to set at a virtual function; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VfConfig {
    /// Its Ethernet address, which its user cannot change then.
    pub mac: Option<[u8; 6]>,
    /// The VLAN the card puts its frames into, 1 to 4094; 0: none.
    pub vlan: Option<u16>,
    /// Whether the card drops frames from another Ethernet address.
    pub spoof_check: Option<bool>,
}

impl Links {
    /// Sets up a virtual function at its physical function's link.
    ///
    /// # Errors
    /// [`Error::Vlan`], [`Error::Absent`] without that link, [`Error::NoVirtualFunctions`] when the link has no
    /// virtual function of this number or cannot set it up so, [`Error::Kernel`].
    pub async fn set_vf(&self, pf: &str, index: u32, config: &VfConfig) -> Result<()> {
        if let Some(vlan) = config.vlan.filter(|vlan| *vlan > 4094) {
            return Err(Error::Vlan { link: format!("{pf} (virtual function {index})"), vlan });
        }
        let on = Subject::new("setting up a virtual function", pf);
        let link = self.existing(on).await?;
        if *config == VfConfig::default() {
            return Ok(());
        }
        match self.change(on, RouteNetlinkMessage::SetLink(wanted(link.index, index, config)), 0).await {
            Err(error) if error.is(Errno::OPNOTSUPP) || error.is(Errno::INVAL) => {
                Err(Error::NoVirtualFunctions { pf: pf.to_owned(), index, cause: error.to_string() })
            }
            outcome => outcome,
        }
    }

    /// The Ethernet address of a virtual function as the physical function's link holds it; `None`: it has none, or the
    /// card does not say.
    ///
    /// # Errors
    /// [`Error::Absent`] without that link, [`Error::Kernel`], [`Error::NoAnswer`].
    pub async fn vf_mac(&self, pf: &str, index: u32) -> Result<Option<[u8; 6]>> {
        let on = Subject::new("reading a virtual function", pf);
        let mut message = about(self.existing(on).await?.index);
        message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::Vf]));
        let replies = self.query(on, RouteNetlinkMessage::GetLink(message)).await?;
        Ok(replies.iter().find_map(|reply| match reply {
            RouteNetlinkMessage::NewLink(link) => told_mac(link, index),
            _ => None,
        }))
    }
}

fn told_mac(link: &LinkMessage, index: u32) -> Option<[u8; 6]> {
    let lists = link.attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::VfInfoList(list) => Some(list),
        _ => None,
    });
    let mac = lists.flatten().flat_map(|LinkVfInfo(settings)| settings).find_map(|setting| match setting {
        VfInfo::Mac(told) if told.vf_id == index => told.mac.first_chunk::<6>().copied(),
        _ => None,
    });
    mac.filter(|mac| *mac != [0; 6])
}

fn wanted(pf: u32, index: u32, config: &VfConfig) -> LinkMessage {
    let mut settings = Vec::new();
    settings.extend(config.mac.map(|mac| VfInfo::Mac(VfInfoMac::new(index, &mac))));
    settings.extend(config.vlan.map(|vlan| VfInfo::Vlan(VfInfoVlan::new(index, vlan.into(), 0))));
    settings.extend(config.spoof_check.map(|on| VfInfo::SpoofCheck(VfInfoSpoofCheck::new(index, on))));
    let mut message = about(pf);
    message.attributes.push(LinkAttribute::VfInfoList(vec![LinkVfInfo(settings)]));
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtnetlink::packet_core::Emitable;

    fn bytes(config: &VfConfig) -> Vec<u8> {
        let message = wanted(9, 3, config);
        let mut buffer = vec![0xaa; message.buffer_len()];
        message.emit(&mut buffer);
        buffer
    }

    /// An attribute with its padding.
    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// `struct ifinfomsg` of link 9: family, padding, type, index, flags, change.
    fn header() -> Vec<u8> {
        [vec![0; 4], 9_u32.to_ne_bytes().to_vec(), vec![0; 8]].concat()
    }

    const IFLA_VFINFO_LIST: u16 = 22;
    const IFLA_VF_INFO: u16 = 1;
    const IFLA_VF_MAC: u16 = 1;
    const IFLA_VF_VLAN: u16 = 2;
    const IFLA_VF_SPOOFCHK: u16 = 4;
    const NESTED: u16 = 0x8000;

    fn message_of(settings: &[Vec<u8>]) -> [Vec<u8>; 2] {
        // The kernel takes nests with and without their mark.
        [0, NESTED].map(|mark| {
            let info = attribute(IFLA_VF_INFO | mark, &settings.concat());
            [header(), attribute(IFLA_VFINFO_LIST | mark, &info)].concat()
        })
    }

    #[test]
    fn address_vlan_and_spoof_check_are_one_message() {
        let mac = [0xfa, 0x16, 0x3e, 1, 2, 3];
        let config = VfConfig { mac: Some(mac), vlan: Some(101), spoof_check: Some(true) };
        // struct ifla_vf_mac: 32 bits of number, 32 bytes of address.
        let mut ifla_vf_mac = [3_u32.to_ne_bytes().to_vec(), mac.to_vec()].concat();
        ifla_vf_mac.resize(36, 0);
        // struct ifla_vf_vlan: number, VLAN, priority.
        let ifla_vf_vlan = [3_u32, 101, 0].map(u32::to_ne_bytes).concat();
        // struct ifla_vf_spoofchk: number, setting.
        let ifla_vf_spoofchk = [3_u32, 1].map(u32::to_ne_bytes).concat();
        let wanted = message_of(&[
            attribute(IFLA_VF_MAC, &ifla_vf_mac),
            attribute(IFLA_VF_VLAN, &ifla_vf_vlan),
            attribute(IFLA_VF_SPOOFCHK, &ifla_vf_spoofchk),
        ]);
        let sent = bytes(&config);
        assert!(wanted.contains(&sent), "{sent:?}");
    }

    #[test]
    fn the_address_of_the_right_function_is_read_and_zeros_are_none() {
        use rtnetlink::packet_core::Parseable;
        let of = |index: u32, mac: [u8; 6]| {
            let mut ifla_vf_mac = [index.to_ne_bytes().to_vec(), mac.to_vec()].concat();
            ifla_vf_mac.resize(36, 0);
            let vlan = attribute(IFLA_VF_VLAN, &[index, 7, 0].map(u32::to_ne_bytes).concat());
            attribute(IFLA_VF_INFO, &[attribute(IFLA_VF_MAC, &ifla_vf_mac), vlan].concat())
        };
        let list = [of(0, [2, 0, 0, 0, 0, 1]), of(1, [0; 6]), of(2, [2, 0, 0, 0, 0, 3])].concat();
        let bytes = [header(), attribute(IFLA_VFINFO_LIST, &list)].concat();
        let link = LinkMessage::parse(bytes.as_slice()).unwrap();
        let told = [0, 1, 2, 3].map(|index| told_mac(&link, index));
        assert_eq!(told, [Some([2, 0, 0, 0, 0, 1]), None, Some([2, 0, 0, 0, 0, 3]), None]);
    }

    #[test]
    fn clearing_the_vlan_sends_nothing_but_vlan_0() {
        let sent = bytes(&VfConfig { vlan: Some(0), ..VfConfig::default() });
        let ifla_vf_vlan = [3_u32, 0, 0].map(u32::to_ne_bytes).concat();
        assert!(message_of(&[attribute(IFLA_VF_VLAN, &ifla_vf_vlan)]).contains(&sent), "{sent:?}");
    }
}
