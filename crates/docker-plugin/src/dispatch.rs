//! From the name of a method and the bytes of a body to a call of a driver.

use crate::{
    IpamDriver, NetworkDriver, PluginError, VolumeDriver,
    lenient::Request,
    network::EndpointInfoResponse,
    reply::Reply,
    volume::{
        CapabilitiesResponse, GetResponse, ListResponse, Lookup, MountpointResponse, VolumeCapabilities,
    },
};

/// The interface and the method of a request path, for example `VolumeDriver` and `Get` of `/VolumeDriver.Get`.
pub(crate) fn split_path(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix('/')?.split_once('.')
}

/// Reads a body that must not be empty.
fn read<T: Request>(body: &[u8]) -> Result<T, PluginError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        // Docker repeats a call whose connection broke, with an empty body.
        return Err(PluginError::new(
            "the request has no body, the call was repeated after a lost connection: try again",
        ));
    }
    let unreadable =
        |why: &str| PluginError::new(format!("cannot read the request: {why}, check the daemon's version"));
    // An array would do for a structure all of whose fields may be missing.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(unreadable("it is not a JSON object"));
    }
    let message: T = serde_json::from_slice(body).map_err(|error| unreadable(&error.to_string()))?;
    let missing = message.required().into_iter().find(|(_, value)| value.is_empty()).map(|(field, _)| field);
    match missing {
        None => Ok(message),
        Some(field) => {
            Err(PluginError::new(format!("the request has no {field}, check the daemon's version")))
        }
    }
}

/// Calls a method with what the body says, or says what is wrong with the body.
macro_rules! call {
    ($driver:ident.$method:ident, $body:ident) => {
        match read($body) {
            Ok(request) => $driver.$method(request).await,
            Err(error) => Err(error),
        }
    };
}

pub(crate) async fn network(driver: &dyn NetworkDriver, method: &str, body: &[u8]) -> Reply {
    match method {
        "GetCapabilities" => Reply::of(Ok(driver.capabilities())),
        "GwAllocCheck" => Reply::of(call!(driver.gw_alloc_check, body)),
        "AllocateNetwork" => Reply::of(call!(driver.allocate_network, body)),
        "FreeNetwork" => Reply::of_unit(call!(driver.free_network, body)),
        "CreateNetwork" => Reply::of_unit(call!(driver.create_network, body)),
        "DeleteNetwork" => Reply::of_unit(call!(driver.delete_network, body)),
        "CreateEndpoint" => Reply::of(call!(driver.create_endpoint, body)),
        "DeleteEndpoint" => Reply::of_unit(call!(driver.delete_endpoint, body)),
        "EndpointOperInfo" => {
            Reply::of(call!(driver.endpoint_info, body).map(|value| EndpointInfoResponse { value }))
        }
        "Join" => Reply::of(call!(driver.join, body)),
        "Leave" => Reply::of_unit(call!(driver.leave, body)),
        "ProgramExternalConnectivity" => Reply::of_unit(call!(driver.program_external_connectivity, body)),
        "RevokeExternalConnectivity" => Reply::of_unit(call!(driver.revoke_external_connectivity, body)),
        "DiscoverNew" => Reply::of_unit(call!(driver.discover_new, body)),
        "DiscoverDelete" => Reply::of_unit(call!(driver.discover_delete, body)),
        _ => Reply::NoSuchMethod,
    }
}

pub(crate) async fn ipam(driver: &dyn IpamDriver, method: &str, body: &[u8]) -> Reply {
    match method {
        "GetCapabilities" => Reply::of(Ok(driver.capabilities())),
        "GetDefaultAddressSpaces" => Reply::of(Ok(driver.default_address_spaces())),
        "RequestPool" => Reply::of(call!(driver.request_pool, body)),
        "ReleasePool" => Reply::of_unit(call!(driver.release_pool, body)),
        "RequestAddress" => Reply::of(call!(driver.request_address, body)),
        "ReleaseAddress" => Reply::of_unit(call!(driver.release_address, body)),
        _ => Reply::NoSuchMethod,
    }
}

pub(crate) async fn volume(driver: &dyn VolumeDriver, method: &str, body: &[u8]) -> Reply {
    match method {
        "Create" => Reply::of_unit(call!(driver.create, body)),
        "Get" => match read(body) {
            Ok(request) => match driver.get(request).await {
                Lookup::Found(volume) => Reply::of(Ok(GetResponse { volume })),
                Lookup::NotFound(error) => Reply::Failed(error),
                Lookup::Unknown(error) => Reply::Held(error),
            },
            Err(error) => Reply::Unanswered(error),
        },
        "List" => Reply::of(driver.list().await.map(|volumes| ListResponse { volumes })),
        "Path" => Reply::of(
            call!(driver.path, body).map(|path| MountpointResponse { mountpoint: path.unwrap_or_default() }),
        ),
        "Mount" => Reply::of(call!(driver.mount, body).map(|mountpoint| MountpointResponse { mountpoint })),
        "Unmount" => Reply::of_unit(call!(driver.unmount, body)),
        "Remove" => Reply::of_unit(call!(driver.remove, body)),
        "Capabilities" => {
            Reply::of(Ok(CapabilitiesResponse { capabilities: VolumeCapabilities { scope: driver.scope() } }))
        }
        _ => Reply::NoSuchMethod,
    }
}
