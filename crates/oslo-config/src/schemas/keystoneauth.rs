//! The options that keystoneauth adds to the section of a service: how to authenticate, how to connect,
//! which endpoint to use. Names follow `keystoneauth1.loading` (identity plugins, session, adapter).

use crate::schema::{Choice, Kind, Opt, renamed};

const HTTP: &[&str] = &["http", "https"];

const PLUGINS: &[Choice] = &[
    Choice::new("password"),
    Choice::new("v3password"),
    Choice::new("token"),
    Choice::new("v3token"),
    Choice::new("v3applicationcredential"),
];

const INTERFACES: &[Choice] = &[
    Choice::or("public", &["publicURL"]),
    Choice::or("internal", &["internalURL"]),
    Choice::or("admin", &["adminURL"]),
];

const AUTH_TYPE_HELP: &str =
    "How to authenticate with Keystone. A trust is the password or token type with trust_id.";

const AUTH_TYPE: Opt =
    Opt::new("auth_type", Kind::Choice(PLUGINS), AUTH_TYPE_HELP).deprecated(&[renamed("auth_plugin")]);

/// For sections whose predecessor registered `password` as the default.
pub(super) const TYPE_PASSWORD: &[Opt] = &[AUTH_TYPE.default("password")];

/// `auth_section` of a service; the section it names may hold [`PLUGIN`].
pub(super) const SECTION: &[Opt] = &[Opt::new(
    "auth_section",
    Kind::Section(PLUGIN),
    "Name of the section from which to take auth_type and all that belongs to it.",
)];

const fn text(name: &'static str, help: &'static str) -> Opt {
    Opt::new(name, Kind::Text, help)
}

/// What authenticates: the type and the options of the identity plugins. A group whose tables name
/// another default for the type first keeps that one.
pub(super) const PLUGIN: &[Opt] = &[
    AUTH_TYPE,
    AUTH_URL,
    USERNAME,
    USER_ID,
    USER_DOMAIN_NAME,
    USER_DOMAIN_ID,
    PASSWORD,
    TOKEN,
    PROJECT_NAME,
    PROJECT_ID,
    PROJECT_DOMAIN_NAME,
    PROJECT_DOMAIN_ID,
    DOMAIN_NAME,
    DOMAIN_ID,
    DEFAULT_DOMAIN_NAME,
    DEFAULT_DOMAIN_ID,
    SYSTEM_SCOPE,
    TRUST_ID,
    CREDENTIAL_ID,
    CREDENTIAL_NAME,
    CREDENTIAL_SECRET,
];

const AUTH_URL: Opt =
    Opt::new("auth_url", Kind::Url(HTTP), "URL of Keystone, such as http://127.0.0.1:5000/v3.");
const USERNAME: Opt = text("username", "Name of the user.").deprecated(&[renamed("user_name")]);
const USER_ID: Opt = text("user_id", "Id of the user, instead of name and domain.");
const USER_DOMAIN_NAME: Opt = text("user_domain_name", "Name of the user's domain.");
const USER_DOMAIN_ID: Opt = text("user_domain_id", "Id of the user's domain.");
const PASSWORD: Opt = text("password", "Password of the user.").secret();
const TOKEN: Opt = text("token", "Token to authenticate with.").secret();
const PROJECT_NAME: Opt =
    text("project_name", "Name of the project to work in.").deprecated(&[renamed("tenant_name")]);
const PROJECT_ID: Opt =
    text("project_id", "Id of the project to work in.").deprecated(&[renamed("tenant_id")]);
const PROJECT_DOMAIN_NAME: Opt = text("project_domain_name", "Name of the project's domain.");
const PROJECT_DOMAIN_ID: Opt = text("project_domain_id", "Id of the project's domain.");
const DOMAIN_NAME: Opt = text("domain_name", "Name of the domain to work in, instead of a project.");
const DOMAIN_ID: Opt = text("domain_id", "Id of the domain to work in, instead of a project.");
const DEFAULT_DOMAIN_NAME: Opt =
    text("default_domain_name", "Domain of user and project where theirs is not given, by name.");
const DEFAULT_DOMAIN_ID: Opt =
    text("default_domain_id", "Domain of user and project where theirs is not given, by id.");
const SYSTEM_SCOPE: Opt = text("system_scope", "Scope of a system token, 'all'.");
const TRUST_ID: Opt = text("trust_id", "Id of a trust to use; the trust decides the project.");
const CREDENTIAL_ID: Opt = text("application_credential_id", "Id of an application credential.");
const CREDENTIAL_NAME: Opt =
    text("application_credential_name", "Name of an application credential of the given user.");
const CREDENTIAL_SECRET: Opt =
    text("application_credential_secret", "Secret of the application credential.").secret();

/// Options of the connection.
pub(super) const SESSION: &[Opt] = &[
    Opt::new("cafile", Kind::Path, "PEM file of the authorities to trust, instead of the system's."),
    Opt::new("certfile", Kind::Path, "PEM file of the client certificate."),
    Opt::new("keyfile", Kind::Path, "PEM file of the client certificate's key."),
    Opt::new("insecure", Kind::Boolean, "Do not verify the servers' certificates. For tests only.")
        .default("false"),
    Opt::new("timeout", Kind::Seconds, "Deadline of one request.").default("20"),
    session_ignored("collect_timing", "timings are always measured"),
    session_ignored("split_loggers", "log messages always name their part of the program"),
    session_ignored("tls_min_version", "TLS 1.2 and 1.3 are spoken"),
    session_ignored("tls_ciphers", "only the ciphers of TLS 1.2 and 1.3 that are safe are offered"),
];

const fn session_ignored(name: &'static str, why: &'static str) -> Opt {
    Opt::new(name, Kind::Text, "Accepted without effect.").ignored(why)
}

/// Options of the endpoint.
pub(super) const ENDPOINT: &[Opt] = &[
    text("region_name", "Region whose endpoint to take from the catalog. Without it the first one."),
    Opt::new(
        "valid_interfaces",
        Kind::ListOf(INTERFACES),
        "Interfaces whose endpoint to take from the catalog, in order of preference.",
    )
    .default("public")
    .aliases(&["interface", "endpoint_type"]),
    Opt::new("endpoint_override", Kind::Url(HTTP), "URL of the service, instead of the catalog's."),
];
