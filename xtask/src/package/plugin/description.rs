//! `config.json` of a managed plugin.
//!
//! Source: `PluginConfig` of Docker's API and docs/extend/config.md of its client.

use serde_json::{Value, json};

use super::Kind;
use super::rootfs::PROGRAM;

/// What Docker reads before it asks a user for the privileges.
pub(super) fn of(kind: Kind) -> Value {
    let mut types = Vec::new();
    if kind.has_networks() {
        types.extend(["docker.networkdriver/1.0", "docker.ipamdriver/1.0"]);
    }
    if kind.has_volumes() {
        types.push("docker.volumedriver/1.0");
    }
    json!({
        "description": match kind {
            Kind::Kuryr => "Networks and addresses on OpenStack Neutron",
            Kind::Fuxi => "Volumes on OpenStack Cinder and Manila",
            Kind::Openstack => "Networks on OpenStack Neutron, volumes on Cinder and Manila",
        },
        "entrypoint": entrypoint(kind),
        "workdir": "/",
        "interface": {
            "types": types,
            "socket": format!("{}.sock", kind.name()),
            "protocolScheme": "moby.plugins.http/v1",
        },
        "network": {"type": "host"},
        "env": environment(kind),
        "mounts": mounts(kind),
        "linux": {
            "capabilities": capabilities(kind),
            "allowAllDevices": kind.has_volumes(),
            "devices": [],
        },
        "pidhost": kind.has_volumes(),
        "ipchost": kind.has_volumes(),
        "propagatedMount": if kind.has_volumes() { "/fuxi/data" } else { "" },
    })
}

fn entrypoint(kind: Kind) -> Vec<&'static str> {
    let serve = [PROGRAM, "serve", "--from-environment"];
    let what = match kind {
        Kind::Kuryr => ["--only", "kuryr"],
        Kind::Fuxi => ["--only", "fuxi"],
        Kind::Openstack => ["--as-one", "openstack"],
    };
    serve.into_iter().chain(what).collect()
}

/// Beyond those of every container.
fn capabilities(kind: Kind) -> Vec<&'static str> {
    let mut capabilities = Vec::new();
    if kind.has_networks() {
        capabilities.push("CAP_NET_ADMIN");
    }
    if kind.has_volumes() {
        // To mount; to see in which other processes' mounts a volume is still in use.
        capabilities.extend(["CAP_SYS_ADMIN", "CAP_SYS_PTRACE"]);
    }
    capabilities
}

fn environment(kind: Kind) -> Vec<Value> {
    let unset = |name: &str, description: &str| json!({"name": name, "description": description, "settable": ["value"], "value": null});
    let mut all = vec![
        unset("IDENTITY_URL", "Keystone, for the SERVICE_ variables: http://HOST:5000/v3"),
        unset("SERVICE_USER", "User"),
        unset(
            "SERVICE_PASSWORD",
            "Password; everybody who may inspect plugins sees it, a file in /etc does not",
        ),
        unset("SERVICE_PROJECT_NAME", "Project"),
        unset("SERVICE_DOMAIN_NAME", "Domain of the project"),
        unset("USER_DOMAIN_NAME", "Domain of the user"),
        unset("SERVICE_CA_CERT", "PEM file of the authorities to trust"),
        unset("REGION", "Region"),
        unset("OS_AUTH_URL", "Keystone, for the OS_ variables"),
        unset("OS_APPLICATION_CREDENTIAL_ID", "Application credential"),
        unset("OS_APPLICATION_CREDENTIAL_SECRET", "Its secret"),
        unset("OS_CLOUD", "A cloud of /etc/openstack/clouds.yaml"),
        unset("OS_REGION_NAME", "Region, for the OS_ variables"),
        unset("OS_CACERT", "PEM file of the authorities to trust, for the OS_ variables"),
        unset("OS_DEFAULT__HOST", "This host's name in OpenStack, where it is not its own"),
        unset("LOG_LEVEL", "debug, info, warning or error"),
        unset("HTTP_SOCKET", "Accepted without effect, as are PROCESSES and THREADS"),
        unset("PROCESSES", "Accepted without effect"),
        unset("THREADS", "Accepted without effect"),
    ];
    if kind.has_networks() {
        all.push(unset("CAPABILITY_SCOPE", "local, or global for networks that a swarm's managers make"));
        all.push(unset("OS_BINDING__DRIVER", "In instances: vlan, macvlan or ipvlan"));
        all.push(unset("OS_BINDING__LINK_IFACE", "In instances: the interface, such as eth0"));
    }
    if kind.has_volumes() {
        all.push(unset("SERVICE_TENANT_NAME", "Project, as Fuxi calls it"));
        all.push(unset("SERVICE_TOKEN", "Token to authenticate with, where there is no user"));
        all.push(unset("OS_DEFAULT__MY_IP", "This host's address towards the storage"));
        all.push(unset("OS_DEFAULT__VOLUME_PROVIDERS", "cinder, manila or both"));
        all.push(unset(
            "OS_CINDER__DETACH_DELAY",
            "Seconds a volume stays attached after its last container",
        ));
        all.push(unset("OS_CINDER__VOLUME_CONNECTOR", "osbrick, or openstack in servers of Nova's"));
    }
    all
}

fn mounts(kind: Kind) -> Vec<Value> {
    let bind = |name: &str, source: &str, destination: &str, options: &[&str], description: &str| {
        json!({
            "name": name, "description": description, "type": "bind", "source": source,
            "destination": destination, "options": options, "settable": ["source"],
        })
    };
    let state = if kind == Kind::Fuxi { "/var/lib/fuxi" } else { "/var/lib/kuryr" };
    let mut all = vec![
        bind("state", state, "/var/lib/kuryr", &["rbind"], "The journal; it must outlive the plugin"),
        bind("log", "/var/log/kuryr", "/var/log/kuryr", &["rbind"], "log_file, if one is configured"),
    ];
    if kind.has_networks() {
        all.push(bind("openvswitch", "/run/openvswitch", "/run/openvswitch", &["rbind"], "Open vSwitch"));
        all.push(bind(
            "kuryr-conf",
            "/etc/kuryr",
            "/etc/kuryr",
            &["rbind", "ro"],
            "kuryr.conf, if there is one",
        ));
    }
    if kind.has_volumes() {
        all.push(bind("fuxi-conf", "/etc/fuxi", "/etc/fuxi", &["rbind", "ro"], "fuxi.conf, if there is one"));
        all.push(bind("dev", "/dev", "/dev", &["rbind", "rslave"], "Disks as they come"));
        all.push(bind("sys", "/sys", "/sys", &["rbind", "rslave"], "Which disk is which; to remove disks"));
        all.push(bind("udev", "/run/udev", "/run/udev", &["rbind", "ro"], "What udev knows of disks"));
        all.push(bind("lock", "/run/lock", "/run/lock", &["rbind"], "Turns taken with the host's iscsiadm"));
        all.push(bind("iscsi", "/etc/iscsi", "/etc/iscsi", &["rbind"], "This initiator's name and targets"));
        all.push(bind("nvme", "/etc/nvme", "/etc/nvme", &["rbind"], "This host's NQN and id"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_plugin_asks_for_no_more_than_links_and_three_directories_beside_its_journal() {
        let kuryr = of(Kind::Kuryr);
        assert_eq!(kuryr["linux"]["capabilities"], json!(["CAP_NET_ADMIN"]));
        assert_eq!(kuryr["linux"]["allowAllDevices"], false);
        assert_eq!(kuryr["pidhost"], false);
        assert_eq!(kuryr["network"]["type"], "host");
        let destinations: Vec<_> =
            kuryr["mounts"].as_array().unwrap().iter().map(|m| m["destination"].as_str().unwrap()).collect();
        assert_eq!(destinations, ["/var/lib/kuryr", "/var/log/kuryr", "/run/openvswitch", "/etc/kuryr"]);
    }

    #[test]
    fn all_that_can_be_said_with_set_has_a_name_of_its_own() {
        for kind in [Kind::Kuryr, Kind::Fuxi, Kind::Openstack] {
            let description = of(kind);
            let names: Vec<_> = ["env", "mounts"]
                .iter()
                .flat_map(|list| description[*list].as_array().unwrap())
                .map(|one| one["name"].as_str().unwrap().to_owned())
                .collect();
            let different: std::collections::BTreeSet<_> = names.iter().collect();
            assert_eq!(different.len(), names.len(), "{names:?}");
        }
    }
}
