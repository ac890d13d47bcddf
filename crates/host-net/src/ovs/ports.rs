//! Adding, deleting and joining the rows of ports.

use std::collections::{BTreeMap, HashMap};
use std::result::Result;

use serde_json::Value;
use tokio::time::Instant;

use super::connection::Connection;
use super::failure::Failure;
use super::row::{id, ids, map, optional_number, optional_text, rows, text};
use super::{Error, OWNER, OpenVswitch, OvsPort, PortSpec, transaction};
use crate::name::index_of;

/// In `external_ids`: the number of the link that was attached. ovs-vswitchd's userspace datapath keeps a link open
/// by descriptor and does not notice that another one took its name.
const LINK_INDEX: &str = "kuryr-link-index";

/// In `external_ids`: the Neutron port, by which its agent finds the interface.
const IFACE_ID: &str = "iface-id";

/// What the database holds under a port's name.
enum Present {
    Nothing,
    /// One interface of the same name with our mark.
    Ours {
        port: String,
        interface: String,
        external_ids: BTreeMap<String, String>,
    },
    /// Anything else, in words.
    Foreign(String),
}

impl OpenVswitch {
    pub(super) async fn ensure_once(&self, spec: &PortSpec, deadline: Instant) -> Result<(), Failure> {
        let Some(index) = index_of(&spec.name)? else {
            return Err(Error::Absent { operation: "adding to Open vSwitch", link: spec.name.clone() }.into());
        };
        let mut external_ids = spec.external_ids.clone();
        external_ids.insert(OWNER.0.to_owned(), OWNER.1.to_owned());
        external_ids.insert(LINK_INDEX.to_owned(), index.to_string());

        let mut connection = self.connect().await?;
        let mut present = look(&mut connection, &spec.name, Some(&spec.bridge)).await?;
        if let Present::Ours { port, interface, external_ids: found } = &present {
            in_bridge(&mut connection, port, spec).await?;
            if let Some(wanted) = external_ids.get(IFACE_ID) {
                same_neutron_port(&spec.name, found, wanted)?;
            }
            // A port of an earlier release, or of the predecessor, does not tell.
            if found.get(LINK_INDEX) != Some(&index.to_string()) {
                let next_cfg = drop_row(&mut connection, port, interface, found.get(IFACE_ID)).await?;
                processed(&mut connection, next_cfg, deadline, None).await?;
                present = Present::Nothing;
            }
        }
        let mut operations = match &present {
            Present::Nothing => {
                let named = || transaction::named(&spec.name);
                let mut operations = vec![
                    transaction::must_exist("Bridge", transaction::named(&spec.bridge)),
                    transaction::must_not_exist("Port", named()),
                    transaction::must_not_exist("Interface", named()),
                ];
                operations.extend(transaction::add_port(&spec.bridge, &spec.name, &external_ids));
                operations
            }
            Present::Ours { port, interface, external_ids: found } => {
                vec![
                    still_in(port, &spec.bridge),
                    still_ours(interface, found.get(IFACE_ID)),
                    transaction::set_external_ids(interface, &external_ids),
                ]
            }
            Present::Foreign(found) => return Err(foreign(&spec.name, found)),
        };
        operations.extend(transaction::announce());
        let next_cfg = announced(&connection.transact(operations).await?)?;
        let refusal = processed(&mut connection, next_cfg, deadline, Some(&spec.name)).await?;
        let cause = match refusal {
            Some(cause) => cause,
            None if index_of(&spec.name)? != Some(index) => "the link vanished meanwhile".into(),
            None => return Ok(()),
        };
        Err(Error::OvsPort { port: spec.name.clone(), bridge: spec.bridge.clone(), cause }.into())
    }

    pub(super) async fn delete_once(&self, name: &str, iface_id: Option<&str>) -> Result<(), Failure> {
        let mut connection = self.connect().await?;
        match look(&mut connection, name, None).await? {
            Present::Nothing => Ok(()),
            Present::Ours { port, interface, external_ids } => {
                let found = external_ids.get(IFACE_ID);
                if let Some(wanted) = iface_id {
                    same_neutron_port(name, &external_ids, wanted)?;
                    if found.is_none() {
                        return Err(foreign(name, "has no iface-id in its external_ids"));
                    }
                }
                drop_row(&mut connection, &port, &interface, found).await.map(drop)
            }
            Present::Foreign(found) => Err(foreign(name, &found)),
        }
    }
}

/// Refuses a port that is in another bridge than the wanted one.
async fn in_bridge(connection: &mut Connection, port: &str, spec: &PortSpec) -> Result<(), Failure> {
    let query = transaction::select("Bridge", transaction::holding("ports", port), &["name"]);
    let results = connection.transact(vec![query]).await?;
    match rows(results.first())?.first().map(|bridge| text(bridge, "name")).transpose()? {
        Some(bridge) if bridge == spec.bridge => Ok(()),
        Some(bridge) => Err(foreign(&spec.name, &format!("is in bridge {bridge}"))),
        // Deleted since it was looked at.
        None => Err(Failure::WaitTimedOut),
    }
}

/// Reads what has the name; with a bridge also that this exists.
async fn look(connection: &mut Connection, name: &str, bridge: Option<&str>) -> Result<Present, Failure> {
    let named = || transaction::named(name);
    let mut queries = vec![
        transaction::select("Port", named(), &["_uuid", "interfaces"]),
        transaction::select("Interface", named(), &["_uuid", "external_ids"]),
    ];
    queries.extend(bridge.map(|bridge| transaction::select("Bridge", transaction::named(bridge), &["name"])));
    let results = connection.transact(queries).await?;
    if let Some(bridge) = bridge
        && rows(results.get(2))?.is_empty()
    {
        return Err(Error::NoBridge { bridge: bridge.to_owned() }.into());
    }
    let (ports, interfaces) = (rows(results.first())?, rows(results.get(1))?);
    let (port, interface) = match (ports.first(), interfaces.first()) {
        (None, None) => return Ok(Present::Nothing),
        // A port of that name is absent, which is all that deleting one asks for.
        (None, Some(_)) if bridge.is_none() => return Ok(Present::Nothing),
        (None, Some(_)) => return Ok(Present::Foreign("is an interface of a port of another name".into())),
        (Some(_), None) => return Ok(Present::Foreign("is a bond of other interfaces".into())),
        (Some(port), Some(interface)) => (port, interface),
    };
    if ids(port, "interfaces")? != [id(interface)?] {
        return Ok(Present::Foreign("has other interfaces than one of its name".into()));
    }
    let external_ids = map(interface, "external_ids")?;
    if external_ids.get(OWNER.0).map(String::as_str) != Some(OWNER.1) {
        return Ok(Present::Foreign(format!("lacks {}={} in its external_ids", OWNER.0, OWNER.1)));
    }
    Ok(Present::Ours { port: id(port)?.to_owned(), interface: id(interface)?.to_owned(), external_ids })
}

/// Refuses a port of ours that is in use for another Neutron port.
fn same_neutron_port(name: &str, found: &BTreeMap<String, String>, wanted: &str) -> Result<(), Failure> {
    match found.get(IFACE_ID) {
        Some(id) if id != wanted => Err(foreign(name, &format!("is in use for Neutron port {id}"))),
        _ => Ok(()),
    }
}

/// Removes the port unless its mark or its Neutron port changed meanwhile.
async fn drop_row(
    connection: &mut Connection,
    port: &str,
    interface: &str,
    iface_id: Option<&String>,
) -> Result<i64, Failure> {
    let mut operations = vec![still_ours(interface, iface_id), transaction::drop_port(port)];
    operations.extend(transaction::announce());
    announced(&connection.transact(operations).await?)
}

/// Waits for ovs-vswitchd; then what it says about the interface, if that is bad.
async fn processed(
    connection: &mut Connection,
    next_cfg: i64,
    deadline: Instant,
    interface: Option<&str>,
) -> Result<Option<String>, Failure> {
    // The server gives up before we do, so that its silence and that of ovs-vswitchd are told apart.
    let left = deadline.saturating_duration_since(Instant::now()) * 9 / 10;
    let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    let mut operations = vec![transaction::await_processed(next_cfg, left)];
    operations.extend(
        interface
            .map(|name| transaction::select("Interface", transaction::named(name), &["ofport", "error"])),
    );
    let results = match connection.transact(operations).await {
        Err(Failure::WaitTimedOut) => return Err(Failure::NotProcessed),
        outcome => outcome?,
    };
    if interface.is_none() {
        return Ok(None);
    }
    let Some(found) = rows(results.get(1))?.first() else {
        return Ok(Some("somebody deleted the port".into()));
    };
    if let Some(error) = optional_text(found, "error")? {
        return Ok(Some(error.to_owned()));
    }
    match optional_number(found, "ofport")? {
        Some(number) if number > 0 => Ok(None),
        _ => Ok(Some("ovs-vswitchd gave it no port number".into())),
    }
}

/// The number in the last of the results, which [`transaction::announce`] put there.
fn announced(results: &[Value]) -> Result<i64, Failure> {
    let found = rows(results.last())?.first().map(|row| optional_number(row, "next_cfg")).transpose()?;
    found.flatten().ok_or_else(|| Failure::malformed("a database without the row of Open_vSwitch"))
}

fn still_ours(interface: &str, iface_id: Option<&String>) -> Value {
    let mut conditions = transaction::both(transaction::with_id(interface), transaction::marked(OWNER.1));
    if let Some(id) = iface_id {
        conditions = transaction::both(conditions, transaction::with_external_id(IFACE_ID, id));
    }
    transaction::must_exist("Interface", conditions)
}

fn still_in(port: &str, bridge: &str) -> Value {
    transaction::must_exist(
        "Bridge",
        transaction::both(transaction::named(bridge), transaction::holding("ports", port)),
    )
}

fn foreign(port: &str, found: &str) -> Failure {
    Error::OvsForeign { port: port.to_owned(), found: found.to_owned() }.into()
}

/// Ports of the given interfaces, with their bridges.
pub(super) fn joined(
    interfaces: &[Value],
    ports: &[Value],
    bridges: &[Value],
) -> Result<Vec<OvsPort>, Failure> {
    let mut bridge_of = HashMap::new();
    for bridge in bridges {
        for port in ids(bridge, "ports")? {
            bridge_of.insert(port, text(bridge, "name")?);
        }
    }
    let mut port_of = HashMap::new();
    for port in ports {
        for interface in ids(port, "interfaces")? {
            port_of.insert(interface, port);
        }
    }
    let mut found = Vec::new();
    for interface in interfaces {
        // The server deletes an interface with its last reference, so both are there.
        let Some(port) = port_of.get(id(interface)?) else { continue };
        let Some(bridge) = bridge_of.get(id(port)?) else { continue };
        let name = text(port, "name")?;
        found.push(OvsPort {
            bridge: (*bridge).to_owned(),
            name: name.to_owned(),
            external_ids: map(interface, "external_ids")?,
            exists: index_of(name)?.is_some(),
        });
    }
    Ok(found)
}
