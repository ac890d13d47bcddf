//! fuxi.conf.

use super::keystoneauth as auth;
use super::logging::LOGGING;
use crate::schema::{Choice, Kind, Opt, Schema};

/// The options of fuxi.conf.
pub fn fuxi() -> Schema {
    let service: [&[Opt]; 4] = [auth::SECTION, auth::PLUGIN, auth::ENDPOINT, auth::SESSION];
    let with = |own: &'static [Opt], auth_type: &'static [Opt]| -> Vec<&'static [Opt]> {
        [own, auth_type].into_iter().chain(service).collect()
    };
    Schema::new("fuxi")
        .group("DEFAULT", "", &[DEFAULT, super::TLS, super::OWN, LOGGING])
        .group("cinder", "Volumes of Cinder.", &with(CINDER, auth::TYPE_PASSWORD))
        .group(
            "nova",
            "Nova, for volume_connector = openstack. Credentials of the project that this machine's server is in; \
             auth_section = cinder takes Cinder's.",
            &with(NOVA, &[]))
        .group("manila", "Shares of Manila.", &with(MANILA, &[]))
        .group("keystone", "Credentials for all services whose own section has none.", &with(KEYSTONE, &[]))
}

const PROVIDERS: &[Choice] = &[Choice::new("cinder"), Choice::new("manila")];
const CONNECTORS: &[Choice] = &[Choice::new("osbrick"), Choice::new("openstack")];
const SHARE_CONNECTORS: &[Choice] = &[Choice::new("osbrick")];
const SHARE_PROTOCOLS: &[Choice] = &[
    Choice::or("NFS", &["nfs"]),
    Choice::or("CIFS", &["cifs"]),
    Choice::or("CEPHFS", &["cephfs"]),
    Choice::or("GLUSTERFS", &["glusterfs"]),
];

const DEFAULT: &[Opt] = &[
    Opt::new(
        "my_ip",
        Kind::Host,
        "Address of this host towards the storage network. Shares over NFS need it.",
    ),
    Opt::new(
        "fuxi_port",
        Kind::Port,
        "Port to listen on by TCP, on 127.0.0.1. Without it, fuxi_uri and enable_ssl only the unix socket is served.",
    )
    .default("7879"),
    Opt::new(
        "fuxi_uri",
        Kind::Url(&["http", "https"]),
        "Host and port to listen on by TCP, in place of fuxi_port; enable_ssl decides about TLS. An addition of this \
         project, like the options of TLS.",
    ),
    Opt::new("volume_dir", Kind::Path, "Directory below which volumes are mounted.").default("/fuxi/data"),
    Opt::new(
        "volume_providers",
        Kind::ListOf(PROVIDERS),
        "Volume services to use; the first is the default one.",
    ),
    Opt::new("volume_from", Kind::Text, "Mark in the metadata of volumes that are created.").default("fuxi"),
    Opt::new(
        "default_volume_size",
        Kind::Integer { min: Some(1), max: None },
        "Size in GiB of volumes that are created without a size.",
    )
    .default("1"),
    Opt::new(
        "implicit_create",
        Kind::Boolean,
        "Whether docker run makes a volume it does not know; otherwise only docker volume create with options does.",
    )
    .default("true"),
    Opt::new("threaded", Kind::Text, "Accepted without effect.")
        .ignored("requests are always served in parallel"),
    Opt::new("rootwrap_config", Kind::Text, "Accepted without effect.")
        .ignored("rootwrap is not used, the service needs its privileges itself"),
];

const REGION: Opt = Opt::new(
    "region_name",
    Kind::Text,
    "Region whose endpoint to take from the catalog. Without it the first one.",
)
.default_env("REGION");

const CINDER: &[Opt] = &[
    REGION,
    Opt::new(
        "volume_connector",
        Kind::Choice(CONNECTORS),
        "How volumes reach this host: osbrick connects them here, openstack attaches them to this VM through Nova.",
    )
    .default("osbrick"),
    Opt::new("availability_zone", Kind::Text, "Availability zone of volumes that are created."),
    Opt::new("volume_type", Kind::Text, "Type of volumes that are created."),
    Opt::new("fstype", Kind::Word, "File system of volumes that are created.").default("ext4"),
    Opt::new("multiattach", Kind::Boolean, "Whether volumes that are created allow several attachments.")
        .default("false"),
    Opt::new(
        "multiattach_type",
        Kind::Text,
        "Type of volumes that allow several attachments. Without it the only type there is that does.",
    ),
    Opt::new("all_tenants", Kind::Boolean, "Look for volumes in all projects; administrators only.")
        .default("true"),
    Opt::new(
        "detach_delay",
        Kind::Seconds,
        "How long a volume stays attached after its last container, in case the next one follows at once.",
    )
    .default("5"),
];

const NOVA: &[Opt] = &[
    REGION,
    Opt::new(
        "metadata_url",
        Kind::Url(&["http"]),
        "Metadata service that tells which server this machine is; config drive and firmware must agree with it.",
    )
    .default("http://169.254.169.254"),
];

const MANILA: &[Opt] = &[
    REGION,
    Opt::new("volume_connector", Kind::Choice(SHARE_CONNECTORS), "How shares reach this host.")
        .default("osbrick"),
    Opt::new("share_proto", Kind::Choice(SHARE_PROTOCOLS), "Protocol of shares that are created.")
        .default("NFS"),
    Opt::new(
        "proto_access_type_map",
        Kind::Dict,
        "Type of the access rules per protocol, such as NFS:ip,GLUSTERFS:cert.",
    )
    .default(""),
    Opt::new("availability_zone", Kind::Text, "Availability zone of shares that are created."),
    Opt::new("share_type", Kind::Text, "Type of shares that are created. Without it Manila's default."),
    Opt::new(
        "share_network",
        Kind::Text,
        "Id of the share network of shares that are created, for types that need one.",
    ),
    Opt::new("access_to_for_cert", Kind::Text, "Common name of this host's certificate for GlusterFS.")
        .default(""),
    Opt::new(
        "access_to_for_cephx",
        Kind::Text,
        "Ceph id of this host for CephFS. Without it volume_from and the host's name.",
    ),
    Opt::new("cifs_user", Kind::Text, "User for shares over CIFS."),
    Opt::new("cifs_password", Kind::Text, "Password of cifs_user.").secret(),
];

/// Options of releases before keystoneauth; used when a section's own are incomplete.
const KEYSTONE: &[Opt] = &[
    Opt::new("region", Kind::Text, "Region, for services whose section names none.").default_env("REGION"),
    Opt::new("auth_url", Kind::Url(&["http", "https"]), "URL of Keystone.").default_env("IDENTITY_URL"),
    Opt::new("admin_user", Kind::Text, "Name of the user.").default_env("SERVICE_USER"),
    Opt::new("admin_tenant_name", Kind::Text, "Name of the project.").default_env("SERVICE_TENANT_NAME"),
    Opt::new("admin_password", Kind::Text, "Password of the user.").secret().default_env("SERVICE_PASSWORD"),
    Opt::new("admin_token", Kind::Text, "Token to authenticate with, where there is no user.")
        .secret()
        .default_env("SERVICE_TOKEN"),
    Opt::new("auth_ca_cert", Kind::Path, "PEM file of the authorities to trust.")
        .default_env("SERVICE_CA_CERT"),
    Opt::new(
        "auth_insecure",
        Kind::Boolean,
        "Do not verify Keystone's certificate. (The Python program had true as its default.)",
    )
    .default("false"),
];
