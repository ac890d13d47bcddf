//! kuryr.conf.

use super::keystoneauth as auth;
use super::logging::LOGGING;
use crate::schema::{Choice, Kind, Opt, Schema, renamed};

/// The options of kuryr.conf.
pub fn kuryr() -> Schema {
    Schema::new("kuryr")
        .group("DEFAULT", "", &[DEFAULT, super::TLS, super::OWN, LOGGING])
        .group(
            "neutron",
            "Neutron, and how to authenticate for it.",
            &[NEUTRON, auth::SECTION, auth::PLUGIN, auth::ENDPOINT, auth::SESSION],
        )
        .group("binding", "How a container is connected to its port.", &[BINDING])
        .group("ovs", "Open vSwitch on this host. Additions of this project.", &[OVS])
}

const SCOPES: &[Choice] = &[Choice::new("local"), Choice::new("global")];

const PORT_DRIVERS: &[Choice] = &[
    Choice::or("veth", &["kuryr_libnetwork.port_driver.drivers.veth"]),
    Choice::or("nested", &["kuryr_libnetwork.port_driver.drivers.nested"]),
    Choice::or("vlan", &["kuryr_libnetwork.port_driver.drivers.vlan"]),
    Choice::or("sriov", &["kuryr_libnetwork.port_driver.drivers.sriov"]),
];

const BINDING_DRIVERS: &[Choice] = &[
    Choice::or("veth", &["kuryr.lib.binding.drivers.veth", "kuryr_libnetwork.port_driver.drivers.veth"]),
    Choice::or("vlan", &["kuryr.lib.binding.drivers.vlan", "kuryr_libnetwork.port_driver.drivers.vlan"]),
    Choice::or("macvlan", &["kuryr.lib.binding.drivers.macvlan"]),
    Choice::or("ipvlan", &["kuryr.lib.binding.drivers.ipvlan"]),
    Choice::or("hw_veb", &["kuryr.lib.binding.drivers.hw_veb", "kuryr_libnetwork.port_driver.drivers.sriov"]),
];

const MACVLAN_MODES: &[Choice] =
    &[Choice::new("bridge"), Choice::new("private"), Choice::new("vepa"), Choice::new("passthru")];
const IPVLAN_MODES: &[Choice] = &[Choice::new("l2"), Choice::new("l3"), Choice::new("l3s")];
const IPVLAN_FLAGS: &[Choice] = &[Choice::new("bridge"), Choice::new("private"), Choice::new("vepa")];
const ADDRESS_PAIRS: &[Choice] = &[Choice::new("address"), Choice::new("subnet")];

const NATIVE_VIF_TYPES: &[Choice] = &[Choice::new("ovs"), Choice::new("bridge"), Choice::new("tap")];

const DEFAULT: &[Opt] = &[
    Opt::new(
        "kuryr_uri",
        Kind::Url(&["http", "https"]),
        "Host and port to listen on; enable_ssl decides about TLS.",
    )
    .default("http://127.0.0.1:23750")
    .default_env("OS_KURYR_URI"),
    Opt::new(
        "capability_scope",
        Kind::Choice(SCOPES),
        "Scope of networks that Docker is told: local, or global for Swarm.",
    )
    .default("local")
    .default_env("CAPABILITY_SCOPE"),
    Opt::new("local_default_address_space", Kind::Word, "Name of the address space of local networks.")
        .default("no_address_space"),
    Opt::new("global_default_address_space", Kind::Word, "Name of the address space of global networks.")
        .default("no_address_space"),
    Opt::new(
        "default_port_driver",
        Kind::Choice(PORT_DRIVERS),
        "How ports are handled in Neutron. Without it the choice follows from [binding] default_driver.",
    )
    .deprecated(&[renamed("port_driver")]),
    Opt::new(
        "enabled_port_drivers",
        Kind::ListOf(PORT_DRIVERS),
        "Port drivers that may be used. Without it the one that is needed.",
    ),
    Opt::new(
        "process_external_connectivity",
        Kind::Boolean,
        "Open exposed ports in a security group of the endpoint.",
    )
    .default("true"),
    Opt::new(
        "requires_mac_address",
        Kind::Boolean,
        "Have Docker name a container's MAC address when it asks for an IP address. Existing ports can be chosen by MAC \
         address then, and both families of a container share a port from the start; without it an existing port keeps \
         its own MAC address.",
    )
    .default("true"),
    Opt::new("bindir", Kind::Path, "Directory of helper scripts, one per vif type.")
        .default("/usr/libexec/kuryr"),
    Opt::new("subnetpool_name_prefix", Kind::Text, "Start of the names of subnet pools that are created.")
        .default("kuryrPool"),
    Opt::new(
        "orphan_check_interval",
        Kind::Integer { min: Some(0), max: None },
        "Seconds between two looks for things of this installation that no record names; 0: only one, at start. An \
         addition of this project.",
    )
    .default("3600"),
    Opt::new("pybasedir", Kind::Text, "Accepted without effect.").ignored("nothing is read from there"),
    Opt::new("deployment_type", Kind::Text, "Accepted without effect.")
        .ignored("[binding] default_driver decides how containers are connected"),
];

const NEUTRON: &[Opt] = &[
    Opt::new("enable_dhcp", Kind::Boolean, "Whether subnets that are created have DHCP.").default("true"),
    Opt::new(
        "use_network_project",
        Kind::Boolean,
        "Make ports and security groups in the project of an existing network, whose quota and default group count \
         then. Takes an administrator's credentials.",
    )
    .default("false"),
    Opt::new("default_subnetpool_v4", Kind::Text, "Name of the IPv4 subnet pool to take subnets from.")
        .default("kuryr"),
    Opt::new("default_subnetpool_v6", Kind::Text, "Name of the IPv6 subnet pool to take subnets from.")
        .default("kuryr6"),
    Opt::new(
        "vif_plugging_is_fatal",
        Kind::Boolean,
        "Whether a port that does not become active is an error.",
    )
    .default("false"),
    Opt::new(
        "vif_plugging_timeout",
        Kind::Integer { min: Some(0), max: None },
        "Seconds to wait for a port to become active; 0 means no limit.",
    )
    .default("0"),
];

const BINDING: &[Opt] = &[
    Opt::new("veth_dst_prefix", Kind::Word, "Start of the interface names inside containers.").default("eth"),
    Opt::new(
        "default_driver",
        Kind::Choice(BINDING_DRIVERS),
        "How containers are connected: veth on bare metal; vlan, macvlan or ipvlan inside a VM; hw_veb for SR-IOV.",
    )
    .default("kuryr.lib.binding.drivers.veth")
    .deprecated(&[renamed("driver")]),
    Opt::new(
        "enabled_drivers",
        Kind::ListOf(BINDING_DRIVERS),
        "Binding drivers that may be used. Without it the default driver.",
    ),
    Opt::new(
        "link_iface",
        Kind::Interface,
        "Interface of the VM that carries its containers' traffic (vlan, macvlan, ipvlan).",
    ),
    Opt::new(
        "parent_port",
        Kind::Word,
        "UUID of the VM's port, where the MAC address of link_iface does not tell. An addition of this project, as are \
         the following ones.",
    ),
    Opt::new(
        "macvlan_mode",
        Kind::Choice(MACVLAN_MODES),
        "Whom a container on macvlan reaches on the same VM: all others (bridge), nobody (private), those a switch \
         outside sends back to it (vepa); passthru gives the interface to one container alone.",
    )
    .default("bridge"),
    Opt::new(
        "ipvlan_mode",
        Kind::Choice(IPVLAN_MODES),
        "Whether ipvlan links switch (l2) or the VM routes for them (l3, and l3s with its packet filter).",
    )
    .default("l2"),
    Opt::new(
        "ipvlan_flag",
        Kind::Choice(IPVLAN_FLAGS),
        "Whom a container on ipvlan reaches on the same VM, as with macvlan_mode.",
    )
    .default("bridge"),
    Opt::new(
        "address_pairs",
        Kind::Choice(ADDRESS_PAIRS),
        "What ipvlan lets the VM's port send from: each container's address, or the subnets containers are on, which \
         needs one of Neutron's few pairs for all and no call per container, but keeps no container from using \
         another one's address.",
    )
    .default("address"),
    Opt::new(
        "subport_pool_min",
        Kind::Integer { min: Some(0), max: Some(1000) },
        "Ports per Docker network that are in the VM's trunk before a container needs them (vlan): below this number \
         more are made, up to subport_pool_max.",
    )
    .default("0"),
    Opt::new(
        "subport_pool_max",
        Kind::Integer { min: Some(0), max: Some(1000) },
        "Most such ports; those of stopped containers are kept up to it. 0: none are kept ready.",
    )
    .default("0"),
    Opt::new(
        "script_vif_types",
        Kind::ListOf(NATIVE_VIF_TYPES),
        "Vif types for which the script of that name in bindir is run instead of what is built in.",
    ),
];

const OVS: &[Opt] = &[
    Opt::new("integration_bridge", Kind::Interface, "Bridge of ports for which Neutron names none.")
        .default("br-int"),
    Opt::new("ovsdb_socket", Kind::Path, "Unix socket of Open vSwitch's database server.")
        .default("/run/openvswitch/db.sock"),
];
