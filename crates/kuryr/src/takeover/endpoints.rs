//! Endpoints by the device id or the tags of their port.

use std::collections::BTreeSet;

use openstack::network::{Port, Taggable};

use super::evidence::{Origin, has_all, origin_of};
use crate::error::CloudContext;
use crate::service::Inner;
use crate::state::{Driver, EndpointRow, Originals, Phase, Plug, PortRow};
use crate::{Error, Result, names};

impl Inner {
    /// Makes an endpoint known whose record we do not have, if a port carries its id.
    ///
    /// # Errors
    /// Several ports carry its id, or one of another network; Neutron fails.
    pub(crate) async fn recognise_endpoint(&self, network: &str, id: &str) -> Result<()> {
        if self.endpoints.get(id).is_some() || !names::is_docker_id(id) || !names::is_docker_id(network) {
            return Ok(());
        }
        let _turn = self.locks.lock("endpoint", id).await;
        if self.endpoints.get(id).is_some() {
            return Ok(());
        }
        match self.read_endpoint(network, id).await? {
            Some(endpoint) => Ok(self.endpoints.put(id, &endpoint)?),
            None => Ok(()),
        }
    }

    /// As [`Self::recognise_endpoint`], before the endpoint's end. Docker asks once, so a Neutron that is away is asked
    /// again in the background.
    pub(crate) async fn recognise_endpoint_to_remove(&self, network: &str, id: &str) -> Result<()> {
        let known = self.recognise_endpoint(network, id).await;
        if let Err(Error::Cloud { .. }) = &known {
            let _turn = self.locks.lock("endpoint", id).await;
            if self.endpoints.get(id).is_none() {
                self.endpoints.put(id, &unread(network, id))?;
            }
        }
        known
    }

    /// What there is to remove of an endpoint whose port could not be looked for earlier.
    pub(crate) async fn read_endpoint_again(&self, row: EndpointRow) -> Result<EndpointRow> {
        if !row.port.is_empty() {
            return Ok(row);
        }
        let Some(endpoint) = self.read_endpoint(&row.network, &row.id).await? else { return Ok(row) };
        let endpoint = EndpointRow { phase: Phase::Deleting, ..endpoint };
        self.endpoints.put(&endpoint.id, &endpoint)?;
        Ok(endpoint)
    }

    /// An endpoint by its port, whose record is written already. Its address goes with it: the pool's id alone would not
    /// tell whose port has the address by the time Docker releases it.
    async fn read_endpoint(&self, network: &str, id: &str) -> Result<Option<EndpointRow>> {
        let Some(port) = self.port_of_endpoint(id).await? else { return Ok(None) };
        if self.ports.find(|p| p.port.as_ref().is_some_and(|known| known.id == port.id)).is_some() {
            return Ok(None);
        }
        let known = self.networks.get(network).and_then(|row| row.neutron_id);
        if known.is_some_and(|known| known != port.network_id) {
            let reason =
                format!("it is on network {}; remove it by hand if nothing uses it", port.network_id);
            return Err(Error::Conflict { what: "port of endpoint", resource: port.id, reason });
        }
        let row = PortRow {
            network: network.to_owned(),
            endpoint: Some(id.to_owned()),
            devices: BTreeSet::from([id.to_owned(), port.device_id.clone()]),
            ..PortRow::of(port.clone())
        };
        let endpoint = EndpointRow {
            phase: Phase::Ready,
            port: row.id.clone(),
            subnets: port.fixed_ips.iter().map(|ip| ip.subnet_id.clone()).collect(),
            plug: Some(self.plug_of(&port, id).await),
            ..unread(network, id)
        };
        match origin_of(&port) {
            Origin::Made => self.ports.put(&row.id, &row)?,
            Origin::Adopted => {
                let originals = Some(originals(&port, id));
                self.ports.put(&row.id, &PortRow { originals, ..row.clone() })?;
            }
            Origin::Unknown => {
                tracing::warn!(
                    endpoint = id,
                    port = port.id,
                    "nothing says who made the port, it will be left"
                );
            }
        }
        tracing::info!(endpoint = id, port = port.id, "recognised by its port");
        Ok(Some(endpoint))
    }

    async fn port_of_endpoint(&self, id: &str) -> Result<Option<Port>> {
        let mut found = self.ports_of_device(id).await.doing("find the port of endpoint", id)?;
        if found.is_empty() && self.keeps_tags(Taggable::Port).await {
            // Of a port that existed before, the Python driver leaves the device id.
            let tags = names::network_tags(id, false);
            let filter = tags.join(",");
            found =
                self.neutron.list_ports(&[("tags", &filter)]).await.doing("find the port of endpoint", id)?;
            found.retain(|p| has_all(&p.tags, &tags));
        }
        let choices = found.iter().map(|p| p.id.clone()).collect::<Vec<_>>().join(", ");
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (one, None) => Ok(one),
            _ => Err(Error::Ambiguous { what: "port of endpoint", resource: id.to_owned(), choices }),
        }
    }

    /// How the Python driver, or we, plugged it: the names are the same. A port that is bound no more has at most its
    /// links left.
    async fn plug_of(&self, port: &Port, endpoint: &str) -> Plug {
        let mtu = self.settings.default_mtu;
        let plug = match self.binding().validate(port, endpoint, mtu, &[]).await {
            Ok(plug) => plug,
            Err(error) => {
                tracing::warn!(port = port.id, %error, "taking its links for a plain pair");
                Plug {
                    port_id: port.id.clone(),
                    host: names::host_link(&port.id),
                    container: names::container_link(&port.id),
                    bridge: None,
                    mac: port.mac_address,
                    mtu,
                    driver: Driver::default(),
                    mark: None,
                }
            }
        };
        // Before the journal was lost we marked links otherwise than now; the Python driver did not.
        match self.host.links.marked_links(&names::mark(&port.id)).await {
            Ok(links) => {
                let mark = links.into_iter().find(|link| link.name == plug.host).map(|link| link.mark);
                Plug { mark: mark.or(plug.mark), ..plug }
            }
            Err(error) => {
                tracing::warn!(port = port.id, %error, "cannot read the marks of its links");
                plug
            }
        }
    }
}

/// The record of an endpoint to remove of which nothing is known yet.
fn unread(network: &str, id: &str) -> EndpointRow {
    EndpointRow {
        id: id.to_owned(),
        phase: Phase::Deleting,
        network: network.to_owned(),
        port: String::new(),
        subnets: Vec::new(),
        plug: None,
        joined: false,
        answered_mac: None,
        answered: Vec::new(),
    }
}

/// What the Python driver leaves of a port that existed before: nobody's, bound nowhere, with the device id it found.
fn originals(port: &Port, endpoint: &str) -> Originals {
    let ours = port.device_id == endpoint || port.name.starts_with(&port.device_id);
    let endpoint_tags = names::network_tags(endpoint, false);
    let kept = |tag: &&String| *tag != names::PORT_EXISTING && !endpoint_tags.contains(tag);
    Originals {
        device_owner: String::new(),
        device_id: if ours { String::new() } else { port.device_id.clone() },
        host_id: None,
        tags: port.tags.iter().filter(kept).cloned().collect(),
        strip: endpoint_tags.clone(),
        ..Originals::of(port)
    }
}
