//! The INI dialect of oslo.config: kuryr.conf and fuxi.conf into typed settings.
//!
//! A [`Schema`] is a table of options in code. A [`Loader`] reads files, directories and environment
//! variables against it and yields either [`Loaded`] settings with warnings, or all [`Problem`]s at once,
//! each with file and line. [`Schema::sample`] prints the table as a commented file. The tables of this
//! project are in [`schemas`].
//!
//! ```
//! use oslo_config::{Loader, schemas};
//!
//! let loaded = Loader::new(&schemas::kuryr())
//!     .text("kuryr.conf", "[binding]\ndriver = vlan\nlink_iface = eth0 # VM vNIC\n")
//!     .env([("OS_NEUTRON__USERNAME", "admin")])
//!     .load()
//!     .map_err(|problems| problems[0].clone())?;
//! assert_eq!(loaded.get_str("binding", "link_iface")?, Some("eth0"));
//! assert_eq!(loaded.get_str("neutron", "username")?, Some("admin"));
//! assert_eq!(
//!     loaded.warnings()[0].to_string(),
//!     "kuryr.conf:2: [binding] driver: deprecated name, use [binding] default_driver"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where this differs from oslo.config
//!
//! * `[default]` is read as `[DEFAULT]`, with a warning (oslo.config ignores it).
//! * A comment behind a value is cut off where the option's type cannot contain one, with a warning:
//!   booleans, numbers, ports, durations, choices, URLs, interface, host and section names. Everywhere
//!   else ` # text` stays part of the value, as in oslo.config.
//! * `-` and `_` in keys mean the same in files too.
//! * Unknown keys and sections warn; bad values are told at start and not when first read.
//! * A circle of references is an error with its members, an unknown reference is told as written.
//! * A reference yields the text of the option it names (oslo.config prints the typed value: `True` for
//!   `yes`, a bracketed list for a list).
//! * `nan` and `inf` are no numbers.

mod comment;
mod interpolate;
mod loaded;
mod loader;
mod nearest;
mod problem;
mod resolve;
mod sample;
mod schema;
pub mod schemas;
mod sources;
pub mod syntax;
mod value;

pub use loaded::{Loaded, ReadError};
pub use loader::Loader;
pub use problem::{Cause, Origin, Problem, Severity};
pub use schema::{Choice, Group, Kind, OldName, Opt, Schema, moved, renamed};
pub use sources::{Found, Places};
