//! `/v2.0/networks`.

use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::Cloud;
use super::attributes::{Attributes, created, updated};
use super::fault::Fault;
use super::resource::{answer, answer_created, changeable, if_match, render_ids};
use crate::caller::Caller;
use crate::model::Model;
use crate::model::network::Network;
use crate::model::port::DHCP_OWNER;
use crate::model::standard::Standard;

/// Smallest and largest MTU Neutron takes.
const MTU: std::ops::RangeInclusive<u32> = 68..=65535;

/// `POST`: one or many, all or none.
pub(crate) async fn create(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, Fault> {
    let request = created(&body, "network", "networks", caller.is_admin)?;
    let mtu = cloud.default_mtu;
    let items = cloud
        .change(|model| {
            let ids = request
                .items
                .into_iter()
                .map(|item| add(model, &caller, item, mtu))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(render_ids::<Network>(model, &caller, &ids))
        })
        .await?;
    Ok(answer_created::<Network>(items, request.bulk))
}

fn add(model: &mut Model, caller: &Caller, mut item: Attributes, default_mtu: u32) -> Result<String, Fault> {
    let owner = item.owner(&caller.project_id)?;
    if !model.has_room(&owner, "network") {
        return Err(Fault::over_quota("network"));
    }
    model.last_segment += 1;
    let mut network = Network {
        standard: Standard::new(
            &owner,
            item.text("name")?.unwrap_or_default(),
            item.text("description")?.unwrap_or_default(),
        ),
        admin_state_up: true,
        shared: false,
        mtu: default_mtu,
        external: false,
        port_security_enabled: true,
        network_type: "vxlan".into(),
        segmentation_id: Some(model.last_segment),
        physical_network: None,
    };
    if let Some(kind) = item.take_admin("provider:network_type")? {
        network.network_type = kind.as_str().unwrap_or("vxlan").into();
        network.segmentation_id = None;
    }
    if let Some(number) = item.take_admin("provider:segmentation_id")? {
        network.segmentation_id = number.as_u64().and_then(|n| u32::try_from(n).ok());
    }
    if let Some(physical) = item.take_admin("provider:physical_network")? {
        network.physical_network = physical.as_str().map(str::to_owned);
    }
    item.take("availability_zone_hints");
    write(&mut network, &mut item)?;
    item.finish()?;
    let id = network.standard.id.clone();
    model.networks.insert(id.clone(), network);
    model.default_group(&owner);
    Ok(id)
}

/// Writes the attributes that may be set at any time.
fn write(network: &mut Network, item: &mut Attributes) -> Result<(), Fault> {
    if let Some(up) = item.boolean("admin_state_up")? {
        network.admin_state_up = up;
    }
    if let Some(shared) = item.boolean_admin("shared", network.shared)? {
        network.shared = shared;
    }
    if let Some(external) = item.boolean_admin("router:external", network.external)? {
        network.external = external;
    }
    if let Some(on) = item.boolean("port_security_enabled")? {
        network.port_security_enabled = on;
    }
    if let Some(mtu) = item.number::<u32>("mtu")? {
        if !MTU.contains(&mtu) {
            return Err(Fault::attribute("mtu", format!("'{mtu}' is not between 68 and 65535")));
        }
        network.mtu = mtu;
    }
    Ok(())
}

/// `PUT`.
pub(crate) async fn update(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    let mut item = updated(&body, "network", caller.is_admin)?;
    let guard = if_match(&headers)?;
    let mut items = cloud
        .change(|model| {
            changeable::<Network>(model, &caller, &id, "update", guard)?;
            if let Some(network) = model.networks.get_mut(&id) {
                if let Some(name) = item.text("name")? {
                    network.standard.name = name;
                }
                if let Some(description) = item.text("description")? {
                    network.standard.description = description;
                }
                write(network, &mut item)?;
                item.finish()?;
                network.standard.bump();
            }
            Ok(render_ids::<Network>(model, &caller, std::slice::from_ref(&id)))
        })
        .await?;
    Ok(answer::<Network>(StatusCode::OK, items.pop().unwrap_or_default()))
}

/// `DELETE`: takes subnets and DHCP ports along, and is refused while anything else is there.
pub(crate) async fn delete(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let guard = if_match(&headers)?;
    cloud
        .change(|model| {
            changeable::<Network>(model, &caller, &id, "delete", guard)?;
            let users: Vec<&str> = model
                .ports
                .values()
                .filter(|p| p.network_id == id && p.device_owner != DHCP_OWNER)
                .map(|p| p.standard.id.as_str())
                .collect();
            if !users.is_empty() {
                return Err(Fault::conflict(
                    "NetworkInUse",
                    format!(
                        "Unable to complete operation on network {id}. There are one or more ports still in use \
                         on the network, id for these ports is: {}.",
                        users.join(",")
                    ),
                ));
            }
            model.ports.retain(|_, p| p.network_id != id);
            model.subnets.retain(|_, s| s.network_id != id);
            model.networks.remove(&id);
            Ok(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
