//! `/v2.0/trunks`.

use std::collections::BTreeSet;

use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::Cloud;
use super::attributes::{Attributes, check_uuid};
use super::collection::Writable;
use super::fault::Fault;
use super::ports::in_use;
use super::resource::{changeable, if_match, render, visible};
use crate::caller::Caller;
use crate::model::Model;
use crate::model::port::Port;
use crate::model::standard::Standard;
use crate::model::trunk::{SubPort, Trunk};

/// Numbers a VLAN can have.
const VLANS: std::ops::RangeInclusive<i64> = 1..=4094;

/// Actions on the subports of a trunk.
pub(crate) fn subports() -> Router<Cloud> {
    Router::new()
        .route("/trunks/{id}/add_subports", put(add_subports))
        .route("/trunks/{id}/remove_subports", put(remove_subports))
        .route("/trunks/{id}/get_subports", get(get_subports))
}

/// What a parent port says about its trunk.
pub(crate) fn details(trunk: &Trunk, model: &Model) -> Value {
    let mut details = json!({"trunk_id": trunk.standard.id, "sub_ports": trunk.sub_ports});
    for item in details.get_mut("sub_ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let port = item.get("port_id").and_then(Value::as_str).and_then(|id| model.ports.get(id));
        if let (Some(item), Some(port)) = (item.as_object_mut(), port) {
            item.insert("mac_address".into(), port.mac_address.clone().into());
        }
    }
    details
}

impl Writable for Trunk {
    fn add(model: &mut Model, caller: &Caller, mut item: Attributes) -> Result<String, Fault> {
        let owner = item.owner(&caller.project_id)?;
        let port_id = item.required("port_id")?;
        check_uuid("port_id", &port_id)?;
        let mut trunk = Self {
            standard: Standard::new(&owner, String::new(), String::new()).made_at_once(),
            admin_state_up: true,
            port_id,
            status: "DOWN".into(),
            sub_ports: Vec::new(),
        };
        let wanted = item.take("sub_ports").unwrap_or_else(|| json!([]));
        let wanted = parse(&wanted).map_err(|reason| Fault::attribute("sub_ports", reason))?;
        write(&mut trunk, &mut item)?;
        item.finish()?;
        check_parent(model, caller, &trunk.port_id)?;
        let wanted = checked(model, caller, &trunk.port_id, wanted)?;
        if !model.has_room(&owner, "trunk") {
            return Err(Fault::over_quota("trunk"));
        }
        let id = trunk.standard.id.clone();
        join(&mut trunk, wanted)?;
        model.trunks.insert(id.clone(), trunk);
        Ok(id)
    }

    fn change(&mut self, _model: &Model, _caller: &Caller, mut item: Attributes) -> Result<(), Fault> {
        for name in ["port_id", "sub_ports"] {
            if item.take(name).is_some() {
                return Err(Fault::request(format!("Cannot update read-only attribute {name}")));
            }
        }
        write(self, &mut item)?;
        item.finish()
    }

    /// Sets its subports free, which keep the owner and the binding that agents gave them.
    fn remove(&self, model: &mut Model, _caller: &Caller) -> Result<(), Fault> {
        check_enabled(self)?;
        let id = &self.standard.id;
        if model.ports.get(&self.port_id).is_some_and(|parent| !parent.host_id.is_empty()) {
            return Err(Fault::conflict("TrunkInUse", format!("Trunk {id} is currently in use.")));
        }
        model.trunks.remove(id);
        self.sub_ports.iter().for_each(|subport| model.report(&subport.port_id));
        Ok(())
    }
}

fn write(trunk: &mut Trunk, item: &mut Attributes) -> Result<(), Fault> {
    item.write_names(&mut trunk.standard)?;
    if let Some(up) = item.boolean("admin_state_up")? {
        trunk.admin_state_up = up;
    }
    Ok(())
}

/// `PUT add_subports`: all or none. The answer is the trunk before agents have seen to it.
async fn add_subports(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    change_subports(&cloud, &caller, &id, (&headers, &body), |model, trunk, wanted| {
        let wanted = checked(model, &caller, &trunk.port_id, parse(wanted).map_err(Fault::input)?)?;
        check_enabled(trunk)?;
        if trunk.status == "ERROR" {
            let text = "is in error state. Attempt to resolve the error condition before proceeding.";
            return Err(Fault::conflict("TrunkInErrorState", format!("Trunk {id} {text}")));
        }
        join(trunk, wanted)
    })
    .await
}

/// `PUT remove_subports`: all or none.
async fn remove_subports(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    change_subports(&cloud, &caller, &id, (&headers, &body), |_, trunk, wanted| {
        check_enabled(trunk)?;
        for Wanted { port_id, .. } in parse(wanted).map_err(Fault::input)? {
            let at = trunk.sub_ports.iter().position(|subport| subport.port_id == port_id);
            let missing = || format!("SubPort {port_id} on trunk {id} could not be found.");
            trunk.sub_ports.remove(at.ok_or_else(|| Fault::not_found("SubPortNotFound", missing()))?);
        }
        Ok(())
    })
    .await
}

async fn change_subports(
    cloud: &Cloud,
    caller: &Caller,
    id: &str,
    (headers, body): (&HeaderMap, &[u8]),
    change: impl FnOnce(&Model, &mut Trunk, &Value) -> Result<(), Fault>,
) -> Result<Response, Fault> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    // Neutron stumbles over a body without them.
    let body = body.get("sub_ports").ok_or_else(Fault::internal)?;
    let guard = if_match(headers)?;
    let changed = |model: &mut Model| {
        let mut trunk = changeable::<Trunk>(model, caller, id, "update", guard)?.clone();
        let before = trunk.sub_ports.clone();
        change(model, &mut trunk, body)?;
        trunk.set_status("DOWN");
        let answer = render(&trunk, model, caller);
        let gone: Vec<_> = before.iter().filter(|old| !trunk.sub_ports.contains(old)).cloned().collect();
        let differs = trunk.sub_ports != before;
        model.trunks.insert(id.to_owned(), trunk);
        gone.iter().for_each(|subport| model.report(&subport.port_id));
        Ok((answer, differs))
    };
    let (answer, differs) = cloud.change(changed).await?;
    // Agents are told only of subports that came or went.
    if differs {
        cloud
            .change(|model| {
                model.wire_trunk(id);
                Ok(())
            })
            .await?;
    }
    Ok(Json(Value::Object(answer)).into_response())
}

/// `GET get_subports`.
async fn get_subports(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    cloud.read(|model| {
        let trunk = visible::<Trunk>(model, &caller, &id)?;
        Ok(Json(json!({"sub_ports": trunk.sub_ports})).into_response())
    })
}

/// A subport asked for.
#[derive(Debug)]
struct Wanted {
    port_id: String,
    details: Map<String, Value>,
}

impl Wanted {
    fn text(&self, key: &str) -> Option<String> {
        let value = self.details.get(key).filter(|value| !value.is_null())?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }
}

/// Reads a list of subports; the error is the reason.
fn parse(value: &Value) -> Result<Vec<Wanted>, String> {
    let list = value
        .as_array()
        .ok_or_else(|| format!("Invalid data format for subports: '{value}' is not a list"))?;
    let (mut ports, mut segments) = (BTreeSet::new(), BTreeSet::new());
    let mut all = Vec::new();
    for item in list {
        let details = item
            .as_object()
            .ok_or_else(|| format!("Invalid data format for subport: '{item}' is not a dict"))?
            .clone();
        let id = details.get("port_id").ok_or("A valid port UUID must be specified")?;
        let id = id.as_str().filter(|text| uuid::Uuid::parse_str(text).is_ok());
        let id = id.ok_or_else(|| format!("Invalid UUID for subport: '{}'", item["port_id"]))?.to_owned();
        if !ports.insert(id.clone()) {
            return Err(format!("Non unique UUID for subport: '{id}'"));
        }
        let wanted = Wanted { port_id: id, details };
        let (kind, number) = (wanted.text("segmentation_type"), wanted.text("segmentation_id"));
        if kind.as_deref() != Some("inherit") {
            if (kind.is_none() || number.is_none()) && wanted.details.len() > 1 {
                return Err(incomplete(&wanted));
            }
            if let Some(number) = number
                && !segments.insert((kind, number.clone()))
            {
                return Err(format!("Segmentation ID '{number}' for '{}' is not unique", wanted.port_id));
            }
        }
        all.push(wanted);
    }
    Ok(all)
}

fn incomplete(wanted: &Wanted) -> String {
    format!(
        "Invalid subport details '{}': missing segmentation information. Must specify both segmentation_id and \
         segmentation_type",
        Value::Object(wanted.details.clone())
    )
}

/// Checks, one after the other, that ports can become subports of a trunk on `parent`.
fn checked(model: &Model, caller: &Caller, parent: &str, wanted: Vec<Wanted>) -> Result<Vec<SubPort>, Fault> {
    wanted.into_iter().map(|wanted| check_subport(model, caller, parent, &wanted)).collect()
}

fn check_subport(model: &Model, caller: &Caller, parent: &str, wanted: &Wanted) -> Result<SubPort, Fault> {
    let id = &wanted.port_id;
    if id == parent {
        return Err(parent_in_use(id));
    }
    let network_of = |id: &str| model.ports.get(id).and_then(|port| model.networks.get(&port.network_id));
    let network = network_of(id);
    if let (Some(own), Some(most)) = (network.map(|n| n.mtu), network_of(parent).map(|n| n.mtu))
        && own > most
    {
        return Err(Fault::conflict(
            "SubPortMtuGreaterThanTrunkPortMtu",
            format!("MTU {own} of subport {id} cannot be greater than MTU {most} of trunk {parent}."),
        ));
    }
    let (mut kind, mut number) = (wanted.text("segmentation_type"), wanted.text("segmentation_id"));
    if let (Some("inherit"), Some(network)) = (kind.as_deref(), network) {
        kind = Some(network.network_type.clone());
        number = network.segmentation_id.map(|number| number.to_string());
    }
    let (Some(kind), Some(number)) = (kind, number) else { return Err(Fault::input(incomplete(wanted))) };
    let parsed: i64 = number.parse().map_err(|_| {
        Fault::input(format!("Invalid subport details: segmentation_id '{number}' is not an integer"))
    })?;
    if kind != "vlan" {
        return Err(Fault::input(format!("Unknown segmentation_type '{kind}'")));
    }
    let number = u16::try_from(parsed).ok().filter(|_| VLANS.contains(&parsed));
    let number = number.ok_or_else(|| Fault::input(format!("Segmentation ID '{parsed}' is not in range")))?;
    check_free(model, id)?;
    let port = visible::<Port>(model, caller, id)?;
    if !port.device_id.is_empty() {
        return Err(in_use(port));
    }
    Ok(SubPort { port_id: id.clone(), segmentation_type: kind, segmentation_id: number })
}

/// No trunk has the port in either way.
fn check_free(model: &Model, port_id: &str) -> Result<(), Fault> {
    if model.trunk_with(port_id).is_some() {
        let text = format!("Port {port_id} is in use by another trunk.");
        return Err(Fault::conflict("TrunkPortInUse", text));
    }
    if model.trunk_on(port_id).is_some() { Err(parent_in_use(port_id)) } else { Ok(()) }
}

/// Whether the port can become a parent: once it is bound it is too late.
fn check_parent(model: &Model, caller: &Caller, port_id: &str) -> Result<(), Fault> {
    check_free(model, port_id)?;
    let port = visible::<Port>(model, caller, port_id)?;
    if port.host_id.is_empty() { Ok(()) } else { Err(parent_in_use(port_id)) }
}

fn parent_in_use(port_id: &str) -> Fault {
    let text = format!("Port {port_id} is currently in use and is not eligible for use as a parent port.");
    Fault::conflict("ParentPortInUse", text)
}

fn check_enabled(trunk: &Trunk) -> Result<(), Fault> {
    let text = || format!("Trunk {} is currently disabled.", trunk.standard.id);
    if trunk.admin_state_up { Ok(()) } else { Err(Fault::conflict("TrunkDisabled", text())) }
}

/// Takes subports into a trunk unless a number is taken.
fn join(trunk: &mut Trunk, wanted: Vec<SubPort>) -> Result<(), Fault> {
    for new in wanted {
        if trunk.sub_ports.iter().any(|old| old.segmentation_id == new.segmentation_id) {
            return Err(Fault::conflict(
                "DuplicateSubPort",
                format!(
                    "segmentation_type {} and segmentation_id {} already in use on trunk {}.",
                    new.segmentation_type, new.segmentation_id, trunk.standard.id
                ),
            ));
        }
        trunk.sub_ports.push(new);
    }
    Ok(())
}

/// Refuses to delete what a trunk needs.
pub(crate) fn check_deletable(model: &Model, port_id: &str) -> Result<(), Fault> {
    if let Some(trunk) = model.trunk_with(port_id) {
        let text = format!("Port {port_id} is currently a subport for trunk {}.", trunk.standard.id);
        return Err(Fault::conflict("PortInUseAsSubPort", text));
    }
    if let Some(trunk) = model.trunk_on(port_id) {
        let text = format!("Port {port_id} is currently a parent port for trunk {}.", trunk.standard.id);
        return Err(Fault::conflict("PortInUseAsTrunkParent", text));
    }
    Ok(())
}
