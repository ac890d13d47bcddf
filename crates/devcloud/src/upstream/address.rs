//! Which service stands where.

use std::str::FromStr;

use url::Url;

use crate::error::Error;

/// The first parts of paths that belong to a service.
const PREFIXES: [&str; 4] = ["identity", "networking", "volume", "share"];

/// A service to stand in front of, written `networking=http://127.0.0.1:9696`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// First part of the paths that go there; it is taken off.
    pub(crate) prefix: &'static str,
    /// Host and port, as a `Host` header has them.
    pub(crate) authority: String,
    /// What comes before the rest of the path there, without a slash at its end.
    pub(crate) base: String,
}

impl FromStr for Upstream {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fail = |reason: String| Error::Upstream { text: text.to_owned(), reason };
        let (name, url) = text.split_once('=').ok_or_else(|| fail("it has no `=`".into()))?;
        let known = PREFIXES.into_iter().find(|prefix| *prefix == name);
        let prefix = known.ok_or_else(|| {
            fail(format!(
                "there is no service `{name}`, only {}",
                PREFIXES.map(|p| format!("`{p}`")).join(", ")
            ))
        })?;
        let url = Url::parse(url).map_err(|error| fail(error.to_string()))?;
        if url.scheme() != "http" {
            return Err(fail(format!("`{}` is not spoken here, only `http`", url.scheme())));
        }
        let host = url.host_str().ok_or_else(|| fail("it names no host".into()))?;
        let port = url.port_or_known_default().unwrap_or(80);
        let base = url.path().trim_end_matches('/').to_owned();
        Ok(Self { prefix, authority: format!("{host}:{port}"), base })
    }
}

impl Upstream {
    /// The path and query to ask for there, if the request belongs to this service.
    pub(crate) fn target(&self, path_and_query: &str) -> Option<String> {
        let rest = path_and_query.strip_prefix('/')?.strip_prefix(self.prefix)?;
        match rest.chars().next() {
            Some('/') => Some(format!("{}{rest}", self.base)),
            None | Some('?') => Some(format!("{}/{rest}", self.base)),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_taken_off_and_the_base_put_before() {
        let table = [
            ("networking=http://127.0.0.1:9696", "/networking/v2.0/ports?a=b", Some("/v2.0/ports?a=b")),
            ("networking=http://127.0.0.1:9696/", "/networking", Some("/")),
            ("networking=http://127.0.0.1:9696", "/networking/", Some("/")),
            ("networking=http://127.0.0.1:9696", "/networking?x=1", Some("/?x=1")),
            ("networking=http://127.0.0.1:9696", "/networkings", None),
            ("networking=http://127.0.0.1:9696", "/identity/v3", None),
            ("identity=http://127.0.0.1/keystone/", "/identity/v3", Some("/keystone/v3")),
        ];
        for (upstream, path, target) in table {
            let upstream: Upstream = upstream.parse().unwrap();
            assert_eq!(upstream.target(path).as_deref(), target, "{upstream:?} {path}");
        }
        let plain: Upstream = "identity=http://localhost".parse().unwrap();
        assert_eq!(plain.authority, "localhost:80");
    }

    #[test]
    fn a_service_that_is_none_and_an_address_that_is_none_are_refused() {
        for (bad, reason) in [
            ("networking", "no `=`"),
            ("neutron=http://127.0.0.1:9696", "no service `neutron`"),
            ("networking=127.0.0.1:9696", "cannot stand in front of"),
            ("networking=https://127.0.0.1:9696", "only `http`"),
        ] {
            let error = bad.parse::<Upstream>().unwrap_err().to_string();
            assert!(error.contains(reason), "{bad}: {error}");
            assert!(error.contains(bad), "{bad}: {error}");
        }
    }
}
