//! The embedded development cloud: Keystone, Neutron, Cinder, Manila and Nova's servers over one in-memory model.
//!
//! [`DevCloud::start`] listens on one address: `/identity/v3`, `/networking/v2.0`, `/volume/v3`, `/share/v2`,
//! `/compute/v2.1`, `/metadata/{server}`, and `/admin` for whoever runs it. Where it behaves differently from the real
//! services, it is wrong.
//!
//! # Who there is
//! Users `admin` (role `admin` in the projects `admin` and `demo`), `demo` (member of `demo`) and `service` (roles
//! `admin` and `service` in `service`; its password is the administrator's), all in the domain `Default`; one
//! application credential of `admin` ([`APPLICATION_CREDENTIAL_ID`]); one trust from `demo` to `service`
//! ([`TRUST_ID`]). Ids are the same in every run. Tokens do not outlive the process.
//!
//! # The admin interface
//! For callers on this machine, without a token, neither logged nor disturbed by faults:
//!
//! | call | meaning |
//! |---|---|
//! | `GET /admin/ready` | 200 as soon as it listens; on a front before [`upstream`] services as soon as they answer |
//! | `POST /admin/faults` | `{"service"?, "method"?, "path", "nth"=1, "count"=1 (0: all), "action"}` gives `{"id"}`; `path` may hold `*` and is matched against the whole path and the path within the service (`/v2.0/ports`) |
//! | | actions, which combine: `delay_ms`, `status` with `body` and `headers`, `drop`, `lose_answer`, `hold` (`before` or `after` the service acts) |
//! | `GET`, `DELETE /admin/faults` | the rules with how often each matched; forgets them and releases whoever waits |
//! | `GET /admin/holds`, `POST /admin/holds/{id}/release` | who waits; lets one go |
//! | `GET /admin/log?since=N`, `DELETE /admin/log` | `{"last", "entries"}`: requests after number N, without secrets; forgets them, numbers go on |
//! | `POST /admin/log/marker` | `{"text"}` puts a mark into the log and gives its number `{"n"}` |
//! | `POST /admin/servers` | `{"id"?, "name"?, "project"?, "status"?, "host"?}` makes or changes a server of Nova's and shows it; the status `DELETED` ends it; 501 before upstream services |
//! | `GET /admin/state` | the whole model as lists, for leak checks, and `projects` by name; 501 before upstream services |
//! | `POST /admin/tokens/revoke` | `{"token"?, "user"?}`; empty: all tokens; 501 before upstream services |
//! | `GET`, `POST /admin/options` | `latency_ms`; of the services of this process also `vif_type`, `vif_type_by_host`, `vif_type_by_network`, `ovs_bridge`, `ovs_hybrid_plug`, `sriov_hosts`, `dhcp_delay_ms`, `max_allowed_address_pair`, `agents_away`, `demo_is_admin`, `volume_faults`, `share_faults`, `servers` |
//! | `POST /admin/shares/{id}/move` | `{"host"}`: the share is exported from another address from now on |
//! | `POST /admin/shares/{id}/resync` | the storage applies the share's rules again: `active` ones are `applying` for a while |

mod admin;
pub mod bridges;
pub mod caller;
pub mod cinder;
mod clock;
pub mod datapath;
mod error;
mod front;
pub mod gluster_shares;
mod keystone;
mod listener;
pub mod loop_volumes;
pub mod manila;
mod model;
mod neutron;
mod nova;
mod options;
mod python_literal;
mod seeds;
mod server;
mod store;
pub mod upstream;
mod words;

pub use error::{Error, Result};
pub use keystone::{APPLICATION_CREDENTIAL_ID, APPLICATION_CREDENTIAL_NAME, TRUST_ID};
pub use options::Options;
pub use server::{DevCloud, Running};
