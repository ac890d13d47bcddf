//! Which driver connects containers, and what it needs inside a virtual machine.

use kuryr::{GuestMode, GuestSettings, IpvlanFlag, IpvlanMode, MacvlanMode, Spares};
use oslo_config::Loaded;

use super::text;
use crate::error::Error;

/// The binding drivers that each port driver of the predecessor works with.
const PORT_DRIVERS: [(&str, &[&str]); 4] =
    [("veth", &["veth"]), ("nested", &["macvlan", "ipvlan"]), ("vlan", &["vlan"]), ("sriov", &["hw_veb"])];

/// Reads `[binding]`; `None` on bare metal, where Neutron says how a port is plugged.
///
/// # Errors
/// Options that contradict each other, or one that is missing.
pub(super) fn read(loaded: &Loaded, place: &str) -> Result<Option<GuestSettings>, Error> {
    let driver = driver(loaded, place)?;
    let mode = match driver.as_str() {
        "vlan" => GuestMode::Vlan,
        "macvlan" => GuestMode::Macvlan(match text(loaded, "binding", "macvlan_mode")?.as_str() {
            "private" => MacvlanMode::Private,
            "vepa" => MacvlanMode::Vepa,
            "passthru" => MacvlanMode::Passthru,
            _ => MacvlanMode::Bridge,
        }),
        "ipvlan" => {
            let mode = match text(loaded, "binding", "ipvlan_mode")?.as_str() {
                "l3" => IpvlanMode::L3,
                "l3s" => IpvlanMode::L3s,
                _ => IpvlanMode::L2,
            };
            let flag = match text(loaded, "binding", "ipvlan_flag")?.as_str() {
                "private" => IpvlanFlag::Private,
                "vepa" => IpvlanFlag::Vepa,
                _ => IpvlanFlag::Bridge,
            };
            GuestMode::Ipvlan(mode, flag)
        }
        // Which of the two plugs a port follows from the port.
        _ => return Ok(None),
    };
    let link = text(loaded, "binding", "link_iface")?;
    if link.is_empty() {
        return Err(Error::Setting(format!(
            "[binding] default_driver = {driver} in {place} needs link_iface: the interface of this virtual machine that \
             its containers are to use, such as eth0"
        )));
    }
    let port = text(loaded, "binding", "parent_port")?;
    let pairs_by_subnet = text(loaded, "binding", "address_pairs")? == "subnet";
    if pairs_by_subnet && !matches!(mode, GuestMode::Ipvlan(..)) {
        return Err(Error::Setting(format!(
            "[binding] address_pairs = subnet in {place} is for ipvlan, whose containers all have this machine's MAC \
             address; drop it, or use ipvlan"
        )));
    }
    let mark = |key: &str| -> Result<usize, Error> {
        Ok(loaded.integer("binding", key)?.and_then(|n| usize::try_from(n).ok()).unwrap_or_default())
    };
    let spares = Spares { min: mark("subport_pool_min")?, max: mark("subport_pool_max")? };
    if spares.min > spares.max {
        return Err(Error::Setting(format!(
            "[binding] subport_pool_min = {} in {place} is above subport_pool_max = {}",
            spares.min, spares.max
        )));
    }
    if spares.max > 0 && mode != GuestMode::Vlan {
        return Err(Error::Setting(format!(
            "[binding] subport_pool_max in {place} is for vlan: {driver} has no subports; drop it"
        )));
    }
    let settings =
        GuestSettings { link, mode, port: Some(port).filter(|id| !id.is_empty()), pairs_by_subnet, spares };
    if !takes_macs(Some(&settings))
        && loaded.is_set("DEFAULT", "requires_mac_address")?
        && loaded.bool("DEFAULT", "requires_mac_address")?
    {
        return Err(Error::Setting(format!(
            "[DEFAULT] requires_mac_address = True in {place} is not possible with {}: {}; drop it",
            if mode == GuestMode::Vlan {
                "[binding] subport_pool_max"
            } else {
                "[binding] default_driver = ipvlan"
            },
            if mode == GuestMode::Vlan {
                "a port that is ready before the container has its MAC address already"
            } else {
                "all containers have this machine's"
            }
        )));
    }
    Ok(Some(settings))
}

/// Whether Docker may choose containers' MAC addresses.
pub(super) fn takes_macs(guest: Option<&GuestSettings>) -> bool {
    guest.is_none_or(|guest| !guest.mode.shares_mac() && guest.spares.max == 0)
}

/// `[binding] default_driver`, or what `[DEFAULT] default_port_driver` leaves no choice about.
fn driver(loaded: &Loaded, place: &str) -> Result<String, Error> {
    let refuse = |text: String| Err(Error::Setting(format!("{text} in {place}")));
    let mut driver = text(loaded, "binding", "default_driver")?;
    let chosen = loaded.is_set("binding", "default_driver")?;
    let enabled = loaded.list("binding", "enabled_drivers")?.to_vec();
    if loaded.is_set("DEFAULT", "default_port_driver")? {
        let port_driver = text(loaded, "DEFAULT", "default_port_driver")?;
        let fitting =
            PORT_DRIVERS.iter().find(|(name, _)| *name == port_driver).map_or(&[][..], |(_, all)| all);
        if chosen && !fitting.contains(&driver.as_str()) {
            return refuse(format!(
                "[DEFAULT] default_port_driver = {port_driver} does not go with [binding] default_driver = {driver}, but \
                 with {}; drop the former",
                fitting.join(" or ")
            ));
        }
        if !chosen {
            let mut left: Vec<&str> = fitting.to_vec();
            if left.len() > 1 {
                left.retain(|name| enabled.iter().any(|one| one == name));
            }
            driver = match left.as_slice() {
                [one] => (*one).to_owned(),
                _ => {
                    return refuse(format!(
                        "[DEFAULT] default_port_driver = {port_driver} leaves open which: set [binding] default_driver \
                         to {}",
                        fitting.join(" or ")
                    ));
                }
            };
        }
    }
    if loaded.is_set("binding", "enabled_drivers")? && !enabled.contains(&driver) {
        return refuse(format!(
            "[binding] enabled_drivers = {} lacks the driver {driver} that is to be used; add it, or drop the option",
            enabled.join(", ")
        ));
    }
    let ports = loaded.list("DEFAULT", "enabled_port_drivers")?;
    let needed = PORT_DRIVERS.iter().find(|(_, all)| all.contains(&driver.as_str())).map(|(name, _)| *name);
    if loaded.is_set("DEFAULT", "enabled_port_drivers")?
        && !needed.is_some_and(|needed| ports.iter().any(|one| one == needed))
    {
        return refuse(format!(
            "[DEFAULT] enabled_port_drivers = {} lacks {}, which [binding] default_driver = {driver} needs; add it, or \
             drop the option",
            ports.join(", "),
            needed.unwrap_or_default()
        ));
    }
    Ok(driver)
}
