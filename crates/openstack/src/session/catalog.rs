//! The service catalog and the versioned endpoints computed from it.

use serde::Deserialize;
use url::Url;

use super::Token;
use crate::settings::{AuthSettings, Interface, ServiceType};
use crate::{Error, Result};

/// The catalog as it comes with a token.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Catalog(Vec<Service>);

#[derive(Debug, Deserialize)]
struct Service {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

#[derive(Debug, Deserialize)]
struct Endpoint {
    #[serde(default)]
    interface: String,
    #[serde(default)]
    region_id: Option<String>,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    url: String,
}

impl Catalog {
    /// The first match, by service name, then interface, in order of preference.
    fn find(&self, service: ServiceType, interfaces: &[Interface], region: Option<&str>) -> Option<&str> {
        let of_type = |kind: &'static str| self.0.iter().filter(move |s| s.kind == kind);
        let in_region = |e: &Endpoint| {
            region.is_none_or(|r| e.region_id.as_deref() == Some(r) || e.region.as_deref() == Some(r))
        };
        service.catalog_types().iter().find_map(|kind| {
            interfaces.iter().find_map(|interface| {
                of_type(kind)
                    .flat_map(|s| &s.endpoints)
                    .find(|e| e.interface == interface.as_str() && in_region(e))
                    .map(|e| e.url.as_str())
            })
        })
    }
}

/// The versioned endpoint of `service`, without a slash at its end. Computed for each call from the catalog as it
/// is: there is nothing that a new token could make us forget.
pub(super) fn endpoint(settings: &AuthSettings, token: &Token, service: ServiceType) -> Result<Url> {
    let mut url = match settings.endpoint_overrides.get(&service) {
        Some(url) => url.clone(),
        None => {
            let region = settings.region.as_deref();
            let text = token.catalog.find(service, &settings.interfaces, region).ok_or_else(|| {
                let names: Vec<_> = settings.interfaces.iter().map(|i| i.as_str()).collect();
                Error::NoEndpoint {
                    service: service.as_str(),
                    interface: names.join(" or "),
                    region: region.map_or_else(String::new, |r| format!(" in region {r}")),
                }
            })?;
            let usable =
                Url::parse(text).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
            usable.ok_or_else(|| Error::Decode {
                service: "identity",
                operation: "read the service catalog".to_owned(),
                reason: format!("the endpoint of {} is not a URL", service.as_str()),
            })?
        }
    };
    let path = versioned(url.path(), service, token.project_id.as_deref());
    url.set_path(&path);
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

fn versioned(path: &str, service: ServiceType, project: Option<&str>) -> String {
    let path = path.trim_end_matches('/');
    match service {
        ServiceType::Network => {
            let root = path.strip_suffix("/v2.0").unwrap_or(path);
            format!("{root}/v2.0")
        }
        // Old catalogs have the project at the end, and Nova serves that too.
        ServiceType::Compute => {
            let (root, rest) = split(path, service.major_version());
            format!("{root}/{}{rest}", service.major_version())
        }
        ServiceType::BlockStorage | ServiceType::SharedFileSystems => {
            let version = service.major_version();
            let (root, rest) = split(path, version);
            match (rest, project) {
                ("", Some(project)) => format!("{root}/{version}/{project}"),
                (rest, _) => format!("{root}/{version}{rest}"),
            }
        }
    }
}

/// With `v3`, `/volume/v3/p1` is `/volume` and `/p1`; without the version, everything is the root.
fn split<'a>(path: &'a str, version: &str) -> (&'a str, &'a str) {
    let segment = format!("/{version}");
    match path.find(&format!("{segment}/")) {
        Some(at) => {
            path.split_at_checked(at).map(|(root, rest)| (root, rest.get(segment.len()..).unwrap_or("")))
        }
        None => path.strip_suffix(&segment).map(|root| (root, "")),
    }
    .unwrap_or((path, ""))
}

/// Where a service says which microversions it knows: first the versioned root, then the bare one.
pub(super) fn version_roots(endpoint: &Url, service: ServiceType) -> [Url; 2] {
    let version = service.major_version();
    let (root, _) = split(endpoint.path(), version);
    [format!("{root}/{version}/"), format!("{root}/")].map(|path| {
        let mut url = endpoint.clone();
        url.set_path(&path);
        url
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_get_exactly_one_version_and_keep_their_project() {
        let net = |path| versioned(path, ServiceType::Network, Some("p1"));
        assert_eq!(net("/"), "/v2.0");
        assert_eq!(net("/networking/"), "/networking/v2.0");
        assert_eq!(net("/networking/v2.0/"), "/networking/v2.0");
        let vol = |path| versioned(path, ServiceType::BlockStorage, Some("p1"));
        assert_eq!(vol("/"), "/v3/p1");
        assert_eq!(vol("/volume"), "/volume/v3/p1");
        assert_eq!(vol("/volume/v3"), "/volume/v3/p1");
        assert_eq!(vol("/volume/v3/AUTH_p1/"), "/volume/v3/AUTH_p1");
        assert_eq!(versioned("/volume/v3", ServiceType::BlockStorage, None), "/volume/v3");
        let compute = |path| versioned(path, ServiceType::Compute, Some("p1"));
        assert_eq!(compute("/"), "/v2.1");
        assert_eq!(compute("/compute/v2.1/"), "/compute/v2.1");
        assert_eq!(compute("/compute/v2.1/p1"), "/compute/v2.1/p1");
        let share = |path| versioned(path, ServiceType::SharedFileSystems, Some("p1"));
        assert_eq!(share("/share"), "/share/v2/p1");
        assert_eq!(share("/share/v2/"), "/share/v2/p1");
        assert_eq!(share("/v2/p1"), "/v2/p1");
    }

    #[test]
    fn the_version_document_is_looked_for_beside_the_project() {
        let url = Url::parse("http://c:1/volume/v3/p1").unwrap();
        let [first, second] = version_roots(&url, ServiceType::BlockStorage);
        assert_eq!(first.as_str(), "http://c:1/volume/v3/");
        assert_eq!(second.as_str(), "http://c:1/volume/");
    }
}
